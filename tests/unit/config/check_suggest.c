/*
 * The nearest name: what is near, what is not, and which of several wins.
 */
#include "config/suggest.h"

#include <check.h>

Suite *suite_config_suggest(void);

static const char *const names[] = { "workers", "max_connections", "max_queue", "header_timeout",
				     "grace",   "include",         "id",        NULL };

static const char *
suggest(const char *written)
{
	static char text[SUGGEST_BYTES + 32];
	struct suggest g;

	suggest_init(&g, slice_of(written));
	suggest_offer_words(&g, names);
	memcpy(text, suggest_text(&g), sizeof(text));
	return text;
}

START_TEST(slip_of_the_pen_finds_the_name)
{
	ck_assert_str_eq(suggest("worker"), "; did you mean \"workers\"?");
	ck_assert_str_eq(suggest("wrokers"), "; did you mean \"workers\"?");
	ck_assert_str_eq(suggest("max_conections"), "; did you mean \"max_connections\"?");
	ck_assert_str_eq(suggest("grcae"), "; did you mean \"grace\"?");
	ck_assert_str_eq(suggest("inlcude"), "; did you mean \"include\"?");
	ck_assert_str_eq(suggest("di"), "; did you mean \"id\"?");
}
END_TEST

START_TEST(case_costs_nothing)
{
	ck_assert_str_eq(suggest("WORKERS"), "; did you mean \"workers\"?");
	ck_assert_str_eq(suggest("ID"), "; did you mean \"id\"?");
}
END_TEST

START_TEST(piece_of_a_name_is_near)
{
	ck_assert_str_eq(suggest("timeout"), "; did you mean \"header_timeout\"?");
	ck_assert_str_eq(suggest("grace_period"), "; did you mean \"grace\"?");
}
END_TEST

START_TEST(nothing_near_gives_nothing)
{
	ck_assert_str_eq(suggest("colour"), "");
	ck_assert_str_eq(suggest("xy"), "");
	ck_assert_str_eq(suggest("q"), "");
	ck_assert_str_eq(suggest(""), "");
}
END_TEST

START_TEST(nearer_name_wins_and_the_first_of_equals)
{
	struct suggest g;

	suggest_init(&g, SLICE("catt"));
	suggest_offer(&g, SLICE("cart"));
	suggest_offer(&g, SLICE("cast"));
	ck_assert_str_eq(suggest_text(&g), "; did you mean \"cart\"?");
	suggest_offer(&g, SLICE("cATt"));
	ck_assert_str_eq(suggest_text(&g), "; did you mean \"cATt\"?");
}
END_TEST

START_TEST(name_itself_is_no_suggestion)
{
	ck_assert_str_eq(suggest("grace"), "");
}
END_TEST

START_TEST(long_names_are_left_alone)
{
	char text[SUGGEST_BYTES + 2];
	struct suggest g;

	memset(text, 'a', sizeof(text));
	suggest_init(&g, slice_make(text, SUGGEST_BYTES));
	suggest_offer(&g, slice_make(text, SUGGEST_BYTES + 1));
	ck_assert_str_eq(suggest_text(&g), "");
	suggest_offer(&g, slice_make(text, SUGGEST_BYTES - 1));
	ck_assert_uint_eq(strlen(suggest_text(&g)),
			  strlen("; did you mean \"\"?") + SUGGEST_BYTES - 1);
}
END_TEST

Suite *
suite_config_suggest(void)
{
	Suite *s = suite_create("config_suggest");
	TCase *t = tcase_create("suggest");

	tcase_add_test(t, slip_of_the_pen_finds_the_name);
	tcase_add_test(t, case_costs_nothing);
	tcase_add_test(t, piece_of_a_name_is_near);
	tcase_add_test(t, nothing_near_gives_nothing);
	tcase_add_test(t, nearer_name_wins_and_the_first_of_equals);
	tcase_add_test(t, name_itself_is_no_suggestion);
	tcase_add_test(t, long_names_are_left_alone);
	suite_add_tcase(s, t);
	return s;
}
