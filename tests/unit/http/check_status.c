/*
 * Statuses: phrases, bodies, and the dense index for counters.
 */
#include "http/status.h"

#include <check.h>
#include <limits.h>

Suite *suite_http_status(void);

START_TEST(phrases_are_those_of_the_registry)
{
	ck_assert(slice_eq(status_reason(200), SLICE("OK")));
	ck_assert(slice_eq(status_reason(503), SLICE("Service Unavailable")));
	ck_assert(slice_eq(status_reason(299), SLICE("Unknown")));
	ck_assert(slice_eq(status_reason(0), SLICE("Unknown")));
	ck_assert(slice_eq(status_reason(INT_MIN), SLICE("Unknown")));
	ck_assert(slice_eq(status_reason(INT_MAX), SLICE("Unknown")));
}
END_TEST

START_TEST(the_index_is_dense_and_leads_back)
{
	unsigned count = 1;

	ck_assert_int_eq(status_at(0), 0);
	for (unsigned i = 1; status_at(i) != 0; i++) {
		ck_assert_uint_eq(status_index(status_at(i)), i);
		ck_assert_int_gt(status_at(i), status_at(i - 1));
		count++;
	}
	ck_assert_uint_gt(count, 40);
	ck_assert_uint_lt(count, 256);
	ck_assert_uint_eq(status_index(600), 0);
	ck_assert_uint_eq(status_index(-1), 0);
}
END_TEST

START_TEST(some_statuses_never_carry_a_body)
{
	ck_assert(!status_has_body(100));
	ck_assert(!status_has_body(199));
	ck_assert(!status_has_body(204));
	ck_assert(!status_has_body(304));
	ck_assert(status_has_body(200));
	ck_assert(status_has_body(205));
	ck_assert(status_has_body(404));
}
END_TEST

Suite *
suite_http_status(void)
{
	Suite *s = suite_create("http_status");
	TCase *t = tcase_create("status");

	tcase_add_test(t, phrases_are_those_of_the_registry);
	tcase_add_test(t, the_index_is_dense_and_leads_back);
	tcase_add_test(t, some_statuses_never_carry_a_body);
	suite_add_tcase(s, t);
	return s;
}
