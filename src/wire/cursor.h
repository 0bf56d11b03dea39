/*
 * The one way wire/ reads bytes: a cursor that knows its end. No parser does
 * pointer arithmetic of its own, and no read goes past `end`.
 *
 * SSE2 belongs to every x86-64 CPU, so nothing is detected at run time;
 * elsewhere the byte table does the same, one byte at a time.
 *
 * Private to the codecs of this folder. Pure; any thread.
 */
#ifndef FOREBAY_WIRE_CURSOR_H
#define FOREBAY_WIRE_CURSOR_H

#include "base/slice.h"
#include "http/byte.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct cursor {
	const char *at; /* the next byte to read */
	const char *end; /* behind the last */
	const char *start; /* the first: from here to `end` bytes may be read again */
};

static inline struct cursor
cursor_over(struct slice s)
{
	return (struct cursor){ .at = s.at, .end = s.len ? s.at + s.len : s.at, .start = s.at };
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

/* Moves over one byte, if there is one. */
static inline void
cursor_skip(struct cursor *c)
{
	c->at += c->at < c->end;
}

/* Moves over n bytes that have been looked at, and so are there. */
static inline void
cursor_move(struct cursor *c, size_t n)
{
	c->at += n < cursor_left(c) ? n : cursor_left(c);
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

enum { CURSOR_BLOCK = 16 };

#ifdef __SSE2__
static inline __m128i
cursor_load(const char *at)
{
	return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* Bit i is set when byte i is `wanted`. */
static inline unsigned
cursor_equal(__m128i bytes, char wanted)
{
	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted)));
}

/* Bit i is set when byte i cannot stand in a field value: a control but tab. */
static inline unsigned
cursor_controls(__m128i bytes)
{
	__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
	__m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
	__m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del));
}

/*
 * Whether the last block of the input may be loaded, for a cursor with less
 * than a block left: it begins with bytes that were read before, and *skip of
 * its bits are theirs.
 */
static inline bool
cursor_has_last_block(const struct cursor *c, unsigned *skip)
{
	*skip = (unsigned)(CURSOR_BLOCK - cursor_left(c));
	return c->end - c->start >= CURSOR_BLOCK;
}

/* Where `wanted` stands in the next CURSOR_BLOCK bytes; CURSOR_BLOCK when it is
 * not there or nobody could look. */
static inline size_t
cursor_find_near(const struct cursor *c, char wanted)
{
	unsigned found = 0, skip;

	if (cursor_left(c) >= CURSOR_BLOCK)
		found = cursor_equal(cursor_load(c->at), wanted);
	else if (cursor_has_last_block(c, &skip))
		found = cursor_equal(cursor_load(c->end - CURSOR_BLOCK), wanted) >> skip;
	return found ? (size_t)__builtin_ctz(found) : CURSOR_BLOCK;
}

/* As cursor_run(c, BYTE_VALUE), a block at a time. */
static inline struct slice
cursor_run_value(struct cursor *c)
{
	const char *start = c->at;
	unsigned found = 0, skip;

	while (!found && cursor_left(c) >= CURSOR_BLOCK) {
		found = cursor_controls(cursor_load(c->at));
		c->at += found ? __builtin_ctz(found) : CURSOR_BLOCK;
	}
	if (!found && cursor_has_last_block(c, &skip)) {
		found = cursor_controls(cursor_load(c->end - CURSOR_BLOCK)) >> skip;
		c->at = found ? c->at + __builtin_ctz(found) : c->end;
	} else if (!found) {
		cursor_run(c, BYTE_VALUE);
	}
	return slice_make(start, (size_t)(c->at - start));
}
#else
static inline size_t
cursor_find_near(const struct cursor *c, char wanted)
{
	(void)c;
	(void)wanted;
	return CURSOR_BLOCK;
}

static inline struct slice
cursor_run_value(struct cursor *c)
{
	return cursor_run(c, BYTE_VALUE);
}
#endif

/* Moves over spaces and tabs. */
static inline void
cursor_skip_blanks(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
		c->at++;
}

#endif
