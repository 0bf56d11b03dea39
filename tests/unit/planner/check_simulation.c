/*
 * The simulation against results that hold exactly.
 */
#include "planner/simulation.h"

#include "planner/erlang.h"

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
	suite_add_tcase(s, c);
	return s;
}
