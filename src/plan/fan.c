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
 * All decisions are taken in settle(), which never runs inside itself: so a
 * chain of parts that answer at once needs no stack. How one part starts and
 * ends is run_part.c's matter.
 */
#include "http/status.h"
#include "plan/run_priv.h"

/* --- the answer --------------------------------------------------------------------------------
 */

/* Whatever has not ended will not. */
static void
stop_all(struct run *r, enum outcome running, int err)
{
	run_parts_stop(r, run_all_parts(r), running, err);
	r->ready = 0;
}

static void
answer_failure(struct run *r)
{
	stop_all(r, OUTCOME_CANCELLED, ERR_CANCELLED);
	run_refuse_for(r, r->failed);
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
	r->x->is_degraded = r->is_degraded;
	if (r->is_degraded)
		run_add_field(r, FIELD_CACHE_CONTROL, SLICE("no-store"));
	run_leave(r);
	run_send(r->x, 200, &body);
}

/* As many have succeeded as are enough. */
static bool
is_met(const struct run *r)
{
	return r->plan->quorum > 0 &&
	       (unsigned)__builtin_popcountll(r->succeeded) >= r->plan->quorum;
}

static bool
is_over(const struct run *r)
{
	return r->failed || is_met(r) || r->ended == run_all_parts(r);
}

static void
settle(struct run *r)
{
	if (r->is_settling)
		return;
	r->is_settling = true;
	do {
		while (r->ready && !is_over(r))
			run_part_start(r, &r->part[__builtin_ctzll(r->ready)]);
		if (!is_over(r))
			run_parts_drop_refused(r);
	} while (r->ready && !is_over(r));
	r->is_settling = false;
	if (r->failed)
		answer_failure(r);
	else if (is_over(r))
		answer_join(r);
}

/* --- the run's start ------------------------------------------------------------------------- */

/* Places for every part of the plan, those included that start later, so that none is refused
 * after its predecessors have worked for nothing. */
static void
start(struct run *r)
{
	uint64_t keep;
	unsigned i;

	run_parts_init(r);
	/* Sources may admit by deadline, and by values: those that start now know theirs. */
	r->ready = r->plan->first;
	PLAN_EACH(i, keep, r->ready)
	fan_foresee(r, &r->part[i]);
	fan_reserve(r, run_all_parts(r));
	settle(r);
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
	.settle = settle,
	.expire = expire,
	.cancel = cancel,
};
