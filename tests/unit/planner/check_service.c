/*
 * Service times: known members of the gamma family, and draws that have the
 * mean, the spread and the tail they should.
 */
#include "planner/service.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

Suite *suite_planner_service(void);

START_TEST(exponential_and_constant_are_members)
{
	ck_assert_double_eq_tol(service_over(1, 2), exp(-2), 1e-15);
	/* The gamma form itself must agree with it. */
	ck_assert_double_eq_tol(service_over(1 + 1e-9, 2), exp(-2), 1e-8);
	ck_assert_double_eq_tol(service_over(1 + 1e-9, 0.3), exp(-0.3), 1e-8);
	ck_assert(service_over(0, 0.99) == 1 && service_over(0, 1) == 0);
	ck_assert(service_percentile(0, 0.99) == 1);
	ck_assert_double_eq_tol(service_percentile(1, 0.99), log(100), 1e-12);
}
END_TEST

/* cv 1/2 is Erlang's of four stages: P(S > t) = e^-4t sum (4t)^j/j!, j < 4. */
START_TEST(half_is_erlang_of_four_stages)
{
	for (double t = 0.05; t < 6; t += 0.35) {
		double x = 4 * t;
		double over = exp(-x) * (1 + x + x * x / 2 + x * x * x / 6);

		ck_assert_double_eq_tol(service_over(0.5, t), over, 1e-12);
	}
}
END_TEST

/* cv sqrt(2) is chi-square of one degree: P(S > t) = erfc(sqrt(t/2)). */
START_TEST(root_of_two_is_chi_square)
{
	for (double t = 0.01; t < 20; t += 1.3)
		ck_assert_double_eq_tol(service_over(sqrt(2), t), erfc(sqrt(t / 2)), 1e-12);
}
END_TEST

START_TEST(percentile_inverts_over)
{
	static const double cvs[] = { 0.05, 0.3, 0.9, 1, 1.7, 4 };

	for (unsigned i = 0; i < sizeof(cvs) / sizeof(cvs[0]); i++) {
		for (double p = 0.5; p < 1; p += 0.1) {
			double t = service_percentile(cvs[i], p);

			ck_assert_double_eq_tol(service_over(cvs[i], t), 1 - p, 1e-7);
		}
	}
}
END_TEST

START_TEST(draws_have_mean_spread_and_tail)
{
	static const double cvs[] = { 0, 0.2, 0.7, 1, 2 };
	enum { DRAWS = 200000 };
	struct random r;

	random_init(&r, 5);
	for (unsigned i = 0; i < sizeof(cvs) / sizeof(cvs[0]); i++) {
		double sum = 0, squares = 0, cv = cvs[i], limit = service_percentile(cv, 0.95);
		int over = 0;

		for (int k = 0; k < DRAWS; k++) {
			double x = service_draw(cv, &r);

			sum += x;
			squares += x * x;
			over += x > limit;
		}
		sum /= DRAWS;
		squares = squares / DRAWS - sum * sum;
		ck_assert_msg(fabs(sum - 1) < 5 * cv / sqrt(DRAWS) + 1e-12, "cv %g: mean %g", cv,
			      sum);
		ck_assert_msg(fabs(squares - cv * cv) < 0.04 * cv * cv + 1e-12, "cv %g: %g", cv,
			      squares);
		ck_assert_msg(cv == 0 || abs(over - DRAWS / 20) < 500, "cv %g: %d over", cv, over);
	}
}
END_TEST

Suite *
suite_planner_service(void)
{
	Suite *s = suite_create("planner_service");
	TCase *c = tcase_create("service");

	tcase_add_test(c, exponential_and_constant_are_members);
	tcase_add_test(c, half_is_erlang_of_four_stages);
	tcase_add_test(c, root_of_two_is_chi_square);
	tcase_add_test(c, percentile_inverts_over);
	tcase_add_test(c, draws_have_mean_spread_and_tail);
	suite_add_tcase(s, c);
	return s;
}
