/*
 * What `forebayctl advise` reckons from what was measured.
 */
#include "ctl/control_advise_priv.h"

#include <check.h>

Suite *suite_ctl_control_advise(void);

static const struct pool_reading seen = { .name = "compute", .run = { .total = 2000 } };

/* Two threads, jobs of 100 ms that hardly vary, so busy. */
static struct pool_study
study_of(double load, double max_wait_s)
{
	struct pool_study p = {
		.seen = &seen,
		.arrived = 2000,
		.dispersion = 1,
		.max_queue = 16,
		.max_wait_s = max_wait_s,
		.station = { .rate = load * 2 / 0.1,
			     .service_s = 0.1,
			     .cv = 0.05,
			     .servers = 2,
			     .fan = 1,
			     .is_bounded = true },
	};

	p.station.slots = control_advise_slots(&p.station, p.max_queue, p.max_wait_s);
	return p;
}

START_TEST(max_wait_bounds_the_queue_where_it_is_shorter)
{
	const struct station s = { .service_s = 0.1, .servers = 2 };
	const struct station none = { .service_s = 0, .servers = 2 };

	ck_assert_uint_eq(control_advise_slots(&s, 16, 0), 16);
	ck_assert_uint_eq(control_advise_slots(&s, 16, 0.5), 10);
	ck_assert_uint_eq(control_advise_slots(&s, 16, 0.01), 0);
	ck_assert_uint_eq(control_advise_slots(&s, 16, 5), 16);
	ck_assert_uint_eq(control_advise_slots(&none, 16, 0.5), 16);
}
END_TEST

/* Simulated apart from this: 16 may wait, or 10; the mean wait of 300,000 jobs each. */
static const struct {
	double load, max_wait_s, mean_wait_s;
} truths[] = {
	{ 0.5, 0.5, 0.0176 },
	{ 0.7, 0.5, 0.0489 },
	{ 0.85, 0.5, 0.1110 },
	{ 0.85, 0, 0.1273 },
};

enum { TRUTHS = sizeof(truths) / sizeof(truths[0]) };

START_TEST(the_mean_wait_is_that_of_a_queue_with_both_bounds)
{
	const struct advising a = { .seconds = 100 };
	struct pool_study p = study_of(truths[_i].load, truths[_i].max_wait_s);

	p.measured.mean_wait_s = truths[_i].mean_wait_s;
	ck_assert_int_eq(control_advise_judge(&a, &p), 0);
	ck_assert_double_eq_tol(p.predicted.mean_wait_s / truths[_i].mean_wait_s, 1, 0.05);
	ck_assert(p.fits && p.why[0] == '\0');
	ck_assert(p.chance_s > 0 && p.chance_s < p.measured.mean_wait_s);
}
END_TEST

START_TEST(a_wait_that_no_chance_explains_is_no_fit)
{
	const struct advising a = { .seconds = 100 };
	struct pool_study p = study_of(0.5, 0.5);

	p.measured.mean_wait_s = 0.1;
	ck_assert_int_eq(control_advise_judge(&a, &p), 0);
	ck_assert(!p.fits && p.why[0] != '\0');
}
END_TEST

START_TEST(what_if_keeps_max_wait)
{
	const struct advising a = { .seconds = 100,
				    .supposition = {
					.queue = 1000, .has_queue = true, .is_given = true } };
	struct pool_study p = study_of(0.85, 0.5);

	p.measured.mean_wait_s = 0.111;
	ck_assert_int_eq(control_advise_judge(&a, &p), 0);
	ck_assert_double_eq_tol(p.supposed.mean_wait_s, p.predicted.mean_wait_s, 1e-9);
}
END_TEST

/* What is advised holds by the very model that the table shows. */
START_TEST(advice_agrees_with_the_prediction)
{
	static const double dispersions[] = { 0.3, 1, 3 }, slos[] = { 0.4, 0.4, 0.9 };
	double slo = slos[_i];
	const struct advising a = { .seconds = 100, .wish = { slo, 0.99, 0 } };
	struct pool_study p = study_of(0.7, 0);
	struct forecast f;

	p.dispersion = p.station.dispersion = dispersions[_i];
	p.station.cv = 0.5;
	p.station.is_bounded = false;
	ck_assert_int_eq(forecast_init(&f, &p.station), 0);
	p.measured.mean_wait_s = f.mean_wait_s;
	forecast_fini(&f);
	ck_assert_int_eq(control_advise_judge(&a, &p), 0);
	ck_assert(p.fits && p.why[0] == '\0');
	ck_assert((p.predicted.p99_response_s <= slo) == (p.threads <= 2));
	ck_assert_msg((p.rate_max >= p.station.rate) == (p.threads <= 2), "%g, %u", p.rate_max,
		      p.threads);
	p.station.rate = p.rate_max;
	ck_assert_int_eq(forecast_init(&f, &p.station), 0);
	ck_assert_double_eq_tol(f.p99_response_s, slo, 0.001);
	forecast_fini(&f);
}
END_TEST

