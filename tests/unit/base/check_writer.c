/*
 * The bounded writer: what fits is written, what does not is dropped whole.
 */
#include "base/writer.h"

#include <check.h>

Suite *suite_base_writer(void);

static bool
holds(const struct writer *w, const char *text)
{
	return slice_eq(writer_slice(w), slice_of(text));
}

START_TEST(numbers_at_their_limits)
{
	char memory[128];
	struct writer w = writer_over(memory, sizeof(memory));

	writer_u64(&w, 0);
	writer_char(&w, ' ');
	writer_u64(&w, UINT64_MAX);
	writer_char(&w, ' ');
	writer_i64(&w, INT64_MIN);
	writer_char(&w, ' ');
	writer_i64(&w, INT64_MAX);
	writer_char(&w, ' ');
	writer_hex(&w, 0);
	writer_char(&w, ' ');
	writer_hex(&w, 0xdeadbeef01);
	ck_assert(!w.is_full);
	ck_assert(holds(&w, "0 18446744073709551615 -9223372036854775808 9223372036854775807 0 "
			    "deadbeef01"));
}
END_TEST

START_TEST(memory_is_filled_to_the_last_byte_and_no_further)
{
	char memory[4] = "....";
	struct writer w = writer_over(memory, 3);

	writer_put(&w, SLICE("abc"));
	ck_assert(!w.is_full);
	ck_assert(holds(&w, "abc"));
	writer_put(&w, SLICE(""));
	ck_assert(!w.is_full);
	writer_char(&w, 'd');
	ck_assert(w.is_full);
	ck_assert_int_eq(memory[3], '.');
}
END_TEST

START_TEST(what_does_not_fit_is_dropped_whole_and_so_is_what_follows)
{
	char memory[8];
	struct writer w = writer_over(memory, 5);

	writer_text(&w, "abc");
	writer_text(&w, "def");
	writer_char(&w, 'x');
	writer_u64(&w, 1);
	writer_format(&w, "%d", 1);
	ck_assert(w.is_full);
	ck_assert(holds(&w, "abc"));
	w = writer_over(memory, 2);
	writer_i64(&w, -12);
	ck_assert(w.is_full);
	ck_assert(holds(&w, ""));
}
END_TEST

START_TEST(format_never_leaves_its_memory)
{
	char memory[6] = ".....!";
	struct writer w = writer_over(memory, 5);

	writer_format(&w, "%d-%s", 12, "a");
	ck_assert(!w.is_full);
	ck_assert(holds(&w, "12-a"));
	writer_format(&w, "%s", "bc");
	ck_assert(w.is_full);
	ck_assert(holds(&w, "12-a"));
	ck_assert_int_eq(memory[5], '!');
	w = writer_over(NULL, 0);
	writer_format(&w, "x");
	ck_assert(w.is_full);
}
END_TEST

Suite *
suite_base_writer(void)
{
	Suite *s = suite_create("base_writer");
	TCase *t = tcase_create("writer");

	tcase_add_test(t, numbers_at_their_limits);
	tcase_add_test(t, memory_is_filled_to_the_last_byte_and_no_further);
	tcase_add_test(t, what_does_not_fit_is_dropped_whole_and_so_is_what_follows);
	tcase_add_test(t, format_never_leaves_its_memory);
	suite_add_tcase(s, t);
	return s;
}
