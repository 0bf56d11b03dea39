/*
 * Memory of the HTTP/2 library: pieces that come back are given again, up to a
 * bound.
 */
#include "proto/h2_memory.h"

#include "base/mem.h"

#include <check.h>
#include <stdint.h>
#include <string.h>

Suite *suite_proto_h2_memory(void);

enum { LARGE = H2_MEMORY_STEP * H2_MEMORY_SIZES + 1 };

static struct h2_memory *memory;

static void
setup(void)
{
	memory = h2_memory_new();
	ck_assert_ptr_nonnull(memory);
}

static void
teardown(void)
{
	h2_memory_free(&memory);
	ck_assert_ptr_null(memory);
}

/* Allocations that it takes to have a piece of so many bytes, and to give it back. */
static unsigned long
cost(size_t bytes)
{
	void *piece;

	mem_fail_at(0, false);
	piece = h2_memory_take(memory, bytes);
	ck_assert_ptr_nonnull(piece);
	memset(piece, 0xa5, bytes);
	h2_memory_give(memory, piece);
	return mem_count();
}

START_TEST(a_small_piece_that_came_back_is_given_again)
{
	ck_assert_uint_eq(cost(1), 1);
	ck_assert_uint_eq(cost(1), H2_MEMORY_KEPT ? 0 : 1);
	ck_assert_uint_eq(cost(H2_MEMORY_STEP), H2_MEMORY_KEPT ? 0 : 1);
	ck_assert_uint_eq(cost(H2_MEMORY_STEP + 1), 1);
	ck_assert_uint_eq(cost(LARGE - 1), 1);
	ck_assert_uint_eq(cost(LARGE - 1), H2_MEMORY_KEPT ? 0 : 1);
}
END_TEST

START_TEST(a_large_piece_is_the_heaps)
{
	ck_assert_uint_eq(cost(LARGE), 1);
	ck_assert_uint_eq(cost(LARGE), 1);
}
END_TEST

START_TEST(only_so_many_are_kept)
{
	void *pieces[H2_MEMORY_KEPT + 10];
	const unsigned count = sizeof(pieces) / sizeof(pieces[0]);

	for (unsigned round = 0; round < 2; round++) {
		mem_fail_at(0, false);
		for (unsigned i = 0; i < count; i++)
			pieces[i] = h2_memory_take(memory, 100);
		ck_assert_uint_eq(mem_count(), round ? 10 : count);
		for (unsigned i = 0; i < count; i++)
			h2_memory_give(memory, pieces[i]);
	}
}
END_TEST

START_TEST(pieces_are_aligned_and_apart)
{
	char *one = h2_memory_take(memory, 64), *other = h2_memory_take(memory, 64);

	ck_assert_uint_eq((uintptr_t)one % 16, 0);
	ck_assert(one + 64 <= other || other + 64 <= one);
	h2_memory_give(memory, one);
	h2_memory_give(memory, other);
}
END_TEST

START_TEST(a_clear_piece_is_clear_the_second_time_too)
{
	for (unsigned round = 0; round < 2; round++) {
		unsigned char *piece = h2_memory_take_clear(memory, 10, 20);

		for (unsigned i = 0; i < 200; i++) {
			ck_assert_uint_eq(piece[i], 0);
			piece[i] = 1;
		}
		h2_memory_give(memory, piece);
	}
	ck_assert_ptr_null(h2_memory_take_clear(memory, SIZE_MAX / 2, 3));
}
END_TEST

START_TEST(a_piece_that_grows_keeps_what_is_in_it)
{
	char *piece = h2_memory_grow(memory, NULL, 10);

	memcpy(piece, "123456789", 10);
	for (size_t bytes = 20; bytes < 4 * LARGE; bytes *= 2) {
		piece = h2_memory_grow(memory, piece, bytes);
		ck_assert_str_eq(piece, "123456789");
	}
	mem_fail_at(1, true);
	ck_assert_ptr_null(h2_memory_grow(memory, piece, 8 * LARGE));
	mem_fail_at(0, false);
	ck_assert_str_eq(piece, "123456789");
	h2_memory_give(memory, piece);
	h2_memory_give(memory, NULL);
}
END_TEST

START_TEST(without_memory_there_is_none)
{
	mem_fail_at(1, true);
	ck_assert_ptr_null(h2_memory_take(memory, 10));
	ck_assert_ptr_null(h2_memory_take(memory, LARGE));
	ck_assert_ptr_null(h2_memory_take(memory, SIZE_MAX));
	mem_fail_at(0, false);
}
END_TEST

Suite *
suite_proto_h2_memory(void)
{
	Suite *s = suite_create("proto/h2_memory");
	TCase *t = tcase_create("pieces");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_small_piece_that_came_back_is_given_again);
	tcase_add_test(t, a_large_piece_is_the_heaps);
	tcase_add_test(t, only_so_many_are_kept);
	tcase_add_test(t, pieces_are_aligned_and_apart);
	tcase_add_test(t, a_clear_piece_is_clear_the_second_time_too);
	tcase_add_test(t, a_piece_that_grows_keeps_what_is_in_it);
	tcase_add_test(t, without_memory_there_is_none);
	suite_add_tcase(s, t);
	return s;
}
