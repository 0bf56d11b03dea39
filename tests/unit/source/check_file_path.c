/*
 * What becomes of the path that a request asks for.
 */
#include "base/err.h"
#include "source/file_path.h"

#include <check.h>

Suite *suite_source_file_path(void);

static void
assert_name(struct slice path, const char *index, const char *expected)
{
	char memory[FILE_PATH_BYTES];
	struct writer w = writer_over(memory, sizeof(memory));
	int err = file_path_write(&w, path, slice_of(index), false);

	ck_assert_msg(err == (expected ? 0 : ERR_NOT_FOUND), "%.*s: %d", SLICE_PRINT(path), err);
	if (expected)
		ck_assert_str_eq(memory, expected);
}

START_TEST(names_are_relative_and_plain)
{
	static const struct {
		const char *path, *index, *name;
	} rows[] = {
		{ "a", "", "a" },
		{ "/a", "", NULL },
		{ "a/b.c/d..e", "", "a/b.c/d..e" },
		{ "a b\\c", "", "a b\\c" },
		{ "caf\xc3\xa9", "", "caf\xc3\xa9" },
		{ "a%2Fb", "", "a%2Fb" },
		{ "", "index.html", "index.html" },
		{ "/", "index.html", NULL },
		{ "a/", "index.html", "a/index.html" },
		{ "a", "index.html", "a" },
		{ "", "", NULL },
		{ "a/", "", NULL },
		{ "a/", "..", NULL },
		{ "//a", "", NULL },
		{ "a//b", "", NULL },
		{ "a//", "index.html", NULL },
		{ "..", "", NULL },
		{ "../a", "", NULL },
		{ "a/../b", "", NULL },
		{ "a/..", "", NULL },
		{ ".", "", NULL },
		{ "./a", "", NULL },
		{ "a/.", "index.html", NULL },
		{ ".htaccess", "", NULL },
		{ "a/.git/config", "", NULL },
		{ "...", "", NULL },
		{ ".well-known/security.txt", "", ".well-known/security.txt" },
		{ ".well-known/.hidden", "", NULL },
		{ "a/.well-known/b", "", NULL },
		{ ".well-known", "", ".well-known" },
		{ ".well-known2", "", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_name(slice_of(rows[i].path), rows[i].index, rows[i].name);
}
END_TEST

START_TEST(hidden_names_may_be_asked_for_but_never_dots)
{
	static const struct {
		const char *path;
		int err;
	} rows[] = {
		{ ".htaccess", 0 },         { "a/.git/config", 0 },    { "...", 0 },
		{ "a/..", ERR_NOT_FOUND },  { ".", ERR_NOT_FOUND },    { "a/../b", ERR_NOT_FOUND },
		{ "a/./b", ERR_NOT_FOUND }, { "a//b", ERR_NOT_FOUND },
	};
	char memory[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct writer w = writer_over(memory, sizeof(memory));

		ck_assert_msg(file_path_write(&w, slice_of(rows[i].path), SLICE(""), true) ==
				  rows[i].err,
			      "%s", rows[i].path);
	}
}
END_TEST

START_TEST(a_nul_never_cuts_a_name)
{
	assert_name(SLICE("a\0b"), "", NULL);
	assert_name(SLICE("a.html\0.png"), "", NULL);
	assert_name(SLICE("\0"), "", NULL);
}
END_TEST

START_TEST(a_name_that_does_not_fit_is_not_cut_either)
{
	char memory[4];
	struct writer w = writer_over(memory, sizeof(memory));

	ck_assert_int_eq(file_path_write(&w, SLICE("abc"), SLICE(""), false), 0);
	w = writer_over(memory, sizeof(memory));
	ck_assert_int_eq(file_path_write(&w, SLICE("abcd"), SLICE(""), false), ERR_NOT_FOUND);
	w = writer_over(memory, sizeof(memory));
	ck_assert_int_eq(file_path_write(&w, SLICE("a/"), SLICE("bc"), false), ERR_NOT_FOUND);
}
END_TEST

Suite *
suite_source_file_path(void)
{
	Suite *s = suite_create("source/file_path");
	TCase *t = tcase_create("all");

	tcase_add_test(t, names_are_relative_and_plain);
	tcase_add_test(t, hidden_names_may_be_asked_for_but_never_dots);
	tcase_add_test(t, a_nul_never_cuts_a_name);
	tcase_add_test(t, a_name_that_does_not_fit_is_not_cut_either);
	suite_add_tcase(s, t);
	return s;
}
