/*
 * Files of `forebayctl plan --histogram`: both forms, and what is wrong with one.
 */
#include "ctl/control_histogram.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *suite_ctl_control_histogram(void);

static char why[CONTROL_HISTOGRAM_WHY];
static struct measured m;

static bool
parse(const char *text, const char *pool)
{
	why[0] = '\0';
	return control_histogram_parse(&m, "f", slice_of(text), pool, why);
}

START_TEST(bounds_and_counts)
{
	ck_assert_msg(parse("# from a trace\n10ms 100\n\n0.02\t 300\n  0.04 0\r\n+Inf 0", NULL),
		      "%s", why);
	ck_assert_uint_eq(m.buckets, 4);
	ck_assert_double_eq_tol(m.mean_s, (100 * 0.005 + 300 * 0.015) / 400, 1e-12);
	ck_assert_double_eq_tol(m.below[0], 0.25, 1e-12);
}
END_TEST

#define RUN(pool, le, count)                                                                       \
	"forebay_pool_run_seconds_bucket{pool=\"" pool "\",le=\"" le "\"} " count "\n"
#define POOL(pool, low, all, sum)                                                                  \
	RUN(pool, "0.01", low)                                                                     \
	RUN(pool, "+Inf", all)                                                                     \
	"forebay_pool_run_seconds_sum{pool=\"" pool "\"} " sum "\n"

START_TEST(the_run_times_of_a_pool)
{
	static const char one[] = "# HELP x y\n" POOL("a", "30", "40", "0.4")
	    POOL("b", "0", "0", "0") "forebay_pool_run_squares_total{pool=\"a\"} 0.0041\n";

	ck_assert_msg(parse(one, NULL), "%s", why);
	ck_assert_double_eq_tol(m.mean_s, 0.01, 1e-12);
	/* From the squares, which know more than buckets. */
	ck_assert_double_eq_tol(m.cv, sqrt(0.0041 / 40 / 1e-4 - 1), 1e-9);
	ck_assert(!parse(one, "b"));
	ck_assert_str_eq(why, "f: the pool ran no job");
	ck_assert(!parse(one, "ab"));
	ck_assert_str_eq(why, "f: there is no pool ab; did you mean \"a\"?");
	ck_assert(!parse(POOL("a", "3", "4", "1") POOL("b", "3", "4", "2"), NULL));
	ck_assert_str_eq(why,
			 "f: several pools ran jobs, a and b among them: name one with --pool");
	ck_assert(parse(POOL("a", "3", "4", "1") POOL("b", "3", "4", "2"), "b"));
	ck_assert_double_eq_tol(m.mean_s, 0.5, 1e-12);
}
END_TEST

static const struct {
	const char *text, *why;
} wrongs[] = {
	{ "", "f: there are no counts" },
	{ "# none\n", "f: there are no counts" },
	{ "10ms 0\n", "f: there are no counts" },
	{ "10ms 1\n20 ms 3\n", "f:2: not a bound and a count, such as 20ms 45: 20 ms 3" },
	{ "10ms\n", "f:1: not a bound and a count, such as 20ms 45: 10ms" },
	{ "10ms -1\n", "f:1: not a bound and a count, such as 20ms 45: 10ms -1" },
	{ "nan 1\n", "f:1: not a bound and a count, such as 20ms 45: nan 1" },
	{ "0 1\n", "f:1: not a bound and a count, such as 20ms 45: 0 1" },
	{ "\n\n10ms 1\n10ms 1\n", "f:4: a bound that is not above the one before: 10ms 1" },
	{ "+Inf 1\n", "f:1: the first bound must be a time: +Inf 1" },
	{ "1s 1\n+Inf 1\n2s 1\n", "f:3: a bound that is not above the one before: 2s 1" },
	{ "\x01\xff 1", "f:1: not a bound and a count, such as 20ms 45: ?? 1" },
	{ "forebay_pool_threads{pool=\"a\"} 2\n", "f: no pool ran any job" },
	{ "forebay_x 1\n" RUN("a", "1", "2") RUN("a", "2", "1"),
	  "f:3: not a line of /metrics: forebay_pool_run_seconds_bucket{pool=\"a\",le=\"2\"} 1" },
};

START_TEST(what_is_wrong_is_told_with_its_line)
{
	ck_assert(!parse(wrongs[_i].text, NULL));
	ck_assert_str_eq(why, wrongs[_i].why);
}
END_TEST

START_TEST(a_pool_is_of_metrics_alone)
{
	ck_assert(!parse("10ms 1\n", "compute"));
	ck_assert_str_eq(why, "f: --pool is about a text of /metrics, which this is not");
}
END_TEST

START_TEST(buckets_have_a_limit)
{
	static char text[8192];
	size_t n = 0;

	for (unsigned i = 1; i <= MEASURED_BUCKETS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%ums 1\n", i);
	ck_assert_msg(parse(text, NULL), "%s", why);
	snprintf(text + n, sizeof(text) - n, "1h 1\n");
	ck_assert(!parse(text, NULL));
	ck_assert_str_eq(why, "f:257: more than 256 buckets: 1h 1");
}
END_TEST

START_TEST(files_are_read)
{
	char path[] = "/tmp/forebay-histogram-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "10ms 5\n", 7), 7);
	close(fd);
	ck_assert_msg(control_histogram_read(&m, path, NULL, why), "%s", why);
	ck_assert_double_eq_tol(m.mean_s, 0.005, 1e-12);
	unlink(path);
	ck_assert(!control_histogram_read(&m, path, NULL, why));
	ck_assert_ptr_nonnull(strstr(why, ": No such file or directory"));
	ck_assert(!control_histogram_read(&m, "/tmp", NULL, why));
	ck_assert_str_eq(why, "/tmp: Is a directory");
}
END_TEST

Suite *
suite_ctl_control_histogram(void)
{
	Suite *s = suite_create("ctl_control_histogram");
	TCase *t = tcase_create("histogram");

	tcase_add_test(t, bounds_and_counts);
	tcase_add_test(t, the_run_times_of_a_pool);
	tcase_add_loop_test(t, what_is_wrong_is_told_with_its_line, 0,
			    sizeof(wrongs) / sizeof(wrongs[0]));
	tcase_add_test(t, a_pool_is_of_metrics_alone);
	tcase_add_test(t, buckets_have_a_limit);
	tcase_add_test(t, files_are_read);
	suite_add_tcase(s, t);
	return s;
}
