/*
 * A pool under load, simulated; see gate_sim.h.
 */
#include "gate_sim.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"

#include <check.h>
#include <string.h>

enum { RETRY_AFTER_MS = 50, RETRY_SPREAD_MS = 100 };

struct sim_ask {
	struct sim_stream *stream;
	uint64_t came_ns, deadline_ns;
	uint64_t spent_ns;
	unsigned attempt, jobs, left, late;
	uint64_t expected_ns; /* of each */
	struct sim_job *job[SIM_JOBS_MAX]; /* that have not begun to wait */
};

struct sim_job {
	struct gate_job job;
	struct gate_promise promise;
	struct sim_ask *ask;
	uint64_t takes_ns, started_ns, ends_ns;
	uint64_t patience_ns; /* of a controlled queue */
};

struct sim_event {
	struct sim_event *next;
	uint64_t at_ns;
	struct sim_stream *stream;
	unsigned attempt;
	struct sim_ask *ask; /* whose jobs are ready; NULL: a retry */
};

/* --- chance --------------------------------------------------------------------------- */

static double
uniform(struct sim *s)
{
	return (double)(random_next(&s->random) >> 11) * 0x1p-53;
}

/* Von Neumann's way (1951): comparisons only. */
static double
exponential(struct sim *s)
{
	for (double whole = 0;; whole += 1) {
		double first = uniform(s), last = first;
		for (;;) {
			double next = uniform(s);
			if (next > last)
				return whole + first;
			last = uniform(s);
			if (last > next)
				break;
		}
	}
}

static void
plan_arrival(struct sim *s, struct sim_stream *t)
{
	t->next_ns = CLOCK_NEVER;
	if (t->per_s > 0)
		t->next_ns = s->now_ns + (uint64_t)(exponential(s) * 1e9 / t->per_s);
}

/* --- events ------------------------------------------------------------------------------- */

static void
plan_event(struct sim *s, const struct sim_event *what)
{
	struct sim_event **place = &s->again;
	struct sim_event *e = mem_zalloc(1, sizeof(*e));

	*e = *what;
	while (*place && (*place)->at_ns <= e->at_ns)
		place = &(*place)->next;
	e->next = *place;
	*place = e;
}

/* --- ends --------------------------------------------------------------------------------- */

/* As pool.c tells them: until all has drained, and up to as long again. */
static uint64_t
retry_after(struct sim *s)
{
	uint64_t seconds = gate_drain_ns(&s->gate) / CLOCK_SEC + 1;

	return (seconds + random_below(&s->random, (uint32_t)seconds + 1)) * CLOCK_SEC;
}

static void
come_again(struct sim *s, struct sim_stream *t, unsigned attempt)
{
	uint64_t soon = (RETRY_AFTER_MS + random_below(&s->random, RETRY_SPREAD_MS)) * CLOCK_MS;

	if (attempt < t->attempts)
		plan_event(
		    s, &(struct sim_event){ .at_ns = s->now_ns + (t->heeds ? retry_after(s) : soon),
					    .stream = t,
					    .attempt = attempt + 1 });
}

/* It is not the gate's any more. */
static void
end_job(struct sim *s, struct sim_job *j, bool is_good)
{
	struct sim_ask *a = j->ask;

	a->late += !is_good;
	if (--a->left == 0) {
		a->stream->good += a->late == 0;
		a->stream->good_ns += a->late == 0 ? a->spent_ns : 0;
		if (a->late > 0)
			come_again(s, a->stream, a->attempt);
		mem_free(&a);
	}
	mem_free(&j);
}

static void
leave(struct sim *s, struct sim_job *j, bool is_good)
{
	gate_leave(&s->gate);
	end_job(s, j, is_good);
}

/* --- what others do -------------------------------------------------------------------------- */

/*
 * Maurer, "Fail at Scale", ACM Queue 13 (2015): CoDel's (RFC 8289) notion of a standing queue, one
 * that was not empty for a whole interval. Then a job waits no longer than the target, else as long
 * as the interval, and who came last is served first.
 */
static const uint64_t target_ns = 5 * CLOCK_MS, interval_ns = 100 * CLOCK_MS;

