/*
 * Trailer sections (RFC 9110 6.5): fields that come behind a body. Which of them
 * go on is decided here, once for both versions of HTTP and both directions: a
 * name that the engine itself gives a meaning (fields.def: framing, routing,
 * authentication, what describes a body) has none behind a body and is dropped;
 * all others are passed on (RFC 9110 6.5.1). Pure; what stays is in the arena.
 */
#ifndef FOREBAY_WIRE_TRAILERS_H
#define FOREBAY_WIRE_TRAILERS_H

#include "base/arena.h"
#include "http/field.h"

enum { TRAILERS_MAX = 64 }; /* fields of one section */

/* Lines of a chunked body's section, as they come; all zero at first. */
struct trailers {
	char *text; /* of the arena */
	size_t len, cap;
};

/* More of it, as chunked.trailer has it. ERR_MEMORY. */
int trailers_take(struct trailers *t, struct arena *a, struct slice more)
    __attribute__((warn_unused_result));
/* All of it has come: *fields are those that go on, borrowing from what was taken. ERR_MEMORY, or
 * ERR_TOO_LARGE when there are too many. */
int trailers_end(const struct trailers *t, struct arena *a, struct fields *fields)
    __attribute__((warn_unused_result));
/* One field, of HTTP/2, which is copied. Dropped, when it may not go on: 0. ERR_PROTOCOL when it
 * is malformed, ERR_MEMORY, ERR_TOO_LARGE. */
int trailers_add(struct fields *fields, struct arena *a, struct slice name, struct slice value)
    __attribute__((warn_unused_result));
/* Bytes of the lines, as HTTP/1 has them. */
size_t trailers_bytes(const struct fields *fields);
/* The lines, without the empty one behind them. */
void trailers_write(const struct fields *fields, struct writer *w);

#endif
