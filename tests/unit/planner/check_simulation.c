/*
 * The simulation against results that hold exactly.
 */
#include "planner/simulation.h"

#include "planner/curve.h"
#include "planner/erlang.h"
#include "planner/forecast.h"

#include <check.h>
#include <math.h>
#include <string.h>

Suite *suite_planner_simulation(void);

static struct simulation one, two;

START_TEST(the_same_seed_gives_the_same_run)
{
	struct station s = { 80, 0.02, 1.5, 3, 2, true, 8 };

	ck_assert(simulation_run(&one, &s, 20000, 9) == 0);
	ck_assert(simulation_run(&two, &s, 20000, 9) == 0);
	ck_assert(memcmp(&one, &two, sizeof(one)) == 0);
	ck_assert(simulation_run(&two, &s, 20000, 10) == 0);
	ck_assert(one.mean_wait_s.mean != two.mean_wait_s.mean);
}
END_TEST

/* Pollaczek and Khinchine: Wq = rho/(1-rho) (1+cv^2)/2 T, for any service with one server. */
START_TEST(one_server_waits_as_pollaczek_and_khinchine_say)
{
	static const double cvs[] = { 0, 0.5, 1, 2 };

	for (unsigned i = 0; i < 4; i++) {
		struct station s = { 35, 0.02, cvs[i], 1, 1, false, 0 };
		double wanted = 0.7 / 0.3 * (1 + cvs[i] * cvs[i]) / 2 * 0.02;

		ck_assert(simulation_run(&one, &s, 400000, 4) == 0);
		ck_assert_msg(fabs(one.mean_wait_s.mean - wanted) < 2 * one.mean_wait_s.error,
			      "cv %g: %g, not %g +- %g", cvs[i], one.mean_wait_s.mean, wanted,
			      one.mean_wait_s.error);
		ck_assert(one.mean_wait_s.error < 0.1 * wanted);
		ck_assert_msg(fabs(one.p_wait.mean - 0.7) < 2 * one.p_wait.error, "cv %g", cvs[i]);
	}
}
END_TEST

/* Without room to wait the share that is refused is Erlang's for every service. */
START_TEST(losses_do_not_depend_on_the_spread)
{
	static const double cvs[] = { 0, 1, 2 };

	for (unsigned i = 0; i < 3; i++) {
		struct station s = { 200, 0.02, cvs[i], 5, 1, true, 0 };

		ck_assert(simulation_run(&one, &s, 400000, 6) == 0);
		ck_assert_double_eq_tol(one.refused.mean, erlang_b(4, 5), 2 * one.refused.error);
		ck_assert(one.mean_wait_s.mean == 0 && one.p99_wait_s.mean == 0);
	}
}
END_TEST

START_TEST(percentiles_and_shares_are_inverse)
{
	struct station s = { 80, 0.02, 1, 2, 1, false, 0 };

	ck_assert(simulation_run(&one, &s, 200000, 8) == 0);
	for (double p = 0.5; p < 1; p += 0.1) {
		double t = simulation_percentile(&one, &one.response, p);

		ck_assert_double_eq_tol(simulation_over(&one, &one.response, t), 1 - p, 0.01);
	}
	ck_assert(simulation_over(&one, &one.response, 0) == 1);
}
END_TEST

START_TEST(what_has_no_long_run_is_refused)
{
	struct station full = { 100, 0.02, 1, 2, 1, false, 0 };
	struct station never = { 1, 0.1, 1, 2, 4, true, 1 };

	ck_assert(simulation_run(&one, &full, 1000, 1) == ERR_SHED);
	ck_assert(simulation_run(&one, &never, 1000, 1) == ERR_ARGUMENT);
}
END_TEST

/* A run that began empty would end before queues this long were full. */
START_TEST(an_overloaded_queue_is_full_from_the_beginning)
{
	static const struct station cases[] = {
		{ 60, 0.02, 1, 1, 1, true, 100000 },
		{ 60, 0.02, 1, 1, 1, true, 20 },
		{ 1e6, 1, 1, 1, 1, true, 10 },
		{ 400, 0.02, 1, 4, 3, true, 300 },
	};

	for (unsigned i = 0; i < 4; i++) {
		struct forecast f;

		ck_assert(forecast_init(&f, &cases[i]) == 0);
		ck_assert(f.way == FORECAST_EXACT);
		ck_assert(simulation_run(&one, &cases[i], 200000, 4) == 0);
		ck_assert_double_eq_tol(one.refused.mean, f.p_block, 2 * one.refused.error + 1e-9);
		ck_assert_double_eq_tol(one.busy.mean, f.utilization, 2 * one.busy.error + 1e-9);
		ck_assert_double_eq_tol(one.mean_wait_s.mean, f.mean_wait_s,
					3 * one.mean_wait_s.error);
		ck_assert_double_eq_tol(one.p99_wait_s.mean, f.p99_wait_s, 0.02 * f.p99_wait_s);
		ck_assert(one.busy.mean <= 1);
		forecast_fini(&f);
	}
}
END_TEST

/* Constant jobs that never wait for room: each finds all others, and waits for all of them. */
START_TEST(a_constant_flood_waits_for_all_that_find_room)
{
	struct station s = { 1e6, 1, 0, 1, 1, true, 10 };

	ck_assert(simulation_run(&one, &s, 20000, 4) == 0);
	ck_assert_double_eq_tol(one.mean_wait_s.mean, 10, 1e-4);
	ck_assert_double_eq_tol(one.refused.mean, 1 - 1e-6, 1e-9);
	ck_assert_double_eq_tol(one.busy.mean, 1, 1e-9);
}
END_TEST

