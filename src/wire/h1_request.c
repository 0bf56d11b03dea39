/*
 * HTTP/1 request heads (RFC 9112 3, 5, 6); see h1_head.h.
 *
 *   method SP target SP HTTP/1.x CRLF *(name ":" OWS value OWS CRLF) CRLF
 *
 * One pass from left to right. The form of the target is looked at when the
 * request line is complete, what fields say when each line is.
 */
#include "base/err.h"
#include "http/uri.h"
#include "wire/h1_field_priv.h"

/* A method's name, and the space behind it. */
static int
take_method(struct cursor *c, struct h1_lines *l, struct request *r)
{
	r->method_name = slice_make(c->at, 3);
	r->method = METHOD_GET;
	/* The commonest one in one comparison. */
	if (cursor_take(c, SLICE("GET ")))
		return H1_DONE;
	r->method_name = cursor_run(c, BYTE_TOKEN);
	if (cursor_left(c) == 0)
		return H1_MORE;
	if (r->method_name.len == 0 || cursor_peek(c) != ' ')
		return h1_refuse(l->parse, 400, "the method is malformed");
	cursor_skip(c);
	r->method = method_of(r->method_name);
	return H1_DONE;
}

/* The target, whatever its form, cut at the first '?', and the space behind it. */
static int
take_target(struct cursor *in, struct h1_lines *l, struct request *r, uint32_t max_target)
{
	/* One byte more than is allowed, so that too long is told from malformed. */
	size_t room = (size_t)max_target + 1;
	struct slice window = slice_make(in->at, cursor_left(in) < room ? cursor_left(in) : room);
	struct cursor c = cursor_over(window);

	r->raw_path = cursor_run(&c, BYTE_PATH);
	r->query = SLICE("");
	r->has_query = cursor_peek(&c) == '?';
	if (r->has_query) {
		cursor_skip(&c);
		r->query = cursor_run(&c, BYTE_QUERY);
	}
	r->target = slice_make(window.at, window.len - cursor_left(&c));
	if (cursor_left(&c) == 0)
		return window.len == room ? h1_refuse(l->parse, 414, "the target is too long")
					  : H1_MORE;
	if (r->target.len == 0 || cursor_peek(&c) != ' ')
		return h1_refuse(l->parse, 400, "the target is malformed");
	cursor_skip(&c);
	in->at = c.at;
	return H1_DONE;
}

/* HTTP-version, "HTTP/" DIGIT "." DIGIT, byte by byte. */
static int
take_other_version(struct cursor *c, struct h1_lines *l)
{
	static const char form[] = "HTTP/d.d";

	l->version = 0;
	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		int byte = cursor_peek(c);

		if (byte < 0)
			return H1_MORE;
		if (form[i] == 'd' ? !ascii_is_digit((char)byte) : byte != form[i])
			return h1_refuse(l->parse, 400, "the version is malformed");
		if (form[i] == 'd')
			l->version = l->version * 10 + (byte - '0');
		cursor_skip(c);
	}
	return h1_line_end(c, l->parse);
}

static int
take_version(struct cursor *c, struct h1_lines *l)
{
	if (cursor_take(c, SLICE("HTTP/1.1\r\n")))
		l->version = HTTP_1_1;
	else if (cursor_take(c, SLICE("HTTP/1.0\r\n")))
		l->version = HTTP_1_0;
	else
		return take_other_version(c, l);
	return H1_DONE;
}

/* absolute-form (RFC 9112 3.2.2): splits raw_path into authority and path. */
static int
split_absolute(struct h1_lines *l, struct request *r)
{
	static const struct slice schemes[] = { SLICE_INIT("http://"), SLICE_INIT("https://") };
	struct slice rest = SLICE("");
	size_t slash;

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		struct slice start = slice_make(r->raw_path.at, schemes[i].len);

		if (r->raw_path.len > schemes[i].len && slice_eq_nocase(start, schemes[i]))
			rest = slice_after(r->raw_path, schemes[i].len);
	}
	slash = slice_find(rest, '/');
	r->authority = slice_make(rest.at, slash);
	/* RFC 9110 4.2.1: an empty host is refused; 4.2.4: and so is userinfo. */
	if (!uri_is_authority(r->authority) || uri_host(r->authority).len == 0)
		return h1_refuse(l->parse, 400, "the target is in none of its forms");
	r->raw_path = slice_after(rest, slash);
	/* RFC 9112 3.2.4: OPTIONS without a path is about the server as a whole. */
	if (r->raw_path.len == 0)
		r->raw_path =
		    r->method == METHOD_OPTIONS && !r->has_query ? SLICE("*") : SLICE("/");
	return H1_DONE;
}

