/*
 * The gate under load, by simulation: two threads, jobs of 20 ms, half a second
 * to answer. Goodput is a share of what the threads can do at most. The runs are
 * seeded; FOREBAY_SHOW=1 shows their figures.
 */
#include "base/clock.h"
#include "gate_sim.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

Suite *suite_scenario_gate(void);

enum {
	THREADS = 2,
	MEAN_MS = 20,
	DEADLINE_MS = 500,
	SEED = 1,
	BOUNDED = 128,
	UNBOUNDED = 1000000,
	LONG_S = 200
};

static const struct sim_stream usual = {
	.priority = CLASS_NORMAL,
	.mean_ns = MEAN_MS * CLOCK_MS,
	.deadline_ns = DEADLINE_MS * CLOCK_MS,
};

/* Asks a second that are `load` times what the threads can do. */
static double
rate(double load, const struct sim_stream *t)
{
	return load * THREADS * 1e9 / (double)t->mean_ns / (t->jobs ? t->jobs : 1);
}

static void
begin(struct sim *s, enum gate_order order, unsigned max_queue, double load)
{
	sim_init(s, order, THREADS, max_queue, SEED);
	s->way = SIM_TWICE;
	s->stream[0] = usual;
	s->stream[0].per_s = rate(load, &usual);
}

/* Answers in time, as a share of those that the threads could give. */
static double
goodput(const struct sim_stream *t, double seconds)
{
	return t->good / seconds / rate(1, t);
}

/* The share of the threads' time that went into answers in time: for kinds that are not alike. */
static double
worth(const struct sim_stream *t, double seconds)
{
	return (double)t->good_ns / 1e9 / seconds / THREADS;
}

/* The share of its asks that were answered in time. */
static double
success(const struct sim_stream *t)
{
	return (double)t->good / t->asked;
}

/* For whoever wants to see the figures. */
static void
show(const char *what, const struct sim *s, double load, double seconds)
{
	const struct sim_stream *t = &s->stream[0];

	if (getenv("FOREBAY_SHOW"))
		fprintf(stderr, "%-26s load %5.2f  goodput %.3f  p99 %4u ms  unrun %u\n", what,
			load, goodput(t, seconds), sim_p99_ms(t), t->unrun);
}

/* Five seconds to learn, then that many that count. */
static void
settle(struct sim *s, uint64_t seconds)
{
	sim_run(s, 5 * CLOCK_SEC);
	sim_reset(s);
	sim_run(s, seconds * CLOCK_SEC);
}

/* --- the table ----------------------------------------------------------------------- */

enum { LOADS = 4 };
static const double loads[LOADS] = { 0.8, 1.2, 2, 10 };

struct policy {
	const char *name;
	enum gate_order order;
	unsigned max_queue;
	bool is_blind; /* deadlines are not told to the gate */
	bool drops_expired;
	bool is_controlled;
	enum sim_way way;
	double goodput[LOADS]; /* within 0.03 */
};

/* Published figures for queues of this kind; the last rows are what the gate is for. */
static const struct policy policies[] = {
	{ "no bound", ORDER_FIFO, UNBOUNDED, .is_blind = true, .goodput = { 0.8, 0, 0, 0 } },
	{ "bound of 128", ORDER_FIFO, 128, .is_blind = true, .drops_expired = true,
	  .goodput = { 0.8, 0.71, 0.33, 0.4 } },
	{ "CoDel, adaptive LIFO", ORDER_FIFO, UNBOUNDED, .is_blind = true, .is_controlled = true,
	  .goodput = { 0.74, 0.91, 0.98, 1 } },
	{ "adaptive", ORDER_ADAPTIVE, 256, .goodput = { 0.79, 0.98, 1, 1 } },
	{ "asked as workers do", ORDER_ADAPTIVE, 256, .way = SIM_TWICE,
	  .goodput = { 0.79, 0.98, 1, 1 } },
	{ "asked by sums alone", ORDER_ADAPTIVE, 256, .way = SIM_BY_SUMS,
	  .goodput = { 0.79, 0.98, 1, 1 } },
};

START_TEST(goodput_at_every_load_is_that_of_the_table)
{
	const struct policy *policy = &policies[_i];

	for (unsigned i = 0; i < LOADS; i++) {
		struct sim s;
		begin(&s, policy->order, policy->max_queue, loads[i]);
		s.way = policy->way;
		s.stream[0].hides_deadline = policy->is_blind;
		s.drops_expired = policy->drops_expired;
		s.is_controlled = policy->is_controlled;
		settle(&s, LONG_S);
		show(policy->name, &s, loads[i], LONG_S);
		ck_assert_double_eq_tol(goodput(&s.stream[0], LONG_S), policy->goodput[i], 0.03);
		sim_fini(&s);
	}
}
END_TEST

