/*
 * Methods: known by their exact spelling.
 */
#include "http/method.h"

#include <check.h>

Suite *suite_http_method(void);

START_TEST(each_method_is_found_by_its_name_and_gives_it_back)
{
	for (int m = METHOD_OTHER + 1; m < METHOD_COUNT; m++) {
		struct slice name = method_name((enum method)m);

		ck_assert_uint_gt(name.len, 0);
		ck_assert_int_eq(method_of(name), m);
	}
}
END_TEST

START_TEST(other_names_are_other_and_case_counts)
{
	ck_assert_int_eq(method_of(SLICE("get")), METHOD_OTHER);
	ck_assert_int_eq(method_of(SLICE("GETS")), METHOD_OTHER);
	ck_assert_int_eq(method_of(SLICE("GE")), METHOD_OTHER);
	ck_assert_int_eq(method_of(SLICE("")), METHOD_OTHER);
	ck_assert_int_eq(method_of(SLICE("PURGE")), METHOD_OTHER);
	ck_assert(slice_is_empty(method_name(METHOD_OTHER)));
	ck_assert(slice_is_empty(method_name(METHOD_COUNT)));
}
END_TEST

START_TEST(safe_methods_are_idempotent_and_post_is_neither)
{
	for (int m = METHOD_OTHER; m < METHOD_COUNT; m++) {
		unsigned flags = method_flags((enum method)m);

		ck_assert(!(flags & METHOD_SAFE) || flags & METHOD_IDEMPOTENT);
	}
	ck_assert_uint_eq(method_flags(METHOD_GET), METHOD_SAFE | METHOD_IDEMPOTENT);
	ck_assert_uint_eq(method_flags(METHOD_PUT), METHOD_IDEMPOTENT);
	ck_assert_uint_eq(method_flags(METHOD_POST), 0);
	ck_assert_uint_eq(method_flags(METHOD_OTHER), 0);
}
END_TEST

Suite *
suite_http_method(void)
{
	Suite *s = suite_create("http_method");
	TCase *t = tcase_create("method");

	tcase_add_test(t, each_method_is_found_by_its_name_and_gives_it_back);
	tcase_add_test(t, other_names_are_other_and_case_counts);
	tcase_add_test(t, safe_methods_are_idempotent_and_post_is_neither);
	suite_add_tcase(s, t);
	return s;
}
