/*
 * How many responses one worker may compress at a time.
 */
#include "compress/shelf.h"
#include "guard/guard.h"

#include <check.h>

extern const struct guard_kind guard_compression;

Suite *suite_guard_compression(void);

static struct pool *
find_no_pool(void *argument, struct slice name)
{
	(void)argument;
	(void)name;
	return NULL;
}

/* What the worker at that place has of the ten that the site allows, where `workers` serve it. */
static unsigned
streams_of(unsigned worker, unsigned workers)
{
	struct lease l = { .worker = worker, .workers = workers };
	struct conf_errors errors;
	struct store store;
	struct arena arena;
	struct guard_build b = { .arena = &arena, .errors = &errors, .find_pool = find_no_pool };
	void *state, *attached = NULL;
	unsigned streams;

	conf_errors_init(&errors);
	store_init(&store);
	arena_init(&arena, &store, 1 << 16);
	b.conf = conf_read(SLICE("[compression]\nmax_streams = 10\n"), "test.conf", &errors);
	ck_assert_int_eq(guard_compression.open(&state, NULL, &b), 0);
	ck_assert_int_eq(guard_compression.attach(state, &l, &attached), 0);
	streams = ((struct shelf *)attached)->most;
	guard_compression.detach(state, &l, &attached);
	conf_free(&b.conf);
	arena_fini(&arena);
	store_fini(&store);
	conf_errors_fini(&errors);
	return streams;
}

START_TEST(workers_have_max_streams_together)
{
	ck_assert_uint_eq(streams_of(0, 1), 10);
	ck_assert_uint_eq(streams_of(0, 3), 4);
	ck_assert_uint_eq(streams_of(1, 3), 3);
	ck_assert_uint_eq(streams_of(2, 3), 3);
	ck_assert_uint_eq(streams_of(15, 16), 1);
}
END_TEST

START_TEST(a_worker_that_leaves_takes_no_part_of_what_the_others_have)
{
	ck_assert_uint_eq(streams_of(3, 1), 1);
	ck_assert_uint_eq(streams_of(1, 1), 1);
}
END_TEST

Suite *
suite_guard_compression(void)
{
	Suite *s = suite_create("guard_compression");
	TCase *t = tcase_create("compression");

	tcase_add_test(t, workers_have_max_streams_together);
	tcase_add_test(t, a_worker_that_leaves_takes_no_part_of_what_the_others_have);
	suite_add_tcase(s, t);
	return s;
}
