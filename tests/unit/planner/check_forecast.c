/*
 * Forecasts: reference values, that the ways agree where they meet, and that
 * more load, fewer servers and more spread are never better.
 */
#include "planner/forecast.h"

#include <check.h>
#include <math.h>

Suite *suite_planner_forecast(void);

static struct forecast
forecast(struct station s)
{
	struct forecast f;

	ck_assert(forecast_init(&f, &s) == 0);
	return f;
}

#define NEAR(a, b) check_near(#a, a, b)

static void
check_near(const char *what, double a, double b)
{
	ck_assert_msg(fabs(a - b) <= 1e-6 * fabs(b), "%s is %.12g, not %.12g", what, a, b);
}

START_TEST(reference_values)
{
	struct forecast f = forecast((struct station){ 10, 0.1, 1, 4, 1, false, 0 });

	ck_assert(f.way == FORECAST_ERLANG);
	NEAR(f.utilization, 0.25);
	NEAR(f.p_wait, 0.020408163);
	NEAR(f.mean_wait_s, 0.000680272);
	NEAR(f.p99_wait_s, 0.023778330);
	forecast_fini(&f);
	f = forecast((struct station){ 10, 0.1, 1, 4, 1, true, 0 });
	NEAR(f.p_block, 0.015384615);
	NEAR(f.throughput, 9.846154);
	ck_assert(f.p_wait == 0 && f.p99_wait_s == 0 && f.mean_wait_s == 0);
	forecast_fini(&f);
}
END_TEST

/* Small waits have percentiles of 0 as long as few wait. */
START_TEST(a_percentile_that_few_reach_is_zero)
{
	struct forecast f = forecast((struct station){ 5, 0.1, 1, 4, 1, false, 0 });

	ck_assert(f.p_wait > 0 && f.p_wait < 0.01);
	ck_assert(f.p99_wait_s == 0);
	ck_assert(forecast_wait(&f, 0.9999) > 0);
	forecast_fini(&f);
}
END_TEST

START_TEST(overload_without_a_bound_has_no_waits)
{
	struct forecast f = forecast((struct station){ 80, 0.02, 1, 1, 1, false, 0 });

	ck_assert(f.way == FORECAST_NONE);
	NEAR(f.shed, 0.375);
	NEAR(f.throughput, 50);
	NEAR(f.utilization, 1);
	ck_assert(isinf(f.mean_wait_s) && isinf(f.p99_wait_s) && isinf(f.p99_response_s));
	forecast_fini(&f);
	f = forecast((struct station){ 50, 0.02, 1, 1, 1, false, 0 });
	ck_assert(f.way == FORECAST_NONE && f.shed == 0);
	forecast_fini(&f);
}
END_TEST

START_TEST(one_server_is_the_textbook_queue)
{
	for (double load = 0.1; load < 1; load += 0.2) {
		struct forecast f =
		    forecast((struct station){ load * 50, 0.02, 1, 1, 1, false, 0 });

		NEAR(f.p_wait, load);
		NEAR(f.mean_wait_s, load / (1 - load) * 0.02);
		NEAR(f.p99_response_s, log(100) * 0.02 / (1 - load));
		forecast_fini(&f);
	}
}
END_TEST

START_TEST(a_wide_bound_is_no_bound)
{
	static const unsigned servers[] = { 1, 2, 30, 1000 };

	for (unsigned i = 0; i < 4; i++) {
		struct station s = {
			0.9 * servers[i] / 0.02, 0.02, 1, servers[i], 1, false, 100000
		};
		struct forecast open = forecast(s), bounded;

		s.is_bounded = true;
		bounded = forecast(s);
		ck_assert(open.way == FORECAST_ERLANG && bounded.way == FORECAST_EXACT);
		NEAR(bounded.p_wait, open.p_wait);
		NEAR(bounded.mean_wait_s, open.mean_wait_s);
		NEAR(bounded.p99_wait_s, open.p99_wait_s);
		NEAR(bounded.mean_response_s, open.mean_response_s);
		NEAR(bounded.p99_response_s, open.p99_response_s);
		forecast_fini(&open);
		forecast_fini(&bounded);
	}
}
END_TEST

