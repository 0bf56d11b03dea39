/*
 * HTTP/1 response heads (RFC 9112 4, 5, 6); see h1_head.h. An upstream is as
 * little trusted as a client: what has two readings ends the exchange.
 *
 *   HTTP/1.x SP 3DIGIT [SP reason] CRLF *(name ":" OWS value OWS CRLF) CRLF
 */
#include "base/err.h"
#include "http/status.h"
#include "wire/h1_field_priv.h"

static int
refuse(struct h1_lines *l, const char *reason)
{
	return h1_refuse(l->parse, 502, reason);
}

/* Takes the bytes of a form, where 'd' is any digit; the digits make *number. */
static int
take_form(struct cursor *c, struct h1_lines *l, struct slice form, int *number)
{
	*number = 0;
	for (size_t i = 0; i < form.len; i++) {
		int byte = cursor_peek(c);

		if (byte < 0)
			return H1_MORE;
		if (form.at[i] == 'd' ? !ascii_is_digit((char)byte) : byte != form.at[i])
			return refuse(l, "the status line is malformed");
		if (form.at[i] == 'd')
			*number = *number * 10 + (byte - '0');
		cursor_skip(c);
	}
	return H1_DONE;
}

/* The reason phrase is dropped. Its space may be missing too: many servers
 * leave it out, and the line has no second reading without it. */
static int
take_reason(struct cursor *c, struct h1_lines *l)
{
	if (cursor_peek(c) == ' ')
		cursor_run_value(c);
	return h1_line_end(c, l->parse);
}

static int
take_status_line(struct cursor *c, struct h1_lines *l, struct response *r)
{
	int result = take_form(c, l, SLICE("HTTP/d.d "), &l->version);

	if (result == H1_DONE)
		result = take_form(c, l, SLICE("ddd"), &r->status);
	if (result == H1_DONE)
		result = take_reason(c, l);
	if (result != H1_DONE)
		return result;
	if (l->version != HTTP_1_1 && l->version != HTTP_1_0)
		return refuse(l, "an HTTP version that was not asked for");
	if (r->status < 100 || r->status > 599)
		return refuse(l, "a status outside 100 to 599");
	return H1_DONE;
}

/* RFC 9112 6.3, in its order. */
static int
finish(struct h1_lines *l, struct response *r, enum method method)
{
	bool never_has_body = r->status < 200 || r->status == 204;

	/* RFC 9112 6.1, RFC 9110 8.6: these carry no framing at all; a zero length is harmless. */
	if (never_has_body && (l->has_chunked || (l->has_length && l->length)))
		return refuse(l, "a body where there can be none");
	r->content_length = l->length;
	r->keeps_alive = h1_keeps_alive(l);
	if (method == METHOD_HEAD || !status_has_body(r->status))
		r->framing = BODY_NONE;
	else if (l->has_chunked)
		r->framing = BODY_CHUNKED;
	else if (l->has_length)
		r->framing = BODY_LENGTH;
	else
		r->framing = BODY_UNTIL_CLOSE;
	if (r->framing == BODY_UNTIL_CLOSE || r->status == 101)
		r->keeps_alive = false;
	return H1_DONE;
}

static int
take_head(struct cursor *in, struct h1_lines *l, struct response *r, enum method method)
{
	int result = take_status_line(in, l, r);
	struct cursor c = *in; /* in registers */
	const struct field *line;

	while (result == H1_DONE) {
		result = h1_field_take(&c, l, &line);
		if (result != H1_DONE)
			break;
		if (!line) {
			*in = c;
			return finish(l, r, method);
		}
		if (field_flags(line->id) & FIELD_WIRE)
			result = h1_field_mean(l, line);
	}
	return result;
}

int
h1_response_parse(struct response *r, enum method method, struct slice in,
		  const struct h1_limits *limits, struct h1_parse *p)
{
	struct slice window = h1_head_window(in, limits);
	struct cursor c = cursor_over(window);
	struct h1_lines l = {
		.fields = &r->fields,
		.max_fields =
		    limits->max_fields < r->fields.cap ? limits->max_fields : r->fields.cap,
		.parse = p,
	};
	int result;

	*p = (struct h1_parse){ 0 };
	r->fields.count = 0;
	result = take_head(&c, &l, r, method);
	if (result == H1_MORE)
		result = h1_head_overflow(in, limits, p);
	if (result == H1_MORE)
		return result;
	/* Whatever was wrong, towards the client it is the upstream's fault. */
	p->status = result == H1_DONE ? 0 : 502;
	p->bytes = window.len - cursor_left(&c);
	return result;
}
