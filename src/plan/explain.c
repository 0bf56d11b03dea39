/*
 * A plan as text; see explain.h.
 *
 *   Step  Part    Source          Timeout   If it fails  Pool           Waits for
 *   1     user    upstream users  deadline  required     -              -
 *   1     orders  sql shop        100ms     else []      database.shop  -
 *   2     badge   compute digest  deadline  required     compute        user
 *
 *   Time      300ms at most: the deadline. ...
 */
#include "base/clock.h"
#include "cache/cache.h"
#include "config/value.h"
#include "flow/flow.h"
#include "plan/explain_priv.h"
#include "plan/stash.h"

enum {
	CELL_BYTES = 512,
	FALLBACK_BYTES = 24, /* longer ones are not shown */
	LABEL_WIDTH = 10, /* of "Time" and the like */
};

struct explaining {
	const struct plan *plan;
	struct outlook outlook;
	struct writer *w;
};

/* --- shared with explain_dot.c ------------------------------------------------------------ */

void
explain_source(const struct plan_part *pp, struct writer *w)
{
	const struct source *s = pp->part.source;

	writer_text(w, s->ops->name);
	if (s->name.len + pp->part.argument.len > 0)
		writer_char(w, ' ');
	writer_put(w, s->name);
	writer_put(w, pp->part.argument);
}

void
explain_timeout(const struct plan *p, const struct plan_part *pp, struct writer *w)
{
	if (outlook_is_instant(pp))
		writer_text(w, "at once");
	else if (pp->conf.timeout && pp->conf.timeout < p->conf.deadline)
		value_write_duration(w, pp->conf.timeout);
	else
		writer_text(w, "deadline");
}

struct slice
explain_match(const struct plan *p)
{
	const struct conf_entry *entry = conf_entry(p->section, "match");

	return entry ? slice_trim(entry->value) : SLICE("");
}

/* --- the table of parts ------------------------------------------------------------------- */

static void
write_step(const struct explaining *e, unsigned i, struct writer *w)
{
	writer_u64(w, e->outlook.step[i]);
}

static void
write_name(const struct explaining *e, unsigned i, struct writer *w)
{
	struct slice name = e->plan->part[i].part.name;

	writer_put(w, name.len > 0 ? name : SLICE("-"));
}

static void
write_source(const struct explaining *e, unsigned i, struct writer *w)
{
	explain_source(&e->plan->part[i], w);
}

static void
write_timeout(const struct explaining *e, unsigned i, struct writer *w)
{
	explain_timeout(e->plan, &e->plan->part[i], w);
}

static void
write_failure(const struct explaining *e, unsigned i, struct writer *w)
{
	const struct plan_part *pp = &e->plan->part[i];
	struct slice fallback = pp->conf.fallback;

	if (!pp->is_optional)
		writer_text(w, "required");
	else if (fallback.len == 0)
		writer_text(w, "else null");
	else if (fallback.len > FALLBACK_BYTES || slice_find(fallback, '\n') < fallback.len)
		writer_text(w, "else its fallback");
	else
		writer_format(w, "else %.*s", SLICE_PRINT(fallback));
}

static void
write_pool(const struct explaining *e, unsigned i, struct writer *w)
{
	const struct pool *own = part_pool(&e->plan->part[i].part);
	const struct pool *shared = part_bounds(&e->plan->part[i].part).pool;

	if (own)
		writer_text(w, pool_name(own));
	else if (shared)
		writer_format(w, "(%s)", pool_name(shared));
	else
		writer_char(w, '-');
}

/* In parentheses: its end alone, not its result. */
static void
write_waits(const struct explaining *e, unsigned i, struct writer *w)
{
	const struct plan_part *pp = &e->plan->part[i];
	const char *before = "";
	unsigned need;
	uint64_t keep;

	PLAN_EACH(need, keep, pp->after)
	{
		bool is_needed = pp->needs & PLAN_BIT(need);

		writer_format(w, is_needed ? "%s%.*s" : "%s(%.*s)", before,
			      SLICE_PRINT(e->plan->part[need].part.name));
		before = ", ";
	}
	if (pp->after == 0)
		writer_char(w, '-');
}

typedef void (*cell_fn)(const struct explaining *e, unsigned i, struct writer *w);