START_TEST(the_correction_vanishes_at_one)
{
	struct forecast exact = forecast((struct station){ 120, 0.02, 1, 3, 1, false, 0 });
	struct forecast near = forecast((struct station){ 120, 0.02, 1 + 1e-7, 3, 1, false, 0 });

	ck_assert(near.way == FORECAST_CORRECTED);
	ck_assert_double_eq_tol(near.mean_wait_s, exact.mean_wait_s, 1e-6 * exact.mean_wait_s);
	ck_assert_double_eq_tol(near.p99_response_s, exact.p99_response_s,
				1e-4 * exact.p99_response_s);
	forecast_fini(&exact);
	forecast_fini(&near);
}
END_TEST

/* One server: the mean is exact for every spread; percentiles are near the simulated ones. */
START_TEST(the_correction_is_near_the_simulation)
{
	static const double cvs[] = { 0, 0.005, 0.3, 0.7, 1.5 };
	static struct simulation m;

	for (unsigned i = 0; i < 5; i++) {
		for (unsigned servers = 1; servers <= 4; servers += 3) {
			struct station s = { 37.5 * servers, 0.02, cvs[i], servers, 1, false, 0 };
			struct forecast f = forecast(s);

			ck_assert(simulation_run(&m, &s, 400000, 11) == 0);
			ck_assert_msg(fabs(f.mean_wait_s / m.mean_wait_s.mean - 1) < 0.12,
				      "cv %g, %u: %g, %g", s.cv, servers, f.mean_wait_s,
				      m.mean_wait_s.mean);
			ck_assert_msg(fabs(f.p99_response_s / m.p99_response_s.mean - 1) < 0.1,
				      "cv %g, %u: %g, %g", s.cv, servers, f.p99_response_s,
				      m.p99_response_s.mean);
			forecast_fini(&f);
		}
	}
}
END_TEST

START_TEST(more_load_is_never_better)
{
	static const struct station kinds[] = {
		{ 0, 0.02, 1, 4, 1, false, 0 },   { 0, 0.02, 1, 4, 1, true, 9 },
		{ 0, 0.02, 0.5, 4, 1, false, 0 }, { 0, 0.02, 1, 4, 3, false, 0 },
		{ 0, 0.02, 1, 4, 3, true, 9 },
	};

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct forecast last = { .mean_wait_s = -1 };

		for (double load = 0.1; load < (kinds[i].is_bounded ? 3 : 0.99); load += 0.11) {
			struct station s = kinds[i];
			struct forecast f;

			s.rate = load * station_capacity(&s);
			f = forecast(s);
			ck_assert(f.p_wait > last.p_wait && f.mean_wait_s > last.mean_wait_s);
			ck_assert(f.p99_wait_s >= last.p99_wait_s);
			ck_assert(f.p99_response_s >= last.p99_response_s);
			ck_assert(f.p_block >= last.p_block && f.throughput > last.throughput);
			last = f;
			forecast_fini(&f);
		}
	}
}
END_TEST

START_TEST(more_servers_are_never_worse)
{
	for (unsigned fan = 1; fan <= 4; fan += 3) {
		for (int is_bounded = 0; is_bounded <= 1; is_bounded++) {
			struct forecast last = { .p99_response_s = INFINITY,
						 .p_block = 1,
						 .p_wait = 2,
						 .mean_wait_s = INFINITY };

			for (unsigned servers = 3; servers <= 40; servers++) {
				struct forecast f = forecast((struct station){
				    140.0 / fan, 0.02, 1, servers, fan, is_bounded != 0, 50 });

				ck_assert(f.p_wait < last.p_wait);
				ck_assert(f.mean_wait_s < last.mean_wait_s);
				ck_assert(f.p99_response_s <= last.p99_response_s * (1 + 1e-9));
				ck_assert(f.p_block <= last.p_block);
				last = f;
				forecast_fini(&f);
			}
		}
	}
}
END_TEST

START_TEST(late_is_the_inverse_of_the_response)
{
	static const struct station kinds[] = {
		{ 120, 0.02, 1, 4, 1, false, 0 },
		{ 120, 0.02, 0.4, 4, 1, false, 0 },
		{ 120, 0.02, 1, 4, 1, true, 20 },
		{ 30, 0.02, 1, 4, 4, false, 0 },
	};

	for (unsigned i = 0; i < 4; i++) {
		struct forecast f = forecast(kinds[i]);

		for (double p = 0.5; p < 1; p += 0.12)
			ck_assert_double_eq_tol(forecast_late(&f, forecast_response(&f, p)), 1 - p,
						1e-6);
		forecast_fini(&f);
	}
}
END_TEST

