/*
 * The list of what is wrong; see errors.h.
 */
#include "config/errors.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "config/conf.h"
#include "config/suggest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	FIRST_CAPACITY = 16,
	PLACE_BYTES = 4096, /* of a file name and a line */
	PLACE_NAME_BYTES = 120, /* of a file name that is named beside */
	QUOTE_BYTES = 60, /* of the quoted text, before it is cut */
	SECTION_BYTES = 2 * 128 + 8, /* "[kind name] " */
};

void
conf_errors_init(struct conf_errors *e)
{
	*e = (struct conf_errors){ .list = NULL };
}

void
conf_errors_fini(struct conf_errors *e)
{
	for (size_t i = 0; i < e->count; i++) {
		mem_free(&e->list[i].file);
		mem_free(&e->list[i].text);
	}
	mem_free(&e->list);
	*e = (struct conf_errors){ .list = NULL };
}

static int
make_room(struct conf_errors *e)
{
	size_t cap = e->cap == 0 ? FIRST_CAPACITY : e->cap * 2;
	struct conf_message *list;

	if (e->count >= CONF_ERRORS_MAX)
		return ERR_FULL;
	if (e->count < e->cap)
		return 0;
	list = mem_grow(e->list, cap * sizeof(*list));
	if (!list)
		return ERR_MEMORY;
	e->list = list;
	e->cap = cap;
	return 0;
}

static void
keep(struct conf_errors *e, struct conf_message m, const char *file, const char *text)
{
	m.order = e->errors + e->warnings;

	if (make_room(e) != 0) {
		e->dropped++;
		return;
	}
	m.file = mem_copy_text(file);
	m.text = mem_copy_text(text);
	if (!m.file || !m.text) {
		mem_free(&m.file);
		mem_free(&m.text);
		e->dropped++;
		return;
	}
	e->list[e->count++] = m;
}

/* A message is one line, whatever values it repeats: those may be of several lines. */
static void
write_line(struct writer *w, const char *text)
{
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '\n')
			writer_text(w, "\\n");
		else if (byte < 0x20 || byte == 0x7f)
			writer_format(w, "\\x%02x", byte);
		else
			writer_char(w, *text);
	}
}

/* `where` is what stands between the severity and the message. */
static void __attribute__((format(printf, 6, 0)))
add(struct conf_errors *e, const char *file, unsigned line, bool is_warning, const char *where,
    const char *format, va_list list)
{
	struct conf_message m = { .line = line, .is_warning = is_warning };
	char message[CONF_ERROR_BYTES], text[PLACE_BYTES + CONF_ERROR_BYTES + SECTION_BYTES];
	struct writer w = writer_over(text, sizeof(text) - 1);

	vsnprintf(message, sizeof(message), format, list);
	writer_format(&w, "%.*s", PLACE_BYTES - 16, file);
	if (line > 0) /* 0: it is about the file as a whole */
		writer_format(&w, ":%u", line);
	writer_text(&w, file[0] ? ": " : "");
	writer_text(&w, is_warning ? "warning: " : "");
	m.message = w.len;
	write_line(&w, where);
	write_line(&w, message);
	text[w.len] = '\0';
	keep(e, m, file, text);
}

void
conf_error(struct conf_errors *e, const char *file, unsigned line, const char *format, ...)
{
	va_list list;

	e->errors++;
	va_start(list, format);
	add(e, file, line, false, "", format, list);
	va_end(list);
}

static void __attribute__((format(printf, 5, 0)))
add_at(struct conf_errors *e, const struct conf_section *s, const char *key, bool is_warning,
       const char *format, va_list list)
{
	char text[SECTION_BYTES + 160];
	struct writer w = writer_over(text, sizeof(text) - 1);

	writer_char(&w, '[');
	writer_put(&w, s->kind);
	writer_text(&w, s->name.len > 0 ? " " : "");
	writer_put(&w, s->name);
	writer_char(&w, ']');
	if (key)
		writer_format(&w, " %.128s", key);
	writer_text(&w, ": ");
	text[w.len] = '\0';
	add(e, conf_file_name(s, key), conf_line(s, key), is_warning, text, format, list);
}

