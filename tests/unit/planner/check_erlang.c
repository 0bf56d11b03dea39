/*
 * Erlang B and C against their sums written out, M/M/1 and numeric integration.
 */
#include "planner/erlang.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>

Suite *suite_planner_erlang(void);

static bool
is_near(double a, double b, double relative)
{
	return fabs(a - b) <= relative * fabs(b);
}

/* a^n / n! */
static double
term(double work, unsigned n)
{
	return exp(n * log(work) - lgamma(n + 1.0));
}

static double
b_by_sums(double work, unsigned servers)
{
	double sum = 0;

	for (unsigned n = 0; n <= servers; n++)
		sum += term(work, n);
	return term(work, servers) / sum;
}

static double
c_by_sums(double work, unsigned servers)
{
	double last = term(work, servers) / (1 - work / servers), sum = last;

	for (unsigned n = 0; n < servers; n++)
		sum += term(work, n);
	return last / sum;
}

START_TEST(b_and_c_equal_their_sums)
{
	for (unsigned servers = 1; servers <= 150; servers += 7) {
		for (double load = 0.05; load < 1; load += 0.1) {
			double work = load * servers;

			ck_assert(
			    is_near(erlang_b(work, servers), b_by_sums(work, servers), 1e-11));
			ck_assert(
			    is_near(erlang_c(work, servers), c_by_sums(work, servers), 1e-11));
		}
		ck_assert(is_near(erlang_b(3.0 * servers, servers),
				  b_by_sums(3.0 * servers, servers), 1e-11));
	}
}
END_TEST

/* Tables of Erlang B: 10 servers lose 1 % at 4.4612 erlangs. */
START_TEST(b_is_that_of_the_tables)
{
	ck_assert(is_near(erlang_b(4.4612, 10), 0.01, 1e-4));
	ck_assert(is_near(erlang_b(84.0642, 100), 0.01, 1e-4));
}
END_TEST

START_TEST(one_server_waits_as_often_as_it_is_busy)
{
	for (double work = 0.1; work < 1; work += 0.2)
		ck_assert(is_near(erlang_c(work, 1), work, 1e-14));
}
END_TEST

START_TEST(thousands_of_servers_neither_overflow_nor_vanish)
{
	double many = erlang_c(980, 1000), more = erlang_c(99800, 100000);

	ck_assert(many > 0.40 && many < 0.42);
	ck_assert(more > 0 && more < 1);
	ck_assert(erlang_c(1e-3, 1000) >= 0);
	ck_assert(erlang_b(1e6, 1000) > 0.99);
	/* Halfin and Whitt (1981): c = a + b sqrt(a) waits [1 + b Phi(b)/phi(b)]^-1 for large a. */
	ck_assert(is_near(erlang_c(1e4, 10100), 1 / (1 + 0.841344746 / 0.241970725), 0.01));
}
END_TEST

START_TEST(all_wait_at_load_one_and_above)
{
	ck_assert(erlang_c(4, 4) == 1);
	ck_assert(erlang_c(7, 4) == 1);
}
END_TEST

/* P(S > t) and the integral over service times of what the wait leaves. */
static double
response_by_steps(double work, unsigned servers, double t)
{
	enum { STEPS = 20000 };
	double sum = 0, h = t / STEPS;

	for (int i = 0; i < STEPS; i++) {
		double s = (i + 0.5) * h;

		sum += exp(-s) * exp(-(servers - work) * (t - s)) * h;
	}
	return exp(-t) + erlang_c(work, servers) * sum;
}

START_TEST(response_is_wait_and_service)
{
	static const struct {
		double work;
		unsigned servers;
	} cases[] = { { 0.5, 1 }, { 1, 4 }, { 3, 4 }, { 3 + 1e-13, 4 }, { 3.9, 4 }, { 60, 64 } };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (double t = 0.1; t < 6; t += 0.7) {
			double over = erlang_response_over(cases[i].work, cases[i].servers, t);

			ck_assert_msg(is_near(over,
					      response_by_steps(cases[i].work, cases[i].servers, t),
					      1e-4),
				      "case %u at %g", i, t);
		}
	}
	ck_assert(erlang_response_over(3, 4, 0) == 1);
}
END_TEST

START_TEST(response_of_one_server_is_exponential)
{
	for (double t = 0; t < 50; t += 3)
		ck_assert(is_near(erlang_response_over(0.9, 1, t), exp(-0.1 * t), 1e-12));
}
END_TEST

START_TEST(response_of_a_thousand_does_not_overflow)
{
	ck_assert(erlang_response_over(999.9, 1000, 5000) >= 0);
	ck_assert(erlang_response_over(10, 1000, 1e4) >= 0);
	ck_assert(erlang_response_over(10, 1000, 1e4) < 1e-9);
}
END_TEST

START_TEST(the_service_is_found_from_the_response)
{
	for (unsigned servers = 1; servers <= 40; servers += 13) {
		for (double load = 0.05; load < 1; load += 0.13) {
			double rate = load * servers / 0.02;
			double response = 0.02 + erlang_c(load * servers, servers) * 0.02 /
						     (servers * (1 - load));

			ck_assert_double_eq_tol(erlang_service(rate, servers, response), 0.02,
						1e-9);
		}
	}
	/* However long it takes, what was done had time. */
	ck_assert(erlang_service(100, 2, 1000) < 0.02);
	ck_assert_double_eq_tol(erlang_service(100, 2, 1000), 0.02, 1e-6);
}
END_TEST

Suite *
suite_planner_erlang(void)
{
	Suite *s = suite_create("planner_erlang");
	TCase *c = tcase_create("erlang");

	tcase_add_test(c, b_and_c_equal_their_sums);
	tcase_add_test(c, b_is_that_of_the_tables);
	tcase_add_test(c, one_server_waits_as_often_as_it_is_busy);
	tcase_add_test(c, thousands_of_servers_neither_overflow_nor_vanish);
	tcase_add_test(c, all_wait_at_load_one_and_above);
	tcase_add_test(c, response_is_wait_and_service);
	tcase_add_test(c, response_of_one_server_is_exponential);
	tcase_add_test(c, response_of_a_thousand_does_not_overflow);
	tcase_add_test(c, the_service_is_found_from_the_response);
	suite_add_tcase(s, c);
	return s;
}
