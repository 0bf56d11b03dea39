/*
 * Who waits for a connection of an upstream: who is next, and who is told no;
 * on a clock that stands still.
 */
#include "base/clock.h"
#include "upstream_bed.h"

#include "source/upstream_priv.h"

#include <check.h>

Suite *suite_source_upstream_waits(void);

/* The one connection has been held for 100 ms, again and again, and is held now. */
static int
hold(struct bed *b, struct ask **holder)
{
	int fd = -1;

	bed_freeze(b);
	for (unsigned i = 0; i < 4; i++) {
		*holder = bed_ask(b);
		bed_turn(b);
		if (fd < 0)
			fd = bed_accept(b);
		bed_expect(b, fd, "GET ");
		if (i == 3)
			break;
		bed_pass(b, 100);
		bed_say_ok(b, fd);
		bed_await(b, *holder);
	}
	return fd;
}

static struct ask *
ask_as(struct bed *b, enum gate_class priority, unsigned left_ms)
{
	struct ask *a = bed_prepare(b);

	a->q.priority = priority;
	a->q.deadline_ns = loop_now(&bed_env(b)->loop) + left_ms * CLOCK_MS;
	return a;
}

START_TEST(who_would_wait_in_vain_is_refused_at_once)
{
	struct bed *b = bed_open("max_connections = 1", "", BED_JOINED);
	struct ask *holder, *hasty;
	int fd = hold(b, &holder);

	hasty = ask_as(b, CLASS_NORMAL, 150);
	ck_assert_int_eq(ask_start(hasty), ERR_SHED);
	ck_assert_str_eq(hasty->q.refusal.limit, "upstream.u.wait");
	ck_assert_uint_ge(hasty->q.refusal.retry_after_s, 1);
	ck_assert_int_eq(ask_start(ask_as(b, CLASS_NORMAL, 500)), 0);
	/* max_pending was not what refused it. */
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_REFUSED), 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_free_connection_is_for_everybody)
{
	struct bed *b = bed_open("max_connections = 1", "", BED_JOINED);
	struct ask *holder, *hasty;
	int fd = hold(b, &holder);

	bed_say_ok(b, fd);
	bed_await(b, holder);
	hasty = ask_as(b, CLASS_SHEDDABLE, 10);
	ck_assert_int_eq(ask_start(hasty), 0);
	bed_turn(b);
	bed_expect(b, fd, "GET ");
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(the_next_is_of_the_highest_class_and_the_soonest_deadline)
{
	struct bed *b = bed_open("max_connections = 1", "", BED_JOINED);
	struct ask *holder, *next[3], *all[3];
	int fd = hold(b, &holder);

	all[0] = next[2] = ask_as(b, CLASS_SHEDDABLE, 2000);
	all[1] = next[1] = ask_as(b, CLASS_NORMAL, 3000);
	all[2] = next[0] = ask_as(b, CLASS_NORMAL, 1000);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(ask_start(all[i]), 0);
	bed_say_ok(b, fd);
	bed_await(b, holder);
	for (unsigned i = 0; i < 3; i++) {
		bed_expect(b, fd, "GET ");
		bed_say_ok(b, fd);
		bed_await(b, next[i]);
		ck_assert_int_eq(next[i]->err, 0);
	}
	ck_assert_uint_eq(bed_admitted(b), 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(order_fifo_serves_who_came_first)
{
	struct bed *b = bed_open("max_connections = 1\norder = fifo", "", BED_JOINED);
	struct ask *holder, *first, *second;
	int fd = hold(b, &holder);

	first = ask_as(b, CLASS_SHEDDABLE, 3000);
	second = ask_as(b, CLASS_CRITICAL, 1000);
	ck_assert_int_eq(ask_start(first), 0);
	ck_assert_int_eq(ask_start(second), 0);
	bed_say_ok(b, fd);
	bed_await(b, holder);
	bed_expect(b, fd, "GET ");
	bed_say_ok(b, fd);
	bed_await(b, first);
	ck_assert(!second->is_ended);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(what_waiting_has_made_hopeless_is_not_sent)
{
	struct bed *b = bed_open("max_connections = 1", "", BED_JOINED);
	struct ask *holder, *hopeless, *patient;
	int fd = hold(b, &holder);

	hopeless = ask_as(b, CLASS_NORMAL, 400);
	patient = ask_as(b, CLASS_NORMAL, 5000);
	ck_assert_int_eq(ask_start(hopeless), 0);
	ck_assert_int_eq(ask_start(patient), 0);
	bed_pass(b, 350);
	bed_say_ok(b, fd);
	bed_await(b, hopeless);
	ck_assert_int_eq(hopeless->err, ERR_SHED);
	ck_assert_str_eq(hopeless->q.refusal.limit, "upstream.u.deadline");
	bed_expect(b, fd, "GET ");
	bed_say_ok(b, fd);
	bed_await(b, patient);
	ck_assert_int_eq(patient->err, 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_higher_class_takes_the_place_of_a_lower_one)
{
	struct bed *b = bed_open("max_connections = 1\nmax_pending = 1", "", BED_JOINED);
	struct ask *holder, *sheddable, *critical;
	int fd = hold(b, &holder);

	sheddable = ask_as(b, CLASS_SHEDDABLE, 5000);
	critical = ask_as(b, CLASS_CRITICAL, 5000);
	ck_assert_int_eq(ask_start(sheddable), 0);
	bed_turn(b);
	ck_assert_int_eq(ask_start(critical), 0);
	ck_assert(!sheddable->is_ended); /* not from inside */
	bed_await(b, sheddable);
	ck_assert_int_eq(sheddable->err, ERR_SHED);
	ck_assert_str_eq(sheddable->q.refusal.limit, "upstream.u.priority");
	bed_say_ok(b, fd);
	bed_await(b, holder);
	bed_expect(b, fd, "GET ");
	bed_say_ok(b, fd);
	bed_await(b, critical);
	ck_assert_int_eq(critical->err, 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(one_that_was_evicted_may_be_cancelled_before_it_hears_of_it)
{
	struct bed *b = bed_open("max_connections = 1\nmax_pending = 1", "", BED_JOINED);
	struct ask *holder, *sheddable;
	int fd = hold(b, &holder);

	sheddable = ask_as(b, CLASS_SHEDDABLE, 5000);
	ck_assert_int_eq(ask_start(sheddable), 0);
	bed_turn(b);
	ck_assert_int_eq(ask_start(ask_as(b, CLASS_CRITICAL, 5000)), 0);
	ask_cancel(sheddable);
	bed_turn(b);
	ck_assert_uint_eq(sheddable->dones, 0);
	ck_assert_uint_eq(bed_admitted(b), 2);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(max_wait_is_the_longest_wait)
{
	struct bed *b = bed_open("max_connections = 1\nmax_wait = 50ms", "", BED_JOINED);
	struct ask *holder, *patient;
	int fd = hold(b, &holder);

	patient = ask_as(b, CLASS_NORMAL, 60000);
	ck_assert_int_eq(ask_start(patient), ERR_SHED);
	ck_assert_str_eq(patient->q.refusal.limit, "upstream.u.wait");
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

Suite *
suite_source_upstream_waits(void)
{
	Suite *s = suite_create("source_upstream_waits");
	TCase *t = tcase_create("waits");

	tcase_add_test(t, who_would_wait_in_vain_is_refused_at_once);
	tcase_add_test(t, a_free_connection_is_for_everybody);
	tcase_add_test(t, the_next_is_of_the_highest_class_and_the_soonest_deadline);
	tcase_add_test(t, order_fifo_serves_who_came_first);
	tcase_add_test(t, what_waiting_has_made_hopeless_is_not_sent);
	tcase_add_test(t, a_higher_class_takes_the_place_of_a_lower_one);
	tcase_add_test(t, one_that_was_evicted_may_be_cancelled_before_it_hears_of_it);
	tcase_add_test(t, max_wait_is_the_longest_wait);
	suite_add_tcase(s, t);
	return s;
}
