/*
 * Bodies that are needed whole.
 */
#include "plan/intake.h"

#include "base/mem.h"

#include <check.h>

Suite *suite_plan_intake(void);

struct bowl {
	struct store store;
	struct intake in;
};

static void
fill(struct bowl *b, size_t limit)
{
	store_init(&b->store);
	intake_init(&b->in, &b->store, limit);
}

static void
empty(struct bowl *b)
{
	intake_clear(&b->in);
	ck_assert_uint_eq(b->store.out, 0);
	store_fini(&b->store);
}

static int
pour(struct bowl *b, const char *text)
{
	struct chunks list;
	int err;

	chunks_init(&list, &b->store);
	ck_assert_int_eq(chunks_add_copy(&list, slice_of(text)), 0);
	err = intake_add(&b->in, &list);
	ck_assert(chunks_is_empty(&list));
	return err;
}

START_TEST(one_piece_is_not_copied)
{
	static const char text[] = "static";
	struct bowl b;
	struct chunks list;

	fill(&b, 100);
	chunks_init(&list, &b.store);
	ck_assert_int_eq(chunks_add_static(&list, SLICE("")), 0);
	ck_assert_int_eq(chunks_add_static(&list, slice_of(text)), 0);
	ck_assert_int_eq(intake_add(&b.in, &list), 0);
	ck_assert_ptr_eq(intake_text(&b.in).at, text);
	empty(&b);
}
END_TEST

START_TEST(pieces_become_one_text)
{
	struct bowl b;

	fill(&b, 9);
	ck_assert_uint_eq(intake_text(&b.in).len, 0);
	ck_assert_int_eq(pour(&b, "abc"), 0);
	ck_assert_int_eq(pour(&b, ""), 0);
	ck_assert_int_eq(pour(&b, "def"), 0);
	ck_assert_int_eq(pour(&b, "ghi"), 0);
	ck_assert(slice_eq(intake_text(&b.in), SLICE("abcdefghi")));
	/* Many small pieces hold no block each. */
	ck_assert_uint_eq(b.store.out, 0);
	empty(&b);
}
END_TEST

START_TEST(above_the_limit_it_takes_nothing_more)
{
	struct bowl b;

	fill(&b, 4);
	ck_assert_int_eq(pour(&b, "abc"), 0);
	ck_assert_int_eq(pour(&b, "de"), ERR_TOO_LARGE);
	ck_assert(slice_eq(intake_text(&b.in), SLICE("abc")));
	ck_assert_int_eq(pour(&b, "d"), 0);
	ck_assert_int_eq(pour(&b, "e"), ERR_TOO_LARGE);
	ck_assert(slice_eq(intake_text(&b.in), SLICE("abcd")));
	empty(&b);
}
END_TEST

START_TEST(without_memory_it_says_so)
{
	struct bowl b;

	fill(&b, 100);
	ck_assert_int_eq(pour(&b, "abc"), 0);
	ck_assert_int_eq(pour(&b, "abc"), 0);
	intake_clear(&b.in);
	ck_assert_int_eq(pour(&b, "abc"), 0);
	mem_fail_at(1, true);
	/* The block for the piece itself comes from what the store has kept. */
	ck_assert_int_eq(pour(&b, "def"), ERR_MEMORY);
	mem_fail_at(0, false);
	empty(&b);
}
END_TEST

Suite *
suite_plan_intake(void)
{
	Suite *s = suite_create("plan_intake");
	TCase *t = tcase_create("intake");

	tcase_add_test(t, one_piece_is_not_copied);
	tcase_add_test(t, pieces_become_one_text);
	tcase_add_test(t, above_the_limit_it_takes_nothing_more);
	tcase_add_test(t, without_memory_it_says_so);
	suite_add_tcase(s, t);
	return s;
}
