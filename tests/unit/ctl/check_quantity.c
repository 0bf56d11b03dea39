/*
 * Numbers with units, read and shown.
 */
#include "ctl/quantity.h"

#include <check.h>
#include <math.h>

Suite *suite_ctl_quantity(void);

START_TEST(rates_and_times_are_read)
{
	double v = 0, share = 0;

	ck_assert(quantity_rate(SLICE("80/s"), &v) == 0 && v == 80);
	ck_assert(quantity_rate(SLICE("80"), &v) == 0 && v == 80);
	ck_assert(quantity_rate(SLICE("90/m"), &v) == 0 && v == 1.5);
	ck_assert(quantity_time(SLICE("12.5ms"), &v) == 0);
	ck_assert_double_eq_tol(v, 0.0125, 1e-15);
	ck_assert(quantity_time(SLICE("2m"), &v) == 0 && v == 120);
	ck_assert(quantity_percentile(SLICE("p99.9=1.5s"), &share, &v) == 0 && v == 1.5);
	ck_assert_double_eq_tol(share, 0.999, 1e-15);
}
END_TEST

START_TEST(anything_else_is_refused)
{
	static const char *const numbers[] = { "",    ".",   ".5",    "5.",
					       "-1",  "1e3", "1.2.3", "0x10",
					       "nan", "inf", "1 ",    "1234567890123456789012345" };
	static const char *const times[] = { "20", "ms", "20 ms", "20/s", "20msx", "20MS" };
	static const char *const percentiles[] = { "99=1s", "p=1s", "p0=1s", "p100=1s",
						   "p99",   "p99=", "p99=1", "p99=1s=1s" };
	double v = 7, share = 7;

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		ck_assert_msg(quantity_number(slice_of(numbers[i]), &v) == ERR_SYNTAX, "%s",
			      numbers[i]);
	for (unsigned i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		ck_assert_msg(quantity_time(slice_of(times[i]), &v) == ERR_SYNTAX, "%s", times[i]);
	for (unsigned i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++)
		ck_assert_msg(quantity_percentile(slice_of(percentiles[i]), &share, &v) ==
				  ERR_SYNTAX,
			      "%s", percentiles[i]);
	ck_assert(v == 7 && share == 7);
}
END_TEST

START_TEST(three_digits_are_shown)
{
	ck_assert_str_eq(quantity_show_time(0.00068027).text, "680 us");
	ck_assert_str_eq(quantity_show_time(0.0237783).text, "23.8 ms");
	ck_assert_str_eq(quantity_show_time(0.99999).text, "1 s");
	ck_assert_str_eq(quantity_show_time(1.5).text, "1.5 s");
	ck_assert_str_eq(quantity_show_time(123456).text, "123456 s");
	ck_assert_str_eq(quantity_show_time(INFINITY).text, "-");
	ck_assert_str_eq(quantity_show_share(0.37).text, "37 %");
	ck_assert_str_eq(quantity_show_share(1e-8).text, "1.0e-06 %");
	ck_assert_str_eq(quantity_show_rate(79.93).text, "79.9/s");
}
END_TEST

Suite *
suite_ctl_quantity(void)
{
	Suite *s = suite_create("ctl_quantity");
	TCase *c = tcase_create("quantity");

	tcase_add_test(c, rates_and_times_are_read);
	tcase_add_test(c, anything_else_is_refused);
	tcase_add_test(c, three_digits_are_shown);
	suite_add_tcase(s, c);
	return s;
}
