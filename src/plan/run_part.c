/*
 * A part of a run, from its start to its end, whatever way the run goes (fan.c, flow_way.c): who
 * answers it - its source, an equal part's flight, the stash, or many of its kind for a list - what
 * it came to, and who may start because of it. What comes next is the way's to decide, which is
 * told by settle().
 *
 *   ready --> start --> each | stash | flight | answer at once | later: head, body, done --> end
 *     ^                                                                                      |
 *     '--------------------------- followers whose last has ended ---------------------------'
 *
 * settle() is never called from inside a source's head() or body(): so the exchange is never
 * answered under a source that is still at work on it.
 */
#include "base/clock.h"
#include "plan/each.h"
#include "plan/flight.h"
#include "plan/part_key.h"
#include "plan/stash.h"

static uint64_t
bit_of(const struct run_part *p)
{
	return PLAN_BIT(run_place(p));
}

/* --- the end of a part --------------------------------------------------------------- */

/* Parts that waited for this one alone may start. */
static void
wake_followers(struct run *r, const struct run_part *p)
{
	uint64_t keep;
	unsigned i;

	PLAN_EACH(i, keep, p->plan->followers & ~r->ended)
	r->ready |= (r->plan->part[i].after & ~r->ended) ? 0 : PLAN_BIT(i);
}

/* Gives back what was reserved for a part that will not start. */
static void
give_back(struct run *r, struct run_part *p)
{
	if (!(r->reserved & bit_of(p)))
		return;
	r->reserved &= ~bit_of(p);
	p->q.part->source->ops->release(&p->q);
}

static unsigned
count_of(uint64_t parts)
{
	return (unsigned)__builtin_popcountll(parts);
}

/* What becomes of the run when a part has failed. */
static void
note_failure(struct run *r, const struct run_part *p)
{
	const struct plan *plan = r->plan;
	unsigned failed = count_of(r->ended & ~r->succeeded);
	bool is_decisive =
	    plan->quorum ? plan->count - failed < plan->quorum : !p->plan->is_optional;

	if (!plan->quorum)
		r->is_degraded = true;
	if (is_decisive && !r->failed)
		r->failed = p->blame;
}

void
run_part_end(struct run_part *p, enum outcome outcome)
{
	struct run *r = p->run;
	unsigned i = run_place(p);

	if (timer_is_set(&p->timer))
		loop_clear_timer(&r->env->loop, &p->timer);
	if (!(r->running & PLAN_BIT(i)))
		give_back(r, p);
	r->ready &= ~PLAN_BIT(i);
	r->running &= ~PLAN_BIT(i);
	r->ended |= PLAN_BIT(i);
	run_count(p, outcome);
	if (!p->blame)
		p->blame = p;
	if (outcome == OUTCOME_OK) {
		r->succeeded |= PLAN_BIT(i);
	} else {
		if (!p->plan->stash || !stash_stand_in(p))
			result_fall_back(p);
		if (outcome != OUTCOME_UNNEEDED || r->plan->quorum)
			note_failure(r, p);
	}
	if (outcome == OUTCOME_OK || p->is_stale || p->plan->has_fallback)
		r->result[i] = &p->result;
	wake_followers(r, p);
}

void
run_part_cancel(struct run_part *p)
{
	if (p->kept)
		p->q.state_now = SUBREQUEST_CANCELLED;
	else
		subrequest_cancel(&p->q);
}

/* Of a part that runs; idempotent. */
static void
cancel_part(struct run_part *p)
{
	if (p->plan->each)
		each_cancel(p);
	else if (p->flight)
		flight_leave(p);
	else
		run_part_cancel(p);
}

static void
fail_part(struct run_part *p, int err)
{
	p->err = err;
	run_part_end(p, cause_outcome(err));
}

/* --- what it came to -------------------------------------------------------------------------- */

int
run_part_gather(struct run_part *p, struct chunks *list)
{
	if (p->head.is_expected)
		return run_gather(p->run, &p->body, list, &p->q.refusal);
	chunks_clear(list);
	return 0;
}

enum outcome
run_part_take(struct run_part *p, int *err)
{
	if (*err == 0 && p->head.is_expected)
		*err = stash_take(p);
	if (*err == 0)
		return p->head.is_expected ? OUTCOME_OK : OUTCOME_STATUS;
	if (*err != ERR_SYNTAX)
		return cause_outcome(*err);
	*err = 0; /* it came, and is not what it should be */
	return OUTCOME_INVALID;
}

