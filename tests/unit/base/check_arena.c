/*
 * Arenas: alignment, growth, the limit, clean-ups in order, failure.
 */
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"

#include <check.h>

Suite *suite_base_arena(void);

enum { LIMIT = 64 * 1024 };

static struct store store;
static struct arena arena;

static void
set_up(void)
{
	store_init(&store);
	arena_init(&arena, &store, LIMIT);
}

static void
tear_down(void)
{
	mem_fail_at(0, false);
	arena_fini(&arena);
	ck_assert_uint_eq(store.out, 0);
	store_fini(&store);
}

START_TEST(allocations_are_aligned_and_apart)
{
	char *last = NULL;

	for (size_t bytes = 1; bytes < 600; bytes += 7) {
		char *at = arena_alloc(&arena, bytes);

		ck_assert_ptr_nonnull(at);
		ck_assert_uint_eq((uintptr_t)at % ARENA_ALIGN, 0);
		memset(at, (int)bytes, bytes);
		if (last)
			ck_assert_int_eq((unsigned char)last[0], (int)((bytes - 7) & 0xff));
		last = at;
	}
}
END_TEST

START_TEST(large_allocation_has_its_own_memory)
{
	char *small = arena_alloc(&arena, 16);
	char *large = arena_alloc(&arena, 10000);
	char *next = arena_alloc(&arena, 16);

	memset(large, 1, 10000);
	ck_assert_ptr_eq(next, small + 16); /* the page goes on being used */
	ck_assert_uint_ge(arena.used, 10000 + STORE_PAGE_BYTES);
}
END_TEST

START_TEST(limit_is_never_passed)
{
	size_t got = 0;

	while (arena_alloc(&arena, 512))
		got += 512;
	ck_assert_uint_gt(got, LIMIT / 2);
	ck_assert_uint_le(got, LIMIT);
	ck_assert_uint_le(arena.used, LIMIT);
	ck_assert_ptr_null(arena_alloc(&arena, LIMIT));
	ck_assert_uint_le(arena.used, LIMIT);
}
END_TEST

START_TEST(sizes_that_wrap_are_refused)
{
	ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
	ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - 14));
	ck_assert_ptr_null(arena_zalloc(&arena, SIZE_MAX / 2, 4));
	ck_assert_uint_eq(arena.used, 0);
}
END_TEST

START_TEST(copy_is_terminated_and_our_own)
{
	char text[] = "abc";
	struct slice copy = arena_copy(&arena, slice_of(text));

	text[0] = 'x';
	ck_assert_str_eq(copy.at, "abc");
	ck_assert_uint_eq(copy.len, 3);
	copy = arena_copy(&arena, slice_make(NULL, 0));
	ck_assert_ptr_nonnull(copy.at);
	ck_assert_uint_eq(copy.len, 0);
}
END_TEST

START_TEST(zeroed_memory_is_zero_after_use)
{
	memset(arena_alloc(&arena, 400), 0xff, 400);
	arena_fini(&arena);
	arena_init(&arena, &store, LIMIT);
	for (int i = 0; i < 3; i++) {
		const char *zero = arena_zalloc(&arena, 10, 10);

		for (size_t n = 0; n < 100; n++)
			ck_assert_int_eq(zero[n], 0);
	}
}
END_TEST

static struct writer_of_order {
	int seen[3];
	int count;
} order;

static void
note(void *argument)
{
	order.seen[order.count++] = *(int *)argument;
}

START_TEST(cleanups_run_last_first_and_once)
{
	int numbers[] = { 1, 2, 3 };

	order.count = 0;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(arena_on_end(&arena, note, &numbers[i]), 0);
	arena_fini(&arena);
	arena_fini(&arena);
	ck_assert_int_eq(order.count, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(order.seen[i], 3 - i);
}
END_TEST

START_TEST(without_memory_it_says_so_and_goes_on_later)
{
	int number = 1;

	order.count = 0;
	mem_fail_at(1, true);
	ck_assert_ptr_null(arena_alloc(&arena, 1));
	ck_assert_ptr_null(arena_alloc(&arena, 9000));
	ck_assert_ptr_null(arena_copy(&arena, SLICE("a")).at);
	ck_assert_int_eq(arena_on_end(&arena, note, &number), ERR_MEMORY);
	ck_assert_uint_eq(arena.used, 0);
	mem_fail_at(0, false);
	ck_assert_ptr_nonnull(arena_alloc(&arena, 1));
	arena_fini(&arena);
	ck_assert_int_eq(order.count, 0);
}
END_TEST

Suite *
suite_base_arena(void)
{
	Suite *s = suite_create("base_arena");
	TCase *t = tcase_create("arena");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, allocations_are_aligned_and_apart);
	tcase_add_test(t, large_allocation_has_its_own_memory);
	tcase_add_test(t, limit_is_never_passed);
	tcase_add_test(t, sizes_that_wrap_are_refused);
	tcase_add_test(t, copy_is_terminated_and_our_own);
	tcase_add_test(t, zeroed_memory_is_zero_after_use);
	tcase_add_test(t, cleanups_run_last_first_and_once);
	tcase_add_test(t, without_memory_it_says_so_and_goes_on_later);
	suite_add_tcase(s, t);
	return s;
}
