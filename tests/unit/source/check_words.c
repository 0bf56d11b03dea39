/*
 * Command lines as words.
 */
#include "source/words.h"

#include "base/writer.h"

#include <check.h>

Suite *suite_source_words(void);

static struct store store;
static struct arena arena;

static void
set_up(void)
{
	store_init(&store);
	arena_init(&arena, &store, 1 << 16);
}

static void
tear_down(void)
{
	arena_fini(&arena);
	store_fini(&store);
}

/* The words with | between them; or "?". */
static const char *
split(const char *text)
{
	static char shown[200];
	struct writer w = writer_over(shown, sizeof(shown) - 1);
	struct words words;

	if (words_split(&words, slice_of(text), &arena) != 0)
		return "?";
	for (unsigned i = 0; i < words.count; i++) {
		writer_text(&w, i ? "|" : "");
		writer_put(&w, words.at[i]);
		ck_assert_int_eq(words.at[i].at[words.at[i].len], '\0');
	}
	shown[w.len] = '\0';
	return shown;
}

START_TEST(blanks_and_ends_of_lines_part_words)
{
	ck_assert_str_eq(split(""), "");
	ck_assert_str_eq(split(" \t\n"), "");
	ck_assert_str_eq(split("a"), "a");
	ck_assert_str_eq(split("  /bin/ls  -l\n\t{x}\tb "), "/bin/ls|-l|{x}|b");
}
END_TEST

START_TEST(quotation_marks_keep_what_is_between_them)
{
	ck_assert_str_eq(split("'a b' \"c 'd\""), "a b|c 'd");
	ck_assert_str_eq(split("--x='a b'c"), "--x=a bc");
	ck_assert_str_eq(split("'' a \"\""), "|a|");
	ck_assert_str_eq(split("$HOME `id` a;b *.c \\n"), "$HOME|`id`|a;b|*.c|\\n");
}
END_TEST

START_TEST(a_quotation_mark_without_another_is_an_error)
{
	ck_assert_str_eq(split("a 'b"), "?");
	ck_assert_str_eq(split("\""), "?");
}
END_TEST

Suite *
suite_source_words(void)
{
	Suite *s = suite_create("source_words");
	TCase *t = tcase_create("words");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, blanks_and_ends_of_lines_part_words);
	tcase_add_test(t, quotation_marks_keep_what_is_between_them);
	tcase_add_test(t, a_quotation_mark_without_another_is_an_error);
	suite_add_tcase(s, t);
	return s;
}
