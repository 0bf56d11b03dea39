/*
 * Coroutines: who runs when, many at once, and the end of each.
 */
#include "flow/coroutine.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *suite_flow_coroutine(void);

enum { MANY = 200, DEEP = STACK_BYTES / 2 };

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

struct walker {
	struct coroutine of;
	unsigned steps, done;
};

static void
walk(void *argument)
{
	struct walker *w = argument;

	for (unsigned i = 0; i < w->steps; i++) {
		w->done++;
		coroutine_pause(&w->of);
	}
	w->done = 1000;
}

START_TEST(it_runs_from_pause_to_pause)
{
	struct walker w = { .steps = 2 };

	ck_assert_int_eq(coroutine_init(&w.of, &stacks, walk, &w), 0);
	ck_assert_uint_eq(w.done, 0);
	for (unsigned i = 1; i <= 2; i++) {
		coroutine_resume(&w.of);
		ck_assert_uint_eq(w.done, i);
		ck_assert(!w.of.is_over && !w.of.is_inside);
	}
	coroutine_resume(&w.of);
	ck_assert_uint_eq(w.done, 1000);
	ck_assert(w.of.is_over);
	coroutine_fini(&w.of);
	coroutine_fini(&w.of);
	ck_assert_uint_eq(stacks.live, 0);
}
END_TEST

START_TEST(many_run_in_turns)
{
	static struct walker w[MANY];
	unsigned left = MANY;

	for (unsigned i = 0; i < MANY; i++) {
		w[i] = (struct walker){ .steps = i % 7 };
		ck_assert_int_eq(coroutine_init(&w[i].of, &stacks, walk, &w[i]), 0);
	}
	for (unsigned round = 0; left > 0; round++) {
		ck_assert_uint_lt(round, 10);
		for (unsigned i = 0; i < MANY; i++) {
			if (w[i].of.is_over)
				continue;
			coroutine_resume(&w[i].of);
			left -= w[i].of.is_over;
			if (w[i].of.is_over)
				coroutine_fini(&w[i].of);
		}
	}
	ck_assert_uint_eq(stacks.live, 0);
}
END_TEST

/* Ends in the middle of nested calls, variables and all. */
static void
give_up(struct walker *w, unsigned depth)
{
	char text[100];

	snprintf(text, sizeof(text), "%u", depth);
	if (depth == 0 && w->steps == 0)
		coroutine_abandon(&w->of);
	if (depth > 0)
		give_up(w, depth - 1);
	w->done += (unsigned)strlen(text);
}

static void
abandon(void *argument)
{
	give_up(argument, 20);
}

START_TEST(one_that_was_abandoned_leaves_its_stack_as_new)
{
	for (unsigned i = 0; i < 3; i++) {
		struct walker w = { .steps = 0 };

		ck_assert_int_eq(coroutine_init(&w.of, &stacks, abandon, &w), 0);
		coroutine_resume(&w.of);
		ck_assert(w.of.is_over);
		ck_assert_uint_eq(w.done, 0);
		coroutine_fini(&w.of);
		w = (struct walker){ .steps = 1 };
		ck_assert_int_eq(coroutine_init(&w.of, &stacks, walk, &w), 0);
		coroutine_resume(&w.of);
		coroutine_resume(&w.of);
		ck_assert(w.of.is_over);
		coroutine_fini(&w.of);
	}
}
END_TEST

START_TEST(one_that_never_ran_gives_its_stack_back)
{
	struct walker w = { .steps = 1 };

	ck_assert_int_eq(coroutine_init(&w.of, &stacks, walk, &w), 0);
	coroutine_fini(&w.of);
	ck_assert_uint_eq(w.done, 0);
	ck_assert_uint_eq(stacks.live, 0);
}
END_TEST

static void
use_much(void *argument)
{
	struct walker *w = argument;
	volatile char room[DEEP];

	for (size_t i = 0; i < sizeof(room); i += 512)
		room[i] = 1;
	w->done = room[512];
}

START_TEST(half_of_its_stack_is_enough_for_large_frames)
{
	struct walker w = { .steps = 0 };

	ck_assert_int_eq(coroutine_init(&w.of, &stacks, use_much, &w), 0);
	coroutine_resume(&w.of);
	ck_assert_uint_eq(w.done, 1);
	coroutine_fini(&w.of);
}
END_TEST

/* A coroutine may run another. */
static void
run_other(void *argument)
{
	struct walker *w = argument, other = { .steps = 1 };

	ck_assert_int_eq(coroutine_init(&other.of, &stacks, walk, &other), 0);
	coroutine_resume(&other.of);
	coroutine_pause(&w->of);
	coroutine_resume(&other.of);
	w->done = other.done;
	coroutine_fini(&other.of);
}

START_TEST(one_may_run_inside_another)
{
	struct walker w = { .steps = 0 };

	ck_assert_int_eq(coroutine_init(&w.of, &stacks, run_other, &w), 0);
	coroutine_resume(&w.of);
	ck_assert_uint_eq(w.done, 0);
	coroutine_resume(&w.of);
	ck_assert_uint_eq(w.done, 1000);
	coroutine_fini(&w.of);
}
END_TEST

Suite *
suite_flow_coroutine(void)
{
	Suite *s = suite_create("flow_coroutine");
	TCase *t = tcase_create("coroutine");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, it_runs_from_pause_to_pause);
	tcase_add_test(t, many_run_in_turns);
	tcase_add_test(t, one_that_was_abandoned_leaves_its_stack_as_new);
	tcase_add_test(t, one_that_never_ran_gives_its_stack_back);
	tcase_add_test(t, half_of_its_stack_is_enough_for_large_frames);
	tcase_add_test(t, one_may_run_inside_another);
	suite_add_tcase(s, t);
	return s;
}
