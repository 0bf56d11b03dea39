/*
 * What request and response heads have in common: field lines, and what those
 * that frame the body or the connection say. Private to the h1 codec.
 */
#ifndef FOREBAY_WIRE_H1_FIELD_PRIV_H
#define FOREBAY_WIRE_H1_FIELD_PRIV_H

#include "wire/cursor.h"
#include "wire/h1_head.h"

struct h1_lines {
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
 * Takes in what a field flagged FIELD_WIRE says: Content-Length,
 * Transfer-Encoding and Connection; others say nothing here. H1_DONE or
 * ERR_PROTOCOL.
 */
int h1_field_mean(struct h1_lines *l, const struct field *line);

/* A name whose colon is not near, and that colon. H1_DONE, H1_MORE or ERR_PROTOCOL. */
int h1_long_name_take(struct cursor *c, struct h1_parse *p, struct slice *name);

/*
 * The name and its colon. Most are found whole in the next block, and a name of
 * our table needs no look at its bytes.
 */
static inline int
h1_name_take(struct cursor *c, struct h1_parse *p, struct field *field)
{
	size_t near = cursor_find_near(c, ':');
	struct cursor far = *c;
	int result;

	field->name = slice_make(c->at, near);
	if (near == CURSOR_BLOCK) {
		result = h1_long_name_take(&far, p, &field->name);
		if (result != H1_DONE)
			return result;
	}
	cursor_move(c, field->name.len + 1);
	field->id = field_id_of(field->name);
	/* RFC 9112 5.1: no blank before the colon; 5.2: a line never starts with one. */
	if (field->id == FIELD_OTHER && !field_is_token(field->name))
		return h1_refuse(p, 400, "a field name is malformed");
	return H1_DONE;
}

/* Without the blanks at its end; those before it have been skipped. */
static inline struct slice
h1_trim_end(struct slice value)
{
	/* Of what may stand in a value, only a space and a tab are not above a space. */
	while (value.len && (unsigned char)value.at[value.len - 1] <= ' ')
		value.len--;
	return value;
}

/*
 * Reads one field line and stores it, or the empty line that ends the head
 * (*line is NULL then). H1_DONE, H1_MORE or ERR_PROTOCOL. Inline, so that the
 * cursor of the caller's loop stays in registers.
 */
static inline int
h1_field_take(struct cursor *c, struct h1_lines *l, const struct field **line)
{
	struct field *field;
	struct slice value;
	int result;

	*line = NULL;
	if (cursor_left(c) == 0 || cursor_peek(c) == '\r')
		return h1_line_end(c, l->parse);
	if (l->fields->count >= l->max_fields)
		return h1_refuse(l->parse, 431, "too many fields");
	field = &l->fields->at[l->fields->count];
	result = h1_name_take(c, l->parse, field);
	if (result != H1_DONE)
		return result;
	cursor_skip_blanks(c);
	value = h1_trim_end(cursor_run_value(c));
	result = h1_line_end(c, l->parse);
	if (result != H1_DONE)
		return result;
	field->value = value;
	l->fields->count++;
	*line = field;
	return H1_DONE;
}

/* Whether the connection may carry on after this message (RFC 9112 9.3). */
static inline bool
h1_keeps_alive(const struct h1_lines *l)
{
	return !l->says_close && (l->version >= HTTP_1_1 || l->says_keep_alive);
}

/* The part of `in` that a head may take up, and its verdict when that was not enough. */
static inline struct slice
h1_head_window(struct slice in, const struct h1_limits *limits)
{
	return slice_make(in.at, in.len < limits->max_head_bytes ? in.len : limits->max_head_bytes);
}

int h1_head_overflow(struct slice in, const struct h1_limits *limits, struct h1_parse *p);

#endif
