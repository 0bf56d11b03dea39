/*
 * Request rates: what passes when, what a full table does, and several threads at once.
 */
#include "thread/rates.h"

#include "base/clock.h"
#include "base/writer.h"

#include <check.h>
#include <pthread.h>

Suite *suite_thread_rates(void);

enum { THREADS = 4, TAKES = 20000, BURST = 1000, NAME_BYTES = 32 };

#define START (1000 * CLOCK_SEC)

static const struct rate_limit ten_a_second = { .interval_ns = 100 * CLOCK_MS, .burst = 5 };

static struct rates *rates;

static void
setup(void)
{
	rates = rates_new(64);
}

static void
teardown(void)
{
	rates_unref(&rates);
}

static struct rates_answer
take(const char *who, uint64_t at_ns)
{
	struct rates_answer a;

	rates_take(rates, slice_of(who), at_ns, &ten_a_second, &a);
	return a;
}

START_TEST(burst_passes_and_then_the_rate)
{
	for (unsigned i = 0; i < 5; i++) {
		struct rates_answer a = take("a", START);

		ck_assert(a.is_passed);
		ck_assert_uint_eq(a.left, 4 - i);
		ck_assert_uint_eq(a.full_ns, (i + 1) * 100 * CLOCK_MS);
	}
	for (unsigned i = 0; i < 3; i++) { /* who is refused is not charged */
		struct rates_answer a = take("a", START);

		ck_assert(!a.is_passed);
		ck_assert_uint_eq(a.left, 0);
		ck_assert_uint_eq(a.retry_ns, 100 * CLOCK_MS);
		ck_assert_uint_eq(a.full_ns, 500 * CLOCK_MS);
	}
	ck_assert(!take("a", START + 100 * CLOCK_MS - 1).is_passed);
	ck_assert(take("a", START + 100 * CLOCK_MS).is_passed);
	ck_assert(!take("a", START + 199 * CLOCK_MS).is_passed);
	ck_assert(take("a", START + 200 * CLOCK_MS).is_passed);
}
END_TEST

START_TEST(long_silence_gives_a_burst_and_no_more)
{
	unsigned passed = 0;

	ck_assert(take("a", START).is_passed);
	for (unsigned i = 0; i < 20; i++)
		passed += take("a", START + 3600 * CLOCK_SEC).is_passed;
	ck_assert_uint_eq(passed, 5);
}
END_TEST

START_TEST(each_has_its_own)
{
	for (unsigned i = 0; i < 6; i++)
		take("a", START);
	ck_assert(!take("a", START).is_passed);
	ck_assert_uint_eq(take("b", START).left, 4);
	ck_assert_uint_eq(take("", START).left, 4);
}
END_TEST

START_TEST(clock_of_another_worker_may_be_a_little_behind)
{
	ck_assert(take("a", START).is_passed);
	ck_assert_uint_eq(take("a", START - CLOCK_MS).left, 2);
}
END_TEST

/* Of as many as there are places, and far more. */
static void
press(unsigned names, uint64_t at_ns, unsigned places[4])
{
	for (unsigned i = 0; i < names; i++) {
		char name[NAME_BYTES];
		struct writer w = writer_over(name, sizeof(name) - 1);

		writer_format(&w, "%u", i);
		name[w.len] = '\0';
		places[take(name, at_ns).place]++;
	}
}

START_TEST(full_table_replaces_and_tells)
{
	unsigned places[4] = { 0 };

	press(5000, START, places);
	ck_assert_uint_eq(places[RATES_NEW], 64);
	ck_assert_uint_eq(places[RATES_REPLACED_IDLE], 0);
	ck_assert_uint_eq(places[RATES_KNOWN] + places[RATES_REPLACED_BUSY], 5000 - 64);
	press(1, START + CLOCK_SEC, places);
	ck_assert_uint_eq(places[RATES_REPLACED_IDLE], 1);
}
END_TEST

/* Who presses hardest does not get rid of its past by bringing others along. */
START_TEST(who_asks_most_keeps_its_place)
{
	unsigned places[4] = { 0 };

	while (take("loud", START).is_passed)
		continue;
	press(5000, START, places);
	ck_assert(!take("loud", START).is_passed);
}
END_TEST

static void *
take_many(void *argument)
{
	static const struct rate_limit limit = { .interval_ns = CLOCK_SEC, .burst = BURST };
	unsigned *passed = argument;

	for (unsigned i = 0; i < TAKES; i++) {
		struct rates_answer a;

		rates_take(rates, SLICE("all"), START, &limit, &a);
		*passed += a.is_passed;
	}
	return NULL;
}

/* The first one is counted before: a place is taken without a race. */
START_TEST(threads_together_get_the_burst_once)
{
	pthread_t thread[THREADS];
	unsigned passed[THREADS] = { 0 }, sum = 1;
	struct rates_answer a;
	const struct rate_limit limit = { .interval_ns = CLOCK_SEC, .burst = BURST };

	rates_take(rates, SLICE("all"), START, &limit, &a);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, take_many, &passed[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		sum += passed[i];
	}
	ck_assert_uint_eq(sum, BURST);
}
END_TEST

START_TEST(dear_requests_do_not_overflow)
{
	const struct rate_limit limit = { .interval_ns = UINT64_C(86400) * CLOCK_SEC,
					  .burst = 1000000 };
	struct rates_answer a;

	for (unsigned i = 0; i < 100; i++) {
		rates_take(rates, SLICE("x"), START, &limit, &a);
		ck_assert(a.is_passed);
	}
}
END_TEST

Suite *
suite_thread_rates(void)
{
	Suite *s = suite_create("thread/rates");
	TCase *t = tcase_create("rates");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, burst_passes_and_then_the_rate);
	tcase_add_test(t, long_silence_gives_a_burst_and_no_more);
	tcase_add_test(t, each_has_its_own);
	tcase_add_test(t, clock_of_another_worker_may_be_a_little_behind);
	tcase_add_test(t, full_table_replaces_and_tells);
	tcase_add_test(t, who_asks_most_keeps_its_place);
	tcase_add_test(t, threads_together_get_the_burst_once);
	tcase_add_test(t, dear_requests_do_not_overflow);
	suite_add_tcase(s, t);
	return s;
}
