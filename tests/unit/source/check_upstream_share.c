/*
 * A worker's share of an upstream: whose connection is used, who waits, who is
 * refused.
 */
#include "base/clock.h"
#include "upstream_bed.h"

#include "source/upstream_priv.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *suite_source_upstream_share(void);

/* A first exchange, so that there is an idle connection; returns the server's end. */
static int
warm(struct bed *b)
{
	struct ask *a = bed_ask(b);
	int fd = bed_accept(b);

	bed_expect(b, fd, "");
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	return fd;
}

START_TEST(the_connection_is_kept_and_used_again)
{
	struct bed *b = bed_open("", "path = /x", BED_JOINED);
	int fd = warm(b);
	struct ask *a = bed_ask(b);

	bed_expect(b, fd, "GET /x HTTP/1.1\r\n");
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert(ask_has(a, "ok"));
	ck_assert(!bed_has_accepted(b));
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_OPENED), 1);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_REUSED), 1);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(an_idle_connection_holds_no_block)
{
	struct bed *b = bed_open("", "path = /x", BED_JOINED);
	int fd = warm(b);

	ck_assert_uint_eq(bed_open_conns(b), 1);
	/* What is out is the arena of the first subrequest. */
	ck_assert_uint_le(bed_env(b)->store.out, 2);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(start_never_calls_back_from_inside)
{
	struct bed *b = bed_open("servers = http://127.0.0.1:1", "", BED_JOINED);
	struct ask *a = bed_ask(b); /* asserts it */

	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CONNECT);
	ck_assert_uint_eq(a->heads, 0);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_CONNECT_FAILED), 1);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	bed_close(b);
}
END_TEST

START_TEST(an_idle_connection_that_closes_is_closed_at_once)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	int fd = warm(b);

	bed_hang_up(fd);
	bed_turn(b);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	bed_close(b);
}
END_TEST

START_TEST(an_idle_connection_that_speaks_is_closed_at_once)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	int fd = warm(b);

	bed_say(b, fd, "HTTP/1.1 200 OK\r\n\r\n");
	ck_assert_uint_eq(bed_open_conns(b), 0);
	bed_hear_end(b, fd);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(an_idle_connection_is_closed_after_its_time)
{
	struct bed *b = bed_open("keepalive_timeout = 5ms", "", BED_JOINED);
	int fd = warm(b);

	bed_hear_end(b, fd);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(keepalive_timeout_0_keeps_none)
{
	struct bed *b = bed_open("keepalive_timeout = 0", "", BED_JOINED);
	struct ask *a = bed_ask(b);
	int fd = bed_accept(b);

	ck_assert_ptr_nonnull(strstr(bed_expect(b, fd, ""), "\r\nConnection: close\r\n"));
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(bytes_that_came_before_the_next_request_cost_the_connection)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	struct upstream_share *share = bed_share(b);
	int fd = warm(b), second;
	struct ask *a = bed_ask(b);

	/* Not seen by the loop yet: it must not be taken for the answer to come. */
	ck_assert_int_eq(write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 42), 42);
	share->serve.run(&share->serve);
	second = bed_accept(b);
	bed_expect(b, second, "GET ");
	bed_say_ok(b, second);
	bed_await(b, a);
	ck_assert(ask_has(a, "ok"));
	bed_hang_up(fd);
	bed_hang_up(second);
	bed_close(b);
}
END_TEST

START_TEST(a_dead_idle_connection_is_replaced_once)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	int fd = warm(b);
	struct ask *a = bed_ask(b);

	bed_expect(b, fd, "GET ");
	bed_hang_up(fd);
	fd = bed_accept(b);
	bed_expect(b, fd, "GET ");
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_REPLACED), 1);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_fresh_connection_is_never_replaced)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	struct ask *a = bed_ask(b);
	int fd = bed_accept(b);

	bed_expect(b, fd, "GET ");
	bed_hang_up(fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CLOSED);
	ck_assert(!bed_has_accepted(b));
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_CLOSED), 1);
	bed_close(b);
}
END_TEST

