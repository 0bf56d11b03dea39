/*
 * One connection to a server: what cancelling leaves behind at each stage, and
 * what is not waited for too long.
 */
#include "base/clock.h"
#include "upstream_bed.h"

#include "source/upstream_priv.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *suite_source_upstream_conn(void);

/* --- cancelling ---------------------------------------------------------------------- */

START_TEST(cancelled_while_it_waits_it_leaves_the_list)
{
	struct bed *b = bed_open("max_connections = 1", "", BED_JOINED);
	struct ask *first = bed_ask(b), *second = bed_ask(b);
	int fd = bed_accept(b);

	bed_expect(b, fd, "GET ");
	ask_cancel(second);
	ask_cancel(second);
	bed_say_ok(b, fd);
	bed_await(b, first);
	bed_turn(b);
	ck_assert_uint_eq(second->dones, 0);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_REUSED), 0);
	ck_assert_uint_eq(bed_admitted(b), 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(cancelled_before_it_is_served_nothing_is_opened)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	struct ask *a = bed_ask(b);

	ask_cancel(a);
	ck_assert(!bed_has_accepted(b));
	ck_assert_uint_eq(bed_admitted(b), 0);
	bed_close(b);
}
END_TEST

/* How far the exchange gets before it is cancelled. */
static const char *const stages[] = {
	NULL, /* connecting */
	"", /* the request is sent */
	"HTTP/1.1 200 OK\r\nContent-Le", /* in the head */
	"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", /* in the body */
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
};

START_TEST(cancelled_at_any_stage_the_connection_closes_and_nothing_is_heard)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	struct ask *a = bed_ask(b);
	int fd = -1;

	if (stages[_i]) {
		fd = bed_accept(b);
		bed_expect(b, fd, "GET ");
		bed_say(b, fd, stages[_i]);
	} else {
		loop_turn(&bed_env(b)->loop, false);
	}
	ck_assert(!a->is_ended);
	ask_cancel(a);
	ask_cancel(a);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	ck_assert_uint_eq(bed_admitted(b), 0);
	if (fd >= 0) {
		bed_hear_end(b, fd);
		bed_hang_up(fd);
	}
	bed_turn(b);
	ck_assert_uint_eq(a->dones, 0);
	bed_close(b);
}
END_TEST

START_TEST(cancelled_from_inside_head_no_body_comes)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	struct ask *a = bed_ask(b);
	int fd = bed_accept(b);

	a->cancels_in_head = true;
	bed_expect(b, fd, "GET ");
	bed_say_ok(b, fd);
	ck_assert_uint_eq(a->heads, 1);
	ck_assert_uint_eq(a->bodies + a->dones, 0);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(cancelled_with_a_complete_response_the_connection_is_kept)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	struct ask *a = bed_ask(b);
	int fd = bed_accept(b);

	a->cancels_in_body = true;
	bed_expect(b, fd, "GET ");
	bed_say_ok(b, fd);
	ck_assert_uint_eq(a->bodies, 1);
	ck_assert_uint_eq(a->dones, 0);
	ck_assert_uint_eq(bed_open_conns(b), 1);
	ck_assert_uint_eq(bed_admitted(b), 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(cancelled_in_the_middle_of_the_body_the_connection_closes)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	struct ask *a = bed_ask(b);
	int fd = bed_accept(b);

	a->cancels_in_body = true;
	bed_expect(b, fd, "GET ");
	bed_say(b, fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
	ck_assert_uint_eq(a->bodies, 1);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

/* --- connecting -----------------------------------------------------------------------*/

/* A second address in front of the server's own; what is there is given. */
static void
put_before(struct bed *b, struct slice address)
{
	struct upstream_share *share = bed_share(b);
	struct upstream_server *server = &share->upstream->servers[0];

	server->addresses[1] = server->addresses[0];
	ck_assert_int_eq(address_parse(&server->addresses[0], address), 0);
	server->address_count = 2;
}

START_TEST(an_address_that_refuses_is_passed_over_and_remembered)
{
	struct bed *b = bed_open("keepalive_timeout = 0", "", BED_JOINED);

	put_before(b, SLICE("127.0.0.1:1"));
	for (int i = 0; i < 2; i++) {
		struct ask *a = bed_ask(b);
		int fd = bed_accept(b);

		bed_expect(b, fd, "GET ");
		bed_say_ok(b, fd);
		bed_await(b, a);
		ck_assert_int_eq(a->err, 0);
		bed_hang_up(fd);
		ck_assert_uint_eq(bed_share(b)->peers[0]->address, 1);
	}
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_CONNECT_FAILED), 0);
	bed_close(b);
}
END_TEST

START_TEST(a_connection_that_is_not_made_is_given_up)
{
	/* A listener whose backlog is full answers no more. */
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0), full[3];
	char section[128];
	struct bed *b;
	struct ask *a;

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(listener, 0), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	for (int i = 0; i < 3; i++) {
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(full[i], (struct sockaddr *)&at, sizeof(at)) != 0)
			ck_assert_int_eq(errno, EINPROGRESS);
	}
	snprintf(section, sizeof(section), "servers = http://127.0.0.1:%u\nconnect_timeout = 5ms",
		 ntohs(at.sin_port));
	b = bed_open(section, "", BED_JOINED);
	a = bed_ask(b);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CONNECT);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_CONNECT_TIMEOUT), 1);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	for (int i = 0; i < 3; i++)
		close(full[i]);
	close(listener);
	bed_close(b);
}
END_TEST

