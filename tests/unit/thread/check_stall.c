/*
 * Stall slots: what a thread says of itself, and what is read of it.
 */
#include "thread/stall.h"

#include "base/clock.h"

#include <check.h>

Suite *suite_thread_stall(void);

static struct stall_slot slot;

static void
begin(void)
{
	slot = (struct stall_slot){ .turn = 0 };
	stall_begin(&slot);
}

START_TEST(a_mark_comes_back_as_it_went_in)
{
	const struct stall_where in = {
		.at = STALL_AT_PART, .generation = 0x1fffe, .route = 70000, .part = 64
	};
	struct stall_where out = stall_where(stall_mark_of(in));

	ck_assert(out.at == STALL_AT_PART && out.generation == 0xfffe);
	ck_assert(out.route == 70000 && out.part == 64);
	out = stall_where(0xff);
	ck_assert(out.at == STALL_AT_NOTHING);
}
END_TEST

START_TEST(a_thread_is_awake_from_its_first_word_to_the_end_of_its_turn)
{
	struct stall_look look;

	slot = (struct stall_slot){ .turn = 0 };
	stall_clock(&slot, 5);
	stall_look(&slot, &look);
	ck_assert(!look.is_awake); /* nobody has begun */
	begin();
	stall_look(&slot, &look);
	ck_assert(!look.is_awake);
	stall_phase(&slot, STALL_AT_MAIL);
	stall_look(&slot, &look);
	ck_assert(look.is_awake && look.began_ns == 0);
	stall_clock(&slot, 7);
	stall_mark(&slot, 9, 11);
	stall_look(&slot, &look);
	ck_assert(look.is_awake && look.began_ns == 7 && look.mark == 9 && look.request == 11);
	stall_turn_over(&slot);
	ck_assert_uint_eq(slot.turn, look.turn + 1);
	stall_look(&slot, &look);
	ck_assert(!look.is_awake);
	stall_clock(&slot, 8);
	stall_end(&slot);
	stall_look(&slot, &look);
	ck_assert(!look.is_awake);
}
END_TEST

START_TEST(reports_come_in_order_and_those_without_room_are_counted)
{
	struct stall_report r = { .name = "x" };

	begin();
	stall_mark(&slot, 3, 4);
	for (unsigned i = 0; i < STALL_REPORTS + 2; i++) {
		r.lasted_ns = i;
		stall_tell(&slot, &r);
		stall_turn_over(&slot);
	}
	ck_assert_uint_eq(stall_lost(&slot), 2);
	for (unsigned i = 0; i < STALL_REPORTS; i++) {
		ck_assert(stall_take(&slot, &r));
		ck_assert(r.lasted_ns == i && r.turn == i + 1);
		ck_assert(i > 0 || (r.mark == 3 && r.request == 4));
	}
	ck_assert(!stall_take(&slot, &r));
	stall_tell(&slot, &r);
	ck_assert(stall_take(&slot, &r));
	ck_assert_uint_eq(stall_lost(&slot), 2);
}
END_TEST

START_TEST(the_cpu_time_is_that_of_the_thread)
{
	uint64_t before, until;

	slot = (struct stall_slot){ .turn = 0 };
	ck_assert_uint_eq(stall_cpu_ns(&slot), 0);
	begin();
	before = stall_cpu_ns(&slot);
	ck_assert(before > 0 && stall_thread(&slot) > 0);
	until = clock_monotonic() + CLOCK_MS;
	while (clock_monotonic() < until)
		;
	ck_assert_uint_gt(stall_cpu_ns(&slot), before);
}
END_TEST

Suite *
suite_thread_stall(void)
{
	Suite *s = suite_create("thread_stall");
	TCase *t = tcase_create("stall");

	tcase_add_test(t, a_mark_comes_back_as_it_went_in);
	tcase_add_test(t, a_thread_is_awake_from_its_first_word_to_the_end_of_its_turn);
	tcase_add_test(t, reports_come_in_order_and_those_without_room_are_counted);
	tcase_add_test(t, the_cpu_time_is_that_of_the_thread);
	suite_add_tcase(s, t);
	return s;
}
