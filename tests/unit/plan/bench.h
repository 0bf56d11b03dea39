/*
 * What the tests of templates share: the names of a route, and an arena that must be given
 * back whole.
 */
#ifndef FOREBAY_TESTS_PLAN_BENCH_H
#define FOREBAY_TESTS_PLAN_BENCH_H

#include "plan/template.h"

#include <check.h>

#define COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))

enum { ARENA_BYTES = 1 << 20, LIMIT = 4096 };

static const struct slice params[] = { SLICE_INIT("id"), SLICE_INIT("path"),
				       SLICE_INIT("odd-1_x") };
static const struct slice parts[] = { SLICE_INIT("user"), SLICE_INIT("orders"),
				      SLICE_INIT("gone") };

static const struct template_names names = {
	.params = params,
	.param_count = 3,
	.rest = 1,
	.parts = parts,
	.part_count = 3,
};

struct bench {
	struct store store;
	struct arena arena;
};

static inline void
bench_init(struct bench *b)
{
	store_init(&b->store);
	arena_init(&b->arena, &b->store, ARENA_BYTES);
}

static inline void
bench_fini(struct bench *b)
{
	arena_fini(&b->arena);
	ck_assert_uint_eq(b->store.out, 0);
	store_fini(&b->store);
}

static inline struct template *
must_compile(struct bench *b, struct slice text, enum value_coding coding)
{
	struct template_error e;
	struct template *t = template_compile(&b->arena, text, coding, &names, &e);

	ck_assert_msg(t != NULL, "%.*s: %s", SLICE_PRINT(text), e.text);
	return t;
}

#endif
