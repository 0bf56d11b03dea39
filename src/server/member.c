/*
 * Members of JSON objects; see member.h.
 */
#include "server/member.h"

enum { NUMBER_BYTES = 32 };

/* Unless it is the first of an object, of a list, or of all. */
static void
put_comma(struct buffer *b)
{
	char last = b->len ? b->at[b->len - 1] : '{';

	if (last != '{' && last != '[')
		buffer_char(b, ',');
}

void
member_name(struct buffer *b, const char *name)
{
	put_comma(b);
	buffer_json_string(b, slice_of(name));
	buffer_char(b, ':');
}

void
member_text(struct buffer *b, const char *name, struct slice value)
{
	member_name(b, name);
	buffer_json_string(b, value);
}

void
member_text_or_null(struct buffer *b, const char *name, struct slice value)
{
	if (value.len > 0)
		member_text(b, name, value);
	else
		member_null(b, name);
}

void
member_number(struct buffer *b, const char *name, uint64_t value)
{
	struct writer w;

	member_name(b, name);
	w = buffer_room(b, NUMBER_BYTES);
	writer_u64(&w, value);
	buffer_wrote(b, &w);
}

void
member_milli(struct buffer *b, const char *name, uint64_t milli)
{
	struct writer w;

	member_name(b, name);
	w = buffer_room(b, NUMBER_BYTES);
	writer_format(&w, "%llu.%03u", (unsigned long long)(milli / 1000),
		      (unsigned)(milli % 1000));
	buffer_wrote(b, &w);
}

void
member_bool(struct buffer *b, const char *name, bool value)
{
	member_name(b, name);
	buffer_text(b, value ? "true" : "false");
}

void
member_null(struct buffer *b, const char *name)
{
	member_name(b, name);
	buffer_text(b, "null");
}

void
member_list(struct buffer *b, const char *name)
{
	member_name(b, name);
	buffer_char(b, '[');
}

void
member_object(struct buffer *b)
{
	put_comma(b);
	buffer_char(b, '{');
}
