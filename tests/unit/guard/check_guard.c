/*
 * The walk past the guards, with guards that do as they are told.
 */
#include "guard/guard.h"

#include <check.h>

Suite *suite_guard_guard(void);

enum { GUARDS = 3 };

/* A guard, and what became of it. */
struct told {
	struct guard guard;
	enum guard_verdict verdict;
	unsigned checks, cancels;
};

static struct told told[GUARDS];

static struct told *
told_of(const struct guard *g)
{
	for (unsigned i = 0; i < GUARDS; i++) {
		if (&told[i].guard == g)
			return &told[i];
	}
	ck_abort();
}

static enum guard_verdict
check(const struct guard *g, struct guard_asked *a)
{
	struct told *t = told_of(g);

	t->checks++;
	a->waiting = t;
	return t->verdict;
}

static void
cancel(const struct guard *g, struct guard_asked *a)
{
	struct told *t = told_of(g);

	ck_assert_ptr_eq(a->waiting, t);
	t->cancels++;
}

static const struct guard_kind kind = { .name = "told", .check = check, .cancel = cancel };

static const struct guard *at[GUARDS];
static struct guard_list list;
static struct exchange x;
static struct guard_asked asked;
static unsigned passes;

static void
passed(struct guard_asked *a)
{
	ck_assert_ptr_eq(a, &asked);
	ck_assert_ptr_null(x.asked);
	passes++;
}

static void
begin(enum guard_verdict first, enum guard_verdict second, enum guard_verdict third)
{
	const enum guard_verdict verdict[GUARDS] = { first, second, third };

	for (unsigned i = 0; i < GUARDS; i++) {
		told[i] = (struct told){ { &kind }, verdict[i], 0, 0 };
		at[i] = &told[i].guard;
	}
	list = (struct guard_list){ at, GUARDS };
	x = (struct exchange){ .asked = NULL };
	asked = (struct guard_asked){ .x = &x, .passed = passed, .list = &list };
	passes = 0;
	guard_start(&asked);
}

static void
ck_checks(unsigned first, unsigned second, unsigned third)
{
	ck_assert_uint_eq(told[0].checks, first);
	ck_assert_uint_eq(told[1].checks, second);
	ck_assert_uint_eq(told[2].checks, third);
}

START_TEST(a_request_that_all_let_pass_meets_each_once)
{
	begin(GUARD_PASS, GUARD_PASS, GUARD_PASS);
	ck_checks(1, 1, 1);
	ck_assert_uint_eq(passes, 1);
}
END_TEST

START_TEST(nobody_is_asked_behind_one_that_answered)
{
	begin(GUARD_PASS, GUARD_ENDED, GUARD_PASS);
	ck_checks(1, 1, 0);
	ck_assert_uint_eq(passes, 0);
	ck_assert_ptr_null(x.asked);
}
END_TEST

START_TEST(one_that_waits_is_waited_for_and_not_asked_again)
{
	begin(GUARD_PASS, GUARD_WAITS, GUARD_PASS);
	ck_checks(1, 1, 0);
	ck_assert_ptr_eq(x.asked, &asked);
	guard_go_on(&asked);
	ck_checks(1, 1, 1);
	ck_assert_uint_eq(passes, 1);
}
END_TEST

START_TEST(two_may_wait_one_after_the_other)
{
	begin(GUARD_WAITS, GUARD_WAITS, GUARD_PASS);
	guard_go_on(&asked);
	ck_checks(1, 1, 0);
	ck_assert_ptr_eq(x.asked, &asked);
	guard_go_on(&asked);
	ck_checks(1, 1, 1);
	ck_assert_uint_eq(passes, 1);
}
END_TEST

START_TEST(one_that_answers_late_ends_the_walk)
{
	begin(GUARD_WAITS, GUARD_PASS, GUARD_PASS);
	guard_leave(&asked);
	ck_assert_ptr_null(x.asked);
	guard_cancel(&x);
	ck_checks(1, 0, 0);
	ck_assert_uint_eq(told[0].cancels, 0);
	ck_assert_uint_eq(passes, 0);
}
END_TEST

START_TEST(a_client_that_goes_cancels_the_one_that_waits)
{
	begin(GUARD_PASS, GUARD_WAITS, GUARD_PASS);
	guard_cancel(&x);
	guard_cancel(&x);
	ck_assert_uint_eq(told[0].cancels, 0);
	ck_assert_uint_eq(told[1].cancels, 1);
	ck_assert_ptr_null(x.asked);
	ck_assert_uint_eq(passes, 0);
}
END_TEST

START_TEST(a_client_that_goes_when_nobody_waits_is_nothing)
{
	begin(GUARD_PASS, GUARD_PASS, GUARD_PASS);
	guard_cancel(&x);
	ck_assert_uint_eq(told[0].cancels + told[1].cancels + told[2].cancels, 0);
}
END_TEST

Suite *
suite_guard_guard(void)
{
	Suite *s = suite_create("guard_guard");
	TCase *t = tcase_create("walk");

	tcase_add_test(t, a_request_that_all_let_pass_meets_each_once);
	tcase_add_test(t, nobody_is_asked_behind_one_that_answered);
	tcase_add_test(t, one_that_waits_is_waited_for_and_not_asked_again);
	tcase_add_test(t, two_may_wait_one_after_the_other);
	tcase_add_test(t, one_that_answers_late_ends_the_walk);
	tcase_add_test(t, a_client_that_goes_cancels_the_one_that_waits);
	tcase_add_test(t, a_client_that_goes_when_nobody_waits_is_nothing);
	suite_add_tcase(s, t);
	return s;
}
