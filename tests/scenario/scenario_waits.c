/*
 * Waiting for connections under five times the load: an upstream with eight of
 * them, four kinds of requests, and a clock that jumps from event to event. What
 * the line of source/wait.h makes of it, beside the plain list that serves who
 * came first and refuses when it is full. Seeded: the same run each time;
 * FOREBAY_SHOW=1 shows the figures.
 */
#include "base/clock.h"
#include "base/random.h"
#include "source/wait.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *suite_scenario_waits(void);

enum { PLACES = 8, MAX_PENDING = 256, CLIENTS = 512, SEED = 1, LONG_S = 60 };

enum policy { PLAIN_LIST, IN_ORDER };

/* --- kinds of requests ------------------------------------------------------------- */

enum { CRITICAL, SHORT, LONG, SHEDDABLE, KINDS };

static const struct kind {
	const char *name;
	enum gate_class priority;
	double load; /* of what the connections can do */
	unsigned takes_ms, deadline_ms;
} kinds[KINDS] = {
	{ "critical", CLASS_CRITICAL, 0.5, 40, 200 },
	{ "short", CLASS_NORMAL, 2, 20, 150 },
	{ "long", CLASS_NORMAL, 1.5, 60, 1000 },
	{ "sheddable", CLASS_SHEDDABLE, 1, 40, 500 },
};

struct tally {
	unsigned asked, good, late, dropped, timed_out;
	uint64_t good_ns; /* connections' time */
};

/* --- the world --------------------------------------------------------------------------- */

enum stage { UNUSED, WAITING, RUNNING };

struct client {
	struct wait wait;
	struct subrequest q;
	unsigned kind;
	enum stage stage;
	uint64_t number, ends_ns, began_ns;
};

struct world {
	enum policy policy;
	struct env env;
	struct lease lease;
	struct source source;
	struct part part[KINDS];
	struct pool_gate gate;
	struct wait_line line;
	struct shed_series shed[WAIT_LIMITS], *sheds[1];
	struct random random;
	struct client client[CLIENTS];
	unsigned waiting, running;
	uint64_t now_ns, numbers, next_ns[KINDS];
	struct tally tally[KINDS];
};

static struct client *
client_of(const struct subrequest *q)
{
	return q->state;
}

static struct wait *
wait_of(const struct subrequest *q)
{
	return &client_of(q)->wait;
}

static void
stop_waiting(struct world *w, struct client *r)
{
	r->stage = UNUSED;
	w->waiting--;
}

static void
evict(struct wait_line *l, struct wait *wait)
{
	struct world *w = CONTAINER_OF(l, struct world, line);
	struct client *r = CONTAINER_OF(wait, struct client, wait);

	w->tally[r->kind].dropped++;
	stop_waiting(w, r);
}

static const struct wait_ops ops = { .of = wait_of, .evict = evict };
static const char *const limits[] = { "max_pending", WAIT_WORDS };

static void
set_now(struct world *w, uint64_t now_ns)
{
	w->now_ns = w->env.loop.now_ns = now_ns;
}

static void
open_world(struct world *w, enum policy policy, enum gate_order order)
{
	memset(w, 0, sizeof(*w));
	w->policy = policy;
	w->sheds[0] = w->shed;
	w->lease = (struct lease){ .env = &w->env, .sheds = w->sheds };
	w->source = (struct source){ .limit = limits, .limits = WAIT_LIMITS, .parts = KINDS };
	w->line.ops = &ops;
	random_init(&w->random, SEED);
	random_init(&w->env.random, SEED);
	set_now(w, CLOCK_SEC);
	for (unsigned i = 0; i < KINDS; i++) {
		w->part[i] = (struct part){ .source = &w->source, .number = i };
		w->next_ns[i] = w->now_ns;
	}
	gate_init(&w->gate, order);
	w->gate.is_lone = true;
	gate_set_queue(&w->gate, MAX_PENDING, 0);
	ck_assert_int_eq(wait_line_init(&w->line, &w->gate, false, &w->source, &w->lease), 0);
	wait_line_set(&w->line, PLACES);
}

/* Nothing is left behind. */
static void
close_world(struct world *w)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (w->client[i].stage != UNUSED && w->policy == IN_ORDER)
			wait_end(&w->line, &w->client[i].wait, 0, true);
	}
	ck_assert_uint_eq(w->gate.admitted, 0);
	ck_assert_uint_eq(w->gate.waiting, 0);
	ck_assert_uint_eq(w->gate.running_ns, 0);
	ck_assert_uint_eq(w->line.filed, 0);
	for (unsigned i = 0; i < CLASSES; i++) {
		ck_assert_uint_eq(w->gate.line[i].jobs, 0);
		ck_assert_uint_eq(w->gate.line[i].work_ns, 0);
	}
	wait_line_fini(&w->line);
}