void
conf_errors_add_all(struct conf_errors *e, const struct conf_errors *from)
{
	for (size_t i = 0; i < from->count; i++) {
		e->errors += !from->list[i].is_warning;
		e->warnings += from->list[i].is_warning;
		keep(e, from->list[i], from->list[i].file, from->list[i].text);
	}
	e->dropped += from->dropped;
}

void
conf_error_at(struct conf_errors *e, const struct conf_section *s, const char *key,
	      const char *format, ...)
{
	va_list list;

	e->errors++;
	va_start(list, format);
	add_at(e, s, key, false, format, list);
	va_end(list);
}

void
conf_warning_at(struct conf_errors *e, const struct conf_section *s, const char *key,
		const char *format, ...)
{
	va_list list;

	e->warnings++;
	va_start(list, format);
	add_at(e, s, key, true, format, list);
	va_end(list);
}

void
conf_error_no_section(struct conf_errors *e, const struct conf_section *s, const char *key,
		      const char *kind, struct slice name)
{
	const struct conf_section *other = NULL;
	struct suggest near;

	if (conf_find(s->conf, slice_of(kind), name))
		return;
	if (name.len == 0) {
		conf_error_at(e, s, key, "needs the name of a section [%s NAME]", kind);
		return;
	}
	suggest_init(&near, name);
	while ((other = conf_next(s->conf, kind, other)) != NULL)
		suggest_offer(&near, other->name);
	conf_error_at(e, s, key, "there is no [%s %.*s]%s", kind, SLICE_PRINT(name),
		      suggest_text(&near));
}

struct conf_placed
conf_place(const struct conf_section *s, const char *key)
{
	struct conf_placed p;
	struct writer w = writer_over(p.text, sizeof(p.text) - 1);
	bool is_default = key && !conf_entry(s, key);
	struct slice file = slice_of(conf_file_name(s, key));

	if (is_default)
		writer_text(&w, s->line ? "the default, " : "the default");
	if (file.len > PLACE_NAME_BYTES) {
		writer_text(&w, "...");
		file = slice_after(file, file.len - PLACE_NAME_BYTES);
	}
	if (s->line)
		writer_format(&w, "%.*s:%u", SLICE_PRINT(file), conf_line(s, key));
	p.text[w.len] = '\0';
	return p;
}

static int
compare(const void *left, const void *right)
{
	const struct conf_message *a = left, *b = right;
	int order = strcmp(a->file, b->file);

	if (order != 0)
		return order;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

void
conf_errors_sort(struct conf_errors *e)
{
	if (e->count > 1)
		qsort(e->list, e->count, sizeof(*e->list), compare);
}

void
conf_errors_write(struct conf_errors *e, struct writer *w)
{
	conf_errors_sort(e);
	for (size_t i = 0; i < e->count; i++) {
		writer_text(w, e->list[i].text);
		writer_char(w, '\n');
	}
	if (e->dropped > 0)
		writer_format(w, "... and %u more\n", e->dropped);
}

/* Cuts at most QUOTE_BYTES, between characters. */
static struct slice
shorten(struct slice s)
{
	if (s.len <= QUOTE_BYTES)
		return s;
	s.len = QUOTE_BYTES - 3;
	while (s.len > 0 && ((unsigned char)s.at[s.len] & 0xc0) == 0x80)
		s.len--;
	return s;
}

struct conf_quoted
conf_quote(struct slice s)
{
	struct conf_quoted q;
	struct slice shown = shorten(s);
	struct writer w = writer_over(q.text, sizeof(q.text) - 8);
	size_t valid = utf8_prefix(shown); /* bytes before the next that is no UTF-8 */
	bool is_cut;

	writer_char(&w, '"');
	for (size_t i = 0; i < shown.len; i++) {
		unsigned char byte = (unsigned char)shown.at[i];
		bool is_bad = i == valid;

		if (is_bad)
			valid += 1 + utf8_prefix(slice_after(shown, i + 1));
		if (byte == '\n')
			writer_text(&w, "\\n");
		else if (byte < 0x20 || byte == 0x7f || is_bad)
			writer_format(&w, "\\x%02x", byte);
		else
			writer_char(&w, (char)byte);
	}
	is_cut = w.is_full || shown.len < s.len;
	w.cap = sizeof(q.text) - 1;
	w.is_full = false;
	writer_text(&w, is_cut ? "...\"" : "\"");
	q.text[w.len] = '\0';
	return q;
}
