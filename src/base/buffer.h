/*
 * Text that grows on the heap up to a limit: results of which nobody knows the
 * length before they are built. Append-only, with one sticky error: after it
 * nothing is appended, so one look at the end is enough. Any thread; one owner.
 *
 *   struct buffer b;
 *   buffer_init(&b, limit);
 *   buffer_text(&b, "...");
 *   struct writer w = buffer_room(&b, 20);      // for the functions that write to a writer
 *   writer_i64(&w, n);
 *   buffer_wrote(&b, &w);
 *   if (b.err) ...
 */
#ifndef FOREBAY_BASE_BUFFER_H
#define FOREBAY_BASE_BUFFER_H

#include "base/err.h"
#include "base/writer.h"

struct buffer {
	char *at; /* owned; NULL when nothing was written */
	size_t len, cap;
	size_t limit; /* len never passes it */
	int err; /* ERR_TOO_LARGE, ERR_MEMORY, or what the owner put there; the first stays */
};

void buffer_init(struct buffer *b, size_t limit);
void buffer_fini(struct buffer *b);

void buffer_put(struct buffer *b, struct slice s);
void buffer_char(struct buffer *b, char c);

static inline void
buffer_text(struct buffer *b, const char *text)
{
	buffer_put(b, slice_of(text));
}

/* A writer over room for at least `bytes` more; full from the start when there is none, and the
 * buffer is in error then. Nothing else may touch the buffer before buffer_wrote. */
struct writer buffer_room(struct buffer *b, size_t bytes);
/* Takes what was written; a writer that is full is ERR_TOO_LARGE. */
void buffer_wrote(struct buffer *b, const struct writer *w);

/* s as a JSON string, whatever its length; bytes that are no UTF-8 become U+FFFD. */
void buffer_json_string(struct buffer *b, struct slice s);
void buffer_base64(struct buffer *b, struct slice s);

/* Hands the memory over, to be freed with mem_free (NULL when empty); the buffer is as new. */
char *buffer_take(struct buffer *b, size_t *len) MUST_CHECK;

static inline struct slice
buffer_slice(const struct buffer *b)
{
	return slice_make(b->at, b->len);
}

#endif