/* --- call-backs of sources --------------------------------------------------------------- */

static void
settle_later(struct deferred *d)
{
	struct run *r = CONTAINER_OF(d, struct run, later);

	r->way->settle(r);
}

/* From inside head() or body(): the part is cancelled here, the run goes on soon. */
static void
drop(struct run_part *p, enum outcome outcome, int err)
{
	p->err = err;
	cancel_part(p);
	run_part_end(p, outcome);
	p->run->later.run = settle_later;
	loop_soon(&p->run->env->loop, &p->run->later);
}

static void
on_head(struct subrequest *q)
{
	struct run_part *p = run_part_of(q);
	int err = stash_take_head(p);

	if (err)
		drop(p, OUTCOME_ERROR, err);
	else if (!p->head.is_expected && !p->plan->is_optional) {
		/* Soon, so that a short body that has come with the head is read to its end. */
		p->run->later.run = settle_later;
		loop_soon(&p->run->env->loop, &p->run->later);
	}
}

static int
on_body(struct subrequest *q, struct chunks *list)
{
	struct run_part *p = run_part_of(q);
	int err = run_part_gather(p, list);

	if (err)
		drop(p, cause_outcome(err), err);
	return 0;
}

static void
on_done(struct subrequest *q, int err)
{
	struct run_part *p = run_part_of(q);
	enum outcome outcome;

	run_mark(p->run, STALL_AT_PART, p);
	outcome = run_part_take(p, &err);
	p->err = err;
	run_part_end(p, outcome);
	p->run->way->settle(p->run);
}

static const struct subrequest_ops part_ops = {
	.head = on_head,
	.body = on_body,
	.done = on_done,
};

static void
on_part_time(struct timer *t)
{
	struct run_part *p = CONTAINER_OF(t, struct run_part, timer);
	struct run *r = p->run;

	cancel_part(p);
	fail_part(p, ERR_TIMEOUT);
	r->way->settle(r);
}

/* --- the start of a part ------------------------------------------------------------------ */

void
run_part_set_deadline(struct run *r, struct run_part *p)
{
	uint64_t timeout = p->plan->conf.timeout;
	uint64_t own = clock_after(loop_now(&r->env->loop), timeout);
	bool is_shorter = timeout && own < r->deadline_ns;

	p->q.deadline_ns = is_shorter ? own : r->deadline_ns;
	p->q.is_hurried = !is_shorter && r->is_hurried;
}

/* Whether its condition holds. */
static bool
is_needed(struct run *r, struct run_part *p)
{
	struct run_scope *scope;
	bool holds = true;

	if (!p->plan->when)
		return true;
	scope = run_need_scope(r);
	p->err = scope ? when_holds(p->plan->when, &scope->of, &r->x->arena, &holds) : ERR_MEMORY;
	return p->err == 0 && holds;
}

/* A part whose values need the result of one that has none will never start. */
static bool
is_bereft(const struct run *r, struct run_part *p)
{
	uint64_t keep;
	unsigned i;

	PLAN_EACH(i, keep, p->plan->needs)
	{
		if (!r->result[i]) {
			p->blame = r->part[i].blame;
			return true;
		}
	}
	return false;
}

static int
set_timeout(struct run *r, struct run_part *p)
{
	if (p->q.deadline_ns == r->deadline_ns)
		return 0;
	timer_init(&p->timer, on_part_time);
	return loop_set_timer(&r->env->loop, &p->timer, p->q.deadline_ns);
}

/* It did not get as far as its source. */
static void
fail_start(struct run *r, struct run_part *p, int err)
{
	p->q.state_now = SUBREQUEST_NEW;
	r->running &= ~bit_of(p);
	fail_part(p, err);
}

/* What it needs to wait for an answer. */
static int
prepare(struct run *r, struct run_part *p)
{
	int err = run_identify(p);

	if (!err)
		err = run_arm(r);
	return err ? err : set_timeout(r, p);
}

static void
start_later(struct run *r, struct run_part *p)
{
	int err = prepare(r, p);

	if (err) {
		fail_start(r, p, err);
		return;
	}
	r->reserved &= ~bit_of(p);
	p->q.part->source->ops->start(&p->q);
}

