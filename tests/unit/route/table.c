/*
 * A router with routes from texts; see table.h.
 */
#include "table.h"

#include <check.h>

void
table_init(struct table *t)
{
	store_init(&t->store);
	arena_init(&t->arena, &t->store, 64 << 20);
	t->router = router_new(&t->arena);
	t->count = 0;
	ck_assert_ptr_nonnull(t->router);
}

void
table_fini(struct table *t)
{
	arena_fini(&t->arena);
	ck_assert_uint_eq(t->store.out, 0);
	store_fini(&t->store);
}

int
table_add(struct table *t, const char *match, const char *host, int *rival)
{
	struct route *route = &t->route[t->count];
	struct pattern_fault fault;
	const struct route *other = NULL;
	int err;

	ck_assert_uint_lt(t->count, TABLE_ROUTES);
	*route = (struct route){ .index = t->count + 1 };
	ck_assert_int_eq(pattern_parse(&route->pattern, slice_of(match), &t->arena, &fault), 0);
	ck_assert_int_eq(pattern_parse_host(&route->pattern, slice_of(host), &t->arena, &fault), 0);
	err = router_add(t->router, route, &other);
	*rival = other ? (int)(other - t->route) : -1;
	if (!err)
		t->count++;
	return err;
}

unsigned
table_need(struct table *t, const char *match, const char *host)
{
	int rival;

	ck_assert_msg(table_add(t, match, host, &rival) == 0, "%s", match);
	return t->count - 1;
}
