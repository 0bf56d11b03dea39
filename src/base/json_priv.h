/*
 * How the parts of JSON walk a text: json.c (the check), json_find.c (paths) and
 * json_string.c (escapes, both ways). Nothing here reads outside the text, whatever it is.
 */
#ifndef FOREBAY_BASE_JSON_PRIV_H
#define FOREBAY_BASE_JSON_PRIV_H

#include "base/slice.h"
#include "base/writer.h"

#include <endian.h>

#define JSON_EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

enum { JSON_ESCAPE_BYTES = 6 }; /* of \uXXXX */

struct json_scan {
	const char *at, *end; /* borrowed */
};

static inline struct json_scan
json_scan_over(struct slice s)
{
	/* Not even zero may be added to a NULL pointer. */
	return (struct json_scan){ s.at, s.len ? s.at + s.len : s.at };
}

static inline size_t
json_room(const struct json_scan *s)
{
	return (size_t)(s->end - s->at);
}

/* The next byte; NUL, which starts nothing in JSON, at the end. */
static inline char
json_peek(const struct json_scan *s)
{
	return s->at < s->end ? *s->at : '\0';
}

static inline bool
json_is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline void
json_skip_space(struct json_scan *s)
{
	while (s->at < s->end && json_is_space(*s->at))
		s->at++;
}

static inline bool
json_is_plain(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

/*
 * Skips what stands for itself in a string: ASCII but quotes, backslashes and controls.
 * Eight bytes at a time: subtracting sets the high bit of a byte that was below the
 * subtrahend; it may also set those above it by the borrow, so only the lowest is right.
 * A byte from 0x80 on keeps its high bit through at least one of the two exclusive ors.
 */
static inline void
json_skip_plain(struct json_scan *s)
{
	while (json_room(s) >= sizeof(uint64_t)) {
		uint64_t word, quote, backslash, odd;

		memcpy(&word, s->at, sizeof(word));
		word = le64toh(word);
		quote = word ^ JSON_EACH_BYTE('"');
		backslash = word ^ JSON_EACH_BYTE('\\');
		odd = ((word - JSON_EACH_BYTE(0x20)) | (quote - JSON_EACH_BYTE(1)) |
		       (backslash - JSON_EACH_BYTE(1))) &
		      JSON_EACH_BYTE(0x80);
		if (odd) {
			s->at += __builtin_ctzll(odd) / 8;
			return;
		}
		s->at += sizeof(word);
	}
	while (s->at < s->end && json_is_plain(*s->at))
		s->at++;
}

/* Compares the bytes between a string's quotes, unescaped, with a name. */
bool json_is_named(struct slice inner, struct slice name);

#endif
