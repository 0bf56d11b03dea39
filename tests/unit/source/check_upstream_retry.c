/*
 * What is asked of another server after a failure, what is not, and who pays.
 */
#include "base/clock.h"
#include "upstream_bed.h"

#include "source/upstream_priv.h"

#include <check.h>

Suite *suite_source_upstream_retry(void);

enum { FIRST, SECOND, THIRD };

/* Accepted and heard, not answered. */
static int
take(struct bed *b, unsigned server)
{
	int fd = bed_accept_at(b, server);

	bed_expect(b, fd, "");
	return fd;
}

static void
answer(struct bed *b, unsigned server)
{
	int fd = take(b, server);

	bed_say_ok(b, fd);
	bed_hang_up(fd);
}

static void
expect_ok(struct bed *b, struct ask *a)
{
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	ck_assert_uint_eq(a->heads, 1);
	ck_assert_uint_eq(a->dones, 1);
	ck_assert(ask_has(a, "ok"));
}

START_TEST(a_server_that_refuses_is_made_good_by_another)
{
	struct bed *b = bed_open_servers("", "", 2);
	struct ask *a;

	bed_leave(b, FIRST);
	a = bed_ask(b);
	answer(b, SECOND);
	expect_ok(b, a);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_RETRY_CONNECT), 1);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_CONNECT_FAILED), 1);
	ck_assert_uint_eq(bed_admitted(b), 0);
	bed_close(b);
}
END_TEST

START_TEST(so_is_one_that_closes_without_a_byte)
{
	struct bed *b = bed_open_servers("", "", 2);
	struct ask *a = bed_ask(b);

	if (_i)
		bed_reset(take(b, FIRST));
	else
		bed_hang_up(take(b, FIRST));
	answer(b, SECOND);
	expect_ok(b, a);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_RETRY_CLOSED), 1);
	bed_close(b);
}
END_TEST

START_TEST(after_the_first_byte_there_is_no_other_attempt)
{
	static const char *const begun[] = { "H", "HTTP/1.1 103 \r\n\r\n",
					     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no" };
	struct bed *b = bed_open_servers("", "", 2);
	struct ask *a = bed_ask(b);
	int fd = take(b, FIRST);

	bed_say(b, fd, begun[_i]);
	bed_hang_up(fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CLOSED);
	ck_assert(!bed_has_accepted_at(b, SECOND));
	bed_close(b);
}
END_TEST

START_TEST(an_answer_that_is_no_http_is_not_asked_for_again)
{
	struct bed *b = bed_open_servers("", "", 2);
	struct ask *a = bed_ask(b);
	int fd = take(b, FIRST);

	bed_say(b, fd, "nonsense\r\n\r\n");
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_PROTOCOL);
	ck_assert(!bed_has_accepted_at(b, SECOND));
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_method_that_changes_something_each_time_is_sent_once)
{
	struct bed *b = bed_open_servers("", "method = POST", 2);
	struct ask *a;

	bed_leave(b, FIRST);
	a = bed_ask(b);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CONNECT);
	ck_assert(!bed_has_accepted_at(b, SECOND));
	bed_close(b);
}
END_TEST

START_TEST(a_body_that_was_sent_is_not_sent_again)
{
	struct bed *b = bed_open_servers("", "method = PUT\nbody = text", 2);
	struct ask *a = bed_ask(b);
	int fd = take(b, FIRST);

	bed_hear(b, fd, "text");
	bed_reset(fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CLOSED);
	ck_assert(!bed_has_accepted_at(b, SECOND));
	bed_close(b);
}
END_TEST

