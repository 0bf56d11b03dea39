/*
 * Both ways to switch do the same: what a function keeps for its caller is
 * kept, and each side finds its own again. FOREBAY_BENCH=1 says how long they
 * take.
 */
#include "flow/switch.h"

#include "base/clock.h"
#include "flow/stack.h"

#include <check.h>
#include <fenv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

Suite *suite_flow_switch(void);

enum { ROUNDS = 1000000 };

/* A switch of either kind, and what its other side does. */
struct pair {
#if SWITCH_IS_NATIVE
	struct switch_place native_in, native_out;
#endif
	struct switch_portable portable_in, portable_out;
	void (*enter)(struct pair *p);
	void (*leave)(struct pair *p);
	unsigned steps;
	uintptr_t stack_rest;
	int rounding;
	double sum;
};

#if SWITCH_IS_NATIVE
static void
enter_native(struct pair *p)
{
	switch_to(&p->native_out, &p->native_in);
}

static void
leave_native(struct pair *p)
{
	switch_to(&p->native_in, &p->native_out);
}
#endif

static void
enter_portable(struct pair *p)
{
	switch_portable_to(&p->portable_out, &p->portable_in);
}

static void
leave_portable(struct pair *p)
{
	switch_portable_to(&p->portable_in, &p->portable_out);
}

static void
prepare(struct pair *p, struct stack *k, int way, switch_entry_fn entry)
{
	*p = (struct pair){ .enter = enter_portable, .leave = leave_portable };
#if SWITCH_IS_NATIVE
	if (way == 0) {
		p->enter = enter_native;
		p->leave = leave_native;
		switch_prepare(&p->native_in, k->base, stack_room(k), entry, p);
		return;
	}
#endif
	(void)way;
	switch_portable_prepare(&p->portable_in, k->base, stack_room(k), entry, p);
}

static struct stacks stacks;
static struct stack *stack;

static void
set_up(void)
{
	stacks_init(&stacks);
	stack = stack_take(&stacks);
	ck_assert_ptr_nonnull(stack);
}

static void
tear_down(void)
{
	stack_give(&stacks, stack);
	stacks_fini(&stacks);
}

static void
count(void *argument)
{
	struct pair *p = argument;

	p->stack_rest = (uintptr_t)__builtin_frame_address(0) % 16;
	for (;;) {
		p->steps++;
		p->leave(p);
	}
}

START_TEST(each_switch_goes_on_where_it_was_left)
{
	struct pair p;

	prepare(&p, stack, _i, count);
	for (unsigned i = 1; i <= 10; i++) {
		p.enter(&p);
		ck_assert_uint_eq(p.steps, i);
	}
	ck_assert_uint_eq(p.stack_rest, 0);
}
END_TEST

/* More values than there are registers, on both sides at once. */
static void
mix(void *argument)
{
	struct pair *p = argument;
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
	double x = 0.5, y = 0.25;

	for (;;) {
		a += b, b ^= c, c += d, d ^= e, e += f, f ^= g, g += h, h ^= a;
		x += y, y *= 0.5;
		p->sum = (double)(a ^ b ^ c ^ d ^ e ^ f ^ g ^ h) + x + y;
		p->leave(p);
	}
}

START_TEST(what_a_function_keeps_is_kept_on_both_sides)
{
	struct pair p;
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
	double x = 0.5, y = 0.25;

	prepare(&p, stack, _i, mix);
	for (unsigned i = 0; i < 50; i++) {
		a += b, b ^= c, c += d, d ^= e, e += f, f ^= g, g += h, h ^= a;
		x += y, y *= 0.5;
		p.enter(&p);
		ck_assert(p.sum == (double)(a ^ b ^ c ^ d ^ e ^ f ^ g ^ h) + x + y);
	}
}
END_TEST

static void
round_up(void *argument)
{
	struct pair *p = argument;

	for (;;) {
		p->rounding = fegetround();
		fesetround(FE_UPWARD);
		p->leave(p);
	}
}

START_TEST(each_side_has_its_own_rounding)
{
	struct pair p;

	prepare(&p, stack, _i, round_up);
	p.enter(&p);
	ck_assert_int_eq(p.rounding, FE_TONEAREST);
	ck_assert_int_eq(fegetround(), FE_TONEAREST);
	p.enter(&p);
	ck_assert_int_eq(p.rounding, FE_UPWARD);
}
END_TEST

START_TEST(it_takes_nanoseconds)
{
	struct pair p;
	uint64_t begun;

	if (!getenv("FOREBAY_BENCH"))
		return;
	prepare(&p, stack, _i, count);
	begun = clock_monotonic();
	for (unsigned i = 0; i < ROUNDS; i++)
		p.enter(&p);
	printf("%s: %.1f ns each way\n", SWITCH_IS_NATIVE && _i == 0 ? "by hand" : "ucontext",
	       (double)(clock_monotonic() - begun) / ROUNDS / 2);
}
END_TEST

Suite *
suite_flow_switch(void)
{
	Suite *s = suite_create("flow_switch");
	TCase *t = tcase_create("switch");
	int first = SWITCH_IS_NATIVE ? 0 : 1;

	suite_add_tcase(s, t);
	/* These switch behind the back of sanitizers, which coroutines do not. */
	if (STACK_IS_CHECKED)
		return s;
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, each_switch_goes_on_where_it_was_left, first, 2);
	tcase_add_loop_test(t, what_a_function_keeps_is_kept_on_both_sides, first, 2);
#if defined(__x86_64__)
	tcase_add_loop_test(t, each_side_has_its_own_rounding, first, 2);
#endif
	tcase_add_loop_test(t, it_takes_nanoseconds, first, 2);
	return s;
}
