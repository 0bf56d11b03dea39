/*
 * Stacks: their size, their guard, and the bound of the free list.
 */
#include "flow/stack.h"

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

Suite *suite_flow_stack(void);

enum { MANY = STACK_KEEP + 10 };

static struct stacks stacks;

static void
set_up(void)
{
	stacks_init(&stacks);
}

static void
tear_down(void)
{
	stacks_fini(&stacks);
}

START_TEST(all_of_a_stack_can_be_written)
{
	struct stack *k = stack_take(&stacks);

	ck_assert_ptr_nonnull(k);
	ck_assert_uint_ge(stack_room(k), STACK_BYTES - 64);
	memset(k->base, 1, stack_room(k));
	ck_assert_uint_eq(stacks.live, 1);
	stack_give(&stacks, k);
	ck_assert_uint_eq(stacks.live, 0);
}
END_TEST

START_TEST(what_runs_over_a_stack_ends_the_process)
{
	struct stack *k = stack_take(&stacks);

	ck_assert_ptr_nonnull(k);
	*(volatile char *)(k->base - 1) = 1;
}
END_TEST

START_TEST(the_guard_has_no_hole)
{
	struct stack *k = stack_take(&stacks);

	ck_assert_ptr_nonnull(k);
	*(volatile char *)(k->base - STACK_GUARD_BYTES) = 1;
}
END_TEST

START_TEST(the_newest_free_stack_is_taken_first)
{
	struct stack *a = stack_take(&stacks), *b = stack_take(&stacks);

	ck_assert(a && b && a != b);
	stack_give(&stacks, b);
	stack_give(&stacks, a);
	ck_assert_ptr_eq(stack_take(&stacks), a);
	ck_assert_ptr_eq(stack_take(&stacks), b);
	stack_give(&stacks, a);
	stack_give(&stacks, b);
}
END_TEST

static bool
is_mapped(void *at)
{
	unsigned char seen;

	return mincore(at, 1, &seen) == 0;
}

START_TEST(a_burst_does_not_stay_in_memory)
{
	struct stack *k[MANY];
	char *base[MANY];
	unsigned mapped = 0;

	for (unsigned i = 0; i < MANY; i++) {
		k[i] = stack_take(&stacks);
		ck_assert_ptr_nonnull(k[i]);
		base[i] = k[i]->base;
	}
	ck_assert_uint_eq(stacks.live, MANY);
	for (unsigned i = 0; i < MANY; i++)
		stack_give(&stacks, k[i]);
	ck_assert_uint_eq(stacks.live, 0);
	ck_assert_uint_eq(stacks.kept, STACK_KEEP);
	for (unsigned i = 0; i < MANY; i++)
		mapped += is_mapped(base[i]);
	ck_assert_uint_eq(mapped, STACK_KEEP);
}
END_TEST

Suite *
suite_flow_stack(void)
{
	Suite *s = suite_create("flow_stack");
	TCase *t = tcase_create("stack");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, all_of_a_stack_can_be_written);
	/* A sanitizer takes the signal and tells it in its own way. */
	if (!STACK_IS_CHECKED) {
		tcase_add_test_raise_signal(t, what_runs_over_a_stack_ends_the_process, SIGSEGV);
		tcase_add_test_raise_signal(t, the_guard_has_no_hole, SIGSEGV);
	}
	tcase_add_test(t, the_newest_free_stack_is_taken_first);
	tcase_add_test(t, a_burst_does_not_stay_in_memory);
	suite_add_tcase(s, t);
	return s;
}
