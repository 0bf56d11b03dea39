/*
 * The text that a scraper reads.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "metrics/export.h"

#include <check.h>
#include <stdlib.h>

Suite *suite_metrics_export(void);

static struct buffer out;

static void
set_up(void)
{
	buffer_init(&out, 1 << 20);
}

static void
tear_down(void)
{
	mem_fail_at(0, false);
	buffer_fini(&out);
}

static const char *
text(void)
{
	buffer_char(&out, '\0');
	ck_assert_int_eq(out.err, 0);
	return out.at;
}

static unsigned
times(const char *in, const char *what)
{
	unsigned n = 0;

	for (const char *at = in; (at = strstr(at, what)) != NULL; at++)
		n++;
	return n;
}

START_TEST(a_family_says_what_it_is)
{
	export_family(&out, "a_total", EXPORT_COUNTER, "What a is.");
	export_family(&out, "b", EXPORT_GAUGE, "What b is.");
	export_family(&out, "c_seconds", EXPORT_HISTOGRAM, "What c is.");
	ck_assert_str_eq(text(), "# HELP a_total What a is.\n# TYPE a_total counter\n"
				 "# HELP b What b is.\n# TYPE b gauge\n"
				 "# HELP c_seconds What c is.\n# TYPE c_seconds histogram\n");
}
END_TEST

START_TEST(samples_have_their_labels_in_braces)
{
	const struct export_label labels[] = { { "route", SLICE("r") },
					       { "status", SLICE("200") } };

	export_u64(&out, "a_total", NULL, 0, UINT64_MAX);
	export_u64(&out, "a_total", labels, 1, 0);
	export_u64(&out, "a_total", labels, 2, 7);
	ck_assert_str_eq(text(), "a_total 18446744073709551615\n"
				 "a_total{route=\"r\"} 0\n"
				 "a_total{route=\"r\",status=\"200\"} 7\n");
}
END_TEST

START_TEST(label_values_are_escaped)
{
	const struct export_label label = { "l", SLICE("a\"b\\c\nd{}=,\xc3\xa4") };

	export_u64(&out, "m", &label, 1, 1);
	ck_assert_str_eq(text(), "m{l=\"a\\\"b\\\\c\\nd{}=,\xc3\xa4\"} 1\n");
}
END_TEST

START_TEST(numbers_lose_no_digit_and_have_none_too_many)
{
	export_seconds(&out, "s", NULL, 0, 0);
	export_seconds(&out, "s", NULL, 0, 1);
	export_seconds(&out, "s", NULL, 0, CLOCK_SEC * 3);
	export_seconds(&out, "s", NULL, 0, CLOCK_SEC * 3 + CLOCK_MS * 50);
	export_milli(&out, "m", NULL, 0, 1000);
	export_milli(&out, "m", NULL, 0, 5);
	ck_assert_str_eq(text(), "s 0\ns 0.000000001\ns 3\ns 3.05\nm 1\nm 0.005\n");
}
END_TEST

START_TEST(buckets_are_cumulative_and_end_at_infinity)
{
	const struct export_label label = { "route", SLICE("r") };
	struct histogram h = { 0 };
	struct histogram_sum sum = { 0 };
	const char *said;

	histogram_add(&h, 1);
	histogram_add(&h, CLOCK_MS / 10); /* a bound belongs to its bucket */
	histogram_add(&h, CLOCK_MS / 10 + 1);
	histogram_add(&h, CLOCK_SEC * 60);
	histogram_add(&h, CLOCK_SEC * 61);
	histogram_sum_add(&sum, &h);
	export_histogram(&out, "d_seconds", &label, 1, &sum);
	said = text();
	ck_assert_ptr_nonnull(strstr(said, "d_seconds_bucket{route=\"r\",le=\"0.0001\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(said, "d_seconds_bucket{route=\"r\",le=\"0.00025\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(said, "d_seconds_bucket{route=\"r\",le=\"30\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(said, "d_seconds_bucket{route=\"r\",le=\"60\"} 4\n"));
	ck_assert_ptr_nonnull(strstr(said, "d_seconds_bucket{route=\"r\",le=\"+Inf\"} 5\n"));
	ck_assert_ptr_nonnull(strstr(said, "d_seconds_sum{route=\"r\"} 121.000200002\n"));
	ck_assert_ptr_nonnull(strstr(said, "d_seconds_count{route=\"r\"} 5\n"));
	ck_assert_uint_eq(times(said, "_bucket{"), HISTOGRAM_BUCKETS);
}
END_TEST

START_TEST(a_histogram_without_labels_has_only_le)
{
	struct histogram_sum sum = { .bucket[0] = 1, .sum_ns = 1 };
	const char *said;

	export_histogram(&out, "d", NULL, 0, &sum);
	said = text();
	ck_assert_ptr_nonnull(strstr(said, "d_bucket{le=\"0.0001\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(said, "d_sum 0.000000001\nd_count 1\n"));
}
END_TEST

START_TEST(histograms_of_threads_add_up)
{
	struct histogram one = { 0 }, two = { 0 };
	struct histogram_sum sum = { 0 };

	histogram_add(&one, CLOCK_MS);
	histogram_add(&two, CLOCK_MS);
	histogram_add(&two, CLOCK_SEC);
	histogram_sum_add(&sum, &one);
	histogram_sum_add(&sum, &two);
	ck_assert_uint_eq(histogram_sum_count(&sum), 3);
	ck_assert_uint_eq(sum.sum_ns, CLOCK_SEC + 2 * CLOCK_MS);
}
END_TEST

START_TEST(counters_of_all_blocks_add_up)
{
	static struct counters one, two;
	const struct counters *const blocks[] = { &one, &two };
	const char *said;

	count_add(&one, COUNTER_REQUESTS, 3);
	count_add(&two, COUNTER_REQUESTS, 4);
	count_add(&two, COUNTER_REFUSED_SYNTAX, 1);
	export_counters(&out, blocks, 2);
	said = text();
	ck_assert_ptr_nonnull(strstr(said, "\nforebay_requests_read_total 7\n"));
	ck_assert_ptr_nonnull(
	    strstr(said, "\nforebay_requests_refused_total{reason=\"syntax\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(said, "\nforebay_accept_errors_total 0\n"));
}
END_TEST

/* Rows of one metric stand together in counters.def: else its family would be opened twice, which
 * a scraper refuses. */
START_TEST(each_metric_is_introduced_once)
{
	static struct counters none;
	const struct counters *const blocks[] = { &none };
	char *lines, *rest, *line;

	export_counters(&out, blocks, 1);
	lines = strndup(text(), out.len);
	for (line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (line[0] != '#')
			continue;
		ck_assert_msg(times(out.at, line) == 1, "twice: %s", line);
		ck_assert_msg(line[strlen(line) - 1] != ' ', "no help: %s", line);
	}
	free(lines);
}
END_TEST

START_TEST(beyond_the_ceiling_there_is_an_error_and_no_overrun)
{
	static struct counters none;
	const struct counters *const blocks[] = { &none };

	buffer_fini(&out);
	buffer_init(&out, 100);
	export_counters(&out, blocks, 1);
	ck_assert_int_eq(out.err, ERR_TOO_LARGE);
	ck_assert_uint_le(out.len, 100);
}
END_TEST

START_TEST(without_memory_there_is_an_error)
{
	static struct counters none;
	const struct counters *const blocks[] = { &none };

	mem_fail_at(2, true);
	export_counters(&out, blocks, 1);
	ck_assert_int_eq(out.err, ERR_MEMORY);
}
END_TEST

Suite *
suite_metrics_export(void)
{
	Suite *s = suite_create("metrics/export");
	TCase *t = tcase_create("export");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_family_says_what_it_is);
	tcase_add_test(t, samples_have_their_labels_in_braces);
	tcase_add_test(t, label_values_are_escaped);
	tcase_add_test(t, numbers_lose_no_digit_and_have_none_too_many);
	tcase_add_test(t, buckets_are_cumulative_and_end_at_infinity);
	tcase_add_test(t, a_histogram_without_labels_has_only_le);
	tcase_add_test(t, histograms_of_threads_add_up);
	tcase_add_test(t, counters_of_all_blocks_add_up);
	tcase_add_test(t, each_metric_is_introduced_once);
	tcase_add_test(t, beyond_the_ceiling_there_is_an_error_and_no_overrun);
	tcase_add_test(t, without_memory_there_is_an_error);
	suite_add_tcase(s, t);
	return s;
}
