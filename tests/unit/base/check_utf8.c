/*
 * UTF-8: what RFC 3629 allows and nothing else.
 */
#include "base/utf8.h"

#include <check.h>

Suite *suite_base_utf8(void);

static const struct verdict {
	struct slice text;
	bool valid;
} verdicts[] = {
	{ SLICE_INIT(""), true },
	{ SLICE_INIT("ascii, seventeen bytes and more"), true },
	{ SLICE_INIT("\0"), true },
	{ SLICE_INIT("\x7F"), true },
	{ SLICE_INIT("\x80"), false },
	{ SLICE_INIT("\xC0\x80"), false }, /* overlong */
	{ SLICE_INIT("\xC1\xBF"), false },
	{ SLICE_INIT("\xC2\x80"), true }, /* U+0080 */
	{ SLICE_INIT("\xDF\xBF"), true }, /* U+07FF */
	{ SLICE_INIT("\xC2"), false },
	{ SLICE_INIT("\xC2\xC2"), false },
	{ SLICE_INIT("\xE0\x9F\xBF"), false },
	{ SLICE_INIT("\xE0\xA0\x80"), true }, /* U+0800 */
	{ SLICE_INIT("\xED\x9F\xBF"), true }, /* U+D7FF */
	{ SLICE_INIT("\xED\xA0\x80"), false }, /* U+D800 */
	{ SLICE_INIT("\xED\xBF\xBF"), false }, /* U+DFFF */
	{ SLICE_INIT("\xEE\x80\x80"), true }, /* U+E000 */
	{ SLICE_INIT("\xEF\xBF\xBF"), true }, /* U+FFFF */
	{ SLICE_INIT("\xE2\x82"), false },
	{ SLICE_INIT("\xE2\x82\x41"), false },
	{ SLICE_INIT("\xF0\x8F\xBF\xBF"), false },
	{ SLICE_INIT("\xF0\x90\x80\x80"), true }, /* U+10000 */
	{ SLICE_INIT("\xF4\x8F\xBF\xBF"), true }, /* U+10FFFF */
	{ SLICE_INIT("\xF4\x90\x80\x80"), false },
	{ SLICE_INIT("\xF5\x80\x80\x80"), false },
	{ SLICE_INIT("\xF8\x88\x80\x80\x80"), false },
	{ SLICE_INIT("\xFE"), false },
	{ SLICE_INIT("\xFF"), false },
	{ SLICE_INIT("fifteen bytes, \xC3\xA9 and so on to a second run"), true },
	{ SLICE_INIT("sixteen bytes... \xFF"), false },
};

START_TEST(valid_is_what_the_rfc_allows)
{
	const struct verdict *v = &verdicts[_i];

	ck_assert_msg(utf8_is_valid(v->text) == v->valid, "case %d", _i);
}
END_TEST

/* A bad byte must be seen at every offset from the runs of sixteen. */
START_TEST(a_bad_byte_is_seen_wherever_it_stands)
{
	char text[64];

	for (size_t i = 0; i < sizeof(text); i++) {
		memset(text, 'a', sizeof(text));
		text[i] = (char)0x80;
		ck_assert_msg(!utf8_is_valid(slice_make(text, sizeof(text))), "at %zu", i);
		ck_assert(utf8_is_valid(slice_make(text, i)));
	}
}
END_TEST

START_TEST(prefix_ends_before_the_first_bad_byte)
{
	ck_assert_uint_eq(utf8_prefix(SLICE("sixteen bytes... and \xC3\xA9\xC3")), 23);
	ck_assert_uint_eq(utf8_prefix(SLICE("\xFF")), 0);
	ck_assert_uint_eq(utf8_prefix(SLICE("whole")), 5);
}
END_TEST

START_TEST(length_is_of_the_first_character_alone)
{
	ck_assert_uint_eq(utf8_length(SLICE("")), 0);
	ck_assert_uint_eq(utf8_length(SLICE("a\xFF")), 1);
	ck_assert_uint_eq(utf8_length(SLICE("\xC3\xA9\xFF")), 2);
	ck_assert_uint_eq(utf8_length(SLICE("\xE2\x82\xAC\xFF")), 3);
	ck_assert_uint_eq(utf8_length(SLICE("\xF0\x9F\x98\x80\xFF")), 4);
	ck_assert_uint_eq(utf8_length(SLICE("\xE2\x82")), 0);
}
END_TEST

/* Every character there is: what is written is valid and as long as it is told. */
START_TEST(every_character_that_is_written_is_valid)
{
	for (uint32_t code = 0; code <= 0x10FFFF; code++) {
		char memory[4];
		struct writer w = writer_over(memory, sizeof(memory));

		if (code >= 0xD800 && code <= 0xDFFF)
			continue;
		utf8_write(&w, code);
		if (w.is_full || utf8_length(writer_slice(&w)) != w.len)
			ck_abort_msg("U+%04X", code);
	}
}
END_TEST

Suite *
suite_base_utf8(void)
{
	Suite *s = suite_create("base/utf8");
	TCase *t = tcase_create("utf8");

	tcase_add_loop_test(t, valid_is_what_the_rfc_allows, 0,
			    (int)(sizeof(verdicts) / sizeof(verdicts[0])));
	tcase_add_test(t, a_bad_byte_is_seen_wherever_it_stands);
	tcase_add_test(t, prefix_ends_before_the_first_bad_byte);
	tcase_add_test(t, length_is_of_the_first_character_alone);
	tcase_add_test(t, every_character_that_is_written_is_valid);
	suite_add_tcase(s, t);
	return s;
}
