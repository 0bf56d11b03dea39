/*
 * The reader of configuration text: what it gives, what it refuses and where.
 */
#include "config/ini.h"

#include <check.h>

Suite *suite_config_ini(void);

enum { MEMORY_BYTES = 4096, OUT_BYTES = 4096 };

static char memory[MEMORY_BYTES];
static char out[OUT_BYTES];

/* Every item as one line: "1 [kind name]", "2 key=value", "3 ! what: text". */
static const char *
read_all(struct slice text)
{
	struct writer w = writer_over(out, sizeof(out) - 1);
	struct ini_item item;
	struct ini r;

	ini_init(&r, text, memory);
	while (ini_next(&r, &item) != INI_END) {
		writer_format(&w, "%u ", item.line);
		if (item.kind == INI_SECTION)
			writer_format(&w, "[%.*s|%.*s]", SLICE_PRINT(item.section_kind),
				      SLICE_PRINT(item.section_name));
		else if (item.kind == INI_ENTRY)
			writer_format(&w, "%.*s=%.*s", SLICE_PRINT(item.key),
				      SLICE_PRINT(item.value));
		else
			writer_format(&w, "! %s: %.*s", item.what, SLICE_PRINT(item.text));
		writer_char(&w, '\n');
	}
	ck_assert(!w.is_full);
	ck_assert_int_eq(ini_next(&r, &item), INI_END);
	out[w.len] = '\0';
	return out;
}

#define EXPECT(text, items) ck_assert_str_eq(read_all(SLICE(text)), items)

START_TEST(sections_and_keys_come_in_order_with_their_lines)
{
	EXPECT("[server]\nworkers = 2\n\n[pool compute]\n  \norder=fifo",
	       "1 [server|]\n2 workers=2\n4 [pool|compute]\n6 order=fifo\n");
	EXPECT("[ subrequest   profile.user-1 ]  \n", "1 [subrequest|profile.user-1]\n");
}
END_TEST

START_TEST(value_keeps_what_looks_like_a_comment_or_a_second_sign)
{
	EXPECT("[a]\nk = x ; y # z\nl = = 1\nm =\n", "1 [a|]\n2 k=x ; y # z\n3 l== 1\n4 m=\n");
}
END_TEST

START_TEST(comment_lines_are_passed_over)
{
	EXPECT("# one\n;two\n[a]\n  # three\n\t; four\nk = v\n", "3 [a|]\n6 k=v\n");
}
END_TEST

START_TEST(indented_lines_continue_a_value_joined_by_newlines)
{
	EXPECT("[a]\nq = SELECT 1\n    FROM t  \n\tWHERE x = 2\nnext = 1\n",
	       "1 [a|]\n2 q=SELECT 1\nFROM t\nWHERE x = 2\n5 next=1\n");
}
END_TEST

START_TEST(blank_and_comment_lines_inside_a_value_belong_to_no_value)
{
	EXPECT("[a]\nq = one\n\n# remark\n  ; remark\n  two\n\nnext = 1\n",
	       "1 [a|]\n2 q=one\ntwo\n8 next=1\n");
}
END_TEST

START_TEST(value_may_begin_on_the_next_line)
{
	EXPECT("[a]\nq =\n  one\n  two\n", "1 [a|]\n2 q=one\ntwo\n");
}
END_TEST

START_TEST(indented_section_head_is_part_of_a_value)
{
	EXPECT("[a]\nq = 1\n  [b]\n", "1 [a|]\n2 q=1\n[b]\n");
}
END_TEST

START_TEST(lines_may_end_in_cr_lf_and_a_mark_may_lead)
{
	EXPECT("\xef\xbb\xbf[a]\r\nk = v\r\n  w\r\n", "1 [a|]\n2 k=v\nw\n");
}
END_TEST

START_TEST(key_before_a_section_is_an_error_each_time)
{
	EXPECT("a = 1\nb = 2\n  more\n[s]\nc = 3", "1 ! a key stands before the first section: a\n"
						   "2 ! a key stands before the first section: b\n"
						   "4 [s|]\n5 c=3\n");
}
END_TEST

START_TEST(line_without_a_sign_is_an_error_and_reading_goes_on)
{
	EXPECT("[s]\nnonsense\n= 1\na b = 1\nc = 3",
	       "1 [s|]\n2 ! a line is \"key = value\" or \"[section]\": nonsense\n"
	       "3 ! there is no key before the =: = 1\n"
	       "4 ! a key is made of letters, digits, '_', '-' and '.': a b\n5 c=3\n");
}
END_TEST