static bool
is_standing(const struct sim *s)
{
	return s->now_ns > s->empty_ns + interval_ns;
}

static void
note_empty(struct sim *s)
{
	if (s->gate.waiting == 0)
		s->empty_ns = s->now_ns;
}

static struct gate_job *
last_of(struct sim *s)
{
	struct edf_node *last = edf_last(&s->gate.queue.line[0]);

	return last ? CONTAINER_OF(last, struct gate_job, node) : NULL;
}

static struct gate_job *
take_next(struct sim *s)
{
	struct gate_job *j = NULL;

	if (s->is_controlled)
		note_empty(s);
	if (s->is_controlled && is_standing(s))
		j = last_of(s);
	if (!j)
		return gate_take(&s->gate);
	gate_remove(&s->gate, j);
	return j;
}

/* --- threads -------------------------------------------------------------------------------- */

static bool
may_run(struct sim *s, const struct sim_job *j)
{
	if (s->now_ns >= j->ask->deadline_ns && (s->drops_expired || s->gate.order))
		return false;
	if (s->is_controlled && s->now_ns > j->job.submitted_ns + j->patience_ns)
		return false;
	return !gate_is_hopeless(&s->gate, &j->job, s->now_ns);
}

static void
give_work(struct sim *s, unsigned thread)
{
	struct gate_job *next;

	while (!s->running[thread] && (next = take_next(s)) != NULL) {
		struct sim_job *j = CONTAINER_OF(next, struct sim_job, job);
		if (!may_run(s, j)) {
			j->ask->stream->unrun++;
			leave(s, j, false);
			continue;
		}
		gate_start(&s->gate, next);
		j->started_ns = s->now_ns;
		j->ends_ns = s->now_ns + j->takes_ns;
		s->running[thread] = j;
	}
}

static void
give_all_work(struct sim *s)
{
	for (unsigned i = 0; i < s->gate.threads; i++)
		give_work(s, i);
}

static void
note_response(struct sim_stream *t, uint64_t took_ns)
{
	uint64_t ms = took_ns / CLOCK_MS;

	t->response[ms < SIM_RESPONSE_MS ? ms : SIM_RESPONSE_MS - 1]++;
}

static void
end_run(struct sim *s, unsigned thread)
{
	struct sim_job *j = s->running[thread];
	struct sim_ask *a = j->ask;

	s->running[thread] = NULL;
	gate_end(&s->gate, &j->job, s->now_ns, s->now_ns - j->started_ns, COST_WHOLE);
	a->spent_ns += j->takes_ns;
	note_response(a->stream, s->now_ns - a->came_ns);
	leave(s, j, s->now_ns <= a->deadline_ns);
	give_work(s, thread);
}

/* --- arrivals ----------------------------------------------------------------------------------
 */

static void
wait_in_line(struct sim *s, struct sim_job *j)
{
	struct sim_stream *t = j->ask->stream;

	j->job.submitted_ns = s->now_ns;
	note_empty(s);
	j->patience_ns = is_standing(s) ? target_ns : interval_ns;
	if (j->promise.made_ns) {
		j->job.node.work_ns = gate_expect(&s->gate, t->cost, 0);
		gate_redeem(&s->gate, t->priority, &j->promise, t->cost, s->now_ns,
			    j->job.node.work_ns);
	}
	gate_submitted(&s->gate, &j->job);
	gate_file(&s->gate, &j->job);
}

/* Whoever was to come does not. */
static void
give_up(struct sim *s, struct sim_job *j)
{
	struct sim_stream *t = j->ask->stream;

	if (j->promise.made_ns)
		gate_lapse(&s->gate, t->priority, &j->promise, t->cost);
	else
		gate_release(&s->gate, t->priority, 1, j->job.node.work_ns);
	end_job(s, j, false);
}

/* Jobs are ready; those that come too late do not come. */
static void
come(struct sim *s, struct sim_ask *a, bool comes)
{
	bool is_due = comes && (s->now_ns < a->deadline_ns || a->stream->hides_deadline);

	for (unsigned i = 0, n = a->jobs; i < n; i++) {
		struct sim_job *j = a->job[i];

		if (is_due)
			wait_in_line(s, j);
		else
			give_up(s, j);
	}
	if (s->gate.waiting > s->longest)
		s->longest = s->gate.waiting;
	give_all_work(s);
}

