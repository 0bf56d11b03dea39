/*
 * How long slow clients are waited for.
 */
#include "proto/pace.h"

#include <check.h>

Suite *suite_proto_pace(void);

#define SEC CLOCK_SEC

static const struct pace_limit limit = { .rate = 100, .grace_ns = 10 * CLOCK_SEC };

START_TEST(who_sends_nothing_has_the_grace)
{
	struct pace p;

	pace_start(&p, &limit, 5 * SEC);
	ck_assert_uint_eq(pace_look(&p, &limit, false, 7 * SEC), 17 * SEC);
	/* Six of its seconds are over. */
	ck_assert_uint_eq(pace_look(&p, &limit, true, 13 * SEC), 17 * SEC);
	ck_assert_uint_eq(pace_look(&p, &limit, true, 20 * SEC), 20 * SEC);
}
END_TEST

START_TEST(bytes_give_time_back_at_the_rate)
{
	struct pace p;

	pace_start(&p, &limit, 0);
	pace_move(&p, 100);
	pace_move(&p, 200);
	ck_assert_uint_eq(pace_look(&p, &limit, true, 9 * SEC), (9 + 1 + 3) * SEC);
}
END_TEST

START_TEST(who_keeps_up_goes_on_for_ever_and_who_does_not_ends)
{
	struct pace p;
	uint64_t at = 0, due;

	pace_start(&p, &limit, 0);
	for (; at < 1000 * SEC; at += SEC) {
		due = pace_look(&p, &limit, true, at);
		ck_assert_uint_gt(due, at + SEC);
		pace_move(&p, 100);
	}
	for (due = CLOCK_NEVER; at < due; at += SEC) {
		due = pace_look(&p, &limit, true, at);
		pace_move(&p, 50);
	}
	ck_assert_uint_ge(at, 1019 * SEC);
	ck_assert_uint_le(at, 1022 * SEC);
}
END_TEST

START_TEST(much_at_once_earns_no_more_than_the_grace)
{
	static const uint64_t much[] = { 1001, 100000, UINT64_MAX / 2 };
	struct pace p;

	for (unsigned i = 0; i < sizeof(much) / sizeof(much[0]); i++) {
		pace_start(&p, &limit, 0);
		pace_move(&p, much[i]);
		ck_assert_uint_eq(pace_look(&p, &limit, true, 3 * SEC), 13 * SEC);
	}
}
END_TEST

START_TEST(time_in_which_nobody_waits_is_not_counted)
{
	struct pace p;

	pace_start(&p, &limit, 0);
	ck_assert_uint_eq(pace_look(&p, &limit, true, 4 * SEC), 10 * SEC);
	ck_assert_uint_eq(pace_look(&p, &limit, false, 1000 * SEC), 1006 * SEC);
}
END_TEST

START_TEST(without_a_rate_there_is_no_end)
{
	static const struct pace_limit none = { .rate = 0, .grace_ns = CLOCK_SEC };
	struct pace p;

	pace_start(&p, &none, 0);
	ck_assert_uint_eq(pace_look(&p, &none, true, 1000 * SEC), CLOCK_NEVER);
}
END_TEST

Suite *
suite_proto_pace(void)
{
	Suite *s = suite_create("proto/pace");
	TCase *t = tcase_create("pace");

	tcase_add_test(t, who_sends_nothing_has_the_grace);
	tcase_add_test(t, bytes_give_time_back_at_the_rate);
	tcase_add_test(t, who_keeps_up_goes_on_for_ever_and_who_does_not_ends);
	tcase_add_test(t, much_at_once_earns_no_more_than_the_grace);
	tcase_add_test(t, time_in_which_nobody_waits_is_not_counted);
	tcase_add_test(t, without_a_rate_there_is_no_end);
	suite_add_tcase(s, t);
	return s;
}