/* Equal ones share an execution, which takes its place when it starts: nobody knows before whether
 * one is needed. */
static void
start_shared(struct run *r, struct run_part *p, struct slice key)
{
	int err = prepare(r, p);

	if (!err)
		err = flight_join(p, key);
	if (err)
		fail_start(r, p, err);
}

static void
start_alone(struct run *r, struct run_part *p)
{
	const struct source_ops *ops = p->q.part->source->ops;
	struct subrequest *one = &p->q;
	int err = 0;

	if (ops->answer && ops->answer(&p->q) == 0) {
		give_back(r, p);
		return;
	}
	/* It was in no batch. */
	if (p->plan->comes_late && ops->reserve)
		err = ops->reserve(&one, 1);
	if (err) {
		fail_start(r, p, err);
		return;
	}
	if (p->plan->comes_late && ops->release)
		r->reserved |= bit_of(p);
	start_later(r, p);
}

static void
on_each_end(struct run_part *p, enum outcome outcome)
{
	run_part_end(p, outcome);
	p->run->way->settle(p->run);
}

/* Places are asked for when it is known how many. */
static void
start_each(struct run *r, struct run_part *p)
{
	int err = run_arm(r);

	if (!err)
		err = set_timeout(r, p);
	if (err) {
		fail_part(p, err);
		return;
	}
	r->running |= bit_of(p);
	each_start(p, on_each_end);
}

/* Under the deadline of one who hurries nobody else's work is done, nor his under theirs: what it
 * was asked with stays with the source. */
static bool
may_share(struct run_part *p, struct slice *key)
{
	/* Who joins a request that makes way for all would wait behind all. */
	return p->plan->coalesce && !p->q.is_hurried && !p->run->x->is_background &&
	       part_key_make(p, p->plan->coalesce, key) == 0;
}

void
run_part_start(struct run *r, struct run_part *p)
{
	struct slice key;
	int err;

	run_mark(r, STALL_AT_PART, p);
	r->ready &= ~bit_of(p);
	if (!is_needed(r, p)) {
		run_part_end(p, p->err ? cause_outcome(p->err) : OUTCOME_UNNEEDED);
		return;
	}
	if (is_bereft(r, p)) {
		run_part_end(p, p->blame->outcome == OUTCOME_UNNEEDED ? OUTCOME_UNNEEDED
								      : OUTCOME_SKIPPED);
		return;
	}
	p->began_ns = loop_now(&r->env->loop);
	p->q.is_later = false;
	run_part_set_deadline(r, p);
	if (p->plan->each) {
		start_each(r, p);
		return;
	}
	err = p->q.value ? 0 : run_evaluate(p);
	if (!err && p->plan->stash)
		err = stash_name(p);
	if (err) {
		fail_part(p, err);
		return;
	}
	r->running |= bit_of(p);
	p->q.state_now = SUBREQUEST_STARTED;
	if (p->plan->stash && stash_answer(p))
		return;
	if (may_share(p, &key))
		start_shared(r, p, key);
	else
		start_alone(r, p);
}

/* --- all of them -------------------------------------------------------------------------------
 */

void
run_parts_init(struct run *r)
{
	for (unsigned i = 0; i < r->plan->count; i++) {
		r->part[i].q.up = &part_ops;
		intake_init(&r->part[i].body, &r->env->store, r->part[i].plan->conf.max_result);
	}
}

void
run_parts_stop(struct run *r, uint64_t parts, enum outcome running, int err)
{
	uint64_t keep;
	unsigned i;

	PLAN_EACH(i, keep, parts & ~r->ended)
	{
		struct run_part *p = &r->part[i];

		p->err = err;
		if (r->running & PLAN_BIT(i)) {
			cancel_part(p);
			run_part_end(p, running);
		} else {
			run_part_end(p, OUTCOME_SKIPPED);
		}
	}
}

void
run_parts_drop_refused(struct run *r)
{
	uint64_t keep;
	unsigned i;

	PLAN_EACH(i, keep, r->running)
	{
		struct run_part *p = &r->part[i];

		if (p->head.status == 0 || p->head.is_expected || p->plan->is_optional)
			continue;
		cancel_part(p);
		run_part_end(p, OUTCOME_STATUS);
		if (r->failed)
			return;
	}
}
