/*
 * What crashes lead to: of one input, and of many.
 */
#include "module/quarantine.h"

#include <check.h>

Suite *suite_module_quarantine(void);

#define NOW (1000 * CLOCK_SEC)

static struct quarantine q;

static void
set_up(void)
{
	quarantine_init(&q, (const uint64_t[]){ 1, 2 });
}

static void
tear_down(void)
{
	quarantine_fini(&q);
}

START_TEST(an_input_that_crashed_twice_is_refused_for_a_while)
{
	ck_assert(quarantine_is_empty(&q));
	ck_assert(!quarantine_note(&q, 7, NOW));
	ck_assert(!quarantine_is_empty(&q));
	ck_assert_int_eq(quarantine_ask(&q, 7, NOW + 1), QUARANTINE_FREE);
	ck_assert(!quarantine_note(&q, 7, NOW + 2));
	ck_assert_int_eq(quarantine_ask(&q, 7, NOW + 3), QUARANTINE_INPUT);
	ck_assert_int_eq(quarantine_ask(&q, 8, NOW + 3), QUARANTINE_FREE);
	ck_assert_int_eq(quarantine_ask(&q, 7, NOW + 1 + QUARANTINE_NS), QUARANTINE_INPUT);
	ck_assert_int_eq(quarantine_ask(&q, 7, NOW + 2 + QUARANTINE_NS), QUARANTINE_FREE);
}
END_TEST

START_TEST(crashes_that_are_far_apart_are_not_counted_together)
{
	quarantine_note(&q, 7, NOW);
	quarantine_note(&q, 7, NOW + QUARANTINE_NS);
	ck_assert_int_eq(quarantine_ask(&q, 7, NOW + QUARANTINE_NS), QUARANTINE_FREE);
}
END_TEST

/* Two threads looked at the clock in one order and take the lock in the other. */
START_TEST(a_crash_that_is_told_late_counts_as_any_other)
{
	quarantine_note(&q, 7, NOW + 2);
	quarantine_note(&q, 7, NOW + 1);
	ck_assert_int_eq(quarantine_ask(&q, 7, NOW + 3), QUARANTINE_INPUT);
	ck_assert_int_eq(quarantine_ask(&q, 7, NOW), QUARANTINE_INPUT);
	/* The later one is the last. */
	ck_assert_int_eq(quarantine_ask(&q, 7, NOW + 1 + QUARANTINE_NS), QUARANTINE_INPUT);
	ck_assert_int_eq(quarantine_ask(&q, 7, NOW + 2 + QUARANTINE_NS), QUARANTINE_FREE);
}
END_TEST

START_TEST(crashes_that_are_told_late_open_the_breaker)
{
	for (unsigned i = 1; i < BREAKER_CRASHES; i++)
		ck_assert(!quarantine_note(&q, i, NOW - i));
	ck_assert(quarantine_note(&q, 50, NOW - 50));
	ck_assert_int_eq(quarantine_ask(&q, 99, NOW), QUARANTINE_MODULE);
}
END_TEST

START_TEST(the_oldest_input_gives_way)
{
	for (unsigned k = 0; k < 2; k++)
		quarantine_note(&q, 7, NOW);
	for (unsigned i = 1; i < QUARANTINE_ENTRIES; i++)
		quarantine_note(&q, 100 + i, NOW + i * BREAKER_WINDOW_NS / 8);
	ck_assert_int_eq(quarantine_ask(&q, 7, NOW + CLOCK_SEC), QUARANTINE_INPUT);
	quarantine_note(&q, 99, NOW);
	ck_assert_int_eq(quarantine_ask(&q, 7, NOW + CLOCK_SEC), QUARANTINE_FREE);
	ck_assert_uint_eq(q.count, QUARANTINE_ENTRIES);
}
END_TEST

START_TEST(a_module_that_crashes_over_and_over_is_refused_for_a_while)
{
	for (unsigned i = 1; i < BREAKER_CRASHES; i++)
		ck_assert(!quarantine_note(&q, i, NOW));
	ck_assert_int_eq(quarantine_ask(&q, 99, NOW), QUARANTINE_FREE);
	ck_assert(quarantine_note(&q, 50, NOW));
	ck_assert_int_eq(quarantine_ask(&q, 99, NOW + BREAKER_OPEN_NS - 1), QUARANTINE_MODULE);
	ck_assert_int_eq(quarantine_ask(&q, 99, NOW + BREAKER_OPEN_NS), QUARANTINE_FREE);
}
END_TEST

START_TEST(crashes_now_and_then_do_not_stop_a_module)
{
	for (unsigned i = 0; i < 50; i++)
		ck_assert(!quarantine_note(&q, i, NOW + i * BREAKER_WINDOW_NS / 5));
}
END_TEST

Suite *
suite_module_quarantine(void)
{
	Suite *s = suite_create("module_quarantine");
	TCase *t = tcase_create("quarantine");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, an_input_that_crashed_twice_is_refused_for_a_while);
	tcase_add_test(t, crashes_that_are_far_apart_are_not_counted_together);
	tcase_add_test(t, a_crash_that_is_told_late_counts_as_any_other);
	tcase_add_test(t, crashes_that_are_told_late_open_the_breaker);
	tcase_add_test(t, the_oldest_input_gives_way);
	tcase_add_test(t, a_module_that_crashes_over_and_over_is_refused_for_a_while);
	tcase_add_test(t, crashes_now_and_then_do_not_stop_a_module);
	suite_add_tcase(s, t);
	return s;
}