START_TEST(extremes_are_numbers)
{
	struct forecast f = forecast((struct station){ 1e6, 0.02, 1, 1, 1, true, 1000000 });

	ck_assert_double_eq_tol(f.p_block, 1 - 1 / 20000.0, 1e-9);
	ck_assert(f.p99_wait_s > 20000 && f.p99_wait_s < 21000);
	forecast_fini(&f);
	f = forecast((struct station){ 1e-6, 1e-6, 1, 1000, 1, true, 1000 });
	ck_assert(f.p_block == 0 && f.p_wait == 0 && f.p99_response_s > 0);
	forecast_fini(&f);
	f = forecast((struct station){ 49500, 0.02, 1, 1000, 1, true, 100000 });
	ck_assert(f.p_wait > 0.5 && f.p_wait < 0.8 && f.p_block < 1e-12);
	forecast_fini(&f);
}
END_TEST

enum { PLACES = 400 };

/* Crommelin (1932): of what is there now, c have gone one service time later, and what has come is
 * Poisson. The long run of that chain, by steps; its mean wait in service times. */
static double
constant_wait(double work, unsigned servers)
{
	double come[PLACES], now[PLACES] = { 0 }, then[PLACES];
	double waiting = 0;

	come[0] = exp(-work);
	for (unsigned n = 1; n < PLACES; n++)
		come[n] = come[n - 1] * work / n;
	now[0] = 1;
	for (unsigned i = 0; i < 300; i++) {
		for (unsigned n = 0; n < PLACES; n++)
			then[n] = 0;
		for (unsigned n = 0; n < PLACES; n++) {
			unsigned left = n > servers ? n - servers : 0;

			for (unsigned k = 0; now[n] > 0 && left + k < PLACES; k++)
				then[left + k] += now[n] * come[k];
		}
		for (unsigned n = 0; n < PLACES; n++)
			now[n] = then[n];
	}
	for (unsigned n = servers; n < PLACES; n++)
		waiting += (n - servers) * now[n];
	return waiting / work;
}

