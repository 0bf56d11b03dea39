/*
 * Protocols that a client may change to: what is asked of the server, which of
 * its answers is taken, and how a tunnel ends.
 */
#include "upstream_bed.h"

#include "source/upstream_priv.h"

#include <check.h>
#include <stdio.h>
#include <sys/socket.h>

Suite *suite_source_upstream_tunnel(void);

#define SERVERS "servers = http://127.0.0.1:9"
#define SWITCH  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"

static struct ask *
prepare(struct bed *b, const char *connection, const char *upgrade)
{
	struct ask *a = bed_prepare(b);

	a->request.version = HTTP_1_1;
	ask_field(a, "Connection", connection);
	ask_field(a, "Upgrade", upgrade);
	return a;
}

static struct bed *
open_bed(void)
{
	return bed_open("", "upgrade = websocket, chaos/2\ntunnel_idle_timeout = 50ms", BED_PASSED);
}

/* --- asking ---------------------------------------------------------------------- */

static const struct question {
	const char *connection, *upgrade;
	const char *asked; /* NULL: nothing */
} questions[] = {
	{ "Upgrade", "websocket", "websocket" },
	{ "keep-alive, UPGRADE", "WebSocket", "WebSocket" },
	{ "Upgrade", "h2c, chaos/2 ,, websocket", "chaos/2, websocket" },
	{ "keep-alive", "websocket", NULL },
	{ "Upgrade", "chaos", NULL },
	{ "Upgrade", "h2c", NULL },
	{ "Upgrade", "", NULL },
};

enum { QUESTIONS = sizeof(questions) / sizeof(questions[0]) };

START_TEST(what_is_allowed_is_asked_for)
{
	const struct question *with = &questions[_i];
	struct bed *b = open_bed();
	struct ask *a = prepare(b, with->connection, with->upgrade);
	const char *head;
	char lines[128];

	ck_assert_int_eq(ask_start(a), 0);
	head = bed_expect(b, bed_accept(b), "GET ");
	snprintf(lines, sizeof(lines), "\r\nConnection: Upgrade\r\nUpgrade: %s\r\n",
		 with->asked ? with->asked : "");
	ck_assert_msg((strstr(head, lines) != NULL) == (with->asked != NULL), "%s", head);
	ck_assert_msg((strstr(head, "Upgrade") != NULL) == (with->asked != NULL), "%s", head);
	bed_close(b);
}
END_TEST

START_TEST(a_client_of_an_older_version_asks_for_nothing)
{
	struct bed *b = open_bed();
	struct ask *a = prepare(b, "Upgrade", "websocket");

	a->request.version = HTTP_1_0;
	ck_assert_int_eq(ask_start(a), 0);
	ck_assert_ptr_null(strstr(bed_expect(b, bed_accept(b), "GET "), "Upgrade"));
	bed_close(b);
}
END_TEST

START_TEST(a_request_that_is_no_get_asks_for_nothing)
{
	struct bed *b = open_bed();
	struct ask *a = prepare(b, "Upgrade", "websocket");

	ask_method(a, "POST");
	ck_assert_int_eq(ask_start(a), 0);
	ck_assert_ptr_null(strstr(bed_expect(b, bed_accept(b), "POST "), "Upgrade"));
	bed_close(b);
}
END_TEST

START_TEST(a_request_with_a_body_asks_for_nothing)
{
	struct bed *b = open_bed();
	struct ask *a = prepare(b, "Upgrade", "websocket");

	a->q.has_body = a->q.is_body_length_known = true;
	a->q.body_bytes = 3;
	ck_assert_int_eq(ask_start(a), 0);
	ck_assert_ptr_null(strstr(bed_expect(b, bed_accept(b), "GET "), "Upgrade"));
	bed_close(b);
}
END_TEST

/* --- the answer ------------------------------------------------------------------ */

static const char *const wrong[] = {
	"HTTP/1.1 101 X\r\nConnection: Upgrade\r\n\r\n",
	"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n",
	"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: chaos/2\r\n\r\n",
	"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket, other\r\n\r\n",
	"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket/13\r\n\r\n",
	"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: ,\r\n\r\n",
};

