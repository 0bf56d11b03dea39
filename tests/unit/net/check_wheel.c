/*
 * Coarse time-outs, on a clock that the test moves.
 */
#include "net/wheel.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"

#include <check.h>

Suite *suite_net_wheel(void);

enum { MANY = 300 };

static const uint64_t TICK = WHEEL_TICK_MS * CLOCK_MS;
static const uint64_t START = 1000 * CLOCK_SEC;

struct probe {
	struct wheel_entry entry;
	unsigned expired;
	uint64_t expired_ns, again_ns; /* expired once more at */
	struct probe *takes_out;
};

static struct loop loop;
static struct wheel wheel;
static struct probe probes[MANY];

static void
on_expired(struct wheel_entry *e)
{
	struct probe *p = CONTAINER_OF(e, struct probe, entry);

	ck_assert(!wheel_has(e));
	p->expired++;
	p->expired_ns = loop_now(&loop);
	if (p->again_ns)
		wheel_set(&wheel, e, p->again_ns);
	p->again_ns = 0;
	if (p->takes_out)
		wheel_clear(&wheel, &p->takes_out->entry);
}

static void
open_wheel(void)
{
	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	loop_turn_at(&loop, START);
	wheel_init(&wheel, &loop, on_expired);
	for (unsigned i = 0; i < MANY; i++)
		probes[i] = (struct probe){ 0 };
}

static void
close_wheel(void)
{
	ck_assert_uint_eq(wheel.count, 0);
	wheel_fini(&wheel);
	loop_fini(&loop);
}

/* What the kernel's timer would do: turns at each moment for which one is set. */
static void
turn_until(uint64_t ns)
{
	const struct timer *first;

	while ((first = timers_first(&loop.timers)) != NULL && first->at_ns <= ns)
		loop_turn_at(&loop, first->at_ns);
	loop_turn_at(&loop, ns);
}

START_TEST(expires_within_a_tick_and_never_early)
{
	open_wheel();
	wheel_set(&wheel, &probes[0].entry, START + 7 * TICK + 3);
	turn_until(START + 7 * TICK + 2);
	ck_assert_uint_eq(probes[0].expired, 0);
	turn_until(START + 9 * TICK);
	ck_assert_uint_eq(probes[0].expired, 1);
	ck_assert_uint_ge(probes[0].expired_ns, START + 7 * TICK + 3);
	ck_assert_uint_le(probes[0].expired_ns, START + 8 * TICK + 3);
	close_wheel();
}
END_TEST

START_TEST(moved_later_is_filed_anew)
{
	open_wheel();
	wheel_set(&wheel, &probes[0].entry, START + 2 * TICK);
	wheel_set(&wheel, &probes[0].entry, START + 40 * TICK);
	turn_until(START + 40 * TICK - 1);
	ck_assert_uint_eq(probes[0].expired, 0);
	turn_until(START + 42 * TICK);
	ck_assert_uint_eq(probes[0].expired, 1);
	close_wheel();
}
END_TEST

START_TEST(moved_earlier_expires_earlier)
{
	open_wheel();
	wheel_set(&wheel, &probes[0].entry, CLOCK_NEVER);
	wheel_set(&wheel, &probes[1].entry, START + 90 * TICK);
	wheel_set(&wheel, &probes[0].entry, START + 2 * TICK);
	turn_until(START + 4 * TICK);
	ck_assert_uint_eq(probes[0].expired, 1);
	ck_assert_uint_eq(probes[1].expired, 0);
	wheel_clear(&wheel, &probes[1].entry);
	close_wheel();
}
END_TEST

START_TEST(farther_than_a_whole_turn_of_the_wheel)
{
	open_wheel();
	wheel_set(&wheel, &probes[0].entry, START + 1000 * TICK);
	wheel_set(&wheel, &probes[1].entry, CLOCK_NEVER);
	turn_until(START + 999 * TICK);
	ck_assert_uint_eq(probes[0].expired, 0);
	turn_until(START + 1002 * TICK);
	ck_assert_uint_eq(probes[0].expired, 1);
	ck_assert_uint_eq(probes[1].expired, 0);
	wheel_clear(&wheel, &probes[1].entry);
	close_wheel();
}
END_TEST

START_TEST(a_long_sleep_sweeps_each_slot_once)
{
	open_wheel();
	for (unsigned i = 0; i < MANY; i++)
		wheel_set(&wheel, &probes[i].entry, START + i * TICK);
	wheel_set(&wheel, &probes[0].entry, START + 5000 * TICK);
	loop_turn_at(&loop, START + 3000 * TICK);
	for (unsigned i = 1; i < MANY; i++)
		ck_assert_uint_eq(probes[i].expired, 1);
	ck_assert_uint_eq(probes[0].expired, 0);
	turn_until(START + 5002 * TICK);
	ck_assert_uint_eq(probes[0].expired, 1);
	close_wheel();
}
END_TEST

START_TEST(an_expired_one_may_come_back_and_take_out_its_neighbour)
{
	open_wheel();
	wheel_set(&wheel, &probes[0].entry, START + TICK);
	wheel_set(&wheel, &probes[1].entry, START + TICK);
	probes[0].again_ns = START + 5 * TICK;
	probes[0].takes_out = &probes[1];
	turn_until(START + 3 * TICK);
	ck_assert_uint_eq(probes[0].expired, 1);
	ck_assert_uint_eq(probes[1].expired, 0);
	turn_until(START + 7 * TICK);
	ck_assert_uint_eq(probes[0].expired, 2);
	close_wheel();
}
END_TEST

