/*
 * The heap of deadlines, against a list that is searched.
 */
#include "net/timer.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/random.h"

#include <check.h>

Suite *suite_net_timer(void);

enum { MANY = 200, ROUNDS = 20000 };

struct probe {
	struct timer timer;
	unsigned fired;
	void (*act)(struct probe *p);
};

static struct timers heap;
static struct probe probes[MANY];
static uint64_t last_fired_ns;

static void
on_time(struct timer *t)
{
	struct probe *p = (struct probe *)t;

	ck_assert(!timer_is_set(t));
	ck_assert_uint_ge(t->at_ns, last_fired_ns);
	last_fired_ns = t->at_ns;
	p->fired++;
	if (p->act)
		p->act(p);
}

static void
open_heap(void)
{
	timers_init(&heap);
	last_fired_ns = 0;
	for (unsigned i = 0; i < MANY; i++) {
		probes[i] = (struct probe){ 0 };
		timer_init(&probes[i].timer, on_time);
	}
}

/* The earliest of those that are set by our own book, UINT64_MAX for none. */
static uint64_t
earliest(const uint64_t *book)
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < MANY; i++)
		best = book[i] < best ? book[i] : best;
	return best;
}

START_TEST(agrees_with_a_list_after_random_moves)
{
	struct random r;
	uint64_t book[MANY], now = 0;

	open_heap();
	random_init(&r, 42);
	for (unsigned i = 0; i < MANY; i++)
		book[i] = UINT64_MAX;
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned i = (unsigned)(random_next(&r) % MANY);
		unsigned what = (unsigned)(random_next(&r) % 8);

		if (what < 5) {
			book[i] = now + random_next(&r) % 1000;
			ck_assert_int_eq(timers_set(&heap, &probes[i].timer, book[i]), 0);
		} else if (what < 7) {
			timers_clear(&heap, &probes[i].timer);
			book[i] = UINT64_MAX;
		} else {
			unsigned due = 0;

			now += random_next(&r) % 100;
			for (unsigned k = 0; k < MANY; k++) {
				due += book[k] <= now;
				book[k] = book[k] <= now ? UINT64_MAX : book[k];
			}
			last_fired_ns = 0;
			ck_assert_uint_eq(timers_run(&heap, now), due);
		}
		ck_assert(timer_is_set(&probes[i].timer) == (book[i] != UINT64_MAX));
		if (earliest(book) == UINT64_MAX)
			ck_assert_ptr_null(timers_first(&heap));
		else
			ck_assert_uint_eq(timers_first(&heap)->at_ns, earliest(book));
	}
	for (unsigned i = 0; i < MANY; i++)
		timers_clear(&heap, &probes[i].timer);
	timers_fini(&heap);
}
END_TEST

static void
clear_next(struct probe *p)
{
	timers_clear(&heap, &p[1].timer);
	ck_assert_int_eq(timers_set(&heap, &p[2].timer, 90), 0);
}

START_TEST(a_call_back_clears_and_moves_others)
{
	open_heap();
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(timers_set(&heap, &probes[i].timer, 10 + i), 0);
	probes[0].act = clear_next;
	ck_assert_uint_eq(timers_run(&heap, 50), 1);
	ck_assert_uint_eq(probes[1].fired + probes[2].fired, 0);
	ck_assert_uint_eq(timers_run(&heap, 90), 1);
	ck_assert_uint_eq(probes[2].fired, 1);
	timers_fini(&heap);
}
END_TEST

START_TEST(clearing_twice_is_harmless)
{
	open_heap();
	ck_assert_int_eq(timers_set(&heap, &probes[0].timer, 1), 0);
	timers_clear(&heap, &probes[0].timer);
	timers_clear(&heap, &probes[0].timer);
	ck_assert_uint_eq(timers_run(&heap, 2), 0);
	timers_fini(&heap);
}
END_TEST

START_TEST(without_memory_nothing_is_set)
{
	open_heap();
	mem_fail_at(1, false);
	ck_assert_int_eq(timers_set(&heap, &probes[0].timer, 1), ERR_MEMORY);
	mem_fail_at(0, false);
	ck_assert(!timer_is_set(&probes[0].timer));
	ck_assert_ptr_null(timers_first(&heap));
	ck_assert_int_eq(timers_set(&heap, &probes[0].timer, 1), 0);
	ck_assert_uint_eq(timers_run(&heap, 1), 1);
	timers_fini(&heap);
}
END_TEST

Suite *
suite_net_timer(void)
{
	Suite *s = suite_create("net/timer");
	TCase *t = tcase_create("timer");

	suite_add_tcase(s, t);
	tcase_add_test(t, agrees_with_a_list_after_random_moves);
	tcase_add_test(t, a_call_back_clears_and_moves_others);
	tcase_add_test(t, clearing_twice_is_harmless);
	tcase_add_test(t, without_memory_nothing_is_set);
	return s;
}
