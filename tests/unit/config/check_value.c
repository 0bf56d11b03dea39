/*
 * Values as they are written: forms, bounds, and back to text.
 */
#include "config/value.h"

#include "base/clock.h"

#include <check.h>

Suite *suite_config_value(void);

START_TEST(duration_has_a_unit_unless_it_is_0)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} cases[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "7us", 7 * CLOCK_US },
		{ "250ms", 250 * CLOCK_MS },
		{ "2s", 2 * CLOCK_SEC },
		{ "5m", 300 * CLOCK_SEC },
		{ "1h", 3600 * CLOCK_SEC },
		{ "1d", 86400 * CLOCK_SEC },
	};
	static const char *const bad[] = { "",     "5",    "s",   "5 s", "-5s", "5S",
					   "1.5s", "5sec", "00x", "5ss", "+5s", "5min" };
	uint64_t ns;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ns = 1;
		ck_assert_int_eq(value_duration(slice_of(cases[i].text), &ns), 0);
		ck_assert_uint_eq(ns, cases[i].ns);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(value_duration(slice_of(bad[i]), &ns), ERR_SYNTAX);
}
END_TEST

START_TEST(product_that_overflows_is_too_large)
{
	uint64_t value = 7;

	ck_assert_int_eq(value_duration(SLICE("106751d"), &value), 0);
	ck_assert_int_eq(value_duration(SLICE("106752d"), &value), ERR_TOO_LARGE);
	ck_assert_int_eq(value_duration(SLICE("99999999999999999999s"), &value), ERR_TOO_LARGE);
	ck_assert_int_eq(value_size(SLICE("8589934592g"), &value), ERR_TOO_LARGE);
	ck_assert_int_eq(value_size(SLICE("9223372036854775808"), &value), ERR_TOO_LARGE);
	ck_assert_uint_eq(value, UINT64_C(106751) * 86400 * CLOCK_SEC);
}
END_TEST

START_TEST(size_counts_in_powers_of_1024)
{
	uint64_t bytes = 0;

	ck_assert_int_eq(value_size(SLICE("512"), &bytes), 0);
	ck_assert_uint_eq(bytes, 512);
	ck_assert_int_eq(value_size(SLICE("16k"), &bytes), 0);
	ck_assert_uint_eq(bytes, 16384);
	ck_assert_int_eq(value_size(SLICE("1m"), &bytes), 0);
	ck_assert_uint_eq(bytes, 1 << 20);
	ck_assert_int_eq(value_size(SLICE("2g"), &bytes), 0);
	ck_assert_uint_eq(bytes, UINT64_C(2) << 30);
	ck_assert_int_eq(value_size(SLICE("16K"), &bytes), ERR_SYNTAX);
	ck_assert_int_eq(value_size(SLICE("k"), &bytes), ERR_SYNTAX);
	ck_assert_int_eq(value_size(SLICE("1kb"), &bytes), ERR_SYNTAX);
}
END_TEST

START_TEST(boolean_is_yes_or_no_alone)
{
	bool value = false;

	ck_assert_int_eq(value_bool(SLICE("yes"), &value), 0);
	ck_assert(value);
	ck_assert_int_eq(value_bool(SLICE("no"), &value), 0);
	ck_assert(!value);
	ck_assert_int_eq(value_bool(SLICE("Yes"), &value), ERR_SYNTAX);
	ck_assert_int_eq(value_bool(SLICE("true"), &value), ERR_SYNTAX);
	ck_assert_int_eq(value_bool(SLICE(""), &value), ERR_SYNTAX);
}
END_TEST

START_TEST(integer_takes_one_minus)
{
	int64_t value = 0;

	ck_assert_int_eq(value_int(SLICE("-20"), &value), 0);
	ck_assert_int_eq(value, -20);
	ck_assert_int_eq(value_int(SLICE("9223372036854775807"), &value), 0);
	ck_assert(value == INT64_MAX);
	ck_assert_int_eq(value_int(SLICE("-"), &value), ERR_SYNTAX);
	ck_assert_int_eq(value_int(SLICE("--1"), &value), ERR_SYNTAX);
	ck_assert_int_eq(value_int(SLICE("0x10"), &value), ERR_SYNTAX);
}
END_TEST

