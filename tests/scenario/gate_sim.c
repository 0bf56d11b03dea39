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
	unsigned attempt, left, late;
};

struct sim_job {
	struct gate_job job;
	struct sim_ask *ask;
	uint64_t takes_ns, started_ns, ends_ns;
};

struct sim_event {
	struct sim_event *next;
	uint64_t at_ns;
	struct sim_stream *stream;
	unsigned attempt;
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

/* --- ends --------------------------------------------------------------------------------- */

static void
come_again(struct sim *s, struct sim_stream *t, unsigned attempt)
{
	struct sim_event **place = &s->again;
	struct sim_event *e;
	uint64_t after = RETRY_AFTER_MS + random_below(&s->random, RETRY_SPREAD_MS);

	if (attempt >= t->attempts)
		return;
	e = mem_zalloc(1, sizeof(*e));
	*e = (struct sim_event){ NULL, s->now_ns + after * CLOCK_MS, t, attempt + 1 };
	while (*place && (*place)->at_ns <= e->at_ns)
		place = &(*place)->next;
	e->next = *place;
	*place = e;
}

static void
end_job(struct sim *s, struct sim_job *j, bool is_good)
{
	struct sim_ask *a = j->ask;

	gate_leave(&s->gate);
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

/* --- threads -------------------------------------------------------------------------------- */

static bool
may_run(struct sim *s, const struct sim_job *j)
{
	if (s->now_ns >= j->ask->deadline_ns && (s->drops_expired || s->gate.order))
		return false;
	return !gate_is_hopeless(&s->gate, &j->job, s->now_ns);
}

static void
give_work(struct sim *s, unsigned thread)
{
	struct gate_job *next;

	while (!s->running[thread] && (next = gate_take(&s->gate)) != NULL) {
		struct sim_job *j = CONTAINER_OF(next, struct sim_job, job);
		if (!may_run(s, j)) {
			j->ask->stream->unrun++;
			end_job(s, j, false);
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
	end_job(s, j, s->now_ns <= a->deadline_ns);
	give_work(s, thread);
}

/* --- arrivals ----------------------------------------------------------------------------------
 */

static void
admit(struct sim *s, struct sim_stream *t, const struct gate_ask *ask, uint64_t expected,
      unsigned attempt)
{
	struct sim_ask *a = mem_zalloc(1, sizeof(*a));

	*a = (struct sim_ask){ .stream = t, .came_ns = s->now_ns, .attempt = attempt };
	a->deadline_ns = s->now_ns + t->deadline_ns;
	a->left = ask->jobs;
	for (unsigned i = 0; i < ask->jobs; i++) {
		struct sim_job *j = mem_zalloc(1, sizeof(*j));
		double drawn = t->is_fixed ? 1 : exponential(s);
		*j = (struct sim_job){ .ask = a,
				       .takes_ns = (uint64_t)(drawn * (double)t->mean_ns) };
		j->job.priority = t->priority;
		j->job.cost = t->cost;
		j->job.node.work_ns = expected;
		j->job.deadline_ns = t->hides_deadline ? CLOCK_NEVER : a->deadline_ns;
		j->job.submitted_ns = s->now_ns;
		gate_submitted(&s->gate, &j->job);
		gate_file(&s->gate, &j->job);
	}
	if (s->gate.waiting > s->longest)
		s->longest = s->gate.waiting;
	give_all_work(s);
}

static bool
is_within_share(struct sim *s, const struct sim_stream *t, const struct gate_ask *ask)
{
	return !t->share.at || shares_allow(&s->shares, t->share, ask->work_ns, s->now_ns,
					    s->gate.threads, random_next(&s->random));
}

static void
arrive(struct sim *s, struct sim_stream *t, unsigned attempt)
{
	uint64_t deadline = t->hides_deadline ? CLOCK_NEVER : s->now_ns + t->deadline_ns;
	struct gate_ask ask = { .priority = t->priority,
				.now_ns = s->now_ns,
				.deadline_ns = CLOCK_NEVER };
	uint64_t expected = 0;

	t->asked++;
	for (unsigned i = 0; i < (t->jobs ? t->jobs : 1); i++)
		expected = gate_ask_more(&s->gate, &ask, t->cost, 0, deadline);
	if (is_within_share(s, t, &ask) && gate_reserve(&s->gate, &ask, true) == GATE_OPEN) {
		admit(s, t, &ask, expected, attempt);
		return;
	}
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
		end_job(s, s->running[i], false);
	}
	while ((next = gate_take(&s->gate)) != NULL)
		end_job(s, CONTAINER_OF(next, struct sim_job, job), false);
	while (s->again) {
		struct sim_event *e = s->again;
		s->again = e->next;
		mem_free(&e);
	}
	ck_assert_uint_eq(s->gate.admitted, 0);
	ck_assert_uint_eq(s->gate.waiting, 0);
	ck_assert_uint_eq(s->gate.running_ns, 0);
	for (unsigned i = 0; i < CLASSES; i++) {
		ck_assert_uint_eq(s->gate.line[i].jobs, 0);
		ck_assert_uint_eq(s->gate.line[i].work_ns, 0);
	}
}
