/*
 * The queue by deadline, against a plain list that is searched from end to end.
 */
#include "base/clock.h"
#include "base/list.h"
#include "base/random.h"
#include "thread/edf.h"

#include <check.h>

Suite *suite_thread_edf(void);

enum { NODES = 200, STEPS = 20000 };

struct item {
	struct edf_node node;
	unsigned age; /* 0: not in the queue */
};

struct model {
	struct edf queue;
	struct item item[NODES];
	unsigned age;
};

/* Whether a comes before b. */
static bool
is_before(const struct item *a, const struct item *b)
{
	if (a->node.deadline_ns != b->node.deadline_ns)
		return a->node.deadline_ns < b->node.deadline_ns;
	return a->age < b->age;
}

static struct item *
search_end(struct model *m, bool last)
{
	struct item *best = NULL;

	for (unsigned i = 0; i < NODES; i++) {
		struct item *one = &m->item[i];
		if (one->age && (!best || is_before(one, best) != last))
			best = one;
	}
	return best;
}

static struct edf_sum
search_ahead(const struct model *m, uint64_t deadline_ns)
{
	struct edf_sum sum = { 0, 0 };

	for (unsigned i = 0; i < NODES; i++) {
		const struct item *one = &m->item[i];
		if (!one->age || one->node.deadline_ns > deadline_ns)
			continue;
		sum.work_ns += one->node.work_ns;
		sum.count++;
	}
	return sum;
}

static void
compare(struct model *m, uint64_t deadline_ns)
{
	struct item *first = search_end(m, false), *last = search_end(m, true);
	struct edf_sum wanted = search_ahead(m, deadline_ns);
	struct edf_sum got = edf_ahead(&m->queue, deadline_ns);

	ck_assert_ptr_eq(edf_first(&m->queue), first ? &first->node : NULL);
	ck_assert_ptr_eq(edf_last(&m->queue), last ? &last->node : NULL);
	ck_assert_uint_eq(got.work_ns, wanted.work_ns);
	ck_assert_uint_eq(got.count, wanted.count);
	got = edf_all(&m->queue);
	wanted = search_ahead(m, CLOCK_NEVER);
	ck_assert_uint_eq(got.work_ns, wanted.work_ns);
	ck_assert_uint_eq(got.count, wanted.count);
}

static unsigned
depth_of(const struct edf_node *n)
{
	unsigned depth = 0;

	for (; n; n = n->parent)
		depth++;
	return depth;
}

START_TEST(order_and_sums_are_those_of_a_plain_search)
{
	struct model m = { .age = 0 };
	struct random random;

	random_init(&random, 7);
	edf_init(&m.queue);
	for (unsigned i = 0; i < STEPS; i++) {
		struct item *one = &m.item[random_below(&random, NODES)];
		if (one->age) {
			edf_remove(&m.queue, &one->node);
			one->age = 0;
		} else {
			/* Few different deadlines, so that many are equal. */
			one->node.deadline_ns = random_below(&random, 40);
			one->node.work_ns = random_below(&random, 1000);
			one->age = ++m.age;
			edf_insert(&m.queue, &one->node);
		}
		compare(&m, random_below(&random, 42));
	}
}
END_TEST

START_TEST(deadlines_in_order_do_not_make_it_deep)
{
	enum { MANY = 1 << 16 };
	static struct edf_node node[MANY];
	struct edf queue;
	unsigned deepest = 0;

	edf_init(&queue);
	for (unsigned i = 0; i < MANY; i++) {
		node[i].deadline_ns = i;
		edf_insert(&queue, &node[i]);
	}
	for (unsigned i = 0; i < MANY; i++) {
		unsigned depth = depth_of(&node[i]);
		deepest = depth > deepest ? depth : deepest;
	}
	/* A random tree of that size is 2 ln(n) = 22 deep on average, 4.31 ln(n) = 48 at most. */
	ck_assert_uint_le(deepest, 56);
	for (unsigned i = 0; i < MANY; i++) {
		ck_assert_ptr_eq(edf_first(&queue), &node[i]);
		edf_remove(&queue, &node[i]);
	}
	ck_assert_ptr_null(edf_first(&queue));
}
END_TEST

Suite *
suite_thread_edf(void)
{
	Suite *s = suite_create("thread_edf");
	TCase *t = tcase_create("edf");

	tcase_add_test(t, order_and_sums_are_those_of_a_plain_search);
	tcase_add_test(t, deadlines_in_order_do_not_make_it_deep);
	suite_add_tcase(s, t);
	return s;
}