static const struct {
	const char *title;
	cell_fn write;
} columns[] = {
	{ "Step", write_step },       { "Part", write_name }, { "Source", write_source },
	{ "Timeout", write_timeout }, { "Pool", write_pool }, { "If it fails", write_failure },
	{ "Waits for", write_waits },
};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static size_t
cell_len(const struct explaining *e, unsigned column, unsigned i)
{
	char text[CELL_BYTES];
	struct writer w = writer_over(text, sizeof(text));

	columns[column].write(e, i, &w);
	return w.len;
}

/* Nothing stands behind the last column. */
static void
pad(const struct explaining *e, unsigned column, size_t written, const size_t *width)
{
	if (column == COLUMNS - 1)
		writer_char(e->w, '\n');
	else
		writer_format(e->w, "%*s", (int)(width[column] - written + 2), "");
}

static void
write_table(const struct explaining *e)
{
	size_t width[COLUMNS];

	for (unsigned c = 0; c < COLUMNS; c++) {
		width[c] = strlen(columns[c].title);
		for (unsigned i = 0; i < e->plan->count; i++) {
			size_t len = cell_len(e, c, i);

			width[c] = len > width[c] ? len : width[c];
		}
	}
	for (unsigned c = 0; c < COLUMNS; c++) {
		writer_text(e->w, columns[c].title);
		pad(e, c, strlen(columns[c].title), width);
	}
	for (unsigned k = 0; k < e->plan->count; k++) {
		for (unsigned c = 0; c < COLUMNS; c++) {
			size_t before = e->w->len;

			columns[c].write(e, e->plan->order[k], e->w);
			pad(e, c, e->w->len - before, width);
		}
	}
	writer_char(e->w, '\n');
}

/* --- what it comes to -------------------------------------------------------------------- */

static void
begin_line(const struct explaining *e, const char *label)
{
	writer_format(e->w, "%-*s", LABEL_WIDTH, label);
}

/* `user 300ms > badge 300ms = 600ms` */
static void
write_chain(const struct explaining *e)
{
	const struct outlook *o = &e->outlook;

	begin_line(e, "");
	writer_text(e->w, "longest chain: ");
	for (unsigned k = 0; k < o->chained; k++) {
		unsigned i = o->chain[k];

		writer_format(e->w, "%s%.*s ", k ? " > " : "",
			      SLICE_PRINT(e->plan->part[i].part.name));
		value_write_duration(e->w, o->limit_ns[i]);
	}
	if (o->chained > 1) {
		writer_text(e->w, " = ");
		value_write_duration(e->w, o->chain_ns);
	}
	writer_char(e->w, '\n');
}

/* Whether the client's body comes while the plan runs. */
static bool
waits_for_body(const struct plan *p)
{
	return p->needs_body || (!p->is_joined && p->part[0].part.source->ops->takes_body);
}

/* By what it is bounded. */
static void
write_bound(const struct explaining *e)
{
	const struct plan *p = e->plan;
	const struct outlook *o = &e->outlook;

	value_write_duration(e->w, o->worst_ns);
	if (o->chain_ns >= p->conf.deadline) {
		writer_text(e->w, " at most, by the deadline");
		return;
	}
	writer_text(e->w, " at most, by the timeouts; the deadline is ");
	value_write_duration(e->w, p->conf.deadline);
}

static void
write_time(const struct explaining *e)
{
	const struct plan *p = e->plan;

	begin_line(e, "Time");
	if (e->outlook.worst_ns == 0)
		writer_text(e->w, "nothing waits for anything");
	else
		write_bound(e);
	if (!p->is_joined && e->outlook.worst_ns)
		writer_text(e->w, ", until the answer begins");
	if (waits_for_body(p))
		writer_text(e->w, "; the clock stands while the client sends its body");
	writer_char(e->w, '\n');
	if (p->is_joined && !p->flow && e->outlook.worst_ns)
		write_chain(e);
}

/* Up to the next k: nobody reads 1398104 at a glance. */
static void
write_bytes(struct writer *w, uint64_t bytes)
{
	value_write_size(w, (bytes + 1023) / 1024 * 1024);
}

static void
write_share(const struct explaining *e, const char **before, uint64_t bytes, const char *what)
{
	if (bytes == 0)
		return;
	writer_text(e->w, *before);
	write_bytes(e->w, bytes);
	writer_text(e->w, what);
	*before = ", ";
}