/* What waits for half of its time leaves the rest for the run and for the unforeseen. */
START_TEST(adaptive_answers_within_half_the_deadline)
{
	for (unsigned i = 0; i < LOADS; i++) {
		struct sim s;
		begin(&s, ORDER_ADAPTIVE, 256, loads[i]);
		settle(&s, LONG_S);
		ck_assert_uint_le(sim_p99_ms(&s.stream[0]), DEADLINE_MS / 2);
		ck_assert_uint_le(s.longest, 40);
		sim_fini(&s);
	}
}
END_TEST

START_TEST(fixed_run_times_keep_it_too)
{
	for (unsigned i = 0; i < LOADS; i++) {
		struct sim s;
		begin(&s, ORDER_ADAPTIVE, 256, loads[i]);
		s.stream[0].is_fixed = true;
		settle(&s, LONG_S);
		show("fixed", &s, loads[i], LONG_S);
		ck_assert_double_eq_tol(goodput(&s.stream[0], LONG_S), i ? 1 : 0.8, 0.02);
		sim_fini(&s);
	}
}
END_TEST

/* --- changes ----------------------------------------------------------------------------- */

START_TEST(a_longer_run_time_is_learned_within_a_second)
{
	struct sim s;

	begin(&s, ORDER_ADAPTIVE, 256, 1.5);
	settle(&s, 10);
	s.stream[0].mean_ns = 50 * CLOCK_MS; /* the same rate is 3.75 times the capacity now */
	sim_run(&s, CLOCK_SEC);
	sim_reset(&s);
	sim_run(&s, 30 * CLOCK_SEC);
	show("20 ms became 50", &s, 3.75, 30);
	ck_assert_double_ge(worth(&s.stream[0], 30), 0.95);
	sim_fini(&s);
}
END_TEST

enum { SPIKES = 100, WINDOW_MS = 250, WINDOWS = 16 };

/* 0.8 times what can be done, for five seconds 4 times; whoever is refused comes again, up to 3
 * times in all. Returns how many windows after that until of each nine of ten asks are let in. */
static unsigned
windows_until_well(uint64_t seed)
{
	unsigned until = 0;
	struct sim s;

	sim_init(&s, ORDER_ADAPTIVE, THREADS, 256, seed);
	s.way = SIM_TWICE;
	s.stream[0] = usual;
	s.stream[0].is_fixed = true;
	s.stream[0].attempts = 3;
	s.stream[1] = s.stream[0];
	s.stream[0].per_s = rate(0.8, &usual);
	sim_run(&s, 5 * CLOCK_SEC);
	s.stream[1].per_s = rate(3.2, &usual);
	sim_run(&s, 5 * CLOCK_SEC);
	s.stream[1].per_s = 0;
	for (unsigned i = 0; i < WINDOWS; i++) {
		sim_reset(&s);
		sim_run(&s, WINDOW_MS * CLOCK_MS);
		if (s.stream[0].refused > 0.1 * s.stream[0].asked)
			until = i + 1;
	}
	sim_fini(&s);
	return until;
}

/* Chance alone may bring as much in a second as can be done; rarely, and no gate can help it. */
START_TEST(after_a_spike_all_is_well_within_a_second)
{
	unsigned soon = 0, in_time = 0;

	for (unsigned i = 0; i < SPIKES; i++) {
		unsigned until = windows_until_well(i + 1);
		soon += until <= 2;
		in_time += until <= 4;
	}
	if (getenv("FOREBAY_SHOW"))
		fprintf(stderr, "of %u spikes %u are over after 0.5 s, %u after 1 s\n", SPIKES,
			soon, in_time);
	ck_assert_uint_ge(soon, 90);
	ck_assert_uint_ge(in_time, 97);
}
END_TEST

/* The same with run times that vary, in the ten seconds after: the share of asks answered in time.
 * Those who heed Retry-After come seconds later, and beside 0.8 of what there is their number falls
 * slowly: it is over a while after that. */
static double
success_after_spike(uint64_t seed, bool heeds)
{
	double got;
	struct sim s;

	sim_init(&s, ORDER_ADAPTIVE, THREADS, 256, seed);
	s.way = SIM_TWICE;
	s.stream[0] = usual;
	s.stream[0].attempts = 3;
	s.stream[0].heeds = heeds;
	s.stream[0].per_s = rate(0.8, &usual);
	settle(&s, 10);
	s.stream[0].per_s = rate(4, &usual);
	sim_run(&s, 5 * CLOCK_SEC);
	s.stream[0].per_s = rate(0.8, &usual);
	sim_run(&s, (heeds ? 20 : 1) * CLOCK_SEC);
	sim_reset(&s);
	sim_run(&s, 10 * CLOCK_SEC);
	got = success(&s.stream[0]);
	sim_fini(&s);
	return got;
}