START_TEST(the_replacement_is_not_replaced_again)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	int fd = warm(b);
	struct ask *a = bed_ask(b);

	bed_expect(b, fd, "GET ");
	bed_hang_up(fd);
	fd = bed_accept(b);
	bed_expect(b, fd, "GET ");
	bed_hang_up(fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CLOSED);
	ck_assert(!bed_has_accepted(b));
	bed_close(b);
}
END_TEST

/* The last is one that nobody knows to be harmless. */
static const char *const methods[] = { "POST", "PATCH", "PUNCH" };

START_TEST(what_is_not_idempotent_is_not_sent_twice)
{
	char part[32];
	struct bed *b;
	struct ask *a;
	int fd;

	snprintf(part, sizeof(part), "method = %s", methods[_i]);
	b = bed_open("", part, BED_JOINED);
	fd = warm(b);
	a = bed_ask(b);
	bed_expect(b, fd, methods[_i]);
	bed_hang_up(fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CLOSED);
	ck_assert(!bed_has_accepted(b));
	bed_close(b);
}
END_TEST

START_TEST(a_request_with_a_body_is_not_sent_twice)
{
	struct bed *b = bed_open("", "method = PUT\nbody = x", BED_JOINED);
	struct ask *a = bed_ask(b);
	int fd = bed_accept(b);

	bed_expect(b, fd, "PUT ");
	bed_hear(b, fd, "x");
	bed_say_ok(b, fd);
	bed_await(b, a);
	a = bed_ask(b);
	bed_expect(b, fd, "PUT ");
	bed_hear(b, fd, "x");
	bed_hang_up(fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CLOSED);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_REUSED), 1);
	ck_assert(!bed_has_accepted(b));
	bed_close(b);
}
END_TEST

START_TEST(a_response_that_has_begun_is_not_asked_for_again)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	int fd = warm(b);
	struct ask *a = bed_ask(b);

	bed_expect(b, fd, "GET ");
	bed_say(b, fd, "HTTP/1.1 200 ");
	bed_hang_up(fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CLOSED);
	ck_assert(!bed_has_accepted(b));
	bed_close(b);
}
END_TEST

START_TEST(what_is_idle_at_another_server_is_used_before_waiting)
{
	char section[128];
	struct bed *other = bed_open("", "", BED_JOINED), *b;
	struct ask *a;
	int fd;

	snprintf(section, sizeof(section),
		 "max_connections = 1\nservers = http://127.0.0.1:%u, http://localhost:%u",
		 bed_port(other), bed_port(other));
	b = bed_open(section, "", BED_JOINED);
	a = bed_ask(b);
	bed_turn(b);
	fd = bed_accept(other);
	for (int i = 0; i < 2; i++) {
		bed_turn(b);
		bed_expect(other, fd, "GET ");
		bed_say_ok(other, fd);
		bed_await(b, a);
		a = bed_ask(b);
	}
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_OPENED), 1);
	bed_hang_up(fd);
	bed_close(b);
	bed_close(other);
}
END_TEST

/* --- limits ------------------------------------------------------------------------ */

