/*
 * What request and response heads have in common: field lines, and what those
 * that frame the body or the connection say. Private to the h1 codec.
 */
#ifndef FOREBAY_WIRE_H1_FIELD_PRIV_H
#define FOREBAY_WIRE_H1_FIELD_PRIV_H

#include "wire/cursor.h"
#include "wire/h1_head.h"

struct h1_lines {
	struct cursor in;
	struct fields *fields;
	unsigned max_fields;
	int version;
	struct h1_parse *parse;
	/* What the lines said so far. */
	uint64_t length;
	bool has_length; /* Content-Length */
	bool has_chunked; /* Transfer-Encoding: chunked */
	bool says_close, says_keep_alive;
};

/* Sets status and reason; ERR_PROTOCOL. */
int h1_refuse(struct h1_parse *p, int status, const char *reason);

/* CRLF and nothing else: H1_DONE, H1_MORE or ERR_PROTOCOL. */
static inline int
h1_line_end(struct cursor *c, struct h1_parse *p)
{
	if (cursor_take(c, SLICE("\r\n")))
		return H1_DONE;
	if (cursor_left(c) == 0 || (cursor_left(c) == 1 && cursor_peek(c) == '\r'))
		return H1_MORE;
	return h1_refuse(
	    p, 400, cursor_peek(c) == '\r' ? "a bare CR" : "a byte that may not stand in its line");
}

/*
 * Reads one field line, or the empty line that ends the head (*line is NULL
 * then), stores it, and takes in what Content-Length, Transfer-Encoding and
 * Connection say. H1_DONE, H1_MORE or ERR_PROTOCOL.
 */
int h1_field_take(struct h1_lines *l, const struct field **line);

/* Whether the connection may carry on after this message (RFC 9112 9.3). */
bool h1_keeps_alive(const struct h1_lines *l);

/* The part of `in` that a head may take up, and its verdict when that was not enough. */
struct slice h1_head_window(struct slice in, const struct h1_limits *limits);
int h1_head_overflow(struct slice in, const struct h1_limits *limits, struct h1_parse *p);

#endif