static void
write_memory(const struct explaining *e)
{
	const struct outlook *o = &e->outlook;
	const char *before = ": ";

	begin_line(e, "Memory");
	if (o->memory_bytes == 0) {
		writer_text(e->w, "no body is kept: it is streamed\n");
		return;
	}
	write_bytes(e->w, o->memory_bytes);
	writer_text(e->w, " at most");
	write_share(e, &before, o->result_bytes,
		    e->plan->is_joined ? " of results (max_result)" : " of the job's result");
	write_share(e, &before, o->join_bytes,
		    e->plan->flow ? " of the flow's answer (max_answer)"
				  : " to write as JSON what is none");
	write_share(e, &before, o->body_bytes, " of the request's body (max_body)");
	write_share(e, &before, o->kept_bytes, " of the response (buffer_response)");
	writer_char(e->w, '\n');
}

static void
write_width(const struct explaining *e)
{
	unsigned n = e->plan->count;

	if (!e->plan->is_joined)
		return;
	begin_line(e, "Fan-out");
	if (e->plan->flow) {
		writer_format(e->w, "%u part%s, called as the flow decides\n", n,
			      n == 1 ? "" : "s");
		return;
	}
	writer_format(e->w, "%u part%s in %u step%s, at most %u at once\n", n, n == 1 ? "" : "s",
		      e->outlook.steps, e->outlook.steps == 1 ? "" : "s", e->outlook.width);
}

/* --- what it takes of others ------------------------------------------------------------- */

/* Parts of the same pool from `first` on; 0 when an earlier part is of that pool. */
static unsigned
count_places(const struct plan *p, unsigned first)
{
	const struct pool *pool = part_pool(&p->part[first].part);
	unsigned count = 0;

	for (unsigned i = 0; i < p->count; i++) {
		if (part_pool(&p->part[i].part) != pool)
			continue;
		if (i < first)
			return 0;
		count++;
	}
	return count;
}

/* For places in queues. */
static const char *
when_asked(const struct plan *p)
{
	return p->flow ? "when they are called" : "at the start";
}

static void
write_places(const struct explaining *e, unsigned first)
{
	struct pool *pool = part_pool(&e->plan->part[first].part);
	unsigned count = pool ? count_places(e->plan, first) : 0;
	struct pool_limits l;

	if (count == 0)
		return;
	l = pool_limits(pool);
	begin_line(e, "Pool");
	writer_format(e->w, "%s: %u place%s %s, of %u (%u thread%s, %u waiting)", pool_name(pool),
		      count, count == 1 ? "" : "s", when_asked(e->plan), l.threads + l.max_queue,
		      l.threads, l.threads == 1 ? "" : "s", l.max_queue);
	if (l.max_wait_ns) {
		writer_text(e->w, "; refused when the wait would be over ");
		value_write_duration(e->w, l.max_wait_ns);
	}
	writer_char(e->w, '\n');
}

static unsigned
count_requests(const struct plan *p, unsigned first)
{
	unsigned count = 0;

	for (unsigned i = 0; i < p->count; i++) {
		if (p->part[i].part.source != p->part[first].part.source)
			continue;
		if (i < first)
			return 0;
		count++;
	}
	return count;
}

static void
write_condition(const struct explaining *e, const struct plan_part *pp)
{
	if (!pp->when)
		return;
	begin_line(e, "Only when");
	writer_put(e->w, pp->part.name);
	writer_text(e->w, ": ");
	writer_put(e->w, slice_trim(pp->conf.when));
	writer_char(e->w, '\n');
}

static void
write_list(const struct explaining *e, const struct plan_part *pp)
{
	if (!pp->each)
		return;
	begin_line(e, "For each");
	writer_put(e->w, pp->part.name);
	writer_text(e->w, ": ");
	writer_put(e->w, slice_trim(pp->conf.each));
	writer_format(e->w, ", at most %u elements, %u at once\n", pp->conf.each_max,
		      pp->conf.each_at_once);
}