START_TEST(decimal_counts_thousandths)
{
	uint64_t value = 0;

	ck_assert_int_eq(value_decimal(SLICE("1.5"), &value), 0);
	ck_assert_uint_eq(value, 1500);
	ck_assert_int_eq(value_decimal(SLICE("0.025"), &value), 0);
	ck_assert_uint_eq(value, 25);
	ck_assert_int_eq(value_decimal(SLICE("4"), &value), 0);
	ck_assert_uint_eq(value, 4000);
	ck_assert_int_eq(value_decimal(SLICE("1."), &value), ERR_SYNTAX);
	ck_assert_int_eq(value_decimal(SLICE(".5"), &value), ERR_SYNTAX);
	ck_assert_int_eq(value_decimal(SLICE("1.2345"), &value), ERR_SYNTAX);
	ck_assert_int_eq(value_decimal(SLICE("1.2.3"), &value), ERR_SYNTAX);
	ck_assert_int_eq(value_decimal(SLICE("9223372036854775807"), &value), ERR_TOO_LARGE);
}
END_TEST

START_TEST(percentage_bears_its_sign)
{
	uint64_t value = 0;

	ck_assert_int_eq(value_percent(SLICE("60%"), &value), 0);
	ck_assert_uint_eq(value, 60);
	ck_assert_int_eq(value_percent(SLICE("60"), &value), ERR_SYNTAX);
	ck_assert_int_eq(value_percent(SLICE("%"), &value), ERR_SYNTAX);
	ck_assert_int_eq(value_percent(SLICE("6 %"), &value), ERR_SYNTAX);
}
END_TEST

START_TEST(list_items_are_trimmed_and_a_last_comma_is_nothing)
{
	struct slice rest = SLICE(" a ,\n\tb b,,c, "), item;

	ck_assert(value_next(&rest, &item) && slice_eq(item, SLICE("a")));
	ck_assert(value_next(&rest, &item) && slice_eq(item, SLICE("b b")));
	ck_assert(value_next(&rest, &item) && slice_eq(item, SLICE("")));
	ck_assert(value_next(&rest, &item) && slice_eq(item, SLICE("c")));
	ck_assert(!value_next(&rest, &item));
	rest = SLICE(" \n ");
	ck_assert(!value_next(&rest, &item));
}
END_TEST

START_TEST(written_value_is_the_shortest_and_reads_back)
{
	static const char *const durations[] = { "0", "7us", "1500ms", "90s", "5m", "3h", "2d" };
	static const char *const sizes[] = { "0", "1000", "16k", "1025k", "3m", "2g" };
	static const char *const decimals[] = { "0", "1", "1.5", "0.025", "12.34" };
	char text[32];
	uint64_t value = 0;

	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		struct writer w = writer_over(text, sizeof(text));

		ck_assert_int_eq(value_duration(slice_of(durations[i]), &value), 0);
		value_write_duration(&w, value);
		ck_assert(slice_eq(writer_slice(&w), slice_of(durations[i])));
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct writer w = writer_over(text, sizeof(text));

		ck_assert_int_eq(value_size(slice_of(sizes[i]), &value), 0);
		value_write_size(&w, value);
		ck_assert(slice_eq(writer_slice(&w), slice_of(sizes[i])));
	}
	for (size_t i = 0; i < sizeof(decimals) / sizeof(decimals[0]); i++) {
		struct writer w = writer_over(text, sizeof(text));

		ck_assert_int_eq(value_decimal(slice_of(decimals[i]), &value), 0);
		value_write_decimal(&w, value);
		ck_assert(slice_eq(writer_slice(&w), slice_of(decimals[i])));
	}
}
END_TEST

Suite *
suite_config_value(void)
{
	Suite *s = suite_create("config_value");
	TCase *t = tcase_create("value");

	tcase_add_test(t, duration_has_a_unit_unless_it_is_0);
	tcase_add_test(t, product_that_overflows_is_too_large);
	tcase_add_test(t, size_counts_in_powers_of_1024);
	tcase_add_test(t, boolean_is_yes_or_no_alone);
	tcase_add_test(t, integer_takes_one_minus);
	tcase_add_test(t, decimal_counts_thousandths);
	tcase_add_test(t, percentage_bears_its_sign);
	tcase_add_test(t, list_items_are_trimmed_and_a_last_comma_is_nothing);
	tcase_add_test(t, written_value_is_the_shortest_and_reads_back);
	suite_add_tcase(s, t);
	return s;
}