/* --- time-outs -------------------------------------------------------------------------- */

START_TEST(the_first_byte_is_not_waited_for_too_long)
{
	struct bed *b = bed_open("first_byte_timeout = 5ms", "", BED_JOINED);
	struct ask *a = bed_ask(b);
	int fd = bed_accept(b);

	bed_expect(b, fd, "GET ");
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_TIMEOUT);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_FIRST_BYTE_TIMEOUT), 1);
	bed_hear_end(b, fd);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_response_that_stalls_is_given_up)
{
	static const char *const said[] = {
		"HTTP/1.1 200 OK\r\nCont",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
	};
	struct bed *b = bed_open("read_idle_timeout = 5ms", "", BED_JOINED);
	struct ask *a = bed_ask(b);
	int fd = bed_accept(b);

	bed_expect(b, fd, "GET ");
	bed_say(b, fd, said[_i]);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_TIMEOUT);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_READ_TIMEOUT), 1);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(progress_moves_the_read_time_out)
{
	struct bed *b = bed_open("read_idle_timeout = 20ms", "", BED_PASSED);
	struct ask *a;
	int fd;

	bed_freeze(b);
	a = bed_ask(b);
	fd = bed_accept(b);
	bed_expect(b, fd, "GET ");
	bed_say(b, fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\n");
	bed_until(b, &a->heads, 1);
	for (unsigned i = 1; i <= 4; i++) {
		bed_pass(b, 19);
		ck_assert(!a->is_ended);
		bed_say(b, fd, "x");
		bed_until(b, &a->bodies, i);
	}
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_server_that_takes_nothing_is_given_up)
{
	struct bed *b = bed_open("send_idle_timeout = 5ms", "", BED_PASSED);
	struct ask *a = bed_prepare(b);
	char *piece;
	int fd;

	ask_method(a, "POST");
	a->q.has_body = true;
	ck_assert_int_eq(ask_start(a), 0);
	fd = bed_accept(b);
	piece = calloc(1, (1 << 20) + 1);
	ck_assert_ptr_nonnull(piece);
	memset(piece, 'x', 1 << 20);
	bed_until(b, &a->wants, 1);
	for (unsigned i = 0; i < 8; i++)
		ask_feed(a, piece, false);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_TIMEOUT);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_SEND_TIMEOUT), 1);
	free(piece);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

/* The server takes bytes until some more of the request have left. */
static void
take_until_more_comes(struct bed *b, const struct ask *a, int fd)
{
	const struct upstream_errand *e = a->q.state;
	const struct upstream_conn *c = CONTAINER_OF(e->channel, struct upstream_conn, channel);
	uint64_t until = clock_monotonic() + 10 * CLOCK_SEC;
	char taken[16384];

	while (c->last_ns < loop_now(&bed_env(b)->loop)) {
		while (recv(fd, taken, sizeof(taken), 0) > 0)
			continue;
		bed_turn(b);
		ck_assert(clock_monotonic() < until);
	}
}

START_TEST(progress_moves_the_send_time_out)
{
	struct bed *b = bed_open("send_idle_timeout = 20ms", "", BED_PASSED);
	/* More than buffers of sockets ever hold, three times. */
	char *piece = calloc(1, (48 << 20) + 1);
	struct ask *a;
	int fd;

	ck_assert_ptr_nonnull(piece);
	memset(piece, 'x', 48 << 20);
	bed_freeze(b);
	a = bed_prepare(b);
	ask_method(a, "POST");
	a->q.has_body = true;
	ck_assert_int_eq(ask_start(a), 0);
	fd = bed_accept(b);
	bed_until(b, &a->wants, 1);
	ask_feed(a, piece, false);
	for (unsigned i = 0; i < 3; i++) {
		bed_pass(b, 19);
		ck_assert(!a->is_ended);
		take_until_more_comes(b, a, fd);
	}
	ck_assert_uint_eq(a->wants, 1);
	bed_pass(b, 20);
	ck_assert(a->is_ended);
	ck_assert_int_eq(a->err, ERR_TIMEOUT);
	free(piece);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

Suite *
suite_source_upstream_conn(void)
{
	Suite *s = suite_create("source_upstream_conn");
	TCase *t = tcase_create("ends");

	tcase_add_test(t, cancelled_while_it_waits_it_leaves_the_list);
	tcase_add_test(t, cancelled_before_it_is_served_nothing_is_opened);
	tcase_add_loop_test(t, cancelled_at_any_stage_the_connection_closes_and_nothing_is_heard, 0,
			    5);
	tcase_add_test(t, cancelled_from_inside_head_no_body_comes);
	tcase_add_test(t, cancelled_with_a_complete_response_the_connection_is_kept);
	tcase_add_test(t, cancelled_in_the_middle_of_the_body_the_connection_closes);
	tcase_add_test(t, an_address_that_refuses_is_passed_over_and_remembered);
	tcase_add_test(t, a_connection_that_is_not_made_is_given_up);
	tcase_add_test(t, the_first_byte_is_not_waited_for_too_long);
	tcase_add_loop_test(t, a_response_that_stalls_is_given_up, 0, 2);
	tcase_add_test(t, progress_moves_the_read_time_out);
	tcase_add_test(t, a_server_that_takes_nothing_is_given_up);
	tcase_add_test(t, progress_moves_the_send_time_out);
	suite_add_tcase(s, t);
	return s;
}
