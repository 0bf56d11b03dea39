/*
 * SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): a hash that
 * nobody who does not know its key can aim. For tables whose keys peers choose. Pure; any thread.
 */
#ifndef FOREBAY_BASE_SIPHASH_H
#define FOREBAY_BASE_SIPHASH_H

#include "base/slice.h"

struct siphash_key {
	uint64_t half[2];
};

uint64_t siphash(const struct siphash_key *key, struct slice text);

#endif