START_TEST(a_body_that_was_not_sent_may_go_to_another)
{
	struct bed *b = bed_open_servers("", "method = PUT\nbody = text", 2);
	struct ask *a;
	int fd;

	bed_leave(b, FIRST);
	a = bed_ask(b);
	fd = take(b, SECOND);
	bed_hear(b, fd, "text");
	bed_say_ok(b, fd);
	expect_ok(b, a);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

static const char unavailable[] = "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy";

START_TEST(a_status_is_an_answer_unless_retry_on_says_otherwise)
{
	struct bed *b = bed_open_servers("", "", 2);
	struct ask *a = bed_ask(b);
	int fd = take(b, FIRST);

	bed_say(b, fd, unavailable);
	bed_await(b, a);
	ck_assert_int_eq(a->q.response.status, 503);
	ck_assert(ask_has(a, "busy"));
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_status_of_retry_on_is_asked_of_another_and_the_connection_kept)
{
	struct bed *b = bed_open_servers("retry_on = 503", "", 2);
	struct ask *a = bed_ask(b);
	int fd = take(b, FIRST);

	bed_say(b, fd, unavailable);
	answer(b, SECOND);
	expect_ok(b, a);
	ck_assert_int_eq(a->q.response.status, 200);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_RETRY_STATUS), 1);
	bed_share(b)->peers[FIRST]->credit = bed_share(b)->peers[SECOND]->credit = 0;
	a = bed_ask(b);
	bed_expect(b, fd, "GET ");
	bed_say_ok(b, fd);
	expect_ok(b, a);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_status_whose_body_is_not_there_yet_costs_the_connection)
{
	struct bed *b = bed_open_servers("retry_on = 503", "", 2);
	struct ask *a = bed_ask(b);
	int fd = take(b, FIRST);

	bed_say(b, fd, "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbu");
	bed_hear_end(b, fd);
	answer(b, SECOND);
	expect_ok(b, a);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(the_last_attempts_status_is_the_answer)
{
	struct bed *b = bed_open_servers("retry_on = 503", "", 2);
	struct ask *a = bed_ask(b);
	int one = take(b, FIRST), two;

	bed_say(b, one, unavailable);
	two = take(b, SECOND);
	bed_say(b, two, unavailable);
	bed_await(b, a);
	ck_assert_int_eq(a->q.response.status, 503);
	ck_assert_uint_eq(a->heads, 1);
	ck_assert(ask_has(a, "busy"));
	bed_hang_up(one);
	bed_hang_up(two);
	bed_close(b);
}
END_TEST

START_TEST(a_server_that_says_nothing_in_time_only_if_asked_for)
{
	static const char *const sections[] = {
		"first_byte_timeout = 20ms",
		"first_byte_timeout = 20ms\nretry_on = timeout",
	};
	struct bed *b = bed_open_servers(sections[_i], "", 2);
	struct ask *a;
	int fd;

	bed_freeze(b);
	a = bed_ask(b);
	fd = take(b, FIRST);
	bed_pass(b, 20);
	if (_i) {
		answer(b, SECOND);
		expect_ok(b, a);
	} else {
		bed_await(b, a);
		ck_assert_int_eq(a->err, ERR_TIMEOUT);
	}
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(each_retry_asks_a_server_that_was_not_asked)
{
	struct bed *b = bed_open_servers("retries = 3\nretry_budget = 100%", "", 3);
	struct ask *a;

	bed_share(b)->budget.left = 1000;
	a = bed_ask(b);
	bed_reset(take(b, FIRST));
	bed_reset(take(b, SECOND));
	/* The second retry waits a little. */
	bed_reset(take(b, THIRD));
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CLOSED);
	ck_assert_uint_eq(a->dones, 1);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_RETRY_CLOSED), 2);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_RETRY_NO_SERVER), 1);
	bed_close(b);
}
END_TEST

START_TEST(one_server_alone_is_asked_once)
{
	struct bed *b = bed_open_servers("retries = 3", "", 1);
	struct ask *a = bed_ask(b);

	bed_reset(take(b, FIRST));
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CLOSED);
	ck_assert(!bed_has_accepted(b));
	bed_close(b);
}
END_TEST

START_TEST(a_back_off_can_be_cancelled)
{
	struct bed *b = bed_open_servers("retries = 2\nretry_budget = 100%", "", 3);
	struct upstream_errand *e;
	struct ask *a;

	bed_share(b)->budget.left = 1000;
	a = bed_ask(b);
	e = a->q.state;
	bed_reset(take(b, FIRST));
	bed_reset(take(b, SECOND));
	while (!e->is_backing_off)
		loop_turn(&bed_env(b)->loop, true);
	ask_cancel(a);
	ck_assert_uint_eq(bed_admitted(b), 0);
	ck_assert(!bed_has_accepted_at(b, THIRD));
	bed_close(b);
}
END_TEST