enum { WRONG = sizeof(wrong) / sizeof(wrong[0]) };

START_TEST(a_101_names_what_was_asked_for)
{
	struct bed *b = open_bed();
	struct ask *a = prepare(b, "Upgrade", "websocket");
	int fd;

	ck_assert_int_eq(ask_start(a), 0);
	fd = bed_accept(b);
	bed_expect(b, fd, "GET ");
	bed_say(b, fd, wrong[_i]);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_PROTOCOL);
	ck_assert_uint_eq(a->heads, 0);
	ck_assert_uint_eq(bed_count(b, COUNTER_TUNNEL_OPENED), 0);
	bed_close(b);
}
END_TEST

/* --- the tunnel ------------------------------------------------------------------ */

static struct ask *
open_tunnel(struct bed *b, int *fd)
{
	struct ask *a = prepare(b, "Upgrade", "websocket");

	ck_assert_int_eq(ask_start(a), 0);
	*fd = bed_accept(b);
	bed_expect(b, *fd, "GET ");
	bed_say(b, *fd, SWITCH "Sec-WebSocket-Accept: x\r\n\r\nfirst");
	bed_until(b, &a->bodies, 1);
	ck_assert_int_eq(a->q.response.status, 101);
	ck_assert_str_eq(ask_header(a, "Upgrade"), "websocket");
	ck_assert_str_eq(ask_header(a, "Sec-WebSocket-Accept"), "x");
	ck_assert_ptr_null(ask_header(a, "Connection"));
	ck_assert(ask_has(a, "first"));
	bed_until(b, &a->wants, 1);
	return a;
}

