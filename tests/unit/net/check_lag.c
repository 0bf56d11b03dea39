/*
 * Long turns: a burst, and a loop that is behind.
 */
#include "net/lag.h"

#include "base/clock.h"

#include <check.h>

Suite *suite_net_lag(void);

enum { LIMIT = 20 };

static struct lag lag;
static uint64_t now;
static unsigned looks;

static void
count_look(struct lag *l)
{
	ck_assert_ptr_eq(l, &lag);
	looks++;
}

static void
set_up(void)
{
	lag_init(&lag);
	lag_watch(&lag, LIMIT * CLOCK_MS);
	lag.on_look = count_look;
	looks = 0;
	now = CLOCK_SEC;
	lag_begin(&lag, now);
	lag_end(&lag, now);
}

/* As the loop does: the end is looked at only where it was asked for. */
static void
turn(unsigned busy_ms, unsigned asleep_ms)
{
	lag_begin(&lag, now);
	now += busy_ms * CLOCK_MS;
	if (lag.is_near)
		lag_end(&lag, now);
	now += asleep_ms * CLOCK_MS;
}

static void
turns(unsigned count, unsigned busy_ms, unsigned asleep_ms)
{
	while (count-- > 0)
		turn(busy_ms, asleep_ms);
}

START_TEST(short_turns_are_not_looked_at)
{
	turn(1, 0);
	looks = 0;
	turns(1000, LIMIT - 1, 0);
	ck_assert_uint_eq(looks, 0);
}
END_TEST

START_TEST(a_loop_that_sleeps_is_not_behind)
{
	turns(100, 1, 3600 * 1000);
	ck_assert(!lag.is_standing);
	ck_assert_uint_eq(lag.turn_ns, 0);
	ck_assert_uint_ge(looks, 99);
}
END_TEST

START_TEST(long_turns_for_an_interval_are_standing)
{
	/* The first long one is known by the start of the second. */
	turns(1 + LAG_INTERVAL - 1, LIMIT, 0);
	ck_assert(!lag.is_standing);
	turns(1, LIMIT, 0);
	ck_assert(lag.is_standing);
	ck_assert_uint_eq(lag.turn_ns, LIMIT * CLOCK_MS);
}
END_TEST

START_TEST(one_short_turn_ends_it)
{
	turns(20, LIMIT, 0);
	ck_assert(lag.is_standing);
	turn(1, 0);
	ck_assert(!lag.is_standing);
	ck_assert_uint_eq(lag.turn_ns, 0);
	turns(LAG_INTERVAL, LIMIT, 0);
	ck_assert(!lag.is_standing);
}
END_TEST

START_TEST(a_burst_is_not_standing)
{
	for (unsigned i = 0; i < 50; i++) {
		turns(2, 2 * LIMIT, 0);
		ck_assert(!lag.is_standing);
		turn(1, 0);
	}
}
END_TEST

START_TEST(without_a_limit_nothing_is_long)
{
	lag_watch(&lag, CLOCK_NEVER);
	turn(1, 0);
	looks = 0;
	turns(100, 3600 * 1000, 0);
	ck_assert_uint_eq(looks, 0);
	ck_assert(!lag.is_standing);
}
END_TEST

Suite *
suite_net_lag(void)
{
	Suite *s = suite_create("net_lag");
	TCase *t = tcase_create("lag");

	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_test(t, short_turns_are_not_looked_at);
	tcase_add_test(t, a_loop_that_sleeps_is_not_behind);
	tcase_add_test(t, long_turns_for_an_interval_are_standing);
	tcase_add_test(t, one_short_turn_ends_it);
	tcase_add_test(t, a_burst_is_not_standing);
	tcase_add_test(t, without_a_limit_nothing_is_long);
	suite_add_tcase(s, t);
	return s;
}