START_TEST(broken_section_head_drops_its_keys_but_checks_them)
{
	EXPECT("[s\nlost = 1\nbad\n[t]\nc = 3",
	       "1 ! a section head has no closing ]: [s\n"
	       "3 ! a line is \"key = value\" or \"[section]\": bad\n4 [t|]\n5 c=3\n");
}
END_TEST

START_TEST(nothing_follows_a_section_head)
{
	EXPECT(
	    "[s] ; note\n[a b c]\n[]\n[x]]\n",
	    "1 ! nothing may follow a section head on its line; comments stand on lines of their "
	    "own: [s] ; note\n"
	    "2 ! a section head is [kind] or [kind name], of letters, digits, '_', '-' and '.': "
	    "[a b c]\n"
	    "3 ! a section head is [kind] or [kind name], of letters, digits, '_', '-' and '.': "
	    "[]\n"
	    "4 ! nothing may follow a section head on its line; comments stand on lines of their "
	    "own: [x]]\n");
}
END_TEST

START_TEST(indented_line_without_a_value_to_continue_is_an_error)
{
	EXPECT(
	    "[s]\n  k = 1\n  l = 2\nm = 3\n",
	    "1 [s|]\n2 ! an indented line continues a value, and there is none; keys start at the "
	    "margin: k = 1\n4 m=3\n");
}
END_TEST

START_TEST(bytes_that_are_no_text_are_errors_of_their_line_alone)
{
	struct slice nul = SLICE("[s]\nk = a\0b\nl = 1\n");

	ck_assert_ptr_nonnull(strstr(read_all(nul), "2 ! a NUL byte is not allowed: k = a"));
	EXPECT(
	    "[s]\nk = \xff\nl = \x1b\nm = 1\rx\nn = 4\no = \x7f\n",
	    "1 [s|]\n2 ! this is not UTF-8: k = \xff\n3 ! a control character is not allowed: l = "
	    "\x1b\n4 ! a control character is not allowed: m = 1\rx\n5 n=4\n6 ! a control "
	    "character is not allowed: o = \x7f\n");
}
END_TEST

START_TEST(bad_bytes_inside_a_continued_value_are_reported_once)
{
	EXPECT("[s]\nk = a\n  \xc0\xaf\n  rest\nl = 1\n",
	       "1 [s|]\n2 k=a\n3 ! this is not UTF-8:   \xc0\xaf\n5 l=1\n");
}
END_TEST

START_TEST(longest_name_is_taken_and_one_more_is_not)
{
	char text[INI_NAME_BYTES + 8];
	struct writer w = writer_over(text, sizeof(text));

	writer_text(&w, "[s]\n");
	for (int i = 0; i < INI_NAME_BYTES; i++)
		writer_char(&w, 'k');
	writer_text(&w, "=1");
	ck_assert_ptr_null(strchr(read_all(writer_slice(&w)), '!'));
	w.len -= 2;
	writer_text(&w, "k=1");
	ck_assert_ptr_nonnull(strstr(read_all(writer_slice(&w)), "2 ! a key is made of"));
}
END_TEST

START_TEST(empty_text_has_nothing)
{
	EXPECT("", "");
	EXPECT("\n\n  \n# only\n", "");
}
END_TEST

Suite *
suite_config_ini(void)
{
	Suite *s = suite_create("config_ini");
	TCase *t = tcase_create("ini");

	tcase_add_test(t, sections_and_keys_come_in_order_with_their_lines);
	tcase_add_test(t, value_keeps_what_looks_like_a_comment_or_a_second_sign);
	tcase_add_test(t, comment_lines_are_passed_over);
	tcase_add_test(t, indented_lines_continue_a_value_joined_by_newlines);
	tcase_add_test(t, blank_and_comment_lines_inside_a_value_belong_to_no_value);
	tcase_add_test(t, value_may_begin_on_the_next_line);
	tcase_add_test(t, indented_section_head_is_part_of_a_value);
	tcase_add_test(t, lines_may_end_in_cr_lf_and_a_mark_may_lead);
	tcase_add_test(t, key_before_a_section_is_an_error_each_time);
	tcase_add_test(t, line_without_a_sign_is_an_error_and_reading_goes_on);
	tcase_add_test(t, broken_section_head_drops_its_keys_but_checks_them);
	tcase_add_test(t, nothing_follows_a_section_head);
	tcase_add_test(t, indented_line_without_a_value_to_continue_is_an_error);
	tcase_add_test(t, bytes_that_are_no_text_are_errors_of_their_line_alone);
	tcase_add_test(t, bad_bytes_inside_a_continued_value_are_reported_once);
	tcase_add_test(t, longest_name_is_taken_and_one_more_is_not);
	tcase_add_test(t, empty_text_has_nothing);
	suite_add_tcase(s, t);
	return s;
}
