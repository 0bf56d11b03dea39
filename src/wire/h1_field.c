/*
 * Field lines of HTTP/1 heads (RFC 9112 5); see h1_field_priv.h. Everything is
 * decided from left to right and at the latest when its line is complete, so
 * that a head that comes in pieces meets the same verdict as one that comes whole.
 */
#include "wire/h1_field_priv.h"

#include "base/err.h"

int
h1_refuse(struct h1_parse *p, int status, const char *reason)
{
	p->status = status;
	p->reason = reason;
	return ERR_PROTOCOL;
}

/* RFC 9112 6.2, 6.3: one plain number; a list of equal ones is refused too. */
static int
take_content_length(struct h1_lines *l, struct slice value)
{
	if (l->has_length)
		return h1_refuse(l->parse, 400, "Content-Length twice");
	if (l->has_chunked)
		return h1_refuse(l->parse, 400, "Content-Length beside Transfer-Encoding");
	if (slice_to_u64(value, &l->length) < 0 || l->length > INT64_MAX)
		return h1_refuse(l->parse, 400, "Content-Length is not a number");
	l->has_length = true;
	return H1_DONE;
}

/* RFC 9112 6.1: the only coding is chunked, once, and in HTTP/1.1 alone. */
static int
take_transfer_encoding(struct h1_lines *l, struct slice value)
{
	if (l->has_length)
		return h1_refuse(l->parse, 400, "Transfer-Encoding beside Content-Length");
	if (l->has_chunked)
		return h1_refuse(l->parse, 400, "Transfer-Encoding twice");
	if (l->version < HTTP_1_1)
		return h1_refuse(l->parse, 400, "Transfer-Encoding in HTTP/1.0");
	if (slice_eq_lower(value, SLICE("chunked"))) {
		l->has_chunked = true;
		return H1_DONE;
	}
	if (field_is_token(value))
		return h1_refuse(l->parse, 501, "a transfer coding that is not known");
	return h1_refuse(l->parse, 400, "Transfer-Encoding is not a single coding");
}

static void
take_option(struct h1_lines *l, struct slice option)
{
	l->says_close |= slice_eq_lower(option, SLICE("close"));
	l->says_keep_alive |= slice_eq_lower(option, SLICE("keep-alive"));
}

static void
take_connection(struct h1_lines *l, struct slice value)
{
	/* A list of one, as it mostly is, needs no cutting. */
	if (slice_find(value, ',') == value.len) {
		take_option(l, value);
		return;
	}
	while (value.len)
		take_option(l, slice_trim(slice_cut(&value, ',')));
}

int
h1_field_mean(struct h1_lines *l, const struct field *line)
{
	switch (line->id) {
	case FIELD_CONTENT_LENGTH:
		return take_content_length(l, line->value);
	case FIELD_TRANSFER_ENCODING:
		return take_transfer_encoding(l, line->value);
	case FIELD_CONNECTION:
		take_connection(l, line->value);
		return H1_DONE;
	default:
		return H1_DONE;
	}
}

int
h1_long_name_take(struct cursor *c, struct h1_parse *p, struct slice *name)
{
	*name = cursor_run(c, BYTE_TOKEN);
	if (cursor_left(c) == 0)
		return H1_MORE;
	if (cursor_peek(c) != ':')
		return h1_refuse(p, 400, "a field name is malformed");
	return H1_DONE;
}

int
h1_head_overflow(struct slice in, const struct h1_limits *limits, struct h1_parse *p)
{
	if (in.len < limits->max_head_bytes)
		return H1_MORE;
	return h1_refuse(p, 431, "the head is too large");
}
