/*
 * The outlook: chain, width and memory of plans, and of many at random beside
 * a count of all sets of parts.
 */
#include "base/clock.h"
#include "plan/outlook.h"
#include "plan/plan_priv.h"

#include <check.h>

Suite *suite_plan_outlook(void);

enum { RANDOM_PLANS = 300, RANDOM_PARTS = 9 };

static void
start_nothing(struct subrequest *q)
{
	(void)q;
}

static const struct source_ops waiting_ops = { .name = "waiting", .start = start_nothing };
static const struct source_ops instant_ops = { .name = "instant" };
static struct source waiting = { .ops = &waiting_ops };
static struct source instant = { .ops = &instant_ops };

/* A plan of parts in an order in which they can start; after[i] are bits of earlier ones. */
static void
make(struct plan *p, struct plan_part *part, unsigned count, const uint64_t *after)
{
	*p = (struct plan){ .part = part, .count = count, .is_joined = true };
	p->conf.deadline = CLOCK_SEC;
	memset(part, 0, count * sizeof(*part));
	for (unsigned i = 0; i < count; i++) {
		part[i].part.source = &waiting;
		part[i].after = after[i];
		part[i].conf.timeout = 100 * CLOCK_MS;
		part[i].conf.max_result = 1000;
		part[i].conf.as = PLAN_AS_JSON;
		p->order[i] = (unsigned char)i;
	}
}

START_TEST(the_chain_is_the_one_that_takes_longest)
{
	static const uint64_t after[] = { 0, 0, 1, 2, 4 | 8 };
	struct plan_part part[5];
	struct plan p;
	struct outlook o;

	make(&p, part, 5, after);
	part[1].conf.timeout = 101 * CLOCK_MS;
	outlook_of(&o, &p, 0);
	ck_assert_uint_eq(o.chained, 3);
	ck_assert_uint_eq(o.chain[0], 1);
	ck_assert_uint_eq(o.chain[1], 3);
	ck_assert_uint_eq(o.chain[2], 4);
	ck_assert_uint_eq(o.chain_ns, 301 * CLOCK_MS);
	ck_assert_uint_eq(o.worst_ns, 301 * CLOCK_MS);
	ck_assert_uint_eq(o.steps, 3);
	ck_assert_uint_eq(o.step[3], 2);
	ck_assert_uint_eq(o.step[4], 3);
	ck_assert_uint_eq(o.width, 2);
}
END_TEST

START_TEST(a_step_is_by_parts_and_not_by_time)
{
	static const uint64_t after[] = { 0, 0, 2, 1 | 4 };
	struct plan_part part[4];
	struct plan p;
	struct outlook o;

	make(&p, part, 4, after);
	part[0].conf.timeout = 500 * CLOCK_MS;
	outlook_of(&o, &p, 0);
	ck_assert_uint_eq(o.step[3], 3);
	ck_assert_uint_eq(o.chained, 2);
	ck_assert_uint_eq(o.chain[0], 0);
}
END_TEST

START_TEST(nothing_takes_longer_than_the_deadline)
{
	static const uint64_t after[] = { 0, 1 };
	struct plan_part part[2];
	struct plan p;
	struct outlook o;

	make(&p, part, 2, after);
	part[0].conf.timeout = 0;
	part[1].conf.timeout = 5 * CLOCK_SEC;
	outlook_of(&o, &p, 0);
	ck_assert_uint_eq(o.limit_ns[0], CLOCK_SEC);
	ck_assert_uint_eq(o.limit_ns[1], CLOCK_SEC);
	ck_assert_uint_eq(o.chain_ns, 2 * CLOCK_SEC);
	ck_assert_uint_eq(o.worst_ns, CLOCK_SEC);
}
END_TEST

START_TEST(of_equal_chains_the_required_one_counts)
{
	static const uint64_t after[] = { 0, 1, 1 };
	struct plan_part part[3];
	struct plan p;
	struct outlook o;

	make(&p, part, 3, after);
	part[1].is_optional = true;
	outlook_of(&o, &p, 0);
	ck_assert_uint_eq(o.chain[1], 2);
}
END_TEST

START_TEST(what_never_waits_takes_no_time)
{
	static const uint64_t after[] = { 0 };
	struct plan_part part[1];
	struct plan p;
	struct outlook o;

	make(&p, part, 1, after);
	part[0].part.source = &instant;
	outlook_of(&o, &p, 0);
	ck_assert_uint_eq(o.worst_ns, 0);
}
END_TEST

