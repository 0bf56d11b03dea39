/*
 * The shelf: how many encoders there are, and what a turn may cost.
 */
#include "compress/shelf.h"

#include <check.h>

Suite *suite_compress_shelf(void);

static struct env env;
static struct shelf shelf;

static void
setup(void)
{
	env = (struct env){ .worker = 0 };
	store_init(&env.store);
	ck_assert_int_eq(loop_init(&env.loop, &env), 0);
}

static void
teardown(void)
{
	shelf_fini(&shelf);
	loop_fini(&env.loop);
	store_fini(&env.store);
}

static enum coding
any(void)
{
	for (int c = CODING_GZIP; c < CODING_COUNT; c++) {
		if (encoder_ops_of((enum coding)c))
			return (enum coding)c;
	}
	return CODING_IDENTITY;
}

START_TEST(there_are_never_more_than_the_most)
{
	struct encoder *at[3] = { NULL };
	enum coding c = any();
	int err;

	shelf_init(&shelf, &env, 2);
	if (c == CODING_IDENTITY)
		return;
	at[0] = shelf_take(&shelf, c, 1, 0, &err);
	at[1] = shelf_take(&shelf, c, 1, 0, &err);
	ck_assert_ptr_nonnull(at[1]);
	ck_assert_ptr_null(shelf_take(&shelf, c, 1, 0, &err));
	ck_assert_int_eq(err, ERR_FULL);
	shelf_give(&shelf, &at[0]);
	ck_assert_ptr_null(at[0]);
	at[2] = shelf_take(&shelf, c, 1, 0, &err);
	ck_assert_ptr_nonnull(at[2]);
	shelf_give(&shelf, &at[1]);
	shelf_give(&shelf, &at[2]);
	shelf_give(&shelf, &at[2]); /* none: nothing */
	ck_assert_uint_eq(shelf.out, 0);
}
END_TEST

START_TEST(some_that_come_back_are_kept_and_used_again)
{
	struct encoder *at[SHELF_KEPT + 2];
	enum coding c = any();
	int err;

	shelf_init(&shelf, &env, SHELF_KEPT + 2);
	if (c == CODING_IDENTITY || !encoder_ops_of(c)->reset)
		return;
	for (int i = 0; i < SHELF_KEPT + 2; i++)
		at[i] = shelf_take(&shelf, c, 1, 0, &err);
	for (int i = 0; i < SHELF_KEPT + 2; i++)
		shelf_give(&shelf, &at[i]);
	ck_assert_uint_eq(shelf.kept_count[c], SHELF_KEPT);
	at[0] = shelf_take(&shelf, c, 2, 100, &err);
	ck_assert_uint_eq(shelf.kept_count[c], SHELF_KEPT - 1);
	shelf_give(&shelf, &at[0]);
}
END_TEST

START_TEST(a_turn_of_the_worker_has_a_budget)
{
	shelf_init(&shelf, &env, 1);
	loop_turn_at(&env.loop, 1000);
	env.loop.now_ns = 1000;
	ck_assert(shelf_may_spend(&shelf, SHELF_TURN_BYTES - 1));
	ck_assert(!shelf_may_spend(&shelf, 2));
	ck_assert(shelf_may_spend(&shelf, 1));
	ck_assert(!shelf_may_spend(&shelf, 1));
	env.loop.now_ns = 2000;
	ck_assert(shelf_may_spend(&shelf, SHELF_TURN_BYTES));
	ck_assert(!shelf_may_spend(&shelf, SHELF_TURN_BYTES));
	env.loop.now_ns = 3000;
	ck_assert(!shelf_may_spend(&shelf, SHELF_TURN_BYTES + 1));
}
END_TEST

Suite *
suite_compress_shelf(void)
{
	Suite *s = suite_create("compress/shelf");
	TCase *c = tcase_create("shelf");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, there_are_never_more_than_the_most);
	tcase_add_test(c, some_that_come_back_are_kept_and_used_again);
	tcase_add_test(c, a_turn_of_the_worker_has_a_budget);
	suite_add_tcase(s, c);
	return s;
}
