/*
 * The loop's turn: what runs when, and what wakes it.
 */
#include "net/loop.h"

#include "base/clock.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

Suite *suite_net_loop(void);

enum { MANY = 5 };

struct step {
	struct deferred deferred;
	struct timer timer;
	struct mail mail;
	char name;
	void (*act)(struct step *s);
};

static struct loop loop;
static struct step steps[MANY];
static char trace[256]; /* names in the order in which they ran */

static void
note(struct step *s)
{
	size_t len = strlen(trace);

	ck_assert_uint_lt(len + 1, sizeof(trace));
	trace[len] = s->name;
	trace[len + 1] = '\0';
	if (s->act)
		s->act(s);
}

static void
on_deferred(struct deferred *d)
{
	note(CONTAINER_OF(d, struct step, deferred));
}

static void
on_time(struct timer *t)
{
	note(CONTAINER_OF(t, struct step, timer));
}

static void
on_mail(struct mail *m, void *receiver)
{
	ck_assert_ptr_eq(receiver, &loop);
	note(CONTAINER_OF(m, struct step, mail));
}

static void
open_loop(void)
{
	ck_assert_int_eq(loop_init(&loop, &loop), 0);
	trace[0] = '\0';
	for (unsigned i = 0; i < MANY; i++) {
		steps[i] = (struct step){ .name = (char)('a' + i) };
		steps[i].deferred.run = on_deferred;
		steps[i].mail.deliver = on_mail;
		timer_init(&steps[i].timer, on_time);
	}
}

START_TEST(a_turn_is_mail_timers_soon_last)
{
	open_loop();
	loop_last(&loop, &steps[3].deferred);
	loop_soon(&loop, &steps[2].deferred);
	ck_assert_int_eq(loop_set_timer(&loop, &steps[1].timer, 5), 0);
	mailbox_send(&loop.mailbox, &steps[0].mail);
	loop_turn_at(&loop, 5);
	ck_assert_str_eq(trace, "abcd");
	loop_fini(&loop);
}
END_TEST

START_TEST(asked_twice_runs_once)
{
	open_loop();
	loop_last(&loop, &steps[0].deferred);
	loop_last(&loop, &steps[0].deferred);
	loop_turn_at(&loop, 1);
	loop_turn_at(&loop, 2);
	ck_assert_str_eq(trace, "a");
	loop_fini(&loop);
}
END_TEST

static void
again_soon(struct step *s)
{
	loop_soon(&loop, &s->deferred);
}

static void
again_last(struct step *s)
{
	loop_last(&loop, &s->deferred);
}

START_TEST(soon_goes_on_within_the_turn_but_not_for_ever)
{
	size_t rounds;

	open_loop();
	steps[0].act = again_soon;
	loop_soon(&loop, &steps[0].deferred);
	loop_last(&loop, &steps[1].deferred);
	loop_turn_at(&loop, 1);
	rounds = strlen(trace) - 1;
	ck_assert_uint_gt(rounds, 1);
	ck_assert_int_eq(trace[rounds], 'b');
	loop_turn_at(&loop, 2);
	ck_assert_uint_gt(strlen(trace), rounds + 1);
	loop_forget(&loop, &steps[0].deferred);
	loop_fini(&loop);
}
END_TEST

START_TEST(last_asked_for_in_last_waits_for_the_next_turn)
{
	open_loop();
	steps[0].act = again_last;
	loop_last(&loop, &steps[0].deferred);
	loop_last(&loop, &steps[1].deferred);
	loop_turn_at(&loop, 1);
	ck_assert_str_eq(trace, "ab");
	loop_turn(&loop, true); /* does not wait: there is something to do */
	ck_assert_str_eq(trace, "aba");
	loop_forget(&loop, &steps[0].deferred);
	loop_fini(&loop);
}
END_TEST

START_TEST(forgotten_in_every_position)
{
	for (unsigned out = 0; out < MANY; out++) {
		char all[] = "abcde";

		open_loop();
		for (unsigned i = 0; i < MANY; i++)
			loop_soon(&loop, &steps[i].deferred);
		loop_forget(&loop, &steps[out].deferred);
		ck_assert(!steps[out].deferred.is_waiting);
		/* What stands behind is found, and the end is where it should be. */
		loop_soon(&loop, &steps[out].deferred);
		loop_turn_at(&loop, 1);
		memmove(all + out, all + out + 1, MANY - out);
		all[MANY - 1] = (char)('a' + out);
		ck_assert_str_eq(trace, all);
		loop_fini(&loop);
	}
}
END_TEST

static void
forget_others(struct step *s)
{
	/* One that waits in this round, one that was asked for in it: both at an end. */
	loop_last(&loop, &steps[4].deferred);
	loop_forget(&loop, &steps[4].deferred);
	loop_forget(&loop, &steps[2].deferred);
	loop_last(&loop, &s->deferred);
	s->act = NULL;
}

