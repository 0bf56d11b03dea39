/*
 * UTF-8 as RFC 3629 has it, strictly: no overlong forms, no surrogates, nothing
 * above U+10FFFF. Pure functions, for any thread.
 */
#ifndef FOREBAY_BASE_UTF8_H
#define FOREBAY_BASE_UTF8_H

#include "base/slice.h"
#include "base/writer.h"

/* How many bytes of s, from its start, are whole and valid characters. */
size_t utf8_prefix(struct slice s);

static inline bool
utf8_is_valid(struct slice s)
{
	return utf8_prefix(s) == s.len;
}

/* Bytes of the character at the start of s, 1 to 4; 0 if there is no whole and valid one. */
size_t utf8_length(struct slice s);
/* Appends one character. code must be at most 0x10FFFF and no surrogate. */
void utf8_write(struct writer *w, uint32_t code);

#endif