START_TEST(bytes_go_both_ways_until_both_ends_are_done)
{
	struct bed *b = open_bed();
	int fd;
	struct ask *a = open_tunnel(b, &fd);

	ask_feed(a, "HTTP/1.1 200 OK\r\n\r\n", false);
	bed_hear(b, fd, "HTTP/1.1 200 OK\r\n\r\n");
	ask_feed(a, "", true);
	bed_hear_end(b, fd);
	ck_assert_uint_eq(a->dones, 0);
	bed_say(b, fd, "HTTP/1.1 500 No\r\n\r\n");
	bed_hang_up(fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	ck_assert(ask_has(a, "firstHTTP/1.1 500 No\r\n\r\n"));
	ck_assert_uint_eq(bed_open_conns(b), 0);
	ck_assert_uint_eq(bed_count(b, COUNTER_TUNNEL_CLOSED), 1);
	bed_close(b);
}
END_TEST

START_TEST(the_servers_end_is_told_and_the_client_may_go_on)
{
	struct bed *b = open_bed();
	int fd;
	struct ask *a = open_tunnel(b, &fd);

	shutdown(fd, SHUT_WR);
	bed_until(b, &a->shuts, 1);
	ck_assert_uint_eq(a->dones, 0);
	ask_feed(a, "more", true);
	bed_hear(b, fd, "more");
	bed_hear_end(b, fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	bed_close(b);
}
END_TEST

START_TEST(a_reset_ends_it)
{
	struct bed *b = open_bed();
	int fd;
	struct ask *a = open_tunnel(b, &fd);

	bed_reset(fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CLOSED);
	bed_close(b);
}
END_TEST

START_TEST(a_reset_behind_its_end_ends_it)
{
	struct bed *b = open_bed();
	int fd;
	struct ask *a = open_tunnel(b, &fd);

	shutdown(fd, SHUT_WR);
	bed_until(b, &a->shuts, 1);
	bed_reset(fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CLOSED);
	bed_close(b);
}
END_TEST

START_TEST(a_tunnel_that_rests_is_closed)
{
	struct bed *b = open_bed();
	struct ask *a;
	int fd;

	bed_freeze(b);
	a = open_tunnel(b, &fd);
	bed_pass(b, 40);
	ask_feed(a, "x", false);
	bed_hear(b, fd, "x");
	bed_pass(b, 40);
	ck_assert_uint_eq(a->dones, 0);
	bed_pass(b, 11);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_TIMEOUT);
	ck_assert_uint_eq(bed_count(b, COUNTER_TUNNEL_IDLE), 1);
	bed_close(b);
}
END_TEST

START_TEST(who_pauses_is_not_given_more)
{
	struct bed *b = open_bed();
	int fd;
	struct ask *a = open_tunnel(b, &fd);

	a->pauses = true;
	bed_say(b, fd, "second");
	bed_until(b, &a->bodies, 2);
	bed_say(b, fd, "third");
	bed_turn(b);
	ck_assert_uint_eq(a->bodies, 2);
	a->pauses = false;
	a->q.part->source->ops->resume(&a->q);
	bed_until(b, &a->bodies, 3);
	ck_assert(ask_has(a, "firstsecondthird"));
	bed_close(b);
}
END_TEST

START_TEST(who_lets_go_resets_the_server)
{
	struct bed *b = open_bed();
	char byte;
	int fd;
	struct ask *a = open_tunnel(b, &fd);

	ask_cancel(a);
	bed_turn(b);
	ck_assert_int_lt(recv(fd, &byte, 1, 0), 0);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	bed_close(b);
}
END_TEST

START_TEST(of_two_servers_the_first_that_agrees_is_the_tunnel)
{
	struct bed *b = bed_open_servers_for("hedge_after = 1ms\nretry_budget = 100%",
					     "upgrade = websocket", BED_PASSED, 2);
	struct ask *a = prepare(b, "Upgrade", "websocket");
	int first, second;

	ck_assert_int_eq(ask_start(a), 0);
	first = bed_accept_at(b, 0);
	bed_expect(b, first, "GET ");
	second = bed_accept_at(b, 1);
	bed_expect(b, second, "GET ");
	bed_say(b, second, SWITCH "\r\nfirst");
	bed_until(b, &a->bodies, 1);
	bed_hear_end(b, first);
	ask_feed(a, "x", true);
	bed_hear(b, second, "x");
	bed_hang_up(second);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	bed_close(b);
}
END_TEST

/* --- keys ------------------------------------------------------------------------ */

START_TEST(mistakes_are_told)
{
	ck_assert_str_ne(bed_complaint(SERVERS, "upgrade = web socket", BED_PASSED), "");
	ck_assert_str_ne(bed_complaint(SERVERS, "upgrade = h2c", BED_PASSED), "");
	ck_assert_str_ne(bed_complaint(SERVERS, "upgrade = websocket", BED_JOINED), "");
	ck_assert_str_ne(
	    bed_complaint(SERVERS "\nprotocols = h2", "upgrade = websocket", BED_PASSED), "");
	ck_assert_str_eq(bed_complaint(SERVERS, "upgrade = websocket, TLS/1.0", BED_PASSED), "");
}
END_TEST

Suite *
suite_source_upstream_tunnel(void)
{
	Suite *s = suite_create("source_upstream_tunnel");
	TCase *t = tcase_create("tunnel");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, what_is_allowed_is_asked_for, 0, QUESTIONS);
	tcase_add_test(t, a_client_of_an_older_version_asks_for_nothing);
	tcase_add_test(t, a_request_that_is_no_get_asks_for_nothing);
	tcase_add_test(t, a_request_with_a_body_asks_for_nothing);
	tcase_add_loop_test(t, a_101_names_what_was_asked_for, 0, WRONG);
	tcase_add_test(t, bytes_go_both_ways_until_both_ends_are_done);
	tcase_add_test(t, the_servers_end_is_told_and_the_client_may_go_on);
	tcase_add_test(t, a_reset_ends_it);
	tcase_add_test(t, a_reset_behind_its_end_ends_it);
	tcase_add_test(t, a_tunnel_that_rests_is_closed);
	tcase_add_test(t, who_pauses_is_not_given_more);
	tcase_add_test(t, who_lets_go_resets_the_server);
	tcase_add_test(t, of_two_servers_the_first_that_agrees_is_the_tunnel);
	tcase_add_test(t, mistakes_are_told);
	suite_add_tcase(s, t);
	return s;
}