START_TEST(memory_counts_results_what_they_become_and_the_body)
{
	static const uint64_t after[] = { 0, 0, 0 };
	struct plan_part part[3];
	struct plan p;
	struct outlook o;

	make(&p, part, 3, after);
	part[1].conf.as = PLAN_AS_BASE64;
	part[2].conf.as = PLAN_AS_AUTO;
	outlook_of(&o, &p, 50);
	ck_assert_uint_eq(o.result_bytes, 3000);
	ck_assert_uint_eq(o.join_bytes, 1336 + 6000);
	ck_assert_uint_eq(o.body_bytes, 0);
	p.needs_body = true;
	outlook_of(&o, &p, 50);
	ck_assert_uint_eq(o.body_bytes, 50);
	ck_assert_uint_eq(o.memory_bytes, 3000 + 7336 + 50);
}
END_TEST

START_TEST(all_64_parts_may_be_at_once_or_one_after_the_other)
{
	static struct plan_part part[PLAN_PARTS_MAX];
	uint64_t after[PLAN_PARTS_MAX] = { 0 };
	struct plan p;
	struct outlook o;

	make(&p, part, PLAN_PARTS_MAX, after);
	outlook_of(&o, &p, 0);
	ck_assert_uint_eq(o.width, 64);
	ck_assert_uint_eq(o.steps, 1);
	for (unsigned i = 1; i < PLAN_PARTS_MAX; i++)
		after[i] = PLAN_BIT(i - 1);
	make(&p, part, PLAN_PARTS_MAX, after);
	outlook_of(&o, &p, 0);
	ck_assert_uint_eq(o.width, 1);
	ck_assert_uint_eq(o.steps, 64);
	ck_assert_uint_eq(o.chained, 64);
}
END_TEST

/* --- at random ------------------------------------------------------------------------------ */

/* The most parts of which none waits for another, by looking at every set. */
static unsigned
count_width(const uint64_t *after, unsigned count)
{
	uint64_t all[RANDOM_PARTS] = { 0 };
	unsigned best = 0;

	for (unsigned i = 0; i < count; i++) {
		all[i] = after[i];
		for (unsigned k = 0; k < i; k++)
			all[i] |= after[i] >> k & 1 ? all[k] : 0;
	}
	for (uint64_t set = 1; set < PLAN_BIT(count); set++) {
		bool is_apart = true;

		for (unsigned i = 0; i < count; i++)
			is_apart = is_apart && !((set >> i & 1) && (all[i] & set));
		if (is_apart && (unsigned)__builtin_popcountll(set) > best)
			best = (unsigned)__builtin_popcountll(set);
	}
	return best;
}

START_TEST(the_width_is_that_of_the_widest_set)
{
	uint64_t state = 42;

	for (unsigned n = 0; n < RANDOM_PLANS; n++) {
		struct plan_part part[RANDOM_PARTS];
		uint64_t after[RANDOM_PARTS];
		struct plan p;
		struct outlook o;

		for (unsigned i = 0; i < RANDOM_PARTS; i++) {
			state = state * UINT64_C(6364136223846793005) + 1;
			after[i] =
			    state >> 33 & (n & 1 ? state >> 45 : ~UINT64_C(0)) & (PLAN_BIT(i) - 1);
		}
		make(&p, part, RANDOM_PARTS, after);
		outlook_of(&o, &p, 0);
		ck_assert_uint_eq(o.width, count_width(after, RANDOM_PARTS));
	}
}
END_TEST

Suite *
suite_plan_outlook(void)
{
	Suite *s = suite_create("plan/outlook");
	TCase *c = tcase_create("outlook");

	tcase_add_test(c, the_chain_is_the_one_that_takes_longest);
	tcase_add_test(c, a_step_is_by_parts_and_not_by_time);
	tcase_add_test(c, nothing_takes_longer_than_the_deadline);
	tcase_add_test(c, of_equal_chains_the_required_one_counts);
	tcase_add_test(c, what_never_waits_takes_no_time);
	tcase_add_test(c, memory_counts_results_what_they_become_and_the_body);
	tcase_add_test(c, all_64_parts_may_be_at_once_or_one_after_the_other);
	tcase_add_test(c, the_width_is_that_of_the_widest_set);
	suite_add_tcase(s, c);
	return s;
}