START_TEST(a_spike_with_retries_leaves_nothing_behind)
{
	double mean = 0;

	for (unsigned i = 0; i < SPIKES; i++)
		mean += success_after_spike(i + 1, _i) / SPIKES;
	if (getenv("FOREBAY_SHOW"))
		fprintf(stderr, "after a spike %.3f are answered in time\n", mean);
	ck_assert_double_ge(mean, _i ? 0.985 : 0.965);
}
END_TEST

/* --- who is served --------------------------------------------------------------------------- */

START_TEST(critical_requests_are_in_time_at_five_times_the_load)
{
	struct sim s;

	begin(&s, ORDER_ADAPTIVE, 256, 0);
	for (unsigned i = 0; i < CLASSES; i++) {
		s.stream[i] = usual;
		s.stream[i].priority = (enum gate_class)i;
		s.stream[i].per_s = rate(i == CLASS_CRITICAL ? 0.5 : 2.25, &usual);
	}
	settle(&s, LONG_S);
	show("critical", &s, 0.5, LONG_S);
	ck_assert_double_ge(success(&s.stream[CLASS_CRITICAL]), 0.99);
	ck_assert_double_ge(goodput(&s.stream[CLASS_CRITICAL], LONG_S) +
				goodput(&s.stream[CLASS_NORMAL], LONG_S) +
				goodput(&s.stream[CLASS_SHEDDABLE], LONG_S),
			    0.96);
	ck_assert_double_le(success(&s.stream[CLASS_SHEDDABLE]), 0.05);
	sim_fini(&s);
}
END_TEST

/* Short deadlines go first, so that both kinds are served. */
START_TEST(mixed_deadlines_share_one_queue)
{
	struct sim s;

	begin(&s, ORDER_ADAPTIVE, 256, 1);
	s.stream[1] = usual;
	s.stream[1].per_s = rate(1, &usual);
	s.stream[1].deadline_ns = 2 * CLOCK_SEC;
	settle(&s, LONG_S);
	show("half a second", &s, 1, LONG_S);
	ck_assert_double_ge(worth(&s.stream[0], LONG_S) + worth(&s.stream[1], LONG_S), 0.95);
	ck_assert_double_ge(success(&s.stream[0]), 0.3);
	ck_assert_double_ge(success(&s.stream[1]), 0.2);
	sim_fini(&s);
}
END_TEST

START_TEST(cheap_and_costly_kinds_are_told_apart)
{
	struct cost cheap, costly;
	struct sim s;

	cost_init(&cheap, 0);
	cost_init(&costly, 0);
	begin(&s, ORDER_ADAPTIVE, 256, 2);
	s.stream[0].mean_ns = 5 * CLOCK_MS;
	s.stream[0].cost = &cheap;
	s.stream[1] = usual;
	s.stream[1].mean_ns = 100 * CLOCK_MS;
	s.stream[1].cost = &costly;
	s.stream[1].per_s = rate(1, &s.stream[1]);
	settle(&s, LONG_S);
	show("cheap of two kinds", &s, 2, LONG_S);
	ck_assert_uint_ge(cost_mean(&cheap), 3 * CLOCK_MS);
	ck_assert_uint_le(cost_mean(&cheap), 8 * CLOCK_MS);
	ck_assert_uint_ge(cost_mean(&costly), 60 * CLOCK_MS);
	/* Of exponential run times around a fifth of the deadline, a tenth of the work is in jobs
	 * that would not end in time if they never waited. */
	ck_assert_double_ge(worth(&s.stream[0], LONG_S) + worth(&s.stream[1], LONG_S), 0.87);
	sim_fini(&s);
}
END_TEST

/* Each is eight jobs: admitted as one, nearly all of what is begun is finished. */
START_TEST(whole_fan_outs_are_admitted_or_refused)
{
	struct sim s;

	begin(&s, ORDER_ADAPTIVE, 256, 0);
	s.stream[0].jobs = 8;
	s.stream[0].mean_ns = 10 * CLOCK_MS;
	s.stream[0].per_s = rate(3, &s.stream[0]);
	settle(&s, LONG_S);
	show("fan-outs of eight", &s, 3, LONG_S);
	ck_assert_double_ge(goodput(&s.stream[0], LONG_S), 0.95);
	ck_assert_uint_le(s.stream[0].unrun, s.stream[0].good / 50);
	sim_fini(&s);
}
END_TEST

