/*
 * The stall record: a ring of fixed size, and texts of fixed size in it.
 */
#include "server/stalls.h"

#include <check.h>

Suite *suite_server_stalls(void);

static struct stalls stalls;

START_TEST(the_newest_are_kept)
{
	struct stall like = { .kind = STALL_KIND_WORKER };

	stalls = (struct stalls){ .count = 0 };
	ck_assert(!stalls_nth(&stalls, 0) && !stalls_find(&stalls, 0) && !stalls_find(&stalls, 1));
	for (unsigned i = 1; i <= STALLS_KEPT + 3; i++) {
		like.lasted_ns = i;
		ck_assert_uint_eq(stalls_add(&stalls, &like)->number, i);
	}
	ck_assert_uint_eq(stalls.count, STALLS_KEPT + 3);
	ck_assert_uint_eq(stalls_nth(&stalls, 0)->lasted_ns, STALLS_KEPT + 3);
	ck_assert_uint_eq(stalls_nth(&stalls, STALLS_KEPT - 1)->lasted_ns, 4);
	ck_assert(!stalls_nth(&stalls, STALLS_KEPT));
	ck_assert(!stalls_find(&stalls, 3));
	ck_assert_uint_eq(stalls_find(&stalls, 4)->lasted_ns, 4);
	ck_assert(!stalls_find(&stalls, STALLS_KEPT + 4));
}
END_TEST

START_TEST(long_texts_are_cut_between_characters)
{
	static const char umlaut[] = "\xc3\xa4";
	char to[STALL_TEXT_BYTES], text[STALL_TEXT_BYTES + 2];

	stall_set_text(to, SLICE("route"));
	ck_assert_str_eq(to, "route");
	stall_set_text(to, (struct slice){ 0 });
	ck_assert_str_eq(to, "");
	memset(text, 'x', sizeof(text));
	stall_set_text(to, slice_make(text, sizeof(text)));
	ck_assert_uint_eq(strlen(to), STALL_TEXT_BYTES - 1);
	memcpy(text + STALL_TEXT_BYTES - 2, umlaut, 2);
	stall_set_text(to, slice_make(text, sizeof(text)));
	ck_assert_uint_eq(strlen(to), STALL_TEXT_BYTES - 2);
}
END_TEST

Suite *
suite_server_stalls(void)
{
	Suite *s = suite_create("server_stalls");
	TCase *t = tcase_create("stalls");

	tcase_add_test(t, the_newest_are_kept);
	tcase_add_test(t, long_texts_are_cut_between_characters);
	suite_add_tcase(s, t);
	return s;
}
