/*
 * A borrowed run of bytes: pointer and length, not terminated. What a peer
 * sent is only ever looked at through slices.
 */
#ifndef FOREBAY_BASE_SLICE_H
#define FOREBAY_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *at; /* borrowed; may be NULL only when len is 0 */
	size_t len;
};

/* A slice of a string literal, and its form for static initialisers. */
#define SLICE(literal) ((struct slice){ "" literal, sizeof(literal) - 1 })
#define SLICE_INIT(literal)                                                                        \
	{                                                                                          \
		"" literal, sizeof(literal) - 1                                                    \
	}
/* For printf: printf("%.*s", SLICE_PRINT(s)). */
#define SLICE_PRINT(s) (int)((s).len > 4096 ? 4096 : (s).len), ((s).at ? (s).at : "")

static inline struct slice
slice_of(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline struct slice
slice_make(const char *at, size_t len)
{
	return (struct slice){ at, len };
}

static inline bool
slice_is_empty(struct slice s)
{
	return s.len == 0;
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool
slice_has_prefix(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0);
}

static inline bool
slice_has_suffix(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len &&
	       (suffix.len == 0 || memcmp(s.at + (s.len - suffix.len), suffix.at, suffix.len) == 0);
}

/* The rest of s after its first n bytes; empty if it is shorter. */
static inline struct slice
slice_after(struct slice s, size_t n)
{
	return n >= s.len ? (struct slice){ s.at + s.len, 0 }
			  : (struct slice){ s.at + n, s.len - n };
}

static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool
ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The value of a hexadecimal digit, or -1. */
static inline int
ascii_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether `bytes` is the lower-case `word`, ASCII case ignored: the two may differ
 * in the case bit alone, and only where the word has a letter. */
static inline bool
ascii_is_word8(const char *bytes, const char *word)
{
	uint64_t a, b;

	memcpy(&a, bytes, sizeof(a));
	memcpy(&b, word, sizeof(b));
	return ((a ^ b) & ~((b & 0x4040404040404040) >> 1)) == 0;
}

static inline bool
ascii_is_word4(const char *bytes, const char *word)
{
	uint32_t a, b;

	memcpy(&a, bytes, sizeof(a));
	memcpy(&b, word, sizeof(b));
	return ((a ^ b) & ~((b & 0x40404040) >> 1)) == 0;
}

/* As slice_eq_nocase, where b is known to be of lower-case letters, digits and
 * '-': by words, the last of which overlaps the one before it. */
static inline bool
slice_eq_lower(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	if (a.len >= 8) {
		for (size_t i = 0; i + 8 < a.len; i += 8) {
			if (!ascii_is_word8(a.at + i, b.at + i))
				return false;
		}
		return ascii_is_word8(a.at + a.len - 8, b.at + b.len - 8);
	}
	if (a.len >= 4)
		return ascii_is_word4(a.at, b.at) &&
		       ascii_is_word4(a.at + a.len - 4, b.at + b.len - 4);
	for (size_t i = 0; i < a.len; i++) {
		if (ascii_lower(a.at[i]) != b.at[i])
			return false;
	}
	return true;
}

/* ASCII case is ignored, as for field names (RFC 9110 5.1). */
bool slice_eq_nocase(struct slice a, struct slice b);
/* Where c first stands, or s.len. */
size_t slice_find(struct slice s, char c);
/* Without spaces and tabs at either end. */
struct slice slice_trim(struct slice s);
/* Cuts *rest at the first `separator`: returns what stood before it. */
struct slice slice_cut(struct slice *rest, char separator);
/* Decimal digits only, the whole slice, no sign; ERR_SYNTAX or ERR_TOO_LARGE. */
int slice_to_u64(struct slice s, uint64_t *value) __attribute__((warn_unused_result));
/* <0, 0, >0 as memcmp, a shorter prefix first. */
int slice_compare(struct slice a, struct slice b);

#endif