/* Five ask for 8 times the capacity, twenty for a fiftieth of it each. */
START_TEST(polite_clients_are_served_beside_abusers)
{
	enum { ABUSERS = 5, POLITE = 20 };
	char names[ABUSERS + POLITE][16];
	double polite = 0, worst = 1, all = 0;
	struct sim s;

	begin(&s, ORDER_ADAPTIVE, 256, 0);
	for (unsigned i = 0; i < ABUSERS + POLITE; i++) {
		s.stream[i] = usual;
		s.stream[i].per_s = rate(i < ABUSERS ? 8.0 / ABUSERS : 0.02, &usual);
		snprintf(names[i], sizeof(names[i]), "192.0.2.%u", i);
		s.stream[i].share = slice_of(names[i]);
	}
	settle(&s, 3 * LONG_S);
	for (unsigned i = 0; i < ABUSERS + POLITE; i++) {
		double got = success(&s.stream[i]);
		all += goodput(&s.stream[i], 3 * LONG_S);
		polite += i < ABUSERS ? 0 : got / POLITE;
		worst = i >= ABUSERS && got < worst ? got : worst;
	}
	if (getenv("FOREBAY_SHOW"))
		fprintf(stderr, "polite %.3f, the worst served %.3f, goodput %.3f\n", polite, worst,
			all);
	ck_assert_double_ge(polite, 0.92);
	ck_assert_double_ge(worst, 0.9);
	ck_assert_double_ge(all, 0.89);
	sim_fini(&s);
}
END_TEST

/* --- chains ------------------------------------------------------------------------------- */

enum { CHAIN_LOADS = 5 };
static const double chain_loads[CHAIN_LOADS] = { 0.5, 0.9, 1.2, 2, 5 };

static const struct chain {
	const char *name;
	unsigned threads, max_queue;
	uint64_t before_ns, mean_ns, deadline_ns;
	bool is_fixed;
	unsigned skips, seconds;
} chains[] = {
	{ "1 s, then 20 ms", 2, 256, CLOCK_SEC, 20 * CLOCK_MS, 30 * CLOCK_SEC, true, 0, LONG_S },
	{ "about 1 s, then 20 ms", 2, 256, CLOCK_SEC, 20 * CLOCK_MS, 30 * CLOCK_SEC, false, 0,
	  LONG_S },
	{ "a deadline of 1.5 s", 2, 256, CLOCK_SEC, 20 * CLOCK_MS, 1500 * CLOCK_MS, true, 0,
	  LONG_S },
	{ "one of five comes", 2, 256, CLOCK_SEC, 20 * CLOCK_MS, 30 * CLOCK_SEC, true, 80, LONG_S },
	{ "300 ms, then 2 ms", 4, 64, 300 * CLOCK_MS, 2 * CLOCK_MS, 30 * CLOCK_SEC, true, 0, 10 },
};

static struct sim_stream
stream_of(const struct chain *c, double load)
{
	double comes = (100 - c->skips) / 100.0;

	return (struct sim_stream){
		.priority = CLASS_NORMAL,
		.mean_ns = c->mean_ns,
		.deadline_ns = c->deadline_ns,
		.delay_ns = c->before_ns,
		.is_delay_fixed = c->is_fixed,
		.skips = c->skips,
		.per_s = load * c->threads * 1e9 / (double)c->mean_ns / comes,
	};
}

static void
begin_chain(struct sim *s, const struct chain *c, double load)
{
	sim_init(s, ORDER_ADAPTIVE, c->threads, c->max_queue, SEED);
	s->gate.max_wait_ns = 500 * CLOCK_MS;
	s->way = SIM_TWICE;
	s->stream[0] = stream_of(c, load);
}

/* Whoever is let in is hardly ever dropped, and the threads do what they can. */
START_TEST(a_chain_gets_what_the_threads_can_do)
{
	const struct chain *c = &chains[_i];

	for (unsigned i = 0; i < CHAIN_LOADS; i++) {
		double load = chain_loads[i], served;
		struct sim s;

		begin_chain(&s, c, load);
		settle(&s, c->seconds);
		served = s.stream[0].good / (c->seconds * c->threads * 1e9 / (double)c->mean_ns);
		if (getenv("FOREBAY_SHOW"))
			fprintf(stderr, "%-26s load %5.2f  goodput %.3f  p99 %4u ms  unrun %u\n",
				c->name, load, served, sim_p99_ms(&s.stream[0]), s.stream[0].unrun);
		ck_assert_double_ge(served, 0.95 * (load < 1 ? load : 1));
		ck_assert_uint_le(s.stream[0].unrun, s.stream[0].good / 50);
		sim_fini(&s);
	}
}
END_TEST

