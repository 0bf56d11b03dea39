/*
 * Spread and percentiles from buckets.
 */
#include "planner/moments.h"
#include "planner/service.h"

#include <check.h>
#include <math.h>

Suite *suite_planner_moments(void);

START_TEST(even_times_have_their_spread)
{
	const double bound[] = { 1, 2, 4, INFINITY }, count[] = { 10, 10, 20, 0 };

	/* Even from 0 to 4: deviation 4/sqrt(12), mean 2. */
	ck_assert_double_eq_tol(moments_cv(bound, count, 4, 2), 1 / sqrt(3), 1e-12);
	/* A mean that was measured scales both. */
	ck_assert_double_eq_tol(moments_cv(bound, count, 4, 1.9), 1 / sqrt(3), 1e-12);
}
END_TEST

START_TEST(one_bucket_is_as_wide_as_it_is)
{
	const double bound[] = { 10, 25, INFINITY }, count[] = { 0, 700, 0 };

	ck_assert_double_eq_tol(moments_cv(bound, count, 3, 20), 15 / sqrt(12) / 17.5, 1e-12);
}
END_TEST

START_TEST(two_modes_vary_much)
{
	const double bound[] = { 1, 100, 101, INFINITY }, count[] = { 900, 0, 100, 0 };

	ck_assert(moments_cv(bound, count, 4, 10.5) > 2.5);
}
END_TEST

START_TEST(nothing_and_the_last_bucket_are_no_trouble)
{
	const double bound[] = { 1, INFINITY }, none[] = { 0, 0 }, last[] = { 0, 5 };

	ck_assert(moments_cv(bound, none, 2, 0) == 0);
	ck_assert(moments_percentile(bound, none, 2, 0.99) == 0);
	ck_assert(isfinite(moments_cv(bound, last, 2, 3)));
	ck_assert_double_eq_tol(moments_percentile(bound, last, 2, 0.5), 1.5, 1e-12);
}
END_TEST

START_TEST(percentiles_are_straight_within_a_bucket)
{
	const double bound[] = { 1, 2, 4, INFINITY }, count[] = { 50, 30, 20, 0 };

	ck_assert_double_eq_tol(moments_percentile(bound, count, 4, 0.25), 0.5, 1e-12);
	ck_assert_double_eq_tol(moments_percentile(bound, count, 4, 0.5), 1, 1e-12);
	ck_assert_double_eq_tol(moments_percentile(bound, count, 4, 0.9), 3, 1e-12);
}
END_TEST

START_TEST(dispersion_is_variance_to_mean_whatever_the_intervals)
{
	struct moments_counts even = { 0 }, uneven = { 0 }, none = { 0 };
	struct random r = { 0 };

	for (unsigned i = 0; i < 4; i++)
		moments_count(&even, i % 2 ? 3 : 1, 0.25);
	/* Mean 2, sum of squares 4, of three degrees of freedom. */
	ck_assert_double_eq_tol(moments_dispersion(&even), 4.0 / 2 / 3, 1e-12);
	ck_assert_double_eq(moments_dispersion(&none), 1);
	moments_count(&none, 0, 1);
	moments_count(&none, 0, 1);
	ck_assert_double_eq(moments_dispersion(&none), 1);
	/* Random arrivals, 20 a second, in intervals of 0.1 s and 0.4 s. */
	random_init(&r, 7);
	for (unsigned i = 0; i < 20000; i++) {
		double left = i % 2 ? 0.1 : 0.4, length = left;
		unsigned n = 0;

		while ((left -= service_gap(&r) / 20) > 0)
			n++;
		moments_count(&uneven, n, length);
	}
	ck_assert_double_eq_tol(moments_dispersion(&uneven), 1, 0.05);
}
END_TEST

Suite *
suite_planner_moments(void)
{
	Suite *s = suite_create("planner_moments");
	TCase *c = tcase_create("moments");

	tcase_add_test(c, even_times_have_their_spread);
	tcase_add_test(c, one_bucket_is_as_wide_as_it_is);
	tcase_add_test(c, two_modes_vary_much);
	tcase_add_test(c, nothing_and_the_last_bucket_are_no_trouble);
	tcase_add_test(c, dispersion_is_variance_to_mean_whatever_the_intervals);
	tcase_add_test(c, percentiles_are_straight_within_a_bucket);
	suite_add_tcase(s, c);
	return s;
}
