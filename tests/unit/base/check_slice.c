/*
 * Borrowed bytes: cutting, trimming, comparing, numbers.
 */
#include "base/err.h"
#include "base/slice.h"

#include <check.h>

Suite *suite_base_slice(void);

START_TEST(cut_gives_what_stood_before_the_separator)
{
	struct slice rest = SLICE("a,bc,,d");

	ck_assert(slice_eq(slice_cut(&rest, ','), SLICE("a")));
	ck_assert(slice_eq(slice_cut(&rest, ','), SLICE("bc")));
	ck_assert(slice_eq(slice_cut(&rest, ','), SLICE("")));
	ck_assert(slice_eq(slice_cut(&rest, ','), SLICE("d")));
	ck_assert(slice_is_empty(rest));
	ck_assert(slice_is_empty(slice_cut(&rest, ',')));
}
END_TEST

START_TEST(trim_takes_spaces_and_tabs_from_both_ends_only)
{
	ck_assert(slice_eq(slice_trim(SLICE(" \ta b\t ")), SLICE("a b")));
	ck_assert(slice_is_empty(slice_trim(SLICE(" \t "))));
	ck_assert(slice_eq(slice_trim(SLICE("\ra")), SLICE("\ra")));
}
END_TEST

START_TEST(number_takes_digits_alone_and_no_overflow)
{
	uint64_t n = 7;

	ck_assert_int_eq(slice_to_u64(SLICE("18446744073709551615"), &n), 0);
	ck_assert(n == UINT64_MAX);
	ck_assert_int_eq(slice_to_u64(SLICE("18446744073709551616"), &n), ERR_TOO_LARGE);
	ck_assert_int_eq(slice_to_u64(SLICE("+1"), &n), ERR_SYNTAX);
	ck_assert_int_eq(slice_to_u64(SLICE(""), &n), ERR_SYNTAX);
	ck_assert_int_eq(slice_to_u64(SLICE("1 "), &n), ERR_SYNTAX);
	ck_assert(n == UINT64_MAX);
}
END_TEST

START_TEST(case_is_ignored_for_ascii_letters_alone)
{
	ck_assert(slice_eq_nocase(SLICE("Content-Length"), SLICE("cOnTENT-lENGTH")));
	ck_assert(!slice_eq_nocase(SLICE("a["), SLICE("a{")));
	ck_assert(!slice_eq_nocase(SLICE("\xc4"), SLICE("\xe4")));
}
END_TEST

START_TEST(a_lower_case_word_is_known_in_any_case_and_only_it)
{
	static const char word[] = "abc-xyz0-defghijklmn";

	for (size_t len = 0; len < sizeof(word); len++) {
		char text[sizeof(word)];
		struct slice lower = slice_make(word, len), other = slice_make(text, len);

		for (size_t i = 0; i < len; i++) {
			for (int c = 0; c < 256; c++) {
				memcpy(text, word, sizeof(text));
				text[i] = (char)c;
				ck_assert(slice_eq_lower(other, lower) ==
					  (ascii_lower((char)c) == word[i]));
			}
		}
		ck_assert(slice_eq_lower(lower, lower));
		ck_assert(!slice_eq_lower(slice_make(word, len + 1), lower));
	}
}
END_TEST

START_TEST(compare_puts_the_shorter_prefix_first)
{
	ck_assert_int_lt(slice_compare(SLICE("ab"), SLICE("abc")), 0);
	ck_assert_int_gt(slice_compare(SLICE("b"), SLICE("abc")), 0);
	ck_assert_int_eq(slice_compare(SLICE(""), SLICE("")), 0);
}
END_TEST

Suite *
suite_base_slice(void)
{
	Suite *s = suite_create("base_slice");
	TCase *t = tcase_create("slice");

	tcase_add_test(t, cut_gives_what_stood_before_the_separator);
	tcase_add_test(t, trim_takes_spaces_and_tabs_from_both_ends_only);
	tcase_add_test(t, number_takes_digits_alone_and_no_overflow);
	tcase_add_test(t, case_is_ignored_for_ascii_letters_alone);
	tcase_add_test(t, a_lower_case_word_is_known_in_any_case_and_only_it);
	tcase_add_test(t, compare_puts_the_shorter_prefix_first);
	suite_add_tcase(s, t);
	return s;
}
