/*
 * A pool event by event, with the gate's own code; see control_gate.h.
 *
 *   arrival -> gate_reserve -> gate_file -> gate_take -> hopeless? -> run -> gate_end
 *                  '-> refused                              '-> dropped
 */
#include "ctl/control_gate.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "planner/measured.h"
#include "planner/service.h"

#include <math.h>
#include <string.h>

enum {
	SERVED = 200000, /* jobs, about */
	REQUESTS_MAX = 4000000,
};

static const double student_t = 2.093; /* 97.5 %, 19 degrees of freedom */
static const double seconds_max = 5e9; /* a clock of nanoseconds ends at 1.8e10 */

struct visit;

/* A job. */
struct piece {
	struct gate_job job;
	struct edf_node end; /* while it runs, by its end */
	struct visit *visit;
	uint64_t started_ns;
};

/* A request that was let in. */
struct visit {
	uint64_t deadline_ns, spent_ns;
	unsigned left; /* jobs */
	bool is_late, is_dropped;
	struct piece piece[];
};

struct counts {
	uint64_t came, in_time, late, dropped, refused;
	double useful_s, seconds;
};

struct hall {
	const struct station *s;
	struct pool_gate gate;
	struct cost cost; /* of its jobs: all are of one kind */
	struct random random;
	struct edf running; /* by their ends */
	unsigned runs;
	uint64_t now_ns, deadline_ns;
	double arrival_ns; /* since the clock began: gaps are no whole nanoseconds */
	struct counts counts;
};

/* --- ends ---------------------------------------------------------------------------------- */

static void
end_visit(struct hall *h, struct visit *v)
{
	struct counts *c = &h->counts;

	if (v->is_dropped) {
		c->dropped++;
	} else if (v->is_late) {
		c->late++;
	} else {
		c->in_time++;
		c->useful_s += (double)v->spent_ns / (double)CLOCK_SEC;
	}
	mem_free(&v);
}

static void
leave(struct hall *h, struct piece *p)
{
	struct visit *v = p->visit;

	gate_leave(&h->gate);
	if (--v->left == 0)
		end_visit(h, v);
}

static uint64_t
draw_ns(struct hall *h)
{
	const struct station *s = h->s;
	double takes = s->measured ? measured_draw(s->measured, &h->random)
				   : s->service_s * service_draw(s->cv, &h->random);

	return (uint64_t)(takes * (double)CLOCK_SEC);
}

static void
start(struct hall *h, struct piece *p)
{
	gate_start(&h->gate, &p->job);
	p->started_ns = h->now_ns;
	p->end = (struct edf_node){ .deadline_ns = h->now_ns + draw_ns(h) };
	edf_insert(&h->running, &p->end);
	h->runs++;
}

/* As a thread of the pool decides. */
static void
give_work(struct hall *h)
{
	struct gate_job *j;

	while (h->runs < h->s->servers && (j = gate_take(&h->gate)) != NULL) {
		struct piece *p = CONTAINER_OF(j, struct piece, job);

		if (h->now_ns < j->deadline_ns && !gate_is_hopeless(&h->gate, j, h->now_ns)) {
			start(h, p);
			continue;
		}
		p->visit->is_dropped = true;
		leave(h, p);
	}
}

static void
end_first(struct hall *h)
{
	struct edf_node *n = edf_first(&h->running);
	struct piece *p = CONTAINER_OF(n, struct piece, end);
	struct visit *v = p->visit;
	uint64_t took = h->now_ns - p->started_ns;

	edf_remove(&h->running, n);
	h->runs--;
	gate_end(&h->gate, &p->job, h->now_ns, took, COST_WHOLE);
	v->spent_ns += took;
	v->is_late = v->is_late || h->now_ns > v->deadline_ns;
	leave(h, p);
	give_work(h);
}

/* --- arrivals --------------------------------------------------------------------------------- */

static int
admit(struct hall *h, uint64_t expected)
{
	unsigned fan = h->s->fan;
	struct visit *v = mem_zalloc(1, sizeof(*v) + fan * sizeof(v->piece[0]));

	if (!v)
		return ERR_MEMORY;
	v->deadline_ns = h->now_ns + h->deadline_ns;
	v->left = fan;
	for (unsigned i = 0; i < fan; i++) {
		struct piece *p = &v->piece[i];

		p->visit = v;
		p->job.priority = CLASS_NORMAL;
		p->job.cost = &h->cost;
		p->job.node.work_ns = expected;
		p->job.deadline_ns = v->deadline_ns;
		p->job.submitted_ns = h->now_ns;
		gate_submitted(&h->gate, &p->job);
		gate_file(&h->gate, &p->job);
	}
	give_work(h);
	return 0;
}

