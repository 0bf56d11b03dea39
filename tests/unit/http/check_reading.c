/*
 * The other readings of a path.
 */
#include "http/reading.h"

#include <check.h>
#include <string.h>

Suite *suite_http_reading(void);

static bool
has_reading(const char *path, const char *wanted)
{
	char memory[256];
	struct reading r;
	struct slice text;
	unsigned count = 0;
	bool found = false;

	reading_init(&r, slice_of(path));
	while (reading_next(&r, memory, &text)) {
		found |= slice_eq(text, slice_of(wanted));
		ck_assert_uint_le(++count, 15);
	}
	return found;
}

static bool
is_odd(const char *path)
{
	return reading_is_odd(slice_of(path));
}

START_TEST(a_plain_path_has_no_other_reading)
{
	static const char *const paths[] = { "/", "/a", "/a/b/c/", "/a-b_c.d~e/f:g@h,i=j",
					     "/0123456789abcd/f/0123456789abcdef/0123456789/" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char memory[256];
		struct reading r;
		struct slice text;

		ck_assert_msg(!is_odd(paths[i]), "%s", paths[i]);
		reading_init(&r, slice_of(paths[i]));
		ck_assert(!reading_next(&r, memory, &text));
	}
	/* An escaped percent sign is what it is. */
	ck_assert(!has_reading("/100%25", "/100%"));
}
END_TEST

/* Wherever it stands: at blocks' ends, too. */
START_TEST(what_is_odd_is_seen_anywhere)
{
	static const char *const odd[] = { "//", ";", "%2F", "\\" };
	char path[80];

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		for (size_t len = 4; len < 70; len++) {
			for (size_t at = 0; at + strlen(odd[i]) <= len; at++) {
				memset(path, 'x', len);
				path[len] = '\0';
				memcpy(path + at, odd[i], strlen(odd[i]));
				ck_assert_msg(is_odd(path), "%s", path);
			}
		}
	}
}
END_TEST

START_TEST(each_is_read_as_servers_read_it)
{
	ck_assert(has_reading("//admin/x", "/admin/x"));
	ck_assert(has_reading("/a///b//", "/a/b/"));
	ck_assert(has_reading("/admin;a=b/x;", "/admin/x"));
	ck_assert(has_reading("/admin%2Fx", "/admin/x"));
	ck_assert(has_reading("/admin\\x", "/admin/x"));
}
END_TEST

/* A server has some of these habits, and not others. */
START_TEST(they_are_combined_in_all_ways)
{
	ck_assert(has_reading("/%2Fadmin;a\\x", "//admin;a\\x"));
	ck_assert(has_reading("/%2Fadmin;a\\x", "/admin;a\\x"));
	ck_assert(has_reading("/%2Fadmin;a\\x", "/admin/x"));
	ck_assert(has_reading("/%2Fadmin;a\\x", "/%2Fadmin"));
	ck_assert(has_reading("/;a/admin", "/admin"));
	ck_assert(has_reading("/a;%2Fb", "/a"));
	ck_assert(has_reading("/a;%2Fb", "/a/b"));
}
END_TEST

START_TEST(dot_segments_are_told)
{
	ck_assert(has_reading("/pub/..%2Fadmin", ""));
	ck_assert(has_reading("/pub/..;/admin", ""));
	ck_assert(has_reading("/pub/.;a", ""));
	ck_assert(has_reading("/pub\\..", ""));
	ck_assert(has_reading("/pub%2F..%2F", ""));
	ck_assert(!has_reading("/pub%2F...", ""));
	ck_assert(!has_reading("/pub/..a;/.b", ""));
}
END_TEST

Suite *
suite_http_reading(void)
{
	Suite *s = suite_create("http_reading");
	TCase *t = tcase_create("reading");

	suite_add_tcase(s, t);
	tcase_add_test(t, a_plain_path_has_no_other_reading);
	tcase_add_test(t, what_is_odd_is_seen_anywhere);
	tcase_add_test(t, each_is_read_as_servers_read_it);
	tcase_add_test(t, they_are_combined_in_all_ways);
	tcase_add_test(t, dot_segments_are_told);
	return s;
}