/* --- connections ---------------------------------------------------------------------------- */

static void
run(struct world *w, struct client *r)
{
	const struct kind *k = &kinds[r->kind];

	if (r->stage == WAITING)
		w->waiting--;
	if (w->policy == IN_ORDER)
		wait_begin(&w->line, &r->wait);
	r->stage = RUNNING;
	r->began_ns = w->now_ns;
	/* Whose deadline passes gives its connection up. */
	r->ends_ns = w->now_ns + k->takes_ms * CLOCK_MS;
	if (r->ends_ns > r->q.deadline_ns)
		r->ends_ns = r->q.deadline_ns;
	w->running++;
}

static struct client *
oldest(struct world *w)
{
	struct client *first = NULL;

	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *r = &w->client[i];

		if (r->stage == WAITING && (!first || r->number < first->number))
			first = r;
	}
	return first;
}

static struct client *
next_waiting(struct world *w)
{
	struct wait *first;

	if (w->policy == PLAIN_LIST)
		return oldest(w);
	while ((first = wait_first(&w->line)) != NULL) {
		struct client *r = CONTAINER_OF(first, struct client, wait);

		if (!wait_is_hopeless(&w->line, first, &r->q))
			return r;
		w->tally[r->kind].dropped++;
		wait_end(&w->line, first, 0, true);
		stop_waiting(w, r);
	}
	return NULL;
}

static void
serve(struct world *w)
{
	struct client *r;

	while (w->running < PLACES && (r = next_waiting(w)) != NULL)
		run(w, r);
}

static void
end(struct world *w, struct client *r)
{
	struct tally *t = &w->tally[r->kind];
	uint64_t held = w->now_ns - r->began_ns;
	bool is_good = held == kinds[r->kind].takes_ms * CLOCK_MS;

	t->good += is_good;
	t->good_ns += is_good ? held : 0;
	t->late += !is_good;
	if (w->policy == IN_ORDER)
		wait_end(&w->line, &r->wait, held, !is_good);
	r->stage = UNUSED;
	w->running--;
}

static void
time_out(struct world *w, struct client *r)
{
	w->tally[r->kind].timed_out++;
	if (w->policy == IN_ORDER)
		wait_end(&w->line, &r->wait, 0, true);
	stop_waiting(w, r);
}

/* --- arrivals --------------------------------------------------------------------------------- */

static bool
is_admitted(struct world *w, struct client *r)
{
	struct subrequest *q = &r->q;

	if (w->policy == PLAIN_LIST)
		return w->running < PLACES || w->waiting < MAX_PENDING;
	return wait_reserve(&w->line, &q, 1) == 0;
}

static struct client *
unused(struct world *w)
{
	struct client *r = w->client;

	while (r->stage != UNUSED)
		r++;
	return r;
}

static void
arrive(struct world *w, unsigned kind)
{
	const struct kind *k = &kinds[kind];
	struct client *r = unused(w);

	memset(r, 0, sizeof(*r));
	r->kind = kind;
	r->number = w->numbers++;
	r->q = (struct subrequest){
		.part = &w->part[kind],
		.priority = k->priority,
		.deadline_ns = w->now_ns + k->deadline_ms * CLOCK_MS,
		.state = r,
	};
	w->tally[kind].asked++;
	if (!is_admitted(w, r))
		return;
	if (r->wait.stage == WAIT_RESERVED)
		wait_file(&w->line, &r->wait, &r->q);
	if (w->running < PLACES && w->waiting == 0) {
		run(w, r);
		return;
	}
	r->stage = WAITING;
	w->waiting++;
}

/* Between none and twice the mean. */
static void
plan_arrival(struct world *w, unsigned kind)
{
	const struct kind *k = &kinds[kind];
	double mean_ns = k->takes_ms * (double)CLOCK_MS / (k->load * PLACES);

	w->next_ns[kind] += random_below(&w->random, (uint64_t)(2 * mean_ns));
}

/* --- the clock -------------------------------------------------------------------------------- */

static uint64_t
due(const struct client *r)
{
	return r->stage == UNUSED    ? CLOCK_NEVER
	       : r->stage == RUNNING ? r->ends_ns
				     : r->q.deadline_ns;
}

static uint64_t
next_time(const struct world *w)
{
	uint64_t at = CLOCK_NEVER;

	for (unsigned i = 0; i < KINDS; i++)
		at = w->next_ns[i] < at ? w->next_ns[i] : at;
	for (unsigned i = 0; i < CLIENTS; i++)
		at = due(&w->client[i]) < at ? due(&w->client[i]) : at;
	return at;
}