static void
write_stash(const struct explaining *e, const struct plan_part *pp)
{
	const struct stash *s = pp->stash;

	if (!s)
		return;
	begin_line(e, "Kept");
	writer_format(e->w, "%.*s: in cache %.*s", SLICE_PRINT(pp->part.name),
		      SLICE_PRINT(s->cache->name));
	if (s->key)
		writer_format(e->w, " by %.*s", SLICE_PRINT(slice_trim(pp->conf.cache_key)));
	if (s->answers)
		writer_text(e->w, ", used while it is fresh");
	if (s->answers && s->unsaid_s) {
		writer_text(e->w, ", ");
		value_write_duration(e->w, (uint64_t)s->unsaid_s * CLOCK_SEC);
		writer_text(e->w, " if it does not say");
	}
	if (s->stale_ns) {
		writer_text(e->w, ", used if the part fails until it is ");
		value_write_duration(e->w, s->stale_ns);
		writer_text(e->w, " old");
	}
	writer_char(e->w, '\n');
}

static void
write_bounds(const struct explaining *e, unsigned first)
{
	const struct plan_part *pp = &e->plan->part[first];
	struct source_bounds b = part_bounds(&pp->part);
	unsigned count = count_requests(e->plan, first);

	if (count == 0 || (b.at_once == 0 && b.work_ns == 0))
		return;
	begin_line(e, "Source");
	explain_source(pp, e->w);
	writer_text(e->w, ": ");
	if (b.at_once)
		writer_format(e->w, "%u %s, of %u (%u connection%s, %u waiting)", count,
			      when_asked(e->plan), b.at_once + b.waiting, b.at_once,
			      b.at_once == 1 ? "" : "s", b.waiting);
	if (b.answer_ns) {
		writer_format(e->w, "; at most %u attempt%s, each ", b.attempts,
			      b.attempts == 1 ? "" : "s");
		value_write_duration(e->w, b.answer_ns);
		writer_text(e->w, " to its first byte at most");
	}
	if (b.work_ns) {
		value_write_duration(e->w, b.work_ns);
		writer_text(e->w, " at most for a statement");
	}
	writer_char(e->w, '\n');
}

/* --- the whole ----------------------------------------------------------------------------- */

static void
write_heading(const struct explaining *e)
{
	static const char *const joins[] = {
		[PLAN_JOIN_OBJECT] = "joined as an object",
		[PLAN_JOIN_ARRAY] = "joined as an array",
		[PLAN_JOIN_CONCAT] = "joined by concatenation",
		[PLAN_JOIN_FIRST] = "answered by the first part that succeeds",
		[PLAN_JOIN_TEMPLATE] = "joined by a template",
	};
	static const char *const priorities[] = {
		[CLASS_CRITICAL] = "critical",
		[CLASS_NORMAL] = "normal",
		[CLASS_SHEDDABLE] = "sheddable",
	};
	const struct plan *p = e->plan;
	struct slice match = explain_match(p);

	writer_format(e->w, "[route %.*s] at %s:%u", SLICE_PRINT(p->name),
		      conf_file_name(p->section, NULL), conf_line(p->section, NULL));
	writer_text(e->w, match.len > 0 ? ": " : "");
	writer_put(e->w, match);
	writer_char(e->w, '\n');
	if (p->flow)
		writer_format(e->w, "answered by flow %s", p->flow->type->name);
	else
		writer_text(e->w, p->is_joined ? joins[p->conf.join] : "one part, passed through");
	if (p->is_joined && p->conf.failure != PLAN_PARTIAL)
		writer_text(e->w, ", all or nothing");
	if (p->quorum && p->conf.join != PLAN_JOIN_FIRST)
		writer_format(e->w, ", as soon as %u parts have succeeded", p->quorum);
	writer_text(e->w, "; deadline ");
	value_write_duration(e->w, p->conf.deadline);
	writer_format(e->w, ", priority %s\n\n", priorities[p->conf.priority]);
}

void
explain_text(const struct plan *p, uint64_t max_body, struct writer *w)
{
	struct explaining e = { .plan = p, .w = w };

	outlook_of(&e.outlook, p, max_body);
	write_heading(&e);
	write_table(&e);
	for (unsigned i = 0; i < p->count; i++)
		write_condition(&e, &p->part[i]);
	for (unsigned i = 0; i < p->count; i++)
		write_list(&e, &p->part[i]);
	for (unsigned i = 0; i < p->count; i++)
		write_stash(&e, &p->part[i]);
	write_time(&e);
	write_memory(&e);
	write_width(&e);
	for (unsigned i = 0; i < p->count; i++)
		write_places(&e, i);
	for (unsigned i = 0; i < p->count; i++)
		write_bounds(&e, i);
}
