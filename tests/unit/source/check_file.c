/*
 * The keys of source `file`, and what is said about bad ones.
 */
#include "file_bed.h"

#include <stdio.h>

Suite *suite_source_file(void);

START_TEST(the_template_and_the_type_may_be_given)
{
	load_tree("path = /x/{name}\ntype = text/x-note", true);
	ck_assert_uint_eq(part.values, 1);
	ck_assert(slice_eq(part.value[0].text, SLICE("x/{name}")));
	ask("GET", "/other", "dir/inner");
	start();
	await_done();
	ck_assert_str_eq(text, "inner\n");
	ck_assert(slice_eq(field(FIELD_CONTENT_TYPE), SLICE("text/x-note")));
	end();
}
END_TEST

START_TEST(a_parameter_named_path_is_the_default)
{
	struct slice names[] = { SLICE("id"), SLICE("path") };

	part.path_params = names;
	part.path_param_count = 2;
	load_tree("", true);
	ck_assert_uint_eq(part.values, 1);
	ck_assert(slice_eq(part.value[0].text, SLICE("{path}")));
}
END_TEST

START_TEST(a_bad_part_is_told_with_what_to_do)
{
	char keys[256], expected[512];

	ck_assert_str_eq(load("root = /nowhere/at/all", true),
			 "t.conf:2: [route r] root: \"/nowhere/at/all\" is no directory; make it, "
			 "or name another\n");
	snprintf(keys, sizeof(keys), "root = %s/small", tree.root);
	snprintf(expected, sizeof(expected),
		 "t.conf:2: [route r] root: \"%s/small\" is no directory; make it, or name "
		 "another\n",
		 tree.root);
	ck_assert_str_eq(load(keys, true), expected);
	snprintf(keys, sizeof(keys), "root = %s", tree.root);
	ck_assert_str_eq(load(keys, false),
			 "t.conf:1: [route r] path: is needed, for this part is joined and the "
			 "route has no {path}\n");
	snprintf(keys, sizeof(keys), "root = %s\nindex = a/b", tree.root);
	ck_assert_str_eq(load(keys, true),
			 "t.conf:3: [route r] index: is a file name, without /\n");
	ck_assert_str_eq(load("index = i", true),
			 "t.conf:1: [route r] root: this key is required\n");
}
END_TEST

Suite *
suite_source_file(void)
{
	Suite *s = suite_create("source/file");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, bed_setup, bed_teardown);
	tcase_add_test(t, a_bad_part_is_told_with_what_to_do);
	tcase_add_test(t, the_template_and_the_type_may_be_given);
	tcase_add_test(t, a_parameter_named_path_is_the_default);
	suite_add_tcase(s, t);
	return s;
}
