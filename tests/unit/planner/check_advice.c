/*
 * Recommendations: a worked example, and that what is recommended is the least.
 */
#include "planner/advice.h"

#include <check.h>
#include <math.h>

Suite *suite_planner_advice(void);

static const struct station load = { 80, 0.02, 1, 3, 1, false, 0 };

static double
response(struct station s, unsigned servers)
{
	struct forecast f;
	double r;

	s.servers = servers;
	ck_assert(forecast_init(&f, &s) == 0);
	r = f.p99_response_s;
	forecast_fini(&f);
	return r;
}

/* 80/s of 20 ms within 150 ms: two give 238.7 ms, three 101.4 ms; 8 may wait for that, and 61
 * for a deadline of 500 ms. */
START_TEST(worked_example)
{
	struct advice_wish wish = { 0.15, 0.99, 0.5 }, deadline = { 0, 0.99, 0.5 };
	unsigned servers;

	ck_assert(advice_servers(&load, &wish, 100, &servers) == 0);
	ck_assert_uint_eq(servers, 3);
	ck_assert_double_eq_tol(response(load, 2), 0.2387, 5e-5);
	ck_assert_double_eq_tol(response(load, 3), 0.1014, 5e-5);
	ck_assert_uint_eq(advice_slots(&load, &wish), 8);
	ck_assert_uint_eq(advice_slots(&load, &deadline), 61);
}
END_TEST

START_TEST(servers_are_the_least_that_do)
{
	for (double slo = 0.093; slo < 1; slo *= 1.3) {
		struct station s = { 2000, 0.02, 1, 1, 1, false, 0 };
		struct advice_wish wish = { slo, 0.99, 0 };
		unsigned servers;

		ck_assert(advice_servers(&s, &wish, STATION_SERVERS_MAX, &servers) == 0);
		ck_assert_uint_gt(servers, 40);
		ck_assert(response(s, servers) <= slo);
		ck_assert(servers == 41 || response(s, servers - 1) > slo);
	}
}
END_TEST

START_TEST(none_do_when_the_jobs_alone_take_too_long)
{
	struct advice_wish wish = { 0.05, 0.99, 0 };
	struct station joined = load;
	unsigned servers = 7;

	ck_assert(advice_servers(&load, &wish, STATION_SERVERS_MAX, &servers) == 0);
	ck_assert_uint_eq(servers, 0);
	/* One of ten is slow more often than one alone. */
	wish.slo_s = 0.1;
	joined.rate = 8;
	joined.fan = 10;
	ck_assert(advice_servers(&joined, &wish, STATION_SERVERS_MAX, &servers) == 0);
	ck_assert_uint_eq(servers, 0);
	wish.slo_s = 0.15;
	ck_assert(advice_servers(&joined, &wish, STATION_SERVERS_MAX, &servers) == 0);
	ck_assert_uint_gt(servers, 0);
}
END_TEST

START_TEST(too_few_at_the_most_are_none)
{
	struct advice_wish wish = { 0.15, 0.99, 0 };
	unsigned servers = 7;

	ck_assert(advice_servers(&load, &wish, 2, &servers) == 0);
	ck_assert_uint_eq(servers, 0);
	ck_assert(advice_servers(&load, &wish, 1, &servers) == 0);
	ck_assert_uint_eq(servers, 0);
}
END_TEST

START_TEST(slots_hold_the_jobs_of_a_request)
{
	struct station s = { 1, 0.02, 1, 2, 6, false, 0 };
	struct advice_wish wish = { 0.001, 0.99, 0 };

	ck_assert_uint_eq(advice_slots(&s, &wish), 4);
}
END_TEST

START_TEST(the_highest_rate_is_at_the_edge_of_the_wish)
{
	struct advice_wish wish = { 0.15, 0.99, 0 };
	struct station s = load;
	double rate;

	ck_assert(advice_rate(&s, &wish, &rate) == 0);
	s.rate = rate;
	ck_assert(response(s, 3) <= 0.15);
	s.rate = rate * 1.001;
	ck_assert(response(s, 3) > 0.15);
	wish.slo_s = 0.05;
	ck_assert(advice_rate(&s, &wish, &rate) == 0);
	ck_assert(rate == 0);
}
END_TEST

START_TEST(what_is_refused_breaks_the_wish)
{
	struct advice_wish wish = { 0.15, 0.99, 0 };
	struct station s = { 45, 0.02, 1, 1, 1, true, 0 };
	struct forecast f;

	ck_assert(forecast_init(&f, &s) == 0);
	ck_assert(f.p99_response_s < 0.15 && !advice_holds(&f, &wish));
	forecast_fini(&f);
	s.servers = 5;
	ck_assert(forecast_init(&f, &s) == 0);
	ck_assert(advice_holds(&f, &wish));
	forecast_fini(&f);
}
END_TEST

START_TEST(what_cannot_be_told_is_too_little)
{
	struct advice_wish wish = { 10, 0.99, 0 };
	struct station s = { 199.95, 0.02, 0.5, 1, 2, false, 0 };
	unsigned servers;

	ck_assert(advice_servers(&s, &wish, 100, &servers) == 0);
	ck_assert_uint_eq(servers, 9);
	ck_assert(advice_servers(&s, &wish, 8, &servers) == 0);
	ck_assert_uint_eq(servers, 0);
}
END_TEST

Suite *
suite_planner_advice(void)
{
	Suite *s = suite_create("planner_advice");
	TCase *c = tcase_create("advice");

	tcase_add_test(c, worked_example);
	tcase_add_test(c, servers_are_the_least_that_do);
	tcase_add_test(c, none_do_when_the_jobs_alone_take_too_long);
	tcase_add_test(c, too_few_at_the_most_are_none);
	tcase_add_test(c, slots_hold_the_jobs_of_a_request);
	tcase_add_test(c, the_highest_rate_is_at_the_edge_of_the_wish);
	tcase_add_test(c, what_is_refused_breaks_the_wish);
	tcase_add_test(c, what_cannot_be_told_is_too_little);
	suite_add_tcase(s, c);
	return s;
}
