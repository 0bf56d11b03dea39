/*
 * Ranges of bytes: what counts, what is ignored, what is merged.
 */
#include "base/writer.h"
#include "http/range.h"

#include <check.h>

Suite *suite_http_range(void);

/* "from-end from-end", "whole" or "none". */
static struct slice
read(const char *value, uint64_t size, char *memory, size_t cap)
{
	struct writer w = writer_over(memory, cap);
	struct ranges ranges;

	switch (range_read(slice_of(value), size, &ranges)) {
	case RANGE_WHOLE:
		return SLICE("whole");
	case RANGE_NONE:
		return SLICE("none");
	case RANGE_SOME:
		break;
	}
	for (unsigned i = 0; i < ranges.count; i++)
		writer_format(&w, "%s%llu-%llu", i ? " " : "",
			      (unsigned long long)ranges.at[i].from,
			      (unsigned long long)ranges.at[i].end);
	ck_assert(!w.is_full);
	return writer_slice(&w);
}

struct row {
	const char *value;
	uint64_t size;
	const char *expected;
};

static void
assert_rows(const struct row *rows, size_t count)
{
	char memory[1024];

	for (size_t i = 0; i < count; i++) {
		struct slice got = read(rows[i].value, rows[i].size, memory, sizeof(memory));

		ck_assert_msg(slice_eq(got, slice_of(rows[i].expected)), "%s of %llu: %.*s",
			      rows[i].value, (unsigned long long)rows[i].size, SLICE_PRINT(got));
	}
}

#define ASSERT_ROWS(rows) assert_rows(rows, sizeof(rows) / sizeof((rows)[0]))

START_TEST(one_range_is_cut_to_the_representation)
{
	static const struct row rows[] = {
		{ "bytes=0-0", 10, "0-1" },    { "bytes=0-9", 10, "0-10" },
		{ "bytes=0-", 10, "0-10" },    { "bytes=9-", 10, "9-10" },
		{ "bytes=5-100", 10, "5-10" }, { "bytes=-3", 10, "7-10" },
		{ "bytes=-10", 10, "0-10" },   { "bytes=-11", 10, "0-10" },
		{ "BYTES=1-2", 10, "1-3" },    { "bytes=,, 1-2 ,", 10, "1-3" },
		{ "bytes=10-", 10, "none" },   { "bytes=10-20", 10, "none" },
		{ "bytes=-0", 10, "none" },    { "bytes=-0,20-", 10, "none" },
		{ "bytes=-0,1-1", 10, "1-2" },
	};

	ASSERT_ROWS(rows);
}
END_TEST

START_TEST(numbers_beyond_64_bits_lie_behind_the_end)
{
	static const struct row rows[] = {
		{ "bytes=0-18446744073709551615", 10, "0-10" },
		{ "bytes=0-18446744073709551616", 10, "0-10" },
		{ "bytes=0-99999999999999999999999999", 10, "0-10" },
		{ "bytes=99999999999999999999999999-", 10, "none" },
		{ "bytes=18446744073709551615-18446744073709551615", 10, "none" },
		{ "bytes=-18446744073709551615", 10, "0-10" },
		{ "bytes=-99999999999999999999999999", 10, "0-10" },
		{ "bytes=99999999999999999999999999x-", 10, "whole" },
		{ "bytes=0-9223372036854775806", INT64_MAX, "0-9223372036854775807" },
	};

	ASSERT_ROWS(rows);
}
END_TEST

