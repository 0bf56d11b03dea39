/*
 * Vary: which requests get the same variant.
 */
#include "cache/vary.h"

#include <check.h>

Suite *suite_cache_vary(void);

enum { ROOM = 8 };

static struct store store;
static struct arena arena;

static void
open_arena(void)
{
	store_init(&store);
	arena_init(&arena, &store, 1 << 20);
}

static void
close_arena(void)
{
	arena_fini(&arena);
	store_fini(&store);
}

struct asking {
	struct field at[ROOM];
	struct request request;
};

static void
add(struct asking *a, const char *name, const char *value)
{
	a->request.fields.at = a->at;
	a->request.fields.cap = ROOM;
	ck_assert_int_eq(fields_add_name(&a->request.fields, slice_of(name), slice_of(value)), 0);
}

static struct slice
key_of(const struct asking *a, const char *names)
{
	struct slice key;

	ck_assert_int_eq(vary_key(SLICE("k"), 7, slice_of(names), &a->request, &arena, &key), 0);
	return key;
}

START_TEST(names_are_read_from_all_lines_in_one_form)
{
	struct field at[ROOM];
	struct fields f = { at, 0, ROOM };
	struct slice names;

	ck_assert_int_eq(vary_read(&f, &arena, &names), 0);
	ck_assert_uint_eq(names.len, 0);
	ck_assert_int_eq(fields_add(&f, FIELD_VARY, SLICE("Accept-Language, ,COOKIE")), 0);
	ck_assert_int_eq(fields_add(&f, FIELD_VARY, SLICE("origin")), 0);
	ck_assert_int_eq(vary_read(&f, &arena, &names), 0);
	ck_assert(slice_eq(names, SLICE(",accept-language,cookie,origin")));
	ck_assert_int_eq(fields_add(&f, FIELD_VARY, SLICE("*")), 0);
	ck_assert_int_eq(vary_read(&f, &arena, &names), ERR_UNSUPPORTED);
}
END_TEST

START_TEST(equal_fields_choose_one_variant)
{
	struct asking a = { 0 }, b = { 0 };

	add(&a, "Accept-Language", "de");
	add(&a, "X-Other", "1");
	add(&b, "X-Other", "2");
	add(&b, "accept-language", "de");
	ck_assert(slice_eq(key_of(&a, ",accept-language"), key_of(&b, ",accept-language")));
	ck_assert(!slice_eq(key_of(&a, ",accept-language,x-other"),
			    key_of(&b, ",accept-language,x-other")));
}
END_TEST

/* However values are cut, no two requests come to one text. */
START_TEST(no_values_look_like_others)
{
	static const char *const values[][2] = {
		{ NULL, NULL }, { "", NULL },       { "a", NULL },  { "a, b", NULL },
		{ "a", "b" },   { "1:a1:b", NULL }, { "", "a1:b" }, { "a1:b", "" },
	};
	enum { COUNT = sizeof(values) / sizeof(values[0]) };
	struct slice keys[COUNT];
	struct asking a[COUNT] = { 0 };

	for (int i = 0; i < COUNT; i++) {
		for (int k = 0; k < 2; k++) {
			if (values[i][k])
				add(&a[i], "x", values[i][k]);
		}
		keys[i] = key_of(&a[i], ",x");
		for (int k = 0; k < i; k++)
			ck_assert_msg(!slice_eq(keys[i], keys[k]), "%d and %d", i, k);
	}
}
END_TEST

START_TEST(values_without_end_have_no_key)
{
	static char text[10000];
	struct asking a = { 0 };
	struct slice key;

	memset(text, 'x', sizeof(text) - 1);
	add(&a, "x", text);
	ck_assert_int_eq(vary_key(SLICE("k"), 7, SLICE(",x"), &a.request, &arena, &key),
			 ERR_TOO_LARGE);
}
END_TEST

Suite *
suite_cache_vary(void)
{
	Suite *s = suite_create("cache_vary");
	TCase *t = tcase_create("vary");

	tcase_add_checked_fixture(t, open_arena, close_arena);
	tcase_add_test(t, names_are_read_from_all_lines_in_one_form);
	tcase_add_test(t, equal_fields_choose_one_variant);
	tcase_add_test(t, no_values_look_like_others);
	tcase_add_test(t, values_without_end_have_no_key);
	suite_add_tcase(s, t);
	return s;
}
