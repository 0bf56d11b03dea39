/*
 * For tests of compress/: what coded bytes mean, by the libraries' own decoders.
 */
#ifndef FOREBAY_TESTS_COMPRESS_DECODE_H
#define FOREBAY_TESTS_COMPRESS_DECODE_H

#include "base/slice.h"
#include "http/coding.h"

/* The bytes that `coded` begins with, as far as it goes, into memory; *is_whole: it ends there as
 * it should. Fails the test when it is no such coding. Returns how many. For gzip and zstd. */
size_t decode(enum coding c, struct slice coded, char *memory, size_t cap, bool *is_whole);
/* Whether decode() knows it in this build. */
bool decode_can(enum coding c);

#endif
