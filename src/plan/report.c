/*
 * The report: one entry per declared part, in the order of declaration, on
 * every answer of a joined route.
 *
 *   Forebay-Parts: user=ok;12ms, orders=timeout;100ms, badge=ok;0ms;hit
 */
#include "plan/report.h"
#include "base/assert.h"
#include "base/clock.h"
#include "plan/run_priv.h"

static uint64_t
duration_of(const struct run_part *p)
{
	return p->began_ns && p->ended_ns > p->began_ns ? p->ended_ns - p->began_ns : 0;
}

/* How the answer that is kept has come into this one; NULL: it has not. */
static const char *
kept_word(const struct run_part *p)
{
	if (p->is_stale)
		return "stale";
	return p->kept && p->outcome == OUTCOME_OK ? "hit" : NULL;
}

static void
write_entry(struct writer *w, const struct run_part *p)
{
	writer_put(w, p->plan->part.name);
	writer_char(w, '=');
	writer_text(w, outcome_word(p->outcome));
	writer_char(w, ';');
	writer_u64(w, duration_of(p) / CLOCK_MS);
	writer_put(w, SLICE("ms"));
	if (kept_word(p))
		writer_format(w, ";%s", kept_word(p));
}

struct slice
report_make(const struct run *r)
{
	size_t cap = r->plan->report_bytes;
	char *memory = arena_alloc(&r->x->arena, cap);
	struct writer w = writer_over(memory, cap);

	if (!memory)
		return slice_make(NULL, 0);
	for (unsigned i = 0; i < r->plan->count; i++) {
		if (i)
			writer_put(&w, SLICE(", "));
		write_entry(&w, &r->part[i]);
	}
	ASSERT(!w.is_full);
	return writer_slice(&w);
}

struct slice
report_make_json(const struct run *r)
{
	size_t cap = r->plan->report_bytes;
	char *memory = arena_alloc(&r->x->arena, cap);
	struct writer w = writer_over(memory, memory ? cap : 0);

	for (unsigned i = 0; i < r->plan->count && memory; i++) {
		const struct run_part *p = &r->part[i];

		writer_format(&w, "%c\"%.*s\":{\"outcome\":\"%s\",\"ms\":", i ? ',' : '{',
			      SLICE_PRINT(p->plan->part.name), outcome_word(p->outcome));
		writer_u64(&w, duration_of(p) / CLOCK_MS);
		if (kept_word(p))
			writer_format(&w, ",\"cache\":\"%s\"", kept_word(p));
		writer_char(&w, '}');
	}
	writer_char(&w, '}');
	return memory ? writer_slice(&w) : slice_make(NULL, 0);
}

bool
report_part(const struct run *r, unsigned i, struct report_part *part)
{
	const struct run_part *p = &r->part[i];

	if (i >= r->plan->count)
		return false;
	part->name = p->plan->part.name;
	if (part->name.len == 0)
		part->name = slice_of(p->plan->part.source->ops->name);
	part->outcome = outcome_word(p->outcome);
	part->ns = duration_of(p);
	return true;
}