START_TEST(what_forgets_too_slowly_is_refused)
{
	struct station near = { 49.95, 0.02, 0.5, 1, 1, false, 0 };
	struct station at = { 50, 0.02, 0.5, 1, 1, true, 100000 };

	ck_assert(simulation_run(&one, &near, 1000000, 1) == ERR_TOO_LARGE);
	ck_assert(simulation_run(&one, &at, 1000000, 1) == ERR_TOO_LARGE);
	near.rate = 45;
	at.slots = 100;
	ck_assert(simulation_run(&one, &near, simulation_jobs(&near, 1000, 1000000), 1) == 0);
	ck_assert(simulation_run(&one, &at, simulation_jobs(&at, 1000, 1000000), 1) == 0);
	ck_assert_uint_eq(simulation_jobs(&near, 1000, 1100), 1100);
	near.rate = 1;
	ck_assert_uint_eq(simulation_jobs(&near, 1000, 1100), 1000);
}
END_TEST

/* Sharing moves no work: as many are there as if they waited, and as many wait for a thread as
 * would be behind so many (exponential jobs: the number in an M/M/c queue). */
START_TEST(shared_processors_do_as_much_as_servers)
{
	struct station s = { 80, 0.02, 1, 2, 1, false, 0, 5 };
	double wait = erlang_c(1.6, 2);

	ck_assert(simulation_run(&one, &s, 400000, 5) == 0);
	ck_assert_double_eq_tol(one.busy.mean, 0.8, 2 * one.busy.error);
	ck_assert_double_eq_tol(one.p_wait.mean, wait * pow(0.8, 3), 2 * one.p_wait.error);
	ck_assert_double_eq_tol(one.mean_response_s.mean, 0.02 + wait * 0.02 / 0.4,
				2 * one.mean_response_s.error);
}
END_TEST

/* With a thread for each the mean is that of exponential jobs for every spread (Kelly). */
START_TEST(processors_shared_by_all_do_not_know_the_spread)
{
	static const double cvs[] = { 0, 2 };

	for (unsigned i = 0; i < 2; i++) {
		struct station s = { 70, 0.02, cvs[i], 2, 1, false, 0, 2000 };
		double wanted = 0.02 + erlang_c(1.4, 2) * 0.02 / 0.6;

		ck_assert(simulation_run(&one, &s, 400000, 5) == 0);
		ck_assert(one.p_wait.mean == 0);
		ck_assert_msg(fabs(one.mean_response_s.mean - wanted) <
				  2 * one.mean_response_s.error,
			      "%g, not %g", one.mean_response_s.mean, wanted);
	}
}
END_TEST

enum { OTHERS = 200 };

/* One step at the rate (arrivals + all servers) for a job with n others: left[n] is the chance
 * that it is not done after the steps so far. */
static void
step_shared(double left[OTHERS + 1], double rate, double each, unsigned servers)
{
	double all = rate + servers * each;
	double before = 0;

	for (unsigned n = 0; n < OTHERS; n++) {
		double speed = n + 1 > servers ? servers / (n + 1.0) : 1;
		double others = n * speed * each, own = speed * each;
		double now = left[n];

		left[n] =
		    (rate * left[n + 1] + others * before + (servers * each - others - own) * now) /
		    all;
		before = now;
	}
	left[OTHERS] = left[OTHERS - 1];
}

/* The chain of all states: exact, and far above what servers of their own would give. */
START_TEST(sharing_spreads_the_response)
{
	struct station s = { 80, 0.02, 1, 2, 1, false, 0, OTHERS };
	double left[OTHERS + 1], found[OTHERS + 1] = { 1 }, sum = 1, p99;
	struct curve c;

	for (unsigned n = 0; n <= OTHERS; n++)
		left[n] = 1;
	for (unsigned n = 1; n <= OTHERS; n++) {
		found[n] = found[n - 1] * 1.6 / (n < 2 ? n : 2);
		sum += found[n];
	}
	curve_init(&c, 80 + 2 * 50);
	for (unsigned i = 0; i < 3000; i++) {
		double share = 0;

		for (unsigned n = 0; n <= OTHERS; n++)
			share += found[n] / sum * left[n];
		ck_assert(curve_append(&c, share) == 0);
		step_shared(left, 80, 50, 2);
	}
	p99 = curve_percentile(&c, 0.99);
	ck_assert(simulation_run(&one, &s, 400000, 5) == 0);
	ck_assert_double_eq_tol(curve_mean(&c), 0.02 + erlang_c(1.6, 2) * 0.02 / 0.4, 1e-6);
	ck_assert_msg(fabs(one.p99_response_s.mean - p99) < 2 * one.p99_response_s.error,
		      "%g +- %g, not %g", one.p99_response_s.mean, one.p99_response_s.error, p99);
	ck_assert(p99 > 0.33);
	curve_fini(&c);
}
END_TEST

Suite *
suite_planner_simulation(void)
{
	Suite *s = suite_create("planner_simulation");
	TCase *c = tcase_create("simulation");

	tcase_add_test(c, the_same_seed_gives_the_same_run);
	tcase_add_test(c, one_server_waits_as_pollaczek_and_khinchine_say);
	tcase_add_test(c, losses_do_not_depend_on_the_spread);
	tcase_add_test(c, percentiles_and_shares_are_inverse);
	tcase_add_test(c, what_has_no_long_run_is_refused);
	tcase_add_test(c, an_overloaded_queue_is_full_from_the_beginning);
	tcase_add_test(c, a_constant_flood_waits_for_all_that_find_room);
	tcase_add_test(c, what_forgets_too_slowly_is_refused);
	tcase_add_test(c, shared_processors_do_as_much_as_servers);
	tcase_add_test(c, processors_shared_by_all_do_not_know_the_spread);
	tcase_add_test(c, sharing_spreads_the_response);
	suite_add_tcase(s, c);
	return s;
}
