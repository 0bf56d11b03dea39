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
static __attribute__((noinline)) int
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
static __attribute__((noinline)) int
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

/* Kept out of line, as all that is rare: the common line then needs few registers. */
static __attribute__((noinline)) void
take_connection(struct h1_lines *l, struct slice value)
{
	while (value.len) {
		struct slice option = slice_trim(slice_cut(&value, ','));

		l->says_close |= slice_eq_lower(option, SLICE("close"));
		l->says_keep_alive |= slice_eq_lower(option, SLICE("keep-alive"));
	}
}

static int
take_meaning(struct h1_lines *l, const struct field *line)
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

/* Without the blanks at its end; those before it have been skipped. */
static struct slice
trim_end(struct slice value)
{
	while (value.len && (value.at[value.len - 1] == ' ' || value.at[value.len - 1] == '\t'))
		value.len--;
	return value;
}

/*
 * The name and its colon. Most are found whole in the next block, and a name of
 * our table needs no look at its bytes.
 */
static int
take_name(struct cursor *c, struct h1_parse *p, struct field *field)
{
	size_t near = cursor_find_near(c, ':');

	if (near < CURSOR_BLOCK)
		field->name = cursor_take_bytes(c, near);
	else
		field->name = cursor_run(c, BYTE_TOKEN);
	if (cursor_left(c) == 0)
		return H1_MORE;
	field->id = field_id_of(field->name);
	/* RFC 9112 5.1: no blank before the colon; 5.2: a line never starts with one. */
	if (cursor_peek(c) != ':' || (field->id == FIELD_OTHER && !field_is_token(field->name)))
		return h1_refuse(p, 400, "a field name is malformed");
	cursor_skip(c);
	return H1_DONE;
}

int
h1_field_take(struct h1_lines *l, const struct field **line)
{
	struct cursor c = l->in; /* in registers */
	struct field *field;
	int result;

	*line = NULL;
	if (cursor_left(&c) == 0 || cursor_peek(&c) == '\r')
		return h1_line_end(&l->in, l->parse);
	if (l->fields->count >= l->max_fields)
		return h1_refuse(l->parse, 431, "too many fields");
	field = &l->fields->at[l->fields->count];
	result = take_name(&c, l->parse, field);
	if (result != H1_DONE)
		return result;
	cursor_skip_blanks(&c);
	field->value = trim_end(cursor_run_value(&c));
	result = h1_line_end(&c, l->parse);
	if (result != H1_DONE)
		return result;
	l->in = c;
	l->fields->count++;
	*line = field;
	return field->id == FIELD_OTHER ? H1_DONE : take_meaning(l, field);
}

bool
h1_keeps_alive(const struct h1_lines *l)
{
	return !l->says_close && (l->version >= HTTP_1_1 || l->says_keep_alive);
}

struct slice
h1_head_window(struct slice in, const struct h1_limits *limits)
{
	return slice_make(in.at, in.len < limits->max_head_bytes ? in.len : limits->max_head_bytes);
}

int
h1_head_overflow(struct slice in, const struct h1_limits *limits, struct h1_parse *p)
{
	if (in.len < limits->max_head_bytes)
		return H1_MORE;
	return h1_refuse(p, 431, "the head is too large");
}
