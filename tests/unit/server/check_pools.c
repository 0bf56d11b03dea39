/*
 * The pools of a site and of the next one: what is shared, and that all limits
 * change or none.
 */
#include "server/pools.h"

#include "base/err.h"
#include "base/mem.h"

#include <check.h>
#include <stdatomic.h>
#include <string.h>

Suite *suite_server_pools(void);

enum { POOLS = 3, CAP_AT_FIRST = 8 };

static struct pools prior, next;
static struct conf_errors errors;
static atomic_uint threads_left; /* how many more of `c` may start */
static unsigned arguments; /* not yet freed */

static int
start_thread(struct pool_thread *t, void *argument)
{
	(void)t;
	(void)argument;
	if (atomic_load(&threads_left) == 0)
		return ERR_FORBIDDEN;
	atomic_fetch_sub(&threads_left, 1);
	return 0;
}

static void
free_argument(void *argument)
{
	(void)argument;
	arguments--;
}

static struct pool *
make(struct pools *p, const struct pools *before, const char *name, unsigned threads)
{
	struct pool_options o = { .name = name,
				  .limits = { .threads = threads, .max_queue = threads * 10 },
				  .argument = &arguments,
				  .argument_free = free_argument };

	if (strcmp(name, "c") == 0)
		o.thread_init = start_thread;
	arguments++;
	return pools_make(p, before, &o);
}

static void
make_all(struct pools *p, const struct pools *before, unsigned threads)
{
	static const char *const names[POOLS] = { "a", "b", "c" };

	for (unsigned i = 0; i < POOLS; i++)
		ck_assert_ptr_nonnull(make(p, before, names[i], threads));
}

static void
set_up(void)
{
	prior = next = (struct pools){ 0 };
	arguments = 0;
	atomic_store(&threads_left, 1);
	conf_errors_init(&errors);
	make_all(&prior, NULL, 1);
}

static void
tear_down(void)
{
	pools_release(&next);
	pools_release(&prior);
	pools_release(&prior);
	conf_errors_fini(&errors);
	ck_assert_uint_eq(arguments, 0);
}

static void
expect_limits(unsigned threads)
{
	for (unsigned i = 0; i < POOLS; i++) {
		struct pool_limits l = pool_limits(prior.at[i].pool);

		ck_assert_uint_eq(l.threads, threads);
		ck_assert_uint_eq(l.max_queue, threads * 10);
	}
}

START_TEST(what_both_have_is_shared_and_keeps_its_limits_until_the_resize)
{
	make_all(&next, &prior, 2);
	for (unsigned i = 0; i < POOLS; i++)
		ck_assert_ptr_eq(next.at[i].pool, prior.at[i].pool);
	ck_assert_ptr_eq(pools_find(&next, SLICE("b")), &next.at[1]);
	ck_assert_ptr_null(pools_find(&next, SLICE("d")));
	expect_limits(1);
	atomic_store(&threads_left, 1);
	ck_assert_int_eq(pools_resize(&next, "f", &errors), 0);
	expect_limits(2);
	pools_release(&prior); /* the next one has it alone now */
	ck_assert_uint_eq(pool_threads(next.at[0].pool), 2);
}
END_TEST

START_TEST(when_one_cannot_grow_all_have_the_limits_that_they_had)
{
	make_all(&next, &prior, 2);
	ck_assert_int_eq(pools_resize(&next, "f", &errors), ERR_FORBIDDEN);
	expect_limits(1);
	ck_assert_uint_eq(errors.errors, 1);
	ck_assert_str_eq(errors.list[0].text,
			 "f: [pool c] threads: 2 threads cannot be had: not allowed");
	/* Nor is anything in the way of another try. */
	atomic_store(&threads_left, 1);
	ck_assert_int_eq(pools_resize(&next, "f", &errors), 0);
	expect_limits(2);
}
END_TEST

START_TEST(what_differs_in_more_than_limits_is_not_shared)
{
	struct pool_options o = { .name = "a", .limits = { .threads = 1 }, .nice = 3 };
	struct pool *pool = pools_make(&next, &prior, &o);

	ck_assert_ptr_nonnull(pool);
	ck_assert_ptr_ne(pool, prior.at[0].pool);
	ck_assert(!next.at[0].is_shared);
	ck_assert_int_eq(pools_resize(&next, "f", &errors), 0);
	expect_limits(1);
}
END_TEST

START_TEST(without_memory_there_is_none_and_its_argument_is_freed)
{
	unsigned before = arguments;
	struct pool *pool = NULL;

	for (unsigned n = 1; !pool && n < 50; n++) {
		mem_fail_at(n, false);
		pool = make(&next, &prior, "new", 1);
		mem_fail_at(0, false);
		ck_assert_uint_eq(next.count, pool != NULL);
		ck_assert_uint_eq(arguments, before + next.count);
	}
	ck_assert_ptr_nonnull(pool);
}
END_TEST

START_TEST(nor_is_one_shared_that_cannot_be_listed)
{
	char name[] = "p0";

	for (unsigned i = 0; i < CAP_AT_FIRST; i++, name[1]++)
		ck_assert_ptr_nonnull(make(&next, &prior, name, 1));
	mem_fail_at(1, false);
	ck_assert_ptr_null(make(&next, &prior, "a", 1));
	mem_fail_at(0, false);
	ck_assert_ptr_nonnull(make(&next, &prior, "a", 1));
	ck_assert_ptr_eq(next.at[CAP_AT_FIRST].pool, prior.at[0].pool);
}
END_TEST

Suite *
suite_server_pools(void)
{
	Suite *s = suite_create("server/pools");
	TCase *t = tcase_create("pools");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, what_both_have_is_shared_and_keeps_its_limits_until_the_resize);
	tcase_add_test(t, when_one_cannot_grow_all_have_the_limits_that_they_had);
	tcase_add_test(t, what_differs_in_more_than_limits_is_not_shared);
	tcase_add_test(t, without_memory_there_is_none_and_its_argument_is_freed);
	tcase_add_test(t, nor_is_one_shared_that_cannot_be_listed);
	return s;
}
