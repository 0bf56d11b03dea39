/*
 * A bounded append-only writer: the one way to build text. It never writes
 * past its memory; what does not fit sets `is_full` and is dropped whole, and
 * so is all that follows, so that one check at the end is enough. There is no
 * measuring pass: a length that is computed once cannot differ from itself.
 */
#ifndef FOREBAY_BASE_WRITER_H
#define FOREBAY_BASE_WRITER_H

#include "base/slice.h"

struct writer {
	char *at; /* borrowed memory */
	size_t len; /* written so far */
	size_t cap;
	bool is_full; /* something did not fit */
};

static inline struct writer
writer_over(char *memory, size_t cap)
{
	return (struct writer){ .at = memory, .cap = cap };
}

static inline struct slice
writer_slice(const struct writer *w)
{
	return (struct slice){ w->at, w->len };
}

static inline void
writer_put(struct writer *w, struct slice s)
{
	if (w->is_full || s.len > w->cap - w->len) {
		w->is_full = true;
		return;
	}
	if (s.len)
		memcpy(w->at + w->len, s.at, s.len);
	w->len += s.len;
}

static inline void
writer_char(struct writer *w, char c)
{
	if (w->is_full || w->len == w->cap) {
		w->is_full = true;
		return;
	}
	w->at[w->len++] = c;
}

static inline void
writer_text(struct writer *w, const char *text)
{
	writer_put(w, slice_of(text));
}

void writer_u64(struct writer *w, uint64_t value); /* decimal */
void writer_i64(struct writer *w, int64_t value); /* decimal */
void writer_hex(struct writer *w, uint64_t value); /* lower case, no prefix, no padding */
void writer_format(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
