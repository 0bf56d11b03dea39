/*
 * Drawing measured times: the moments of what is drawn, and that a simulation
 * draws them.
 */
#include "planner/measured.h"

#include "planner/forecast.h"

#include <check.h>
#include <math.h>

Suite *suite_planner_measured(void);

/* Two modes: 9 of 10 take about 5 ms, one about 150 ms. */
static const double bound[] = { 0.004, 0.006, 0.1, 0.2, INFINITY };
static const double count[] = { 0, 900, 0, 100, 0 };

static struct measured
two_modes(void)
{
	struct measured m;

	ck_assert_int_eq(measured_init(&m, bound, count, 5, 0), 0);
	return m;
}

START_TEST(moments_are_those_of_the_buckets)
{
	struct measured m = two_modes();
	double mean = 0.9 * 0.005 + 0.1 * 0.15;
	double square = 0.9 * (0.005 * 0.005 + 4e-6 / 12) + 0.1 * (0.15 * 0.15 + 1e-2 / 12);

	ck_assert_double_eq_tol(m.mean_s, mean, 1e-12);
	ck_assert_double_eq_tol(m.cv, sqrt(square / mean / mean - 1), 1e-12);
	ck_assert_int_eq(measured_init(&m, bound, count, 5, 0.03), 0);
	ck_assert_double_eq_tol(m.mean_s, 0.03, 1e-12);
	ck_assert_double_eq_tol(m.cv, sqrt(square / mean / mean - 1), 1e-12);
}
END_TEST

START_TEST(draws_have_these_moments)
{
	struct measured m = two_modes();
	struct random r;
	double sum = 0, squares = 0, mean;
	unsigned n = 400000, between = 0;

	random_init(&r, 5);
	for (unsigned i = 0; i < n; i++) {
		double t = measured_draw(&m, &r);

		sum += t;
		squares += t * t;
		between += t < 0.004 || (t > 0.006 && t < 0.1) || t > 0.2;
	}
	mean = sum / n;
	ck_assert_uint_eq(between, 0);
	ck_assert_double_eq_tol(mean / m.mean_s, 1, 0.01);
	ck_assert_double_eq_tol(sqrt(squares / n / mean / mean - 1) / m.cv, 1, 0.01);
}
END_TEST

/* Pollaczek and Khinchine ask for nothing but both moments; a bounded queue knows the rest, too. */
START_TEST(a_simulation_draws_them)
{
	static struct simulation drawn, gamma;
	struct measured m = two_modes();
	struct station s = { .rate = 0.7 / m.mean_s,
			     .service_s = m.mean_s,
			     .cv = m.cv,
			     .servers = 1,
			     .fan = 1,
			     .measured = &m };
	double wanted = 0.7 / 0.3 * (1 + m.cv * m.cv) / 2 * m.mean_s;
	struct forecast f;

	ck_assert_int_eq(simulation_run(&drawn, &s, 400000, 3), 0);
	ck_assert_double_eq_tol(drawn.mean_wait_s.mean, wanted, 2 * drawn.mean_wait_s.error);
	ck_assert_int_eq(forecast_init(&f, &s), 0);
	ck_assert_double_eq_tol(f.mean_wait_s, wanted, 1e-9);
	forecast_fini(&f);
	/* No job takes longer than 200 ms; with an empty queue before it that is its response. */
	s.rate = 0.01;
	ck_assert_int_eq(simulation_run(&drawn, &s, 100000, 3), 0);
	s.measured = NULL;
	ck_assert_int_eq(simulation_run(&gamma, &s, 100000, 3), 0);
	ck_assert(simulation_over(&drawn, &drawn.response, 0.21) < 1e-3);
	ck_assert(simulation_over(&gamma, &gamma.response, 0.21) > 0.01);
}
END_TEST

START_TEST(what_has_no_times_is_refused)
{
	static const double one[] = { INFINITY }, none[] = { 0, 0, 0, 0, 0 };
	struct measured m;

	ck_assert_int_eq(measured_init(&m, bound, none, 5, 0), ERR_ARGUMENT);
	ck_assert_int_eq(measured_init(&m, one, count + 1, 1, 0), ERR_ARGUMENT);
	ck_assert_int_eq(measured_init(&m, bound, count, 0, 0), ERR_ARGUMENT);
	ck_assert_int_eq(measured_init(&m, bound, count, MEASURED_BUCKETS + 1, 0), ERR_ARGUMENT);
}
END_TEST

Suite *
suite_planner_measured(void)
{
	Suite *s = suite_create("planner_measured");
	TCase *t = tcase_create("measured");

	tcase_add_test(t, moments_are_those_of_the_buckets);
	tcase_add_test(t, draws_have_these_moments);
	tcase_add_test(t, a_simulation_draws_them);
	tcase_add_test(t, what_has_no_times_is_refused);
	suite_add_tcase(s, t);
	return s;
}
