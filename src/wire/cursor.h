/*
 * The one way wire/ reads bytes: a cursor that knows its end. No parser does
 * pointer arithmetic of its own, and no read goes past `end`.
 *
 * Private to the codecs of this folder. Pure; any thread.
 */
#ifndef FOREBAY_WIRE_CURSOR_H
#define FOREBAY_WIRE_CURSOR_H

#include "base/slice.h"
#include "http/byte.h"

struct cursor {
	const char *at; /* the next byte to read */
	const char *end; /* behind the last */
};

static inline struct cursor
cursor_over(struct slice s)
{
	return (struct cursor){ s.at, s.len ? s.at + s.len : s.at };
}

static inline size_t
cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

/* The next byte, 0 to 255, or -1 at the end. */
static inline int
cursor_peek(const struct cursor *c)
{
	return c->at < c->end ? (unsigned char)*c->at : -1;
}

/* Moves over one byte; the caller has peeked at it. */
static inline void
cursor_skip(struct cursor *c)
{
	c->at += c->at < c->end;
}

/* Whether the text comes next; if so, moves behind it. */
static inline bool
cursor_take(struct cursor *c, struct slice text)
{
	if (cursor_left(c) < text.len || memcmp(c->at, text.at, text.len) != 0)
		return false;
	c->at += text.len;
	return true;
}

/* The longest run of bytes of a class, which the cursor moves behind. */
static inline struct slice
cursor_run(struct cursor *c, enum byte_class wanted)
{
	const char *start = c->at;

	while (c->at < c->end && byte_is(*c->at, wanted))
		c->at++;
	return slice_make(start, (size_t)(c->at - start));
}

/* As cursor_run(c, BYTE_VALUE), for long runs: sixteen bytes at a time where the CPU can. */
struct slice cursor_run_value(struct cursor *c);

/* Moves over spaces and tabs. */
static inline void
cursor_skip_blanks(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
		c->at++;
}

#endif