static struct sim_job *
make_job(struct sim *s, struct sim_ask *a)
{
	struct sim_stream *t = a->stream;
	struct sim_job *j = mem_zalloc(1, sizeof(*j));
	double drawn = t->is_fixed ? 1 : exponential(s);

	*j = (struct sim_job){ .ask = a, .takes_ns = (uint64_t)(drawn * (double)t->mean_ns) };
	j->job.priority = t->priority;
	j->job.cost = t->cost;
	j->job.node.work_ns = a->expected_ns;
	j->job.deadline_ns = t->hides_deadline ? CLOCK_NEVER : a->deadline_ns;
	return j;
}

static struct sim_ask *
make_ask(struct sim *s, struct sim_stream *t, unsigned attempt)
{
	struct sim_ask *a = mem_zalloc(1, sizeof(*a));

	*a = (struct sim_ask){ .stream = t, .came_ns = s->now_ns, .attempt = attempt };
	a->deadline_ns = s->now_ns + t->deadline_ns;
	return a;
}

static void
admit(struct sim *s, struct sim_ask *a, const struct gate_promise *promise)
{
	struct sim_stream *t = a->stream;
	double drawn = t->is_delay_fixed ? 1 : t->delay_ns ? exponential(s) : 0;

	for (unsigned i = 0; i < a->jobs; i++) {
		a->job[i] = make_job(s, a);
		a->job[i]->promise = promise[i];
	}
	if (!t->delay_ns) {
		come(s, a, true);
		return;
	}
	plan_event(
	    s, &(struct sim_event){ .at_ns = s->now_ns + (uint64_t)(drawn * (double)t->delay_ns),
				    .stream = t,
				    .ask = a });
}

static bool
is_within_share(struct sim *s, const struct sim_stream *t, const struct gate_ask *ask)
{
	return !t->share.at || shares_allow(&s->shares, t->share, ask->work_ns, s->now_ns,
					    s->gate.threads, random_next(&s->random));
}

static bool
is_let_in(struct sim *s, struct gate_ask *ask)
{
	enum gate_verdict verdict = gate_reserve(&s->gate, ask, s->way == SIM_EXACTLY);

	ask->is_again = true;
	if (verdict != GATE_OPEN && s->way == SIM_TWICE)
		verdict = gate_reserve(&s->gate, ask, true);
	return verdict == GATE_OPEN;
}

static void
arrive(struct sim *s, struct sim_stream *t, unsigned attempt)
{
	uint64_t deadline = t->hides_deadline ? CLOCK_NEVER : s->now_ns + t->deadline_ns;
	struct gate_promise promise[SIM_JOBS_MAX] = { { .made_ns = 0 } };
	struct gate_ask ask = { .priority = t->priority,
				.now_ns = s->now_ns,
				.deadline_ns = CLOCK_NEVER };
	struct sim_ask *a = make_ask(s, t, attempt);

	t->asked++;
	a->jobs = a->left = t->jobs ? t->jobs : 1;
	for (unsigned i = 0; i < a->jobs; i++)
		a->expected_ns =
		    t->delay_ns ? gate_ask_later(&s->gate, &ask, t->cost, 0, deadline, &promise[i])
				: gate_ask_more(&s->gate, &ask, t->cost, 0, deadline);
	if (is_within_share(s, t, &ask) && is_let_in(s, &ask)) {
		admit(s, a, promise);
		return;
	}
	mem_free(&a);
	t->refused++;
	come_again(s, t, attempt);
}

/* --- the clock
 * ------------------------------------------------------------------------------------ */

/* The soonest of all that may happen next, not after `until`. */
static uint64_t
next_time(const struct sim *s, uint64_t until)
{
	uint64_t at = until;

	for (unsigned i = 0; i < SIM_STREAMS_MAX; i++) {
		if (s->stream[i].next_ns < at)
			at = s->stream[i].next_ns;
	}
	for (unsigned i = 0; i < SIM_THREADS_MAX; i++) {
		if (s->running[i] && s->running[i]->ends_ns < at)
			at = s->running[i]->ends_ns;
	}
	if (s->again && s->again->at_ns < at)
		at = s->again->at_ns;
	return at;
}