START_TEST(an_empty_wheel_lets_the_loop_sleep)
{
	open_wheel();
	wheel_set(&wheel, &probes[0].entry, START + TICK);
	turn_until(START + 3 * TICK);
	ck_assert_ptr_null(timers_first(&loop.timers));
	/* Its hand moves for free: the next entry is not filed in the past. */
	loop_turn_at(&loop, START + 700 * TICK);
	wheel_set(&wheel, &probes[1].entry, START + 702 * TICK);
	turn_until(START + 701 * TICK);
	ck_assert_uint_eq(probes[1].expired, 0);
	turn_until(START + 704 * TICK);
	ck_assert_uint_eq(probes[1].expired, 1);
	close_wheel();
}
END_TEST

START_TEST(set_again_after_a_time_without_memory)
{
	open_wheel();
	mem_fail_at(1, true);
	wheel_set(&wheel, &probes[0].entry, START + 3 * TICK);
	mem_fail_at(0, false);
	ck_assert_ptr_null(timers_first(&loop.timers));
	wheel_set(&wheel, &probes[0].entry, START + 4 * TICK);
	turn_until(START + 6 * TICK);
	ck_assert_uint_eq(probes[0].expired, 1);
	close_wheel();
}
END_TEST

START_TEST(agrees_with_a_list_after_random_moves)
{
	struct random r;
	uint64_t book[MANY], now = START;

	open_wheel();
	random_init(&r, 9);
	for (unsigned i = 0; i < MANY; i++)
		book[i] = 0;
	for (unsigned round = 0; round < 20000; round++) {
		unsigned i = (unsigned)(random_next(&r) % MANY);
		unsigned what = (unsigned)(random_next(&r) % 8);

		if (what < 5) {
			book[i] = now + random_next(&r) % (600 * TICK);
			wheel_set(&wheel, &probes[i].entry, book[i]);
		} else if (what == 5) {
			wheel_clear(&wheel, &probes[i].entry);
			book[i] = 0;
		} else {
			now += random_next(&r) % (what == 6 ? 3 * TICK : 400 * TICK);
			turn_until(now);
		}
		for (unsigned k = 0; what > 5 && k < MANY; k++) {
			/* Expired: not early, at most a tick late. */
			if (book[k] && !wheel_has(&probes[k].entry)) {
				ck_assert_uint_ge(now, book[k]);
				book[k] = 0;
			}
			ck_assert(book[k] == 0 || book[k] + TICK > now);
		}
	}
	for (unsigned i = 0; i < MANY; i++)
		wheel_clear(&wheel, &probes[i].entry);
	close_wheel();
}
END_TEST

static void
close_or_move(struct wheel_entry *e, void *argument)
{
	struct probe *p = CONTAINER_OF(e, struct probe, entry);
	unsigned *met = argument;

	p->expired++;
	if ((*met)++ % 2)
		wheel_clear(&wheel, e);
	else
		wheel_set(&wheel, e, START + 200 * TICK);
}

START_TEST(each_meets_every_entry_once_while_they_move_and_go)
{
	unsigned met = 0;

	open_wheel();
	for (unsigned i = 0; i < MANY; i++)
		wheel_set(&wheel, &probes[i].entry, START + i % 7 * 30 * TICK);
	wheel_each(&wheel, close_or_move, &met);
	ck_assert_uint_eq(met, MANY);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_uint_eq(probes[i].expired, 1);
	ck_assert_uint_eq(wheel.count, MANY / 2);
	turn_until(START + 202 * TICK);
	close_wheel();
}
END_TEST

static void
check_order(struct wheel_entry *e, void *argument)
{
	uint64_t *last = argument;

	ck_assert_uint_ge(e->expires_ns, *last);
	*last = e->expires_ns;
	wheel_clear(&wheel, e);
}

START_TEST(each_goes_from_the_first_to_expire_to_the_last)
{
	uint64_t last = 0;

	open_wheel();
	for (unsigned i = 0; i < MANY; i++)
		wheel_set(&wheel, &probes[i].entry, START + (i * 37 % 200) * TICK);
	wheel_each(&wheel, check_order, &last);
	close_wheel();
}
END_TEST

Suite *
suite_net_wheel(void)
{
	Suite *s = suite_create("net/wheel");
	TCase *t = tcase_create("wheel");

	suite_add_tcase(s, t);
	tcase_add_test(t, expires_within_a_tick_and_never_early);
	tcase_add_test(t, moved_later_is_filed_anew);
	tcase_add_test(t, moved_earlier_expires_earlier);
	tcase_add_test(t, farther_than_a_whole_turn_of_the_wheel);
	tcase_add_test(t, a_long_sleep_sweeps_each_slot_once);
	tcase_add_test(t, an_expired_one_may_come_back_and_take_out_its_neighbour);
	tcase_add_test(t, an_empty_wheel_lets_the_loop_sleep);
	tcase_add_test(t, set_again_after_a_time_without_memory);
	tcase_add_test(t, agrees_with_a_list_after_random_moves);
	tcase_add_test(t, each_meets_every_entry_once_while_they_move_and_go);
	tcase_add_test(t, each_goes_from_the_first_to_expire_to_the_last);
	return s;
}
