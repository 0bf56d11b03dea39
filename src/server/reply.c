/*
 * What a command is answered with; see reply.h.
 */
#include "server/reply.h"

#include "server/member.h"

#include <stdarg.h>
#include <stdio.h>

enum { NUMBER_BYTES = 64 };

void
reply_init(struct reply *r)
{
	*r = (struct reply){ .status = 200 };
	conf_errors_init(&r->errors);
}

void
reply_fini(struct reply *r)
{
	conf_errors_fini(&r->errors);
}

void
reply_say(struct reply *r, int status, const char *format, ...)
{
	va_list list;

	r->status = status;
	va_start(list, format);
	vsnprintf(r->message, sizeof(r->message), format, list);
	va_end(list);
}

static void
write_text(struct buffer *b, const struct reply *r)
{
	struct writer w;

	buffer_text(b, r->message);
	buffer_char(b, '\n');
	for (size_t i = 0; i < r->errors.count; i++) {
		buffer_text(b, r->errors.list[i].text);
		buffer_char(b, '\n');
	}
	if (r->errors.dropped == 0)
		return;
	w = buffer_room(b, NUMBER_BYTES);
	writer_format(&w, "... and %u more\n", r->errors.dropped);
	buffer_wrote(b, &w);
}

static void
write_error(struct buffer *b, const struct conf_message *m)
{
	member_object(b);
	member_text(b, "file", slice_of(m->file));
	member_number(b, "line", m->line);
	member_text(b, "severity", m->is_warning ? SLICE("warning") : SLICE("error"));
	member_text(b, "message", slice_of(m->text + m->message));
	buffer_char(b, '}');
}

static void
write_json(struct buffer *b, const struct reply *r)
{
	member_object(b);
	member_bool(b, "ok", r->status < 400);
	member_text(b, "message", slice_of(r->message));
	member_list(b, "errors");
	for (size_t i = 0; i < r->errors.count; i++)
		write_error(b, &r->errors.list[i]);
	buffer_text(b, "]}\n");
}

void
reply_write(struct buffer *b, struct reply *r, bool is_json)
{
	conf_errors_sort(&r->errors);
	if (is_json)
		write_json(b, r);
	else
		write_text(b, r);
}
