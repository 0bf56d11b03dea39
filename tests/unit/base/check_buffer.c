/*
 * Text that grows: what was put is there, the limit holds to the byte, errors stick.
 */
#include "base/buffer.h"
#include "base/json.h"
#include "base/mem.h"

#include <check.h>

Suite *suite_base_buffer(void);

START_TEST(what_is_put_stands_there_in_order)
{
	struct buffer b;
	struct writer w;

	buffer_init(&b, 100000);
	for (unsigned i = 0; i < 3000; i++) {
		buffer_text(&b, "ab");
		w = buffer_room(&b, 20);
		writer_u64(&w, i % 10);
		buffer_wrote(&b, &w);
		buffer_char(&b, ',');
	}
	ck_assert_int_eq(b.err, 0);
	ck_assert_uint_eq(b.len, 3000 * 4);
	for (unsigned i = 0; i < 3000; i++) {
		ck_assert_int_eq(b.at[i * 4 + 1], 'b');
		ck_assert_int_eq(b.at[i * 4 + 2], (int)('0' + i % 10));
	}
	buffer_fini(&b);
}
END_TEST

START_TEST(the_limit_holds_to_the_byte_and_the_error_sticks)
{
	for (size_t limit = 0; limit < 700; limit += 7) {
		struct buffer b;

		buffer_init(&b, limit);
		for (size_t i = 0; i < limit; i++)
			buffer_char(&b, 'x');
		ck_assert_int_eq(b.err, 0);
		ck_assert_uint_eq(b.len, limit);
		buffer_char(&b, 'y');
		ck_assert_int_eq(b.err, ERR_TOO_LARGE);
		ck_assert_uint_eq(b.len, limit);
		ck_assert_uint_le(b.cap, limit);
		buffer_fini(&b);
	}
}
END_TEST

START_TEST(after_an_error_nothing_is_appended)
{
	struct buffer b;

	buffer_init(&b, 4);
	buffer_text(&b, "abc");
	buffer_text(&b, "de");
	buffer_text(&b, "f");
	ck_assert_int_eq(b.err, ERR_TOO_LARGE);
	ck_assert(slice_eq(buffer_slice(&b), SLICE("abc")));
	buffer_fini(&b);
}
END_TEST

START_TEST(lack_of_memory_is_an_error_that_keeps_what_was_there)
{
	struct buffer b;

	buffer_init(&b, 1000);
	buffer_text(&b, "abc");
	mem_fail_at(1, true);
	for (unsigned i = 0; i < 300; i++)
		buffer_char(&b, 'x');
	mem_fail_at(0, false);
	ck_assert_int_eq(b.err, ERR_MEMORY);
	ck_assert(slice_has_prefix(buffer_slice(&b), SLICE("abcx")));
	buffer_fini(&b);
}
END_TEST

START_TEST(a_writer_that_overflows_its_room_is_too_large)
{
	struct buffer b;
	struct writer w;

	buffer_init(&b, 10);
	w = buffer_room(&b, 10);
	writer_text(&w, "twelve bytes");
	buffer_wrote(&b, &w);
	ck_assert_int_eq(b.err, ERR_TOO_LARGE);
	ck_assert_uint_eq(b.len, 0);
	buffer_fini(&b);
}
END_TEST

/* A string of all that needs care, long enough to be written in many steps. */
static size_t
fill_odd_text(char *text, size_t cap)
{
	static const struct slice pieces[] = {
		SLICE_INIT("plain "), SLICE_INIT("\"\\\x01\n"),       SLICE_INIT("\xe2\x82\xac"),
		SLICE_INIT("\xff"),   SLICE_INIT("\xf0\x9f\x98\x80"), SLICE_INIT("\x7f"),
	};
	struct writer w = writer_over(text, cap);

	for (unsigned i = 0; !w.is_full; i++)
		writer_put(&w, pieces[i % (sizeof(pieces) / sizeof(pieces[0]))]);
	return w.len;
}

START_TEST(a_json_string_in_steps_is_the_one_written_at_once)
{
	enum { TEXT = 20000 };
	static char text[TEXT], whole[TEXT * 6];
	struct slice s = slice_make(text, fill_odd_text(text, sizeof(text)));
	struct writer w = writer_over(whole, sizeof(whole));
	struct buffer b;

	json_write_string(&w, s);
	ck_assert(!w.is_full);
	for (size_t over = 0; over < 3; over++) {
		buffer_init(&b, w.len + over);
		buffer_json_string(&b, s);
		ck_assert_int_eq(b.err, 0);
		ck_assert(slice_eq(buffer_slice(&b), writer_slice(&w)));
		buffer_fini(&b);
	}
	for (size_t under = 1; under < 40; under++) {
		buffer_init(&b, w.len - under);
		buffer_json_string(&b, s);
		ck_assert_int_eq(b.err, ERR_TOO_LARGE);
		buffer_fini(&b);
	}
}
END_TEST

START_TEST(base64_needs_exactly_its_length)
{
	struct buffer b;

	buffer_init(&b, 8);
	buffer_base64(&b, SLICE("four"));
	ck_assert(slice_eq(buffer_slice(&b), SLICE("Zm91cg==")));
	buffer_base64(&b, SLICE(""));
	ck_assert_int_eq(b.err, 0);
	buffer_base64(&b, SLICE("x"));
	ck_assert_int_eq(b.err, ERR_TOO_LARGE);
	buffer_fini(&b);
}
END_TEST

START_TEST(take_hands_the_memory_over_and_starts_anew)
{
	struct buffer b;
	size_t len;
	char *at;

	buffer_init(&b, 100);
	buffer_text(&b, "abc");
	at = buffer_take(&b, &len);
	ck_assert(slice_eq(slice_make(at, len), SLICE("abc")));
	ck_assert_uint_eq(b.len, 0);
	buffer_text(&b, "d");
	ck_assert(slice_eq(buffer_slice(&b), SLICE("d")));
	mem_free(&at);
	buffer_fini(&b);
}
END_TEST

Suite *
suite_base_buffer(void)
{
	Suite *s = suite_create("base_buffer");
	TCase *t = tcase_create("buffer");

	tcase_add_test(t, what_is_put_stands_there_in_order);
	tcase_add_test(t, the_limit_holds_to_the_byte_and_the_error_sticks);
	tcase_add_test(t, after_an_error_nothing_is_appended);
	tcase_add_test(t, lack_of_memory_is_an_error_that_keeps_what_was_there);
	tcase_add_test(t, a_writer_that_overflows_its_room_is_too_large);
	tcase_add_test(t, a_json_string_in_steps_is_the_one_written_at_once);
	tcase_add_test(t, base64_needs_exactly_its_length);
	tcase_add_test(t, take_hands_the_memory_over_and_starts_anew);
	suite_add_tcase(s, t);
	return s;
}