static int
check_request_line(struct h1_lines *l, struct request *r)
{
	if (l->version != HTTP_1_1 && l->version != HTTP_1_0)
		return h1_refuse(l->parse, 505, "an HTTP version that is not spoken here");
	r->version = l->version;
	if (r->method == METHOD_CONNECT)
		return h1_refuse(l->parse, 501, "CONNECT");
	if (r->raw_path.len && r->raw_path.at[0] == '/')
		return H1_DONE;
	if (r->method == METHOD_OPTIONS && slice_eq(r->target, SLICE("*")))
		return H1_DONE;
	return split_absolute(l, r);
}

static int
take_request_line(struct cursor *c, struct h1_lines *l, struct request *r, uint32_t max_target)
{
	int result = take_method(c, l, r);

	if (result == H1_DONE)
		result = take_target(c, l, r, max_target);
	if (result == H1_DONE)
		result = take_version(c, l);
	if (result == H1_DONE)
		result = check_request_line(l, r);
	return result;
}

struct seen {
	uint64_t once[(FIELD_COUNT + 63) / 64]; /* a bit per field_id that came */
	bool has_host;
};

static int
check_once(struct h1_lines *l, enum field_id id, struct seen *seen)
{
	uint64_t bit = UINT64_C(1) << (id % 64);

	if (seen->once[id / 64] & bit)
		return h1_refuse(l->parse, 400, "a field twice that may come once");
	seen->once[id / 64] |= bit;
	return H1_DONE;
}

/* RFC 9112 3.2: the Host of absolute-form is checked, and then not used. */
static int
take_host(struct h1_lines *l, struct request *r, const struct field *line, struct seen *seen)
{
	if (!uri_is_authority(line->value))
		return h1_refuse(l->parse, 400, "Host is malformed");
	if (!seen->has_host && r->authority.len == 0)
		r->authority = line->value;
	seen->has_host = true;
	return H1_DONE;
}

/* RFC 9110 10.1.1: one expectation is known, and HTTP/1.0 has none. */
static int
take_expect(struct h1_lines *l, struct request *r, const struct field *line)
{
	if (!slice_eq_lower(line->value, SLICE("100-continue")))
		return h1_refuse(l->parse, 417, "an expectation that is not known");
	r->expects_continue = l->version >= HTTP_1_1;
	return H1_DONE;
}

/* What a line says, by the flags of its name. */
static int
take_line(struct h1_lines *l, struct request *r, const struct field *line, struct seen *seen)
{
	unsigned flags = field_flags(line->id);

	if (flags & FIELD_ONCE && check_once(l, line->id, seen) != H1_DONE)
		return ERR_PROTOCOL;
	if (!(flags & FIELD_WIRE))
		return H1_DONE;
	if (line->id == FIELD_HOST)
		return take_host(l, r, line, seen);
	if (line->id == FIELD_EXPECT)
		return take_expect(l, r, line);
	return h1_field_mean(l, line);
}

/* What only the whole head can tell (RFC 9112 3.2, 6.3, 9.3). */
static int
finish(struct h1_lines *l, struct request *r, const struct seen *seen)
{
	if (!seen->has_host && l->version >= HTTP_1_1)
		return h1_refuse(l->parse, 400, "HTTP/1.1 without Host");
	r->framing = l->has_chunked ? BODY_CHUNKED : l->has_length ? BODY_LENGTH : BODY_NONE;
	r->content_length = l->length;
	/* RFC 9110 10.1.1: no 100 for a request that has no content. */
	if (r->framing == BODY_NONE || (l->has_length && l->length == 0))
		r->expects_continue = false;
	r->keeps_alive = h1_keeps_alive(l);
	return H1_DONE;
}

static int
take_head(struct cursor *in, struct h1_lines *l, struct request *r, uint32_t max_target)
{
	struct seen seen = { .has_host = false };
	struct cursor c = *in; /* in registers */
	const struct field *line;
	int result = H1_DONE;

	/* RFC 9112 2.2: one empty line before the request line. */
	if (cursor_peek(&c) == '\r')
		result = h1_line_end(&c, l->parse);
	if (result == H1_DONE)
		result = take_request_line(&c, l, r, max_target);
	while (result == H1_DONE) {
		result = h1_field_take(&c, l, &line);
		if (result != H1_DONE)
			break;
		if (!line) {
			*in = c;
			return finish(l, r, &seen);
		}
		result = take_line(l, r, line, &seen);
	}
	return result;
}

static void
reset(struct request *r)
{
	r->fields.count = 0;
	r->authority = SLICE("");
	r->path = SLICE("");
	r->expects_continue = false;
	r->trailers = (struct fields){ 0 };
}

int
h1_request_parse(struct request *r, struct slice in, const struct h1_limits *limits,
		 struct h1_parse *p)
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
	reset(r);
	result = take_head(&c, &l, r, limits->max_target);
	if (result == H1_MORE)
		return h1_head_overflow(in, limits, p);
	p->bytes = window.len - cursor_left(&c);
	return result;
}
