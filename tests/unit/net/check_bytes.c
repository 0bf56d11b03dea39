/*
 * The bytes in flight: what is counted, the levels, and who waits for them.
 */
#include "net/bytes.h"

#include "base/clock.h"

#include <check.h>

Suite *suite_net_bytes(void);

enum { WAITERS = 4 };

static struct loop loop;
static struct bytes bytes;
static struct bytes_waiter waiters[WAITERS];
static unsigned went[WAITERS], order[WAITERS], count;
static bool is_insatiable;
static uint64_t now;

static void
note(struct bytes_waiter *w)
{
	size_t i = (size_t)(w - waiters);

	went[i]++;
	if (count < WAITERS)
		order[count] = (unsigned)i;
	count++;
	if (is_insatiable)
		ck_assert(bytes_wait(&bytes, w));
}

static void
set_up(void)
{
	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	bytes_init(&bytes, &loop);
	now = CLOCK_SEC;
	count = 0;
	is_insatiable = false;
	for (unsigned i = 0; i < WAITERS; i++) {
		waiters[i] = (struct bytes_waiter){ .go_on = note };
		went[i] = 0;
	}
	loop_turn_at(&loop, now);
}

static void
tear_down(void)
{
	for (unsigned i = 0; i < WAITERS; i++)
		bytes_forget(&waiters[i]);
	bytes_fini(&bytes);
	loop_fini(&loop);
}

/* All memory is used, or none. */
static void
set_short(bool is_short)
{
	bytes_set_limit(&bytes, is_short ? 1000 : UINT64_C(1) << 60, false);
}

static void
look(void)
{
	now += 10 * CLOCK_MS;
	loop_turn_at(&loop, now);
}

/* So that there is something for the limit of 1000 bytes. */
static void *
take_some(void)
{
	void *some = mem_alloc(2 * MEM_STEP);

	ck_assert_ptr_nonnull(some);
	mem_settle();
	return some;
}

START_TEST(large_blocks_are_counted_while_they_are_there)
{
	uint64_t before = (mem_settle(), mem_large_bytes());
	char *small = mem_alloc(1000), *large = mem_alloc(100000), *zeros = mem_zalloc(1000, 100);

	mem_settle();
	ck_assert_uint_ge(mem_large_bytes(), before + 200000);
	ck_assert_uint_lt(mem_large_bytes(), before + 220000);
	large = mem_grow(large, 500000);
	mem_settle();
	ck_assert_uint_ge(mem_large_bytes(), before + 600000);
	ck_assert_uint_lt(mem_large_bytes(), before + 650000);
	large = mem_grow(large, 1000);
	mem_free(&small);
	mem_free(&large);
	mem_free(&zeros);
	mem_settle();
	ck_assert_uint_eq(mem_large_bytes(), before);
}
END_TEST

/* Sizes around that of a large block are counted when they go as when they came. */
START_TEST(what_was_counted_is_taken_off_again)
{
	uint64_t before = (mem_settle(), mem_large_bytes());

	for (size_t size = MEM_LARGE / 2 - 64; size < MEM_LARGE + 64; size++) {
		void *block = mem_alloc(size);

		ck_assert_ptr_nonnull(block);
		mem_free(&block);
		block = mem_grow(NULL, size);
		mem_free(&block);
	}
	mem_settle();
	ck_assert_uint_eq(mem_large_bytes(), before);
}
END_TEST

START_TEST(others_hear_of_it_in_steps)
{
	uint64_t before = (mem_settle(), mem_large_bytes());
	void *half = mem_alloc(MEM_STEP / 2), *rest;

	ck_assert_uint_eq(mem_large_bytes(), before);
	rest = mem_alloc(MEM_STEP / 2);
	ck_assert_uint_ge(mem_large_bytes(), before + MEM_STEP);
	mem_free(&half);
	mem_free(&rest);
}
END_TEST

START_TEST(a_limit_has_levels)
{
	ck_assert_int_eq(bytes_level_of(799999, 1000000), BYTES_FREE);
	ck_assert_int_eq(bytes_level_of(800000, 1000000), BYTES_TIGHT);
	ck_assert_int_eq(bytes_level_of(900000, 1000000), BYTES_SHORT);
	ck_assert_int_eq(bytes_level_of(999999, 1000000), BYTES_SHORT);
	ck_assert_int_eq(bytes_level_of(1000000, 1000000), BYTES_GONE);
	ck_assert_int_eq(bytes_level_of(UINT64_MAX, UINT64_MAX), BYTES_GONE);
	ck_assert_int_eq(bytes_level_of(UINT64_MAX, 0), BYTES_FREE);
}
END_TEST

START_TEST(nobody_waits_while_there_is_enough)
{
	set_short(false);
	ck_assert(!bytes_wait(&bytes, &waiters[0]));
	set_short(true);
	bytes.is_shadow = true;
	ck_assert(!bytes_wait(&bytes, &waiters[0]));
}
END_TEST

START_TEST(all_go_on_when_there_is_enough_again_the_oldest_first)
{
	void *some = take_some();

	set_short(true);
	for (unsigned i = 0; i < WAITERS; i++)
		ck_assert(bytes_wait(&bytes, &waiters[i]));
	ck_assert_uint_eq(count, 0);
	set_short(false);
	look();
	ck_assert_uint_eq(count, WAITERS);
	for (unsigned i = 0; i < WAITERS; i++)
		ck_assert_uint_eq(order[i], i);
	look();
	ck_assert_uint_eq(count, WAITERS);
	mem_free(&some);
}
END_TEST

START_TEST(one_at_a_time_goes_on_while_there_is_not)
{
	void *some = take_some();

	set_short(true);
	is_insatiable = true;
	for (unsigned i = 0; i < WAITERS; i++)
		ck_assert(bytes_wait(&bytes, &waiters[i]));
	for (unsigned i = 0; i < 3 * WAITERS; i++) {
		look();
		ck_assert_uint_eq(count, i + 1);
	}
	for (unsigned i = 0; i < WAITERS; i++)
		ck_assert_uint_eq(went[i], 3);
	mem_free(&some);
}
END_TEST

START_TEST(who_has_gone_is_not_called)
{
	void *some = take_some();

	set_short(true);
	ck_assert(bytes_wait(&bytes, &waiters[0]));
	ck_assert(bytes_wait(&bytes, &waiters[1]));
	bytes_forget(&waiters[0]);
	bytes_forget(&waiters[0]);
	set_short(false);
	look();
	ck_assert_uint_eq(went[0], 0);
	ck_assert_uint_eq(went[1], 1);
	mem_free(&some);
}
END_TEST

Suite *
suite_net_bytes(void)
{
	Suite *s = suite_create("net_bytes");
	TCase *t = tcase_create("bytes");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, large_blocks_are_counted_while_they_are_there);
	tcase_add_test(t, what_was_counted_is_taken_off_again);
	tcase_add_test(t, others_hear_of_it_in_steps);
	tcase_add_test(t, a_limit_has_levels);
	tcase_add_test(t, nobody_waits_while_there_is_enough);
	tcase_add_test(t, all_go_on_when_there_is_enough_again_the_oldest_first);
	tcase_add_test(t, one_at_a_time_goes_on_while_there_is_not);
	tcase_add_test(t, who_has_gone_is_not_called);
	suite_add_tcase(s, t);
	return s;
}
