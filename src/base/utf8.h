/*
 * Is it UTF-8? Shortest forms alone, no surrogates, nothing above U+10FFFF
 * (RFC 3629). Pure; for configuration, results taken as text, and JSON.
 */
#ifndef FOREBAY_BASE_UTF8_H
#define FOREBAY_BASE_UTF8_H

#include "base/slice.h"

/* How many bytes of s, from its start, are whole and valid characters. */
size_t utf8_prefix(struct slice s);

static inline bool
utf8_is_valid(struct slice s)
{
	return utf8_prefix(s) == s.len;
}

#endif
