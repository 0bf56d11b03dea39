/*
 * The outlook of a plan; see outlook.h.
 */
#include "plan/outlook.h"

#include "base/clock.h"
#include "plan/plan_priv.h"
#include "plan/pond.h"

/* A control character becomes \u0001 in a JSON string. */
enum { TEXT_GROWTH = 6 };

/* --- time ------------------------------------------------------------------------------- */

bool
outlook_is_instant(const struct plan_part *pp)
{
	return !pp->part.source->ops->start;
}

static uint64_t
limit_of(const struct plan *p, const struct plan_part *pp)
{
	uint64_t timeout = pp->conf.timeout, deadline = p->conf.deadline;

	if (outlook_is_instant(pp))
		return 0;
	return timeout && timeout < deadline ? timeout : deadline;
}

static void
find_steps(struct outlook *o, const struct plan *p)
{
	for (unsigned k = 0; k < p->count; k++) {
		unsigned i = p->order[k], need;
		uint64_t keep;

		o->step[i] = 1;
		PLAN_EACH(need, keep, p->part[i].after)
		{
			if (o->step[need] >= o->step[i])
				o->step[i] = (unsigned char)(o->step[need] + 1);
		}
		if (o->step[i] > o->steps)
			o->steps = o->step[i];
	}
}

/* From its last part back to its first. */
static void
keep_chain(struct outlook *o, const unsigned *before, unsigned last)
{
	unsigned at;

	o->chained = 1;
	for (at = last; before[at] != at; at = before[at])
		o->chained++;
	at = last;
	for (unsigned k = o->chained; k-- > 0; at = before[at])
		o->chain[k] = (unsigned char)at;
}

/* The latest end of each part, and the part before it that it has it from; itself: none. */
static void
find_chain(struct outlook *o, const struct plan *p)
{
	uint64_t end[PLAN_PARTS_MAX] = { 0 };
	unsigned before[PLAN_PARTS_MAX], last = p->order[0];

	if (p->count == 0)
		return;
	for (unsigned k = 0; k < p->count; k++) {
		unsigned i = p->order[k], need;
		uint64_t keep, begin = 0;

		before[i] = i;
		PLAN_EACH(need, keep, p->part[i].after)
		{
			if (end[need] <= begin)
				continue;
			begin = end[need];
			before[i] = need;
		}
		end[i] = clock_after(begin, o->limit_ns[i]);
		/* Of two that end last, the one that the answer cannot do without. */
		if (end[i] > end[last] ||
		    (end[i] == end[last] && p->part[last].is_optional && !p->part[i].is_optional))
			last = i;
	}
	o->chain_ns = end[last];
	keep_chain(o, before, last);
}

/* --- width ------------------------------------------------------------------------------- */

/* All that each part waits for, directly or not. */
static void
find_ancestors(const struct plan *p, uint64_t *ancestors)
{
	for (unsigned k = 0; k < p->count; k++) {
		unsigned i = p->order[k], need;
		uint64_t keep;

		ancestors[i] = p->part[i].after;
		PLAN_EACH(need, keep, p->part[i].after)
		ancestors[i] |= ancestors[need];
	}
}

/* `need` is free: it becomes that of from[need], whose own goes to the next, until it is i's turn.
 */
static void
pass_on(unsigned char *to, const unsigned char *from, unsigned need, unsigned i)
{
	while (from[need] != i) {
		unsigned own = 0;

		while (to[own] != from[need])
			own++;
		to[need] = from[need];
		need = own;
	}
	to[need] = (unsigned char)i;
}

/* Gives part `i` a predecessor that is no other's, where need be by moving others to another of
 * theirs. to[need]: the part whose predecessor it is, or PLAN_PARTS_MAX. */
static bool
has_own_predecessor(const uint64_t *ancestors, unsigned i, unsigned char *to)
{
	unsigned char from[PLAN_PARTS_MAX], queue[PLAN_PARTS_MAX + 1];
	unsigned head = 0, tail = 0, need;
	uint64_t seen = 0, keep;

	queue[tail++] = (unsigned char)i;
	while (head < tail) {
		unsigned at = queue[head++];

		PLAN_EACH(need, keep, ancestors[at] & ~seen)
		{
			seen |= PLAN_BIT(need);
			from[need] = (unsigned char)at;
			if (to[need] == PLAN_PARTS_MAX) {
				pass_on(to, from, need, i);
				return true;
			}
			queue[tail++] = to[need];
		}
	}
	return false;
}

/* The most parts of which none waits for another: as many as the fewest chains that together hold
 * every part (Dilworth), which are the parts less those that follow another in its chain. */
static unsigned
find_width(const struct plan *p)
{
	uint64_t ancestors[PLAN_PARTS_MAX] = { 0 };
	unsigned char to[PLAN_PARTS_MAX];
	unsigned width = p->count;

	find_ancestors(p, ancestors);
	memset(to, PLAN_PARTS_MAX, sizeof(to));
	for (unsigned i = 0; i < p->count; i++)
		width -= has_own_predecessor(ancestors, i, to);
	return width;
}

/* --- memory ------------------------------------------------------------------------------- */

/* What a result that is no JSON is written anew as. */
static uint64_t
encoded_bytes(const struct plan_part *pp)
{
	uint64_t bytes = pp->conf.max_result;

	if (pp->conf.as == PLAN_AS_JSON)
		return 0;
	if (pp->conf.as == PLAN_AS_BASE64)
		return (bytes + 2) / 3 * 4;
	return bytes * TEXT_GROWTH;
}

static void
add_memory(struct outlook *o, const struct plan *p, uint64_t max_body)
{
	for (unsigned i = 0; i < p->count; i++) {
		const struct plan_part *pp = &p->part[i];

		if (p->is_joined) {
			o->result_bytes += pp->conf.max_result;
			o->join_bytes += encoded_bytes(pp);
		} else if (pp->part.source->ops->pool) {
			/* A job's result is there as a whole before any of it is sent. */
			o->result_bytes += pp->part.max_result;
		}
	}
	if (p->flow)
		o->join_bytes = p->flow_conf.max_answer;
	o->body_bytes = p->needs_body ? max_body : 0;
	o->kept_bytes = p->pond ? p->pond->memory : 0;
	o->memory_bytes = o->result_bytes + o->join_bytes + o->body_bytes + o->kept_bytes;
}

void
outlook_of(struct outlook *o, const struct plan *p, uint64_t max_body)
{
	*o = (struct outlook){ .steps = 0 };
	for (unsigned i = 0; i < p->count; i++)
		o->limit_ns[i] = limit_of(p, &p->part[i]);
	find_steps(o, p);
	find_chain(o, p);
	/* A flow may call one part after the other, and sleep. */
	if (p->flow)
		o->chain_ns = p->conf.deadline;
	o->worst_ns = o->chain_ns < p->conf.deadline ? o->chain_ns : p->conf.deadline;
	o->width = find_width(p);
	add_memory(o, p, max_body);
}