static int
arrive(struct hall *h)
{
	struct gate_ask ask = { .priority = CLASS_NORMAL,
				.now_ns = h->now_ns,
				.deadline_ns = CLOCK_NEVER };
	uint64_t expected = 0;

	h->counts.came++;
	for (unsigned i = 0; i < h->s->fan; i++)
		expected = gate_ask_more(&h->gate, &ask, &h->cost, 0, h->now_ns + h->deadline_ns);
	if (gate_reserve(&h->gate, &ask, true) == GATE_OPEN)
		return admit(h, expected);
	h->counts.refused++;
	return 0;
}

static void
plan_arrival(struct hall *h)
{
	h->arrival_ns += service_gap(&h->random) / h->s->rate * (double)CLOCK_SEC;
}

static int
run_segment(struct hall *h, uint64_t requests)
{
	uint64_t began = h->now_ns;
	int err = 0;

	memset(&h->counts, 0, sizeof(h->counts));
	while (h->counts.came < requests && !err) {
		const struct edf_node *first = edf_first(&h->running);
		uint64_t arrival = (uint64_t)h->arrival_ns;

		if (first && first->deadline_ns <= arrival) {
			h->now_ns = first->deadline_ns;
			end_first(h);
			continue;
		}
		h->now_ns = arrival;
		plan_arrival(h);
		err = arrive(h);
	}
	h->counts.seconds = (double)(h->now_ns - began) / (double)CLOCK_SEC;
	return err;
}

/* --- what came of it ----------------------------------------------------------------------------
 */

enum { VALUES = 5 };

static void
measure(double values[VALUES], const struct hall *h)
{
	const struct counts *c = &h->counts;
	const double found[VALUES] = {
		(double)c->in_time / (double)c->came,       (double)c->late / (double)c->came,
		(double)c->dropped / (double)c->came,       (double)c->refused / (double)c->came,
		c->useful_s / (c->seconds * h->s->servers),
	};

	memcpy(values, found, sizeof(found));
}

static struct simulation_value
value_of(const double values[][VALUES], int which)
{
	struct simulation_value v = { 0, 0 };
	double n = SIMULATION_SEGMENTS, squares = 0;

	for (int i = 0; i < SIMULATION_SEGMENTS; i++)
		v.mean += values[i][which] / n;
	for (int i = 0; i < SIMULATION_SEGMENTS; i++)
		squares += (values[i][which] - v.mean) * (values[i][which] - v.mean);
	v.error = student_t * sqrt(squares / (n - 1) / n);
	return v;
}

/* What waits and runs is nobody's any more. */
static void
drop_rest(struct hall *h)
{
	struct edf_node *n;
	struct gate_job *j;

	while ((n = edf_first(&h->running)) != NULL) {
		struct piece *p = CONTAINER_OF(n, struct piece, end);

		edf_remove(&h->running, n);
		leave(h, p);
	}
	while ((j = gate_take(&h->gate)) != NULL)
		leave(h, CONTAINER_OF(j, struct piece, job));
}

static int
run_segments(struct hall *h, struct control_gate *g, uint64_t requests)
{
	double values[SIMULATION_SEGMENTS][VALUES];
	struct simulation_value *const to[VALUES] = {
		&g->in_time, &g->late, &g->dropped, &g->refused, &g->useful,
	};
	int err = run_segment(h, requests / SIMULATION_SEGMENTS);

	for (int i = 0; i < SIMULATION_SEGMENTS && !err; i++) {
		err = run_segment(h, requests / SIMULATION_SEGMENTS);
		g->requests += h->counts.came;
		measure(values[i], h);
	}
	drop_rest(h);
	for (int i = 0; i < VALUES && !err; i++)
		*to[i] = value_of(values, i);
	return err;
}

int
control_gate_run(struct control_gate *g, const struct station *s, double deadline_s, uint64_t seed)
{
	double requests = SERVED * fmax(station_load(s), 1) / s->fan;
	struct hall *h;
	int err;

	g->requests = 0;
	if ((uint64_t)s->servers + g->max_queue < s->fan)
		return ERR_ARGUMENT;
	if (requests > REQUESTS_MAX || 2 * requests / s->rate > seconds_max ||
	    deadline_s > seconds_max)
		return ERR_TOO_LARGE;
	h = mem_zalloc(1, sizeof(*h));
	if (!h)
		return ERR_MEMORY;
	h->s = s;
	h->now_ns = CLOCK_SEC;
	h->arrival_ns = (double)CLOCK_SEC;
	h->deadline_ns = (uint64_t)(deadline_s * (double)CLOCK_SEC);
	gate_init(&h->gate, g->order);
	gate_set_threads(&h->gate, s->servers);
	gate_set_queue(&h->gate, g->max_queue, 0);
	cost_init(&h->cost, 0);
	edf_init(&h->running);
	random_init(&h->random, seed);
	plan_arrival(h);
	err = run_segments(h, g, (uint64_t)requests);
	mem_free(&h);
	return err;
}
