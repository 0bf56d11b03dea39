/*
 * The door to the heap: failure on demand, checked arithmetic, freeing.
 */
#include "base/mem.h"

#include <check.h>
#include <stdint.h>
#include <string.h>

Suite *suite_base_mem(void);

START_TEST(nth_allocation_fails_once)
{
	void *a, *b, *c;

	mem_fail_at(2, false);
	a = mem_alloc(1);
	b = mem_alloc(1);
	c = mem_alloc(1);
	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_null(b);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(mem_count(), 3);
	mem_fail_at(0, false);
	mem_free(&a);
	mem_free(&c);
}
END_TEST

START_TEST(all_allocations_fail_from_the_nth_onward)
{
	char *text = mem_copy_text("kept");
	void *grown;

	mem_fail_at(1, true);
	grown = mem_grow(text, 100);
	ck_assert_ptr_null(grown);
	ck_assert_ptr_null(mem_zalloc(1, 1));
	ck_assert_ptr_null(mem_copy_text("x"));
	mem_fail_at(0, false);
	ck_assert_str_eq(text, "kept"); /* a failed growth leaves the old block */
	mem_free(&text);
	ck_assert_ptr_null(text);
}
END_TEST

START_TEST(cleared_memory_is_zero_and_its_size_cannot_wrap)
{
	char *zero = mem_zalloc(3, 7);
	char *none = mem_zalloc(0, 8);

	for (int i = 0; i < 21; i++)
		ck_assert_int_eq(zero[i], 0);
	ck_assert_ptr_nonnull(none); /* no items is no failure */
	mem_free(&zero);
	mem_free(&none);
}
END_TEST

START_TEST(size_arithmetic_says_when_it_does_not_fit)
{
	size_t out = 0;

	ck_assert(mem_add(1, 2, &out) && out == 3);
	ck_assert(!mem_add(SIZE_MAX, 1, &out));
	ck_assert(mem_multiply(3, 4, &out) && out == 12);
	ck_assert(!mem_multiply(SIZE_MAX / 2, 3, &out));
}
END_TEST

Suite *
suite_base_mem(void)
{
	Suite *s = suite_create("base_mem");
	TCase *t = tcase_create("mem");

	tcase_add_test(t, nth_allocation_fails_once);
	tcase_add_test(t, all_allocations_fail_from_the_nth_onward);
	tcase_add_test(t, cleared_memory_is_zero_and_its_size_cannot_wrap);
	tcase_add_test(t, size_arithmetic_says_when_it_does_not_fit);
	suite_add_tcase(s, t);
	return s;
}
