/*
 * Dates: three forms in, one form out.
 */
#include "http/date.h"

#include <check.h>
#include <time.h>

Suite *suite_http_date(void);

START_TEST(all_three_forms_give_the_same_second)
{
	static const char *const texts[] = {
		"Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
		"Sun Nov 06 08:49:37 1994",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int64_t second = 0;

		ck_assert_msg(date_parse(slice_of(texts[i]), &second), "%s", texts[i]);
		ck_assert_int_eq(second, 784111777);
	}
}
END_TEST

START_TEST(what_is_none_of_the_forms_is_refused)
{
	static const char *const texts[] = {
		"",
		"Sun",
		"784111777",
		"sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 94 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 8:49:37 GMT",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Wed, 29 Feb 1995 08:49:37 GMT",
		"Thu, 29 Feb 1900 08:49:37 GMT",
		"Sun, +6 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-1994 08:49:37 GMT",
		"Sun, 06-Nov-94 08:49:37 GMT",
		"Sun Nov 6 08:49:37 1994",
		"Sun Nov  6 08:49:37 1994 GMT",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int64_t second = 42;

		ck_assert_msg(!date_parse(slice_of(texts[i]), &second), "%s", texts[i]);
		ck_assert_int_eq(second, 42);
	}
}
END_TEST

START_TEST(two_digit_years_lie_between_1970_and_2069)
{
	int64_t second = 0;

	ck_assert(date_parse(SLICE("Thursday, 01-Jan-70 00:00:00 GMT"), &second));
	ck_assert_int_eq(second, 0);
	ck_assert(date_parse(SLICE("Tuesday, 01-Jan-69 00:00:00 GMT"), &second));
	ck_assert_int_eq(second, 3124224000);
}
END_TEST

START_TEST(written_dates_agree_with_the_c_library_and_read_back)
{
	/* A step that is prime to days and years walks through all of them. */
	for (int64_t second = -2208988800; second < 253402300800; second += 7777777) {
		time_t t = (time_t)second;
		struct tm tm;
		char expected[64], text[DATE_BYTES];
		int64_t back = 0;

		gmtime_r(&t, &tm);
		strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		date_write(text, second);
		ck_assert_msg(slice_eq(slice_make(text, DATE_BYTES), slice_of(expected)), "%s",
			      expected);
		ck_assert(date_parse(slice_make(text, DATE_BYTES), &back));
		ck_assert_int_eq(back, second);
	}
}
END_TEST

START_TEST(the_cached_text_follows_the_second)
{
	struct date d = { 0 };

	ck_assert(slice_eq(date_text(&d, 0), SLICE("Thu, 01 Jan 1970 00:00:00 GMT")));
	ck_assert(slice_eq(date_text(&d, 784111777), SLICE("Sun, 06 Nov 1994 08:49:37 GMT")));
	ck_assert(slice_eq(date_text(&d, 784111777), SLICE("Sun, 06 Nov 1994 08:49:37 GMT")));
}
END_TEST

Suite *
suite_http_date(void)
{
	Suite *s = suite_create("http_date");
	TCase *t = tcase_create("date");

	tcase_add_test(t, all_three_forms_give_the_same_second);
	tcase_add_test(t, what_is_none_of_the_forms_is_refused);
	tcase_add_test(t, two_digit_years_lie_between_1970_and_2069);
	tcase_add_test(t, written_dates_agree_with_the_c_library_and_read_back);
	tcase_add_test(t, the_cached_text_follows_the_second);
	suite_add_tcase(s, t);
	return s;
}