START_TEST(constant_jobs_wait_as_the_chain_says)
{
	static const struct {
		unsigned servers;
		double load, off;
	} cases[] = {
		{ 1, 0.5, 1e-6 },  { 2, 0.5, 0.02 },  { 2, 0.9, 0.02 },
		{ 10, 0.5, 0.03 }, { 10, 0.8, 0.02 }, { 10, 0.2, 0.1 },
		{ 50, 0.5, 0.1 },  { 50, 0.8, 0.03 }, { 50, 0.95, 0.02 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned servers = cases[i].servers;
		double work = cases[i].load * servers;
		struct forecast f =
		    forecast((struct station){ work / 0.02, 0.02, 0, servers, 1, false, 0 });
		double wanted = constant_wait(work, servers) * 0.02;

		ck_assert_msg(fabs(f.mean_wait_s / wanted - 1) <= cases[i].off,
			      "%u at %g: %g, not %g", servers, cases[i].load, f.mean_wait_s,
			      wanted);
		forecast_fini(&f);
	}
}
END_TEST

START_TEST(nothing_is_busier_than_busy)
{
	static const double cvs[] = { 0, 0.5, 1, 3 };
	static const double loads[] = { 0.5, 1.2, 30, 1e6 };

	for (unsigned i = 0; i < 16; i++) {
		struct station s = { 0, 0.02, cvs[i / 4], 2, 1, true, 10 };
		struct forecast f;

		s.rate = loads[i % 4] * station_capacity(&s);
		f = forecast(s);
		ck_assert(f.utilization <= 1 && f.throughput <= station_capacity(&s) * (1 + 1e-9));
		ck_assert(f.utilization > 0.3 && f.mean_response_s >= 0.019);
		ck_assert(f.shed >= 1 - 1 / loads[i % 4] - 1e-9);
		forecast_fini(&f);
	}
}
END_TEST

START_TEST(what_cannot_be_told_is_refused)
{
	struct station s = { 50, 0.02, 0.5, 1, 1, true, 100000 };
	struct forecast f;

	ck_assert(forecast_init(&f, &s) == ERR_TOO_LARGE);
	s.rate = 60;
	ck_assert(forecast_init(&f, &s) == 0);
	NEAR(f.shed, 1.0 / 6);
	ck_assert_double_eq_tol(f.mean_wait_s, 2000, 2);
	forecast_fini(&f);
}
END_TEST

START_TEST(threads_that_share_are_no_servers)
{
	struct forecast f = forecast((struct station){ 80, 0.02, 1, 2, 1, false, 0, 16 });

	ck_assert(f.way == FORECAST_SIMULATED);
	ck_assert(f.p99_response_s > 0.3);
	forecast_fini(&f);
	f = forecast((struct station){ 80, 0.02, 1, 2, 1, false, 0, 2 });
	ck_assert(f.way == FORECAST_ERLANG);
	NEAR(f.p99_response_s, 0.23874740472);
	forecast_fini(&f);
}
END_TEST

/* Arrivals that are more or less regular than random ones, against the run that draws them. */
START_TEST(bursts_wait_longer_and_rows_less_long)
{
	static const double dispersions[] = { 0.2, 3 };
	static struct simulation m;

	for (unsigned i = 0; i < 8; i++) {
		struct station s = {
			.rate = i / 2 % 2 ? 160 : 40,
			.service_s = 0.02,
			.cv = i / 4 ? 0.5 : 1,
			.servers = i / 2 % 2 ? 4 : 1,
			.fan = 1,
			.dispersion = dispersions[i % 2],
		};
		struct forecast f = forecast(s), plain;

		ck_assert(f.way == FORECAST_CORRECTED);
		ck_assert(simulation_run(&m, &s, 400000, 3) == 0);
		ck_assert_msg(fabs(f.mean_wait_s / m.mean_wait_s.mean - 1) < 0.25,
			      "case %u: %g, not %g", i, f.mean_wait_s, m.mean_wait_s.mean);
		ck_assert_msg(fabs(f.p99_response_s / m.p99_response_s.mean - 1) < 0.15,
			      "case %u: %g, not %g", i, f.p99_response_s, m.p99_response_s.mean);
		s.dispersion = 1;
		plain = forecast(s);
		ck_assert((f.mean_wait_s > plain.mean_wait_s) == (i % 2 == 1));
		ck_assert((f.p99_response_s > plain.p99_response_s) == (i % 2 == 1));
		forecast_fini(&f);
		forecast_fini(&plain);
	}
}
END_TEST

/* However they come: what waits behind a full queue waits for that. */
START_TEST(no_burst_waits_longer_than_the_queue_is)
{
	struct station s = { .rate = 150,
			     .service_s = 0.02,
			     .cv = 0.5,
			     .servers = 2,
			     .fan = 1,
			     .is_bounded = true,
			     .slots = 64,
			     .dispersion = 4 };
	struct forecast f = forecast(s);

	ck_assert(f.way == FORECAST_SIMULATED);
	ck_assert_double_le(f.mean_wait_s, 65 * 0.02 / 2);
	ck_assert_double_ge(f.mean_wait_s, 55 * 0.02 / 2);
	ck_assert_double_eq_tol(f.throughput, 100, 0.01);
	forecast_fini(&f);
}
END_TEST

Suite *
suite_planner_forecast(void)
{
	Suite *s = suite_create("planner_forecast");
	TCase *c = tcase_create("forecast");

	tcase_add_test(c, reference_values);
	tcase_add_test(c, a_percentile_that_few_reach_is_zero);
	tcase_add_test(c, overload_without_a_bound_has_no_waits);
	tcase_add_test(c, one_server_is_the_textbook_queue);
	tcase_add_test(c, a_wide_bound_is_no_bound);
	tcase_add_test(c, the_correction_vanishes_at_one);
	tcase_add_test(c, the_correction_is_near_the_simulation);
	tcase_add_test(c, more_load_is_never_better);
	tcase_add_test(c, more_servers_are_never_worse);
	tcase_add_test(c, late_is_the_inverse_of_the_response);
	tcase_add_test(c, extremes_are_numbers);
	tcase_add_test(c, constant_jobs_wait_as_the_chain_says);
	tcase_add_test(c, nothing_is_busier_than_busy);
	tcase_add_test(c, what_cannot_be_told_is_refused);
	tcase_add_test(c, threads_that_share_are_no_servers);
	tcase_add_test(c, bursts_wait_longer_and_rows_less_long);
	tcase_add_test(c, no_burst_waits_longer_than_the_queue_is);
	suite_add_tcase(s, c);
	return s;
}
