/*
 * Shares among keys: levels are those of max-min fairness, and nobody is held
 * back while there is enough for all.
 */
#include "base/clock.h"
#include "base/random.h"
#include "thread/shares.h"

#include <check.h>
#include <stdio.h>

Suite *suite_thread_shares(void);

enum { KEYS = 40, JOB_MS = 10 };

struct bench {
	struct shares shares;
	struct random random;
	uint64_t now_ns;
	double asks[KEYS]; /* threads' worth */
	double allowed[KEYS];
	double owed[KEYS];
};

static void
open_shares(struct bench *b, uint64_t seed)
{
	*b = (struct bench){ .now_ns = CLOCK_SEC };
	random_init(&b->random, seed);
	shares_init(&b->shares,
		    (const uint64_t[]){ random_next(&b->random), random_next(&b->random) });
}

static bool
ask_once(struct bench *b, unsigned key, unsigned threads)
{
	char name[16];

	snprintf(name, sizeof(name), "client %u", key);
	return shares_allow(&b->shares, slice_of(name), JOB_MS * CLOCK_MS, b->now_ns, threads,
			    random_next(&b->random));
}

/* Jobs of 10 ms as they fall due, millisecond by millisecond; allowed[] in threads' worth. */
static void
ask_for(struct bench *b, unsigned threads, unsigned seconds)
{
	for (unsigned i = 0; i < KEYS; i++)
		b->allowed[i] = 0;
	for (unsigned ms = 0; ms < seconds * 1000; ms++, b->now_ns += CLOCK_MS) {
		for (unsigned i = 0; i < KEYS; i++) {
			for (b->owed[i] += b->asks[i] / JOB_MS; b->owed[i] >= 1; b->owed[i] -= 1)
				b->allowed[i] +=
				    ask_once(b, i, threads) ? JOB_MS / 1e3 / seconds : 0;
		}
	}
}

START_TEST(with_enough_for_all_nobody_is_refused)
{
	struct bench b;

	open_shares(&b, 1);
	b.asks[0] = 1.5;
	b.asks[1] = 0.3;
	ask_for(&b, 2, 10);
	ck_assert_double_eq_tol(b.allowed[0], 1.5, 0.01);
	ck_assert_double_eq_tol(b.allowed[1], 0.3, 0.01);
}
END_TEST

START_TEST(the_level_is_that_of_max_min_fairness)
{
	struct bench b;

	open_shares(&b, 2);
	/* 3.8 of 4 threads: 0.1 and 0.5 as asked, and 1.6 for each of the others. */
	b.asks[0] = 0.1;
	b.asks[1] = 0.5;
	b.asks[2] = 4;
	b.asks[3] = 20;
	ask_for(&b, 4, 5);
	ask_for(&b, 4, 20);
	ck_assert_double_eq_tol(b.allowed[0], 0.1, 0.01);
	ck_assert_double_eq_tol(b.allowed[1], 0.5, 0.05);
	ck_assert_double_eq_tol(b.allowed[2], 1.6, 0.15);
	ck_assert_double_eq_tol(b.allowed[3], 1.6, 0.15);
}
END_TEST

START_TEST(one_alone_may_have_all_but_a_little)
{
	struct bench b;

	open_shares(&b, 3);
	b.asks[0] = 10;
	ask_for(&b, 2, 5);
	ask_for(&b, 2, 20);
	ck_assert_double_eq_tol(b.allowed[0], 1.9, 0.1);
}
END_TEST

START_TEST(what_was_asked_long_ago_is_forgotten)
{
	struct bench b;

	open_shares(&b, 4);
	b.asks[0] = 50;
	ask_for(&b, 2, 5);
	b.asks[0] = 0.1;
	b.now_ns += 10 * CLOCK_SEC;
	ask_for(&b, 2, 10);
	ck_assert_double_eq_tol(b.allowed[0], 0.1, 0.01);
}
END_TEST

/* Thirty abusers would take a ninth of one row's places: with two rows nearly nobody is hit. */
START_TEST(abusers_rarely_take_others_places)
{
	unsigned hit = 0, polite = 0;

	for (uint64_t seed = 10; seed < 20; seed++) {
		struct bench b;
		open_shares(&b, seed);
		for (unsigned i = 0; i < KEYS; i++)
			b.asks[i] = i < 30 ? 2 : 0.02;
		ask_for(&b, 2, 3);
		ask_for(&b, 2, 5);
		for (unsigned i = 30; i < KEYS; i++, polite++)
			hit += b.allowed[i] < 0.018;
	}
	ck_assert_uint_le(hit, polite / 20);
}
END_TEST

Suite *
suite_thread_shares(void)
{
	Suite *s = suite_create("thread_shares");
	TCase *t = tcase_create("shares");

	tcase_add_test(t, with_enough_for_all_nobody_is_refused);
	tcase_add_test(t, the_level_is_that_of_max_min_fairness);
	tcase_add_test(t, one_alone_may_have_all_but_a_little);
	tcase_add_test(t, what_was_asked_long_ago_is_forgotten);
	tcase_add_test(t, abusers_rarely_take_others_places);
	suite_add_tcase(s, t);
	return s;
}