/* Threads that others have a promise of are idle: whoever comes now is not refused. */
START_TEST(a_light_route_is_served_beside_a_chain)
{
	struct sim s;

	begin_chain(&s, &chains[0], 0.5);
	s.stream[1] = (struct sim_stream){ .priority = CLASS_NORMAL,
					   .mean_ns = CLOCK_MS,
					   .is_fixed = true,
					   .deadline_ns = 100 * CLOCK_MS,
					   .per_s = 100 };
	settle(&s, LONG_S);
	ck_assert_double_ge(success(&s.stream[0]), 0.99);
	ck_assert_double_ge(success(&s.stream[1]), 0.99);
	sim_fini(&s);
}
END_TEST

/* Together they ask for twice of what there is. */
START_TEST(a_chain_and_a_route_of_one_part_share_what_there_is)
{
	struct sim s;

	begin_chain(&s, &chains[2], 1);
	s.stream[1] = usual;
	s.stream[1].per_s = rate(1, &usual);
	settle(&s, LONG_S);
	if (getenv("FOREBAY_SHOW"))
		fprintf(stderr, "a chain %.3f beside one part %.3f, unrun %u and %u\n",
			goodput(&s.stream[0], LONG_S), goodput(&s.stream[1], LONG_S),
			s.stream[0].unrun, s.stream[1].unrun);
	ck_assert_double_ge(goodput(&s.stream[0], LONG_S) + goodput(&s.stream[1], LONG_S), 0.95);
	ck_assert_double_ge(goodput(&s.stream[0], LONG_S), 0.35);
	ck_assert_double_ge(goodput(&s.stream[1], LONG_S), 0.35);
	ck_assert_uint_le(s.stream[0].unrun + s.stream[1].unrun, s.stream[0].good / 20);
	sim_fini(&s);
}
END_TEST

/* Ten times the load for a third of a second, all ready together a second later. */
START_TEST(a_burst_is_promised_what_can_be_done_in_time)
{
	struct sim s;

	begin_chain(&s, &chains[2], 0.5);
	settle(&s, 10);
	s.stream[0].per_s = 0;
	sim_run(&s, 2 * CLOCK_SEC);
	sim_reset(&s);
	s.stream[0].per_s = 1000;
	sim_run(&s, 300 * CLOCK_MS);
	s.stream[0].per_s = 0;
	sim_run(&s, 3 * CLOCK_SEC);
	if (getenv("FOREBAY_SHOW"))
		fprintf(stderr, "of a burst of %u %u good, %u unrun\n", s.stream[0].asked,
			s.stream[0].good, s.stream[0].unrun);
	ck_assert_uint_ge(s.stream[0].good, 30);
	ck_assert_uint_le(s.stream[0].unrun, s.stream[0].good / 10);
	sim_fini(&s);
}
END_TEST

static void
add_chains(TCase *t)
{
	tcase_add_loop_test(t, a_chain_gets_what_the_threads_can_do, 0,
			    sizeof(chains) / sizeof(*chains));
	tcase_add_test(t, a_light_route_is_served_beside_a_chain);
	tcase_add_test(t, a_chain_and_a_route_of_one_part_share_what_there_is);
	tcase_add_test(t, a_burst_is_promised_what_can_be_done_in_time);
}

static void
add_changes(TCase *t)
{
	tcase_add_test(t, polite_clients_are_served_beside_abusers);
	tcase_add_test(t, a_longer_run_time_is_learned_within_a_second);
	tcase_add_test(t, after_a_spike_all_is_well_within_a_second);
	tcase_add_loop_test(t, a_spike_with_retries_leaves_nothing_behind, 0, 2);
	tcase_add_test(t, critical_requests_are_in_time_at_five_times_the_load);
	tcase_add_test(t, mixed_deadlines_share_one_queue);
	tcase_add_test(t, cheap_and_costly_kinds_are_told_apart);
	tcase_add_test(t, whole_fan_outs_are_admitted_or_refused);
}

Suite *
suite_scenario_gate(void)
{
	Suite *s = suite_create("scenario_gate");
	TCase *t = tcase_create("gate");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, goodput_at_every_load_is_that_of_the_table, 0,
			    sizeof(policies) / sizeof(*policies));
	tcase_add_test(t, adaptive_answers_within_half_the_deadline);
	tcase_add_test(t, fixed_run_times_keep_it_too);
	add_changes(t);
	add_chains(t);
	suite_add_tcase(s, t);
	return s;
}