START_TEST(no_attempt_begins_past_the_deadline)
{
	struct bed *b = bed_open_servers("", "", 2);
	struct ask *a = bed_ask(b);
	int fd = take(b, FIRST);

	a->q.deadline_ns = loop_now(&bed_env(b)->loop);
	bed_reset(fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CLOSED);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_RETRY_NO_TIME), 1);
	bed_close(b);
}
END_TEST

/* One request whose first attempt is reset; true if there was a second, which is reset as well. */
static bool
is_tried_again(struct bed *b)
{
	uint64_t before = bed_count(b, COUNTER_UPSTREAM_RETRY_CLOSED);
	struct upstream_peer **p = bed_share(b)->peers;
	struct ask *a;
	bool is_again;

	p[FIRST]->credit = p[SECOND]->credit = 0; /* the first is next */
	a = bed_ask(b);
	bed_reset(take(b, FIRST));
	while (!a->is_ended && bed_count(b, COUNTER_UPSTREAM_RETRY_CLOSED) == before)
		loop_turn(&bed_env(b)->loop, true);
	is_again = !a->is_ended;
	if (is_again)
		bed_reset(take(b, SECOND));
	bed_await(b, a);
	return is_again;
}

START_TEST(retries_are_a_share_of_the_requests)
{
	struct bed *b = bed_open_servers("retry_budget = 25%\neject_after = 0", "", 2);
	unsigned again = 0;

	bed_share(b)->budget.window_ns = CLOCK_NEVER / 2; /* nothing is free */
	for (unsigned i = 0; i < 32; i++)
		again += is_tried_again(b);
	ck_assert_uint_eq(again, 8);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_RETRY_NO_BUDGET), 24);
	bed_close(b);
}
END_TEST

START_TEST(one_retry_a_second_is_free)
{
	struct bed *b = bed_open_servers("retry_budget = 0%", "", 2);
	struct upstream_budget *budget = &bed_share(b)->budget;

	ck_assert(is_tried_again(b));
	ck_assert(!is_tried_again(b));
	budget->window_ns -= CLOCK_SEC;
	ck_assert(is_tried_again(b));
	bed_close(b);
}
END_TEST

START_TEST(what_is_saved_has_a_ceiling)
{
	struct bed *b = bed_open_servers("retry_budget = 100%", "", 2);

	for (unsigned i = 0; i < 100; i++)
		upstream_retry_earn(bed_share(b));
	ck_assert_uint_eq(bed_share(b)->budget.left, 1000);
	bed_close(b);
}
END_TEST

Suite *
suite_source_upstream_retry(void)
{
	Suite *s = suite_create("source_upstream_retry");
	TCase *t = tcase_create("retry");

	tcase_add_test(t, a_server_that_refuses_is_made_good_by_another);
	tcase_add_loop_test(t, so_is_one_that_closes_without_a_byte, 0, 2);
	tcase_add_loop_test(t, after_the_first_byte_there_is_no_other_attempt, 0, 3);
	tcase_add_test(t, an_answer_that_is_no_http_is_not_asked_for_again);
	tcase_add_test(t, a_method_that_changes_something_each_time_is_sent_once);
	tcase_add_test(t, a_body_that_was_sent_is_not_sent_again);
	tcase_add_test(t, a_body_that_was_not_sent_may_go_to_another);
	tcase_add_test(t, a_status_is_an_answer_unless_retry_on_says_otherwise);
	tcase_add_test(t, a_status_of_retry_on_is_asked_of_another_and_the_connection_kept);
	tcase_add_test(t, a_status_whose_body_is_not_there_yet_costs_the_connection);
	tcase_add_test(t, the_last_attempts_status_is_the_answer);
	tcase_add_loop_test(t, a_server_that_says_nothing_in_time_only_if_asked_for, 0, 2);
	tcase_add_test(t, each_retry_asks_a_server_that_was_not_asked);
	tcase_add_test(t, one_server_alone_is_asked_once);
	tcase_add_test(t, a_back_off_can_be_cancelled);
	tcase_add_test(t, no_attempt_begins_past_the_deadline);
	tcase_add_test(t, retries_are_a_share_of_the_requests);
	tcase_add_test(t, one_retry_a_second_is_free);
	tcase_add_test(t, what_is_saved_has_a_ceiling);
	suite_add_tcase(s, t);
	return s;
}
