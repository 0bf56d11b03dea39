/*
 * The response of requests: closed forms where there are, the two ways to the
 * mean against each other, and the simulation.
 */
#include "planner/batch.h"

#include "planner/erlang.h"
#include "planner/simulation.h"

#include <check.h>
#include <math.h>

Suite *suite_planner_batch(void);

static void
respond(const struct station *s, struct curve *response, double *mean)
{
	struct crowd c;

	ck_assert(crowd_init(&c, s) == 0);
	ck_assert(batch_response(&c, response) == 0);
	ck_assert(batch_mean(&c, mean) == 0);
	crowd_fini(&c);
}

START_TEST(one_job_without_a_bound_is_erlang)
{
	static const struct station cases[] = {
		{ 8, 0.1, 1, 1, 1, false, 0 },
		{ 35, 0.1, 1, 4, 1, false, 0 },
		{ 300, 0.1, 1, 40, 1, false, 0 },
	};

	for (unsigned i = 0; i < 3; i++) {
		const struct station *s = &cases[i];
		struct curve response;
		double mean;

		respond(s, &response, &mean);
		for (double t = 0; t < 3; t += 0.11)
			ck_assert_double_eq_tol(
			    curve_over(&response, t),
			    erlang_response_over(station_work(s), s->servers, t / s->service_s),
			    1e-9);
		ck_assert_double_eq_tol(curve_mean(&response), mean, 1e-8);
		curve_fini(&response);
	}
}
END_TEST

/* With servers for all, k exponential jobs take T (1 + 1/2 + ... + 1/k), and each is within t
 * with probability 1 - e^-t. */
START_TEST(jobs_that_never_wait_join_as_their_maximum)
{
	for (unsigned fan = 1; fan <= 16; fan *= 2) {
		struct station s = { 1e-6, 0.1, 1, 32, fan, false, 0 };
		struct curve response;
		double mean, harmonic = 0;

		for (unsigned i = 1; i <= fan; i++)
			harmonic += 1.0 / i;
		respond(&s, &response, &mean);
		ck_assert_double_eq_tol(mean, 0.1 * harmonic, 1e-6);
		ck_assert_double_eq_tol(curve_over(&response, 0.3), 1 - pow(1 - exp(-3), fan),
					1e-6);
		ck_assert_double_eq_tol(curve_percentile(&response, 0.99),
					-0.1 * log1p(-pow(0.99, 1.0 / fan)), 1e-5);
		curve_fini(&response);
	}
}
END_TEST

START_TEST(both_ways_to_the_mean_agree)
{
	static const struct station cases[] = {
		{ 8, 0.1, 1, 4, 4, false, 0 },  { 30, 0.02, 1, 4, 6, false, 0 },
		{ 30, 0.02, 1, 2, 3, true, 9 }, { 90, 0.02, 1, 4, 8, true, 20 },
		{ 1, 0.1, 1, 1, 5, false, 0 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct curve response;
		double mean;

		respond(&cases[i], &response, &mean);
		ck_assert_msg(fabs(curve_mean(&response) - mean) < 1e-7 * mean, "case %u: %g, %g",
			      i, curve_mean(&response), mean);
		curve_fini(&response);
	}
}
END_TEST

/* Four errors, so that one in many thousands fails; the seed is fixed anyway. */
static void
check_within(const char *what, double wanted, const struct simulation_value *v)
{
	ck_assert_msg(fabs(wanted - v->mean) < 2 * v->error + 1e-9 + 0.005 * wanted,
		      "%s: %g, simulated %g +- %g", what, wanted, v->mean, v->error);
}

START_TEST(simulation_agrees_about_joins)
{
	static const struct station cases[] = {
		{ 30, 0.02, 1, 4, 4, false, 0 },
		{ 60, 0.02, 1, 4, 4, true, 16 },
		{ 20, 0.02, 1, 2, 3, true, 5 },
	};

	for (unsigned i = 0; i < 3; i++) {
		struct simulation m;
		struct curve response, wait;
		struct crowd c;
		double mean;

		respond(&cases[i], &response, &mean);
		ck_assert(crowd_init(&c, &cases[i]) == 0);
		ck_assert(crowd_wait(&c, &wait) == 0);
		ck_assert(simulation_run(&m, &cases[i], 200000, 3) == 0);
		check_within("refused", c.refused, &m.refused);
		check_within("p_wait", wait.left[0], &m.p_wait);
		check_within("wait", curve_mean(&wait), &m.mean_wait_s);
		check_within("p99 wait", curve_percentile(&wait, 0.99), &m.p99_wait_s);
		check_within("response", mean, &m.mean_response_s);
		check_within("p99 response", curve_percentile(&response, 0.99), &m.p99_response_s);
		curve_fini(&response);
		curve_fini(&wait);
		crowd_fini(&c);
	}
}
END_TEST

START_TEST(a_curve_too_long_to_reckon_is_refused)
{
	struct station s = { 9000, 0.1, 1, 20000, 16, false, 0 };
	struct curve response;
	struct crowd c;

	ck_assert(crowd_init(&c, &s) == 0);
	ck_assert(batch_response(&c, &response) == ERR_TOO_LARGE);
	curve_fini(&response);
	crowd_fini(&c);
}
END_TEST

Suite *
suite_planner_batch(void)
{
	Suite *s = suite_create("planner_batch");
	TCase *c = tcase_create("batch");

	tcase_add_test(c, one_job_without_a_bound_is_erlang);
	tcase_add_test(c, jobs_that_never_wait_join_as_their_maximum);
	tcase_add_test(c, both_ways_to_the_mean_agree);
	tcase_add_test(c, simulation_agrees_about_joins);
	tcase_add_test(c, a_curve_too_long_to_reckon_is_refused);
	suite_add_tcase(s, c);
	return s;
}
