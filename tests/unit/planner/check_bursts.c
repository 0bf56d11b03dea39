/*
 * Waits of jobs that come in bursts: the exact ones, and those of forecasts beside runs of another
 * simulation (four million jobs each, by the recursion of Kiefer and Wolfowitz).
 */
#include "planner/bursts.h"

#include "planner/erlang.h"
#include "planner/forecast.h"

#include <check.h>
#include <math.h>

Suite *suite_planner_bursts(void);

/* A dispersion of 3: of two jobs one comes together with the one before. Waits in services. */
static const struct {
	unsigned servers;
	double load, cv, mean_wait, p_wait;
} truths[] = {
	{ 1, 0.5, 0.3, 2.543, 0.75 },   { 1, 0.5, 1.0, 2.994, 0.75 },
	{ 1, 0.5, 2.0, 4.502, 0.75 },   { 1, 0.7, 0.3, 4.605, 0.85 },
	{ 1, 0.7, 1.0, 5.678, 0.85 },   { 1, 0.7, 2.0, 9.191, 0.851 },
	{ 1, 0.9, 0.3, 14.79, 0.95 },   { 1, 0.9, 1.0, 18.68, 0.949 },
	{ 1, 0.9, 2.0, 32.69, 0.95 },   { 2, 0.5, 0.3, 1.083, 0.604 },
	{ 2, 0.5, 1.0, 1.196, 0.599 },  { 2, 0.5, 2.0, 1.624, 0.593 },
	{ 2, 0.7, 0.3, 2.11, 0.758 },   { 2, 0.7, 1.0, 2.534, 0.756 },
	{ 2, 0.7, 2.0, 3.943, 0.752 },  { 2, 0.9, 0.3, 7.189, 0.918 },
	{ 2, 0.9, 1.0, 9.243, 0.918 },  { 2, 0.9, 2.0, 15.43, 0.914 },
	{ 4, 0.5, 0.3, 0.4079, 0.431 }, { 4, 0.5, 1.0, 0.4125, 0.416 },
	{ 4, 0.5, 2.0, 0.4956, 0.397 }, { 4, 0.7, 0.3, 0.9173, 0.639 },
	{ 4, 0.7, 1.0, 1.045, 0.628 },  { 4, 0.7, 2.0, 1.518, 0.613 },
	{ 4, 0.9, 0.3, 3.582, 0.875 },  { 4, 0.9, 1.0, 4.335, 0.87 },
	{ 4, 0.9, 2.0, 7.34, 0.867 },   { 8, 0.5, 0.3, 0.1292, 0.257 },
	{ 8, 0.5, 1.0, 0.1143, 0.23 },  { 8, 0.5, 2.0, 0.1115, 0.198 },
	{ 8, 0.7, 0.3, 0.3663, 0.494 }, { 8, 0.7, 1.0, 0.3925, 0.472 },
	{ 8, 0.7, 2.0, 0.5329, 0.446 }, { 8, 0.9, 0.3, 1.591, 0.809 },
	{ 8, 0.9, 1.0, 1.995, 0.803 },  { 8, 0.9, 2.0, 3.252, 0.793 },
};

enum { TRUTHS = sizeof(truths) / sizeof(truths[0]) };

START_TEST(exponential_jobs_wait_as_simulated)
{
	for (unsigned i = 0; i < TRUTHS; i++) {
		unsigned servers = truths[i].servers;
		struct bursts b = bursts_wait(truths[i].load * servers, servers, 3);

		if (truths[i].cv != 1)
			continue;
		ck_assert_double_eq_tol(b.p_wait / truths[i].p_wait, 1, 0.01);
		ck_assert_double_eq_tol(b.p_wait * b.mean_wait / truths[i].mean_wait, 1, 0.03);
	}
}
END_TEST

START_TEST(random_arrivals_are_bursts_of_one)
{
	static const unsigned servers[] = { 1, 2, 30, 1000, 100000 };

	for (unsigned i = 0; i < 5; i++) {
		double work = 0.98 * servers[i];
		struct bursts b = bursts_wait(work, servers[i], 1);

		ck_assert_double_eq_tol(b.p_wait / erlang_c(work, servers[i]), 1, 1e-9);
		ck_assert_double_eq_tol(b.mean_wait * (servers[i] - work), 1, 1e-9);
	}
}
END_TEST

/* Of one server all is known: Burke (1975). */
START_TEST(one_server_is_the_textbook_queue)
{
	for (double dispersion = 1; dispersion < 9; dispersion += 0.7) {
		for (double load = 0.1; load < 1; load += 0.2) {
			struct bursts b = bursts_wait(load, 1, dispersion);
			double mean = (dispersion - 1 + 2 * load) / (2 * (1 - load));

			ck_assert_double_eq_tol(b.p_wait * b.mean_wait / mean, 1, 1e-9);
			ck_assert_double_eq_tol(b.p_wait, 1 - (1 - load) * 2 / (dispersion + 1),
						1e-9);
		}
	}
}
END_TEST

START_TEST(servers_that_nobody_waits_for_are_numbers)
{
	struct bursts b = bursts_wait(0.5, 100000, 3);

	ck_assert(b.p_wait >= 0 && b.p_wait < 1e-9);
	ck_assert(b.mean_wait > 0 && b.mean_wait < 1);
}
END_TEST

START_TEST(forecasts_are_within_15_percent_of_simulated_waits)
{
	for (unsigned i = 0; i < TRUTHS; i++) {
		unsigned servers = truths[i].servers;
		struct station s = { .rate = truths[i].load * servers / 0.02,
				     .service_s = 0.02,
				     .cv = truths[i].cv,
				     .servers = servers,
				     .fan = 1,
				     .dispersion = 3 };
		struct forecast f;

		ck_assert_int_eq(forecast_init(&f, &s), 0);
		ck_assert_msg(fabs(f.mean_wait_s / 0.02 / truths[i].mean_wait - 1) <= 0.15,
			      "%u at %g, cv %g: %g, not %g", servers, truths[i].load, truths[i].cv,
			      f.mean_wait_s / 0.02, truths[i].mean_wait);
		forecast_fini(&f);
	}
}
END_TEST

/* The run that stands where there is no formula draws what the formula is about. */
START_TEST(simulations_draw_such_bursts)
{
	static struct simulation m;

	for (unsigned i = 0; i < TRUTHS; i++) {
		unsigned servers = truths[i].servers;
		struct station s = { .rate = truths[i].load * servers / 0.02,
				     .service_s = 0.02,
				     .cv = truths[i].cv,
				     .servers = servers,
				     .fan = 1,
				     .dispersion = 3 };

		if (truths[i].load > 0.8)
			continue;
		ck_assert_int_eq(simulation_run(&m, &s, 200000, 5), 0);
		ck_assert_double_eq_tol(m.mean_wait_s.mean / 0.02 / truths[i].mean_wait, 1, 0.15);
		ck_assert_double_eq_tol(m.p_wait.mean / truths[i].p_wait, 1, 0.05);
	}
}
END_TEST

Suite *
suite_planner_bursts(void)
{
	Suite *s = suite_create("planner_bursts");
	TCase *t = tcase_create("bursts");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, exponential_jobs_wait_as_simulated);
	tcase_add_test(t, random_arrivals_are_bursts_of_one);
	tcase_add_test(t, one_server_is_the_textbook_queue);
	tcase_add_test(t, servers_that_nobody_waits_for_are_numbers);
	tcase_add_test(t, forecasts_are_within_15_percent_of_simulated_waits);
	tcase_add_test(t, simulations_draw_such_bursts);
	suite_add_tcase(s, t);
	return s;
}