/*
 * Jobs of 20 ms whose rate goes up and down (MMPP, symmetric, forgotten after 200 ms, in the long
 * run a dispersion of 3): in quarters of a second that is 1.86, as if some came together, and the
 * mean waits are what four million jobs had in a simulation apart from this.
 */
static const struct {
	unsigned servers;
	double load, cv, mean_wait_s;
	bool fits;
} waves[] = {
	{ 1, 0.5, 1, 1.556 * 0.02, true },    { 1, 0.9, 1, 16.6 * 0.02, true },
	{ 2, 0.9, 1, 7.78 * 0.02, true },     { 1, 0.5, 0.3, 0.928 * 0.02, false },
	{ 2, 0.5, 0.3, 0.293 * 0.02, false }, { 4, 0.7, 0.3, 0.32 * 0.02, false },
	{ 4, 0.7, 1, 0.541 * 0.02, true },    { 8, 0.7, 0.3, 0.0973 * 0.02, false },
};

enum { WAVES = sizeof(waves) / sizeof(waves[0]) };

START_TEST(waves_are_told_from_bursts_where_they_wait_otherwise)
{
	static const struct pool_reading runs = { .name = "compute", .run = { .total = 50000 } };
	const struct advising a = { .seconds = 100 };
	struct pool_study p = {
		.seen = &runs,
		.arrived = 50000,
		.dispersion = 1.86,
		.measured = { .mean_wait_s = waves[_i].mean_wait_s },
		.station = { .rate = waves[_i].load * waves[_i].servers / 0.02,
			     .service_s = 0.02,
			     .cv = waves[_i].cv,
			     .servers = waves[_i].servers,
			     .fan = 1,
			     .is_bounded = true,
			     .slots = 1000,
			     .dispersion = 1.86 },
	};

	ck_assert_int_eq(control_advise_judge(&a, &p), 0);
	ck_assert_msg(p.fits == waves[_i].fits, "%g, not %g", p.predicted.mean_wait_s,
		      p.measured.mean_wait_s);
	ck_assert(p.fits == (p.why[0] == '\0'));
}
END_TEST

/* 16 threads, two processors, jobs of 20 ms: 100 a second is all there is. */
START_TEST(threads_beyond_the_processors_do_no_more)
{
	static const struct pool_reading runs = { .name = "compute", .run = { .total = 5000 } };
	const struct advising a = { .seconds = 100 };
	struct pool_study p = {
		.seen = &runs,
		.arrived = 5000,
		.dispersion = 1,
		.max_queue = 64,
		.cores = 2,
		/* Alone a job takes 20 ms; two processors at 0.5 make 26.7 ms of it. */
		.station = { .rate = 50,
			     .service_s = 0.02 / 0.75,
			     .cv = 1,
			     .threads = 16,
			     .fan = 1,
			     .is_bounded = true },
	};

	control_advise_place(&p, 100);
	ck_assert_uint_eq(p.station.servers, 2);
	ck_assert_uint_eq(p.station.slots, 64);
	ck_assert_double_eq_tol(p.station.service_s, 0.02, 1e-6);
	ck_assert_int_eq(control_advise_judge(&a, &p), 0);
	ck_assert_str_eq(p.why, "");
	ck_assert_double_eq_tol(p.predicted.utilization, 50 * 0.02 / 0.75 / 16, 0.002);
	ck_assert_double_eq_tol(p.rate_max, 80, 0.01);
	ck_assert_uint_eq(p.threads, 2);
}
END_TEST

START_TEST(more_processors_are_needed_when_all_are_busy)
{
	const struct advising a = { .seconds = 100 };
	struct pool_study p = study_of(0.95, 0);

	p.cores = 2;
	p.station.threads = 2;
	control_advise_place(&p, 100);
	ck_assert_double_eq_tol(p.station.service_s, 0.1, 1e-12);
	p.measured.mean_wait_s = 0.3;
	ck_assert_int_eq(control_advise_judge(&a, &p), 0);
	ck_assert_uint_eq(p.threads, 3);
	ck_assert_double_eq_tol(p.rate_max, 16, 1e-6);
	p.cores = 1.5;
	ck_assert_int_eq(control_advise_judge(&a, &p), 0);
	ck_assert_double_eq_tol(p.rate_max, 12, 1e-6);
}
END_TEST

Suite *
suite_ctl_control_advise(void)
{
	Suite *s = suite_create("ctl_control_advise");
	TCase *t = tcase_create("advise");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, max_wait_bounds_the_queue_where_it_is_shorter);
	tcase_add_loop_test(t, the_mean_wait_is_that_of_a_queue_with_both_bounds, 0, TRUTHS);
	tcase_add_test(t, a_wait_that_no_chance_explains_is_no_fit);
	tcase_add_test(t, what_if_keeps_max_wait);
	tcase_add_loop_test(t, advice_agrees_with_the_prediction, 0, 3);
	tcase_add_loop_test(t, waves_are_told_from_bursts_where_they_wait_otherwise, 0, WAVES);
	tcase_add_test(t, threads_beyond_the_processors_do_no_more);
	tcase_add_test(t, more_processors_are_needed_when_all_are_busy);
	suite_add_tcase(s, t);
	return s;
}