static void
happen(struct world *w)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *r = &w->client[i];

		if (due(r) > w->now_ns)
			continue;
		if (r->stage == RUNNING)
			end(w, r);
		else
			time_out(w, r);
	}
	serve(w);
	for (unsigned i = 0; i < KINDS; i++) {
		if (w->next_ns[i] > w->now_ns)
			continue;
		arrive(w, i);
		plan_arrival(w, i);
	}
}

static void
pass(struct world *w, uint64_t ns)
{
	uint64_t until = w->now_ns + ns;

	while (next_time(w) < until) {
		set_now(w, next_time(w));
		happen(w);
	}
	set_now(w, until);
}

/* Two seconds to learn, then those that count. */
static void
play(struct world *w, const char *name)
{
	pass(w, 2 * CLOCK_SEC);
	memset(w->tally, 0, sizeof(w->tally));
	pass(w, LONG_S * CLOCK_SEC);
	for (unsigned i = 0; i < KINDS && getenv("FOREBAY_SHOW"); i++) {
		const struct tally *t = &w->tally[i];

		fprintf(stderr,
			"%-10s %-9s asked %6u good %6u late %5u dropped %5u timed out %5u\n", name,
			kinds[i].name, t->asked, t->good, t->late, t->dropped, t->timed_out);
	}
}

/* --- what counts ---------------------------------------------------------------------------------
 */

/* The share of the connections' time that went into answers in time. */
static double
goodput(const struct world *w)
{
	uint64_t ns = 0;

	for (unsigned i = 0; i < KINDS; i++)
		ns += w->tally[i].good_ns;
	return (double)ns / 1e9 / LONG_S / PLACES;
}

static double
success(const struct world *w, unsigned kind)
{
	return (double)w->tally[kind].good / w->tally[kind].asked;
}

static unsigned
answers(const struct world *w)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < KINDS; i++)
		sum += w->tally[i].good;
	return sum;
}

static unsigned
late(const struct world *w)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < KINDS; i++)
		sum += w->tally[i].late + w->tally[i].timed_out;
	return sum;
}

/* What waits until its time is over, or is cut while it runs. */
START_TEST(a_list_in_order_of_coming_lets_most_wait_in_vain)
{
	static struct world w;

	open_world(&w, PLAIN_LIST, ORDER_FIFO);
	play(&w, "list");
	ck_assert_uint_ge(late(&w), 40000);
	ck_assert_uint_le(answers(&w), 9000);
	ck_assert_double_eq(success(&w, CRITICAL), 0);
	close_world(&w);
}
END_TEST

START_TEST(in_order_of_priority_and_deadline_none_is_late_and_no_time_is_lost)
{
	static struct world w;

	open_world(&w, IN_ORDER, ORDER_ADAPTIVE);
	play(&w, "adaptive");
	if (getenv("FOREBAY_SHOW"))
		fprintf(stderr, "goodput %.3f, answers %u\n", goodput(&w), answers(&w));
	ck_assert_uint_eq(late(&w), 0);
	ck_assert_double_ge(goodput(&w), 0.98);
	ck_assert_uint_ge(answers(&w), 14000);
	ck_assert_double_ge(success(&w, CRITICAL), 0.99);
	/* Neither kind of the class between starves the other. */
	ck_assert_double_ge(success(&w, SHORT), 0.05);
	ck_assert_double_ge(success(&w, LONG), 0.05);
	ck_assert_double_le(success(&w, SHEDDABLE), 0.05);
	close_world(&w);
}
END_TEST

START_TEST(first_come_first_served_still_refuses_what_would_wait_in_vain)
{
	static struct world w;

	open_world(&w, IN_ORDER, ORDER_FIFO);
	play(&w, "fifo");
	for (unsigned i = 0; i < KINDS; i++)
		ck_assert_uint_eq(w.tally[i].timed_out, 0);
	ck_assert_uint_ge(w.shed[WAIT_TIME].enforced, 40000);
	close_world(&w);
}
END_TEST

Suite *
suite_scenario_waits(void)
{
	Suite *s = suite_create("scenario_waits");
	TCase *t = tcase_create("waits");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_list_in_order_of_coming_lets_most_wait_in_vain);
	tcase_add_test(t, in_order_of_priority_and_deadline_none_is_late_and_no_time_is_lost);
	tcase_add_test(t, first_come_first_served_still_refuses_what_would_wait_in_vain);
	suite_add_tcase(s, t);
	return s;
}