START_TEST(forgotten_while_the_queue_runs)
{
	open_loop();
	steps[0].act = forget_others;
	for (unsigned i = 0; i < 3; i++)
		loop_last(&loop, &steps[i].deferred);
	loop_turn_at(&loop, 1);
	ck_assert_str_eq(trace, "ab");
	loop_turn_at(&loop, 2);
	ck_assert_str_eq(trace, "aba");
	loop_turn_at(&loop, 3);
	ck_assert_str_eq(trace, "aba");
	loop_fini(&loop);
}
END_TEST

START_TEST(the_alarm_wakes_a_waiting_loop)
{
	uint64_t at;

	open_loop();
	at = clock_monotonic() + 2 * CLOCK_MS;
	ck_assert_int_eq(loop_set_timer(&loop, &steps[0].timer, at), 0);
	while (trace[0] == '\0')
		loop_turn(&loop, true);
	ck_assert_uint_ge(loop_now(&loop), at);
	/* A second time: the alarm is edge-triggered and never read. */
	at = clock_monotonic() + 2 * CLOCK_MS;
	ck_assert_int_eq(loop_set_timer(&loop, &steps[1].timer, at), 0);
	while (trace[1] == '\0')
		loop_turn(&loop, true);
	ck_assert_str_eq(trace, "ab");
	loop_fini(&loop);
}
END_TEST

START_TEST(a_timer_that_became_the_first_is_not_missed)
{
	uint64_t now;

	open_loop();
	now = clock_monotonic();
	ck_assert_int_eq(loop_set_timer(&loop, &steps[0].timer, now + 3600 * CLOCK_SEC), 0);
	loop_turn(&loop, false);
	ck_assert_int_eq(loop_set_timer(&loop, &steps[1].timer, now + CLOCK_MS), 0);
	loop_turn(&loop, false);
	loop_clear_timer(&loop, &steps[1].timer);
	ck_assert_int_eq(loop_set_timer(&loop, &steps[2].timer, now + 3 * CLOCK_MS), 0);
	while (trace[0] == '\0')
		loop_turn(&loop, true);
	ck_assert_str_eq(trace, "c");
	loop_clear_timer(&loop, &steps[0].timer);
	loop_fini(&loop);
}
END_TEST

START_TEST(mail_wakes_a_loop_that_sleeps)
{
	open_loop();
	ck_assert(mailbox_fall_asleep(&loop.mailbox));
	mailbox_send(&loop.mailbox, &steps[0].mail); /* rings, as for a sleeper */
	loop_turn(&loop, true);
	ck_assert_str_eq(trace, "a");
	loop_fini(&loop);
}
END_TEST

START_TEST(mail_that_has_come_is_not_slept_over)
{
	open_loop();
	mailbox_send(&loop.mailbox, &steps[0].mail); /* rings nobody */
	loop_turn(&loop, true);
	ck_assert_str_eq(trace, "a");
	loop_fini(&loop);
}
END_TEST

START_TEST(a_turn_at_a_given_time_has_that_time)
{
	open_loop();
	loop_turn_at(&loop, 77);
	ck_assert_uint_eq(loop_now(&loop), 77);
	loop_turn(&loop, false);
	ck_assert_uint_gt(loop_now(&loop), 77);
	loop_fini(&loop);
}
END_TEST

static uint64_t
turn_of(const struct loop *l)
{
	struct stall_look look;

	stall_look(l->stall, &look);
	return look.turn;
}

static void
stop(struct step *s)
{
	(void)s;
	loop_stop(&loop);
}

START_TEST(runs_until_it_is_stopped)
{
	uint64_t before;

	open_loop();
	before = turn_of(&loop);
	steps[0].act = stop;
	loop_soon(&loop, &steps[0].deferred);
	loop_run(&loop);
	ck_assert_uint_eq(turn_of(&loop), before + 1);
	loop_fini(&loop);
}
END_TEST

Suite *
suite_net_loop(void)
{
	Suite *s = suite_create("net/loop");
	TCase *t = tcase_create("loop");

	suite_add_tcase(s, t);
	tcase_add_test(t, a_turn_is_mail_timers_soon_last);
	tcase_add_test(t, asked_twice_runs_once);
	tcase_add_test(t, soon_goes_on_within_the_turn_but_not_for_ever);
	tcase_add_test(t, last_asked_for_in_last_waits_for_the_next_turn);
	tcase_add_test(t, forgotten_in_every_position);
	tcase_add_test(t, forgotten_while_the_queue_runs);
	tcase_add_test(t, the_alarm_wakes_a_waiting_loop);
	tcase_add_test(t, a_timer_that_became_the_first_is_not_missed);
	tcase_add_test(t, mail_wakes_a_loop_that_sleeps);
	tcase_add_test(t, mail_that_has_come_is_not_slept_over);
	tcase_add_test(t, a_turn_at_a_given_time_has_that_time);
	tcase_add_test(t, runs_until_it_is_stopped);
	return s;
}
