/*
 * Several parts, joined: places for all of them are reserved before any
 * starts, each starts when what it waits for has ended, results are collected,
 * and when the last has ended, or a required one has failed, the client gets
 * its answer.
 *
 *   reserve -> [ ready -> start -> answer at once | later: head, body, done ] -> join
 *                  ^                                      |
 *                  '------- followers whose last has ended'     a failure: cancel the rest
 *
 * All decisions are taken in settle(), which never runs inside itself nor
 * inside a source's head() or body(): so a chain of parts that answer at once
 * needs no stack, and the exchange is never answered under a source that is
 * still at work on it.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "http/status.h"
#include "plan/each.h"
#include "plan/flight.h"
#include "plan/part_key.h"
#include "plan/stash.h"

static void settle(struct run *r);

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

/* As many have succeeded as are enough. */
static bool
is_met(const struct run *r)
{
	return r->plan->quorum > 0 && count_of(r->succeeded) >= r->plan->quorum;
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

static void
end_part(struct run *r, struct run_part *p, enum outcome outcome)
{
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
fan_end_part(struct run_part *p, enum outcome outcome)
{
	end_part(p->run, p, outcome);
}

/* Of a part that runs; idempotent. */
static void
cancel_part(struct run_part *p)
{
	if (p->plan->each)
		each_cancel(p);
	else if (p->flight)
		flight_leave(p);
	else if (p->kept)
		p->q.state_now = SUBREQUEST_CANCELLED;
	else
		subrequest_cancel(&p->q);
}

static void
fail_part(struct run *r, struct run_part *p, int err)
{
	p->err = err;
	end_part(r, p, cause_outcome(err));
}

/* --- call-backs of sources --------------------------------------------------------------- */

static void
settle_later(struct deferred *d)
{
	settle(CONTAINER_OF(d, struct run, later));
}

/* From inside head() or body(): the part is cancelled here, the run goes on soon. */
static void
drop(struct run_part *p, enum outcome outcome, int err)
{
	p->err = err;
	cancel_part(p);
	end_part(p->run, p, outcome);
	p->run->later.run = settle_later;
	loop_soon(&p->run->env->loop, &p->run->later);
}

static void
on_head(struct subrequest *q)
{
	struct run_part *p = run_part_of(q);
	int err = result_take_head(p);

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
	int err;

	if (!p->head.is_expected) {
		chunks_clear(list);
		return 0;
	}
	err = run_gather(p->run, &p->body, list, &q->refusal);
	if (err)
		drop(p, cause_outcome(err), err);
	return 0;
}

static void
on_done(struct subrequest *q, int err)
{
	struct run_part *p = run_part_of(q);
	struct run *r = p->run;

	run_mark(r, STALL_AT_PART, p);
	if (!err && p->head.is_expected)
		err = stash_take(p);
	if (err == ERR_SYNTAX)
		end_part(r, p, OUTCOME_INVALID);
	else if (err)
		fail_part(r, p, err);
	else
		end_part(r, p, p->head.is_expected ? OUTCOME_OK : OUTCOME_STATUS);
	settle(r);
}

/* No part of a join is offered a body: a template brings it what it needs. */
static void
on_want_body(struct subrequest *q)
{
	(void)q;
}

static const struct subrequest_ops fan_ops = {
	.head = on_head,
	.body = on_body,
	.done = on_done,
	.want_body = on_want_body,
};

static void
on_part_time(struct timer *t)
{
	struct run_part *p = CONTAINER_OF(t, struct run_part, timer);
	struct run *r = p->run;

	cancel_part(p);
	fail_part(r, p, ERR_TIMEOUT);
	settle(r);
}

/* --- the start of a part ------------------------------------------------------------------ */

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
	fail_part(r, p, err);
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

/* Places are asked for when it is known how many. */
static void
start_each(struct run *r, struct run_part *p)
{
	int err = run_arm(r);

	if (!err)
		err = set_timeout(r, p);
	if (err) {
		fail_part(r, p, err);
		return;
	}
	r->running |= bit_of(p);
	each_start(p);
}

/* Under the deadline of one who hurries nobody else's work is done, nor his under theirs: what it
 * was asked with stays with the source. */
static bool
may_share(struct run_part *p, struct slice *key)
{
	return p->plan->coalesce && !p->q.is_hurried &&
	       part_key_make(p, p->plan->coalesce, key) == 0;
}

void
fan_start_part(struct run *r, struct run_part *p)
{
	struct slice key;
	int err;

	run_mark(r, STALL_AT_PART, p);
	r->ready &= ~bit_of(p);
	if (!is_needed(r, p)) {
		end_part(r, p, p->err ? cause_outcome(p->err) : OUTCOME_UNNEEDED);
		return;
	}
	if (is_bereft(r, p)) {
		end_part(r, p,
			 p->blame->outcome == OUTCOME_UNNEEDED ? OUTCOME_UNNEEDED
							       : OUTCOME_SKIPPED);
		return;
	}
	p->began_ns = loop_now(&r->env->loop);
	p->q.is_later = false;
	fan_set_deadline(r, p);
	if (p->plan->each) {
		start_each(r, p);
		return;
	}
	err = p->q.value ? 0 : run_evaluate(p);
	if (!err && p->plan->stash)
		err = stash_name(p);
	if (err) {
		fail_part(r, p, err);
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

/* --- the answer --------------------------------------------------------------------------------
 */

void
fan_stop(struct run *r, uint64_t parts, enum outcome running, int err)
{
	uint64_t keep;
	unsigned i;

	PLAN_EACH(i, keep, parts & ~r->ended)
	{
		struct run_part *p = &r->part[i];

		p->err = err;
		if (r->running & PLAN_BIT(i)) {
			cancel_part(p);
			end_part(r, p, running);
		} else {
			end_part(r, p, OUTCOME_SKIPPED);
		}
	}
}

/* Whatever has not ended will not. */
static void
stop_all(struct run *r, enum outcome running, int err)
{
	fan_stop(r, run_all_parts(r), running, err);
	r->ready = 0;
}

void
fan_answer_failure(struct run *r)
{
	const struct run_part *p = r->failed;

	stop_all(r, OUTCOME_CANCELLED, ERR_CANCELLED);
	if (p->outcome == OUTCOME_STATUS && cause_status(p) == p->head.status) {
		run_add_field(r, FIELD_WWW_AUTHENTICATE, p->head.challenge);
		run_add_field(r, FIELD_RETRY_AFTER, p->head.retry_after);
	}
	run_refuse_for(r, p);
}

void
fan_send(struct exchange *x, int status, struct chunks *body)
{
	bool has_body = status_has_body(status);
	int err;

	x->response.status = status;
	x->response.framing = has_body ? BODY_LENGTH : BODY_NONE;
	x->response.content_length = body->bytes;
	err = exchange_head(x);
	if (!err && has_body)
		err = exchange_body(x, body);
	if (err >= 0)
		exchange_end(x);
	chunks_clear(body);
}

static void
answer_join(struct run *r)
{
	struct slice type;
	struct chunks body;

	stop_all(r, OUTCOME_CANCELLED, ERR_CANCELLED);
	chunks_init(&body, &r->env->store);
	if (join_results(r, &body, &type) != 0) {
		chunks_clear(&body);
		run_refuse(r, 503, NULL);
		return;
	}
	if (type.len)
		run_add_field(r, FIELD_CONTENT_TYPE, type);
	if (r->plan->conf.report == PLAN_REPORT_HEADER)
		run_add_report(r);
	if (r->is_degraded)
		run_add_field(r, FIELD_CACHE_CONTROL, SLICE("no-store"));
	run_leave(r);
	fan_send(r->x, 200, &body);
}

void
fan_drop_refused(struct run *r)
{
	uint64_t keep;
	unsigned i;

	PLAN_EACH(i, keep, r->running)
	{
		struct run_part *p = &r->part[i];

		if (p->head.status == 0 || p->head.is_expected || p->plan->is_optional)
			continue;
		cancel_part(p);
		end_part(r, p, OUTCOME_STATUS);
		if (r->failed)
			return;
	}
}

static bool
is_over(const struct run *r)
{
	return r->failed || is_met(r) || r->ended == run_all_parts(r);
}

static void
settle(struct run *r)
{
	if (r->flow) {
		flow_settle(r);
		return;
	}
	if (r->is_settling)
		return;
	r->is_settling = true;
	do {
		while (r->ready && !is_over(r))
			fan_start_part(r, &r->part[__builtin_ctzll(r->ready)]);
		if (!is_over(r))
			fan_drop_refused(r);
	} while (r->ready && !is_over(r));
	r->is_settling = false;
	if (r->failed)
		fan_answer_failure(r);
	else if (is_over(r))
		answer_join(r);
}

void
fan_settle(struct run *r)
{
	settle(r);
}

/* --- the run's start ------------------------------------------------------------------------- */

void
fan_prepare(struct run *r)
{
	for (unsigned i = 0; i < r->plan->count; i++) {
		r->part[i].q.up = &fan_ops;
		intake_init(&r->part[i].body, &r->env->store, r->part[i].plan->conf.max_result);
	}
}

/* Places for every part of the plan, those included that start later, so that none is refused
 * after its predecessors have worked for nothing. */
static void
start(struct run *r)
{
	uint64_t keep;
	unsigned i;

	fan_prepare(r);
	/* Sources may admit by deadline, and by values: those that start now know theirs. */
	r->ready = r->plan->first;
	PLAN_EACH(i, keep, r->ready)
	fan_foresee(r, &r->part[i]);
	fan_reserve(r, run_all_parts(r));
	settle(r);
}

/* --- the run's side -------------------------------------------------------------------------- */

static void
feed(struct run *r, struct chunks *body, bool is_last)
{
	(void)r;
	(void)is_last;
	chunks_clear(body);
}

static void
resume(struct run *r)
{
	(void)r;
}

static void
expire(struct run *r)
{
	stop_all(r, OUTCOME_TIMEOUT, ERR_DEADLINE);
	settle(r);
}

static void
cancel(struct run *r)
{
	stop_all(r, OUTCOME_CANCELLED, ERR_CANCELLED);
}

const struct run_way fan_way = {
	.start = start,
	.feed = feed,
	.resume = resume,
	.expire = expire,
	.cancel = cancel,
};