START_TEST(what_is_no_range_is_ignored)
{
	static const struct row rows[] = {
		{ "", 10, "whole" },           { "bytes", 10, "whole" },
		{ "bytes=", 10, "whole" },     { "bytes=,", 10, "whole" },
		{ "bytes=-", 10, "whole" },    { "bytes=1", 10, "whole" },
		{ "bytes=a-b", 10, "whole" },  { "bytes=1-b", 10, "whole" },
		{ "bytes=2-1", 10, "whole" },  { "bytes=1-2,3", 10, "whole" },
		{ "bytes=1--2", 10, "whole" }, { "bytes=--1", 10, "whole" },
		{ "bytes=+1-2", 10, "whole" }, { "bytes=0x1-2", 10, "whole" },
		{ "bytes =1-2", 10, "whole" }, { "bytes=1 - 2", 10, "whole" },
		{ "rows=1-2", 10, "whole" },   { "bytes=1-2;3-4", 10, "whole" },
		{ "bytes=0-", 0, "whole" },    { "bytes=-5", 0, "whole" },
	};

	ASSERT_ROWS(rows);
}
END_TEST

START_TEST(ranges_stay_in_their_order_and_merge_where_they_nearly_touch)
{
	static const struct row rows[] = {
		{ "bytes=0-9,1000-1009", 5000, "0-10 1000-1010" },
		{ "bytes=1000-1009,0-9", 5000, "1000-1010 0-10" },
		{ "bytes=0-9,10-19", 5000, "0-20" },
		{ "bytes=0-9,5-19", 5000, "0-20" },
		{ "bytes=0-9,100-109", 5000, "0-110" },
		{ "bytes=0-9,138-139", 5000, "0-10 138-140" },
		{ "bytes=0-9,137-139", 5000, "0-140" },
		{ "bytes=0-0,-1", 5000, "0-1 4999-5000" },
		{ "bytes=0-0,2000-2000,1000-1000,0-4000", 5000, "0-4001" },
		{ "bytes=3000-3000,0-0,1500-1500,0-2990", 5000, "0-3001" },
		{ "bytes=0-0,1000-1000,2000-2000,900-1900", 5000, "0-1 900-2001" },
		{ "bytes=0-,0-,0-,0-,0-", 5000, "0-5000" },
	};

	ASSERT_ROWS(rows);
}
END_TEST

/* Appends "from-from" ranges that lie apart, `count` of them, each `times` times. */
static void
write_list(char *text, size_t cap, unsigned count, unsigned times)
{
	struct writer w = writer_over(text, cap - 1);

	writer_put(&w, SLICE("bytes="));
	for (unsigned i = 0; i < count * times; i++)
		writer_format(&w, "%s%u-%u", i ? "," : "", i % count * 1000, i % count * 1000);
	ck_assert(!w.is_full);
	text[w.len] = '\0';
}

START_TEST(long_lists_are_ignored_rather_than_served)
{
	struct ranges ranges;
	char text[2048];

	write_list(text, sizeof(text), RANGES_MAX, 1);
	ck_assert_int_eq(range_read(slice_of(text), 1 << 20, &ranges), RANGE_SOME);
	ck_assert_uint_eq(ranges.count, RANGES_MAX);
	write_list(text, sizeof(text), RANGES_MAX + 1, 1);
	ck_assert_int_eq(range_read(slice_of(text), 1 << 20, &ranges), RANGE_WHOLE);
	write_list(text, sizeof(text), 2, RANGE_SPECS_MAX / 2);
	ck_assert_int_eq(range_read(slice_of(text), 1 << 20, &ranges), RANGE_SOME);
	ck_assert_uint_eq(ranges.count, 2);
	write_list(text, sizeof(text), 1, RANGE_SPECS_MAX + 1);
	ck_assert_int_eq(range_read(slice_of(text), 1 << 20, &ranges), RANGE_WHOLE);
}
END_TEST

Suite *
suite_http_range(void)
{
	Suite *s = suite_create("http/range");
	TCase *t = tcase_create("all");

	tcase_add_test(t, one_range_is_cut_to_the_representation);
	tcase_add_test(t, numbers_beyond_64_bits_lie_behind_the_end);
	tcase_add_test(t, what_is_no_range_is_ignored);
	tcase_add_test(t, ranges_stay_in_their_order_and_merge_where_they_nearly_touch);
	tcase_add_test(t, long_lists_are_ignored_rather_than_served);
	suite_add_tcase(s, t);
	return s;
}