START_TEST(more_than_max_connections_wait_for_their_turn)
{
	struct bed *b = bed_open("max_connections = 1", "", BED_JOINED);
	struct ask *first = bed_ask(b), *second = bed_ask(b), *third = bed_ask(b);
	int fd = bed_accept(b);

	bed_expect(b, fd, "GET ");
	ck_assert(!bed_has_accepted(b));
	bed_say_ok(b, fd);
	bed_await(b, first);
	bed_expect(b, fd, "GET ");
	ck_assert(!third->is_ended && !second->is_ended);
	bed_say_ok(b, fd);
	bed_await(b, second);
	bed_expect(b, fd, "GET ");
	bed_say_ok(b, fd);
	bed_await(b, third);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_OPENED), 1);
	ck_assert_uint_eq(bed_admitted(b), 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_connection_that_dies_makes_room_for_who_waits)
{
	struct bed *b = bed_open("max_connections = 1", "", BED_JOINED);
	struct ask *first = bed_ask(b), *second = bed_ask(b);
	int fd = bed_accept(b);

	bed_expect(b, fd, "GET ");
	bed_reset(fd);
	bed_await(b, first);
	ck_assert_int_eq(first->err, ERR_CLOSED);
	fd = bed_accept(b);
	bed_expect(b, fd, "GET ");
	bed_say_ok(b, fd);
	bed_await(b, second);
	ck_assert_int_eq(second->err, 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(more_than_max_pending_are_refused_with_a_reason)
{
	struct bed *b = bed_open("max_connections = 1\nmax_pending = 2", "", BED_JOINED);
	struct ask *a[3] = { bed_ask(b), bed_ask(b), bed_ask(b) };
	struct ask *refused = bed_prepare(b);

	ck_assert_int_eq(ask_start(refused), ERR_SHED);
	ck_assert_str_eq(refused->q.refusal.limit, "upstream.u.max_pending");
	ck_assert_uint_ge(refused->q.refusal.retry_after_s, 1);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_REFUSED), 1);
	/* A place is free again as soon as one ends. */
	ask_cancel(a[2]);
	bed_ask(b);
	bed_close(b);
}
END_TEST

START_TEST(a_fan_out_is_admitted_whole_or_not_at_all)
{
	struct bed *b = bed_open("max_connections = 1\nmax_pending = 1", "", BED_JOINED);
	struct ask *a[3] = { bed_prepare(b), bed_prepare(b), bed_prepare(b) };
	struct subrequest *q[3] = { &a[0]->q, &a[1]->q, &a[2]->q };
	const struct source_ops *ops = q[0]->part->source->ops;

	ck_assert_int_eq(ops->reserve(q, 3), ERR_SHED);
	ck_assert_uint_eq(bed_admitted(b), 0);
	ck_assert_ptr_nonnull(q[2]->refusal.limit);
	ck_assert_int_eq(ops->reserve(q, 2), 0);
	ck_assert_uint_eq(bed_admitted(b), 2);
	ops->release(q[0]);
	ops->release(q[1]);
	ops->release(q[1]);
	ck_assert_uint_eq(bed_admitted(b), 0);
	bed_close(b);
}
END_TEST

START_TEST(limits_are_split_among_workers_with_at_least_one_each)
{
	struct bed *b = bed_open_worker("max_connections = 2\nmax_pending = 1", "", BED_JOINED,
					(struct bed_place){ 0, 4 });

	bed_ask(b);
	bed_ask(b);
	ck_assert_int_eq(ask_start(bed_prepare(b)), ERR_SHED);
	bed_turn(b);
	ck_assert_uint_eq(bed_open_conns(b), 1);
	bed_close(b);
}
END_TEST

START_TEST(a_worker_that_leaves_takes_no_part_of_what_the_others_have)
{
	struct bed *b = bed_open_worker("max_connections = 64\nmax_pending = 64", "", BED_JOINED,
					(struct bed_place){ 3, 1 });

	for (unsigned i = 0; i < 4; i++)
		bed_ask(b);
	bed_turn(b);
	ck_assert_uint_eq(bed_open_conns(b), 1);
	bed_close(b);
}
END_TEST