static void
happen(struct sim *s)
{
	for (unsigned i = 0; i < SIM_THREADS_MAX; i++) {
		if (s->running[i] && s->running[i]->ends_ns == s->now_ns)
			end_run(s, i);
	}
	for (unsigned i = 0; i < SIM_STREAMS_MAX; i++) {
		struct sim_stream *t = &s->stream[i];
		if (t->next_ns != s->now_ns)
			continue;
		arrive(s, t, 1);
		plan_arrival(s, t);
	}
	while (s->again && s->again->at_ns == s->now_ns) {
		struct sim_event *e = s->again;
		s->again = e->next;
		if (e->ask)
			come(s, e->ask, random_below(&s->random, 100) >= e->stream->skips);
		else
			arrive(s, e->stream, e->attempt);
		mem_free(&e);
	}
}

void
sim_init(struct sim *s, enum gate_order order, unsigned threads, unsigned max_queue, uint64_t seed)
{
	*s = (struct sim){ .now_ns = CLOCK_SEC };
	ck_assert_uint_le(threads, SIM_THREADS_MAX);
	gate_init(&s->gate, order);
	shares_init(&s->shares, (const uint64_t[]){ seed, ~seed });
	s->gate.threads = threads;
	s->gate.max_queue = max_queue;
	random_init(&s->random, seed);
}

void
sim_run(struct sim *s, uint64_t duration_ns)
{
	uint64_t until = s->now_ns + duration_ns;

	/* Rates may have changed; Poisson arrivals have no memory. */
	for (unsigned i = 0; i < SIM_STREAMS_MAX; i++)
		plan_arrival(s, &s->stream[i]);
	while (s->now_ns < until) {
		s->now_ns = next_time(s, until);
		happen(s);
	}
}

void
sim_reset(struct sim *s)
{
	for (unsigned i = 0; i < SIM_STREAMS_MAX; i++) {
		struct sim_stream *t = &s->stream[i];
		t->asked = t->refused = t->good = t->unrun = 0;
		t->good_ns = 0;
		memset(t->response, 0, sizeof(t->response));
	}
	s->longest = 0;
}

unsigned
sim_p99_ms(const struct sim_stream *t)
{
	unsigned all = 0, seen = 0, ms = 0;

	for (unsigned i = 0; i < SIM_RESPONSE_MS; i++)
		all += t->response[i];
	while (ms < SIM_RESPONSE_MS && seen + t->response[ms] < all - all / 100)
		seen += t->response[ms++];
	return ms + 1;
}

void
sim_fini(struct sim *s)
{
	struct gate_job *next;

	for (unsigned i = 0; i < SIM_STREAMS_MAX; i++)
		s->stream[i].attempts = 0;
	for (unsigned i = 0; i < SIM_THREADS_MAX; i++) {
		if (!s->running[i])
			continue;
		gate_end(&s->gate, &s->running[i]->job, s->now_ns, 0, COST_CUT);
		leave(s, s->running[i], false);
		s->running[i] = NULL;
	}
	while ((next = gate_take(&s->gate)) != NULL)
		leave(s, CONTAINER_OF(next, struct sim_job, job), false);
	while (s->again) {
		struct sim_event *e = s->again;
		s->again = e->next;
		if (e->ask)
			come(s, e->ask, false);
		mem_free(&e);
	}
	ck_assert_uint_eq(s->gate.admitted, 0);
	ck_assert_uint_eq(s->gate.waiting, 0);
	ck_assert_uint_eq(s->gate.promised, 0);
	ck_assert_uint_eq(s->gate.running_ns, 0);
	for (unsigned i = 0; i < CLASSES; i++) {
		ck_assert_uint_eq(s->gate.line[i].jobs, 0);
		ck_assert_uint_eq(s->gate.line[i].work_ns, 0);
		ck_assert_uint_eq(s->gate.line[i].load, 0);
	}
}
