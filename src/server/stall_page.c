/*
 * The stall record, shown; see stall_page.h.
 */
#include "server/stall_page.h"

#include "base/clock.h"
#include "server/member.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { NUMBER_BYTES = 160, LINE_BYTES = 1024, TIME_BYTES = 40, CELL_BYTES = 320 };

/* For formats. */
static unsigned long long
number(uint64_t n)
{
	return n;
}

static unsigned long long
ms(uint64_t ns)
{
	return ns / CLOCK_MS;
}

static uint64_t
began_unix_ms(const struct stall_page *p, const struct stall *s)
{
	return p->now_unix_ms - (p->now_ns - s->began_ns) / CLOCK_MS;
}

/* --- JSON ------------------------------------------------------------------------------- */

static void
json_text(struct buffer *b, const char *name, const char *value)
{
	member_text_or_null(b, name, slice_of(value));
}

/* Milliseconds, to the microsecond. */
static void
json_ms(struct buffer *b, const char *name, uint64_t ns)
{
	member_milli(b, name, ns / CLOCK_US);
}

static void
json_stall(struct buffer *b, const struct stall_page *p, const struct stall *s)
{
	buffer_char(b, '{');
	member_number(b, "number", s->number);
	member_milli(b, "time", began_unix_ms(p, s));
	json_text(b, "kind", stall_kind_word(s->kind));
	json_text(b, "cause", stall_cause_word(s->cause));
	json_ms(b, "lasted_ms", s->lasted_ns);
	member_bool(b, "goes_on", s->is_open);
	if (s->has_worker) {
		member_number(b, "worker", s->worker);
		member_number(b, "turn", s->turn);
	} else {
		member_null(b, "worker");
		member_null(b, "turn");
	}
	json_text(b, "thread", s->thread);
	json_text(b, "at", s->has_worker ? stall_at_word(s->at) : "");
	json_text(b, "what", s->what);
	json_text(b, "route", s->route);
	json_text(b, "part", s->part);
	json_text(b, "request", s->request);
	json_ms(b, "at_it_ms", s->steady_ns);
	json_ms(b, "watched_ms", s->seen_ns);
	json_ms(b, "cpu_ms", s->cpu_ns);
	json_ms(b, "waited_for_cpu_ms", s->waited_ns);
	json_ms(b, "throttled_ms", s->throttled_ns);
	buffer_char(b, '}');
}

void
stall_page_write_json(struct buffer *b, const struct stall_page *p)
{
	const struct stall *s;

	member_object(b);
	member_number(b, "stall_after_ms", p->limit_ns / CLOCK_MS);
	member_milli(b, "throttled_seconds", p->throttled_ns / CLOCK_MS);
	member_number(b, "count", p->stalls->count);
	member_list(b, "stalls");
	for (unsigned i = 0; (s = stalls_nth(p->stalls, i)) != NULL; i++) {
		buffer_text(b, i ? ",\n" : "\n");
		json_stall(b, p, s);
	}
	buffer_text(b, "]}\n");
}

/* --- text ------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 3))) put(struct buffer *b, const char *format, ...)
{
	struct writer w = buffer_room(b, NUMBER_BYTES);
	char text[NUMBER_BYTES];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	writer_text(&w, text);
	buffer_wrote(b, &w);
}

static void
text_time(struct writer *w, uint64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	char text[TIME_BYTES];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		return;
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	writer_format(w, "%s.%03uZ", text, (unsigned)(unix_ms % 1000));
}

/* "flow script of route f, request 12ab". */
static void
text_what(struct writer *w, const struct stall *s)
{
	const char *doing = s->what[0] ? s->what : stall_at_word(s->at);

	if (!s->has_worker && !s->thread[0]) {
		writer_text(w, "nothing could run");
		return;
	}
	/* What it was at when it was looked at says little then. */
	if (s->steady_ns < s->lasted_ns / 2)
		writer_text(w, "many things, such as ");
	writer_format(w, "%s%s", s->kind == STALL_KIND_FLOW && s->what[0] ? "flow " : "", doing);
	if (s->route[0])
		writer_format(w, " of route %s", s->route);
	if (s->part[0])
		writer_format(w, ", part %s", s->part);
	if (s->request[0])
		writer_format(w, ", request %s", s->request);
}

static void
text_stall(struct buffer *b, const struct stall_page *p, const struct stall *s)
{
	char cell[CELL_BYTES];
	struct writer w = buffer_room(b, LINE_BYTES), c = writer_over(cell, sizeof(cell) - 1);

	text_time(&w, began_unix_ms(p, s));
	if (s->has_worker)
		writer_format(&c, "worker %u", s->worker);
	else
		writer_text(&c, s->thread[0] ? s->thread : "all");
	cell[c.len] = '\0';
	writer_format(&w, "  %7llu ms%s  %-9s  %-9s  ", ms(s->lasted_ns), s->is_open ? "+" : " ",
		      stall_kind_word(s->kind), stall_cause_word(s->cause));
	if (s->seen_ns > 0)
		writer_format(&w, "%6llu/%6llu  ", ms(s->cpu_ns), ms(s->seen_ns));
	else
		writer_format(&w, "%13s  ", "");
	writer_format(&w, "%-14s  ", cell);
	text_what(&w, s);
	writer_char(&w, '\n');
	buffer_wrote(b, &w);
}

void
stall_page_write_text(struct buffer *b, const struct stall_page *p)
{
	const struct stall *s;

	put(b, "%llu stalls since the start", number(p->stalls->count));
	if (p->limit_ns)
		put(b, "; a turn of a worker is one above %llu ms", ms(p->limit_ns));
	put(b, "; CPU throttled for %llu.%03u s\n", number(p->throttled_ns / CLOCK_SEC),
	    (unsigned)(p->throttled_ns % CLOCK_SEC / CLOCK_MS));
	if (p->stalls->count > 0)
		buffer_text(b, "\nbegan                         lasted   kind       cause      "
			       "CPU/ms watched  who             at\n");
	for (unsigned i = 0; (s = stalls_nth(p->stalls, i)) != NULL; i++)
		text_stall(b, p, s);
}