START_TEST(who_waits_gives_up_at_its_deadline)
{
	struct bed *b = bed_open("max_connections = 1", "", BED_JOINED);
	struct ask *first = bed_ask(b), *second = bed_prepare(b);
	int fd = bed_accept(b);

	second->q.deadline_ns = clock_monotonic() + 5 * CLOCK_MS;
	ck_assert_int_eq(ask_start(second), 0);
	bed_await(b, second);
	ck_assert_int_eq(second->err, ERR_TIMEOUT);
	ck_assert(!first->is_ended);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_WAIT_TIMEOUT), 1);
	ck_assert_uint_eq(bed_admitted(b), 1);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_deadline_that_was_moved_is_heeded)
{
	struct bed *b = bed_open("max_connections = 1", "", BED_JOINED);
	struct ask *first, *second;
	uint64_t now;
	int fd;

	bed_freeze(b);
	first = bed_ask(b);
	second = bed_prepare(b);
	fd = bed_accept(b);
	now = loop_now(&bed_env(b)->loop);
	second->q.deadline_ns = now + 100 * CLOCK_MS;
	ck_assert_int_eq(ask_start(second), 0);
	bed_turn(b);
	second->q.deadline_ns = now + 1000 * CLOCK_SEC;
	bed_pass(b, 110);
	ck_assert(!second->is_ended && !first->is_ended);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(servers_are_asked_in_turn)
{
	char section[128];
	struct bed *other = bed_open("", "", BED_JOINED), *b;
	int fd;

	snprintf(section, sizeof(section), "servers = http://127.0.0.1:%u, http://localhost:%u",
		 bed_port(other), bed_port(other));
	b = bed_open(section, "", BED_JOINED);
	for (int i = 0; i < 4; i++) {
		struct ask *a = bed_ask(b);

		/* The listener of the other bed serves both of this one. */
		bed_turn(b);
		fd = bed_accept(other);
		bed_turn(b);
		ck_assert_ptr_nonnull(
		    strstr(bed_expect(other, fd, "GET "),
			   i % 2 ? "\r\nHost: localhost:" : "\r\nHost: 127.0.0.1:"));
		bed_say(other, fd, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
		bed_await(b, a);
		bed_hang_up(fd);
	}
	bed_close(b);
	bed_close(other);
}
END_TEST

static void
add_connections(Suite *s)
{
	TCase *t = tcase_create("connections");

	tcase_add_test(t, the_connection_is_kept_and_used_again);
	tcase_add_test(t, an_idle_connection_holds_no_block);
	tcase_add_test(t, start_never_calls_back_from_inside);
	tcase_add_test(t, an_idle_connection_that_closes_is_closed_at_once);
	tcase_add_test(t, an_idle_connection_that_speaks_is_closed_at_once);
	tcase_add_test(t, an_idle_connection_is_closed_after_its_time);
	tcase_add_test(t, keepalive_timeout_0_keeps_none);
	tcase_add_test(t, bytes_that_came_before_the_next_request_cost_the_connection);
	tcase_add_test(t, a_dead_idle_connection_is_replaced_once);
	tcase_add_test(t, a_fresh_connection_is_never_replaced);
	tcase_add_test(t, the_replacement_is_not_replaced_again);
	tcase_add_loop_test(t, what_is_not_idempotent_is_not_sent_twice, 0, 3);
	tcase_add_test(t, a_request_with_a_body_is_not_sent_twice);
	tcase_add_test(t, a_response_that_has_begun_is_not_asked_for_again);
	tcase_add_test(t, what_is_idle_at_another_server_is_used_before_waiting);
	suite_add_tcase(s, t);
}

static void
add_limits(Suite *s)
{
	TCase *t = tcase_create("limits");

	tcase_add_test(t, more_than_max_connections_wait_for_their_turn);
	tcase_add_test(t, a_connection_that_dies_makes_room_for_who_waits);
	tcase_add_test(t, more_than_max_pending_are_refused_with_a_reason);
	tcase_add_test(t, a_fan_out_is_admitted_whole_or_not_at_all);
	tcase_add_test(t, limits_are_split_among_workers_with_at_least_one_each);
	tcase_add_test(t, a_worker_that_leaves_takes_no_part_of_what_the_others_have);
	tcase_add_test(t, who_waits_gives_up_at_its_deadline);
	tcase_add_test(t, a_deadline_that_was_moved_is_heeded);
	tcase_add_test(t, servers_are_asked_in_turn);
	suite_add_tcase(s, t);
}

Suite *
suite_source_upstream_share(void)
{
	Suite *s = suite_create("source_upstream_share");

	add_connections(s);
	add_limits(s);
	return s;
}
