/*
 * Conns between requests: rest, drain, pressure, lingering, and their host.
 */
#include "stand.h"

#include "base/mem.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *suite_proto_conn(void);

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n"

enum { CROWD = 40 };

static struct stand stand;

static void
keep(struct stand *b, struct exchange *x)
{
	(void)b;
	(void)x;
}

static void
setup(void)
{
	stand_open(&stand);
}

static void
teardown(void)
{
	stand_close(&stand);
}

/* More conns; their clients' ends go to fds. */
static void
add_crowd(int *fds, unsigned count)
{
	int first = stand.client;

	stand.client = -1;
	for (unsigned i = 0; i < count; i++) {
		stand_connect(&stand, SOCK_STREAM, 0);
		fds[i] = stand.client;
		stand.client = -1;
	}
	stand.client = first;
}

static bool
is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK) == 0;
}

static unsigned
count_closed(const int *fds, unsigned count)
{
	unsigned closed = 0;

	for (unsigned i = 0; i < count; i++)
		closed += is_closed(fds[i]);
	return closed;
}

static void
close_crowd(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

START_TEST(a_request_that_is_there_already_is_answered_at_once)
{
	struct address peer = { .of.any.sa_family = AF_UNIX, .len = sizeof(sa_family_t) };
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	ck_assert_int_eq(send(pair[0], GET, strlen(GET), 0), (ssize_t)strlen(GET));
	conn_open(&stand.host, pair[1], &peer, 0);
	ck_assert_uint_eq(stand.endeds, 1);
	stand.client = pair[0];
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "hello"));
}
END_TEST

START_TEST(an_idle_conn_holds_no_buffers)
{
	stand_connect(&stand, SOCK_STREAM, 0);
	stand_say(&stand, GET);
	ck_assert_uint_eq(stand.env.store.out, 0);
	ck_assert_uint_eq(stand.host.kept_actives, 1);
}
END_TEST

START_TEST(the_peers_address_is_known)
{
	stand.begin = keep;
	stand_connect_tcp(&stand, 0);
	stand_say(&stand, GET);
	ck_assert_int_eq(stand.x->client->of.any.sa_family, AF_INET);
	ck_assert_uint_eq(stand.x->client->of.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
}
END_TEST

/* --- behind a proxy -------------------------------------------------------------------- */

#define HEADER "PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n"

static void
check_client(const char *host)
{
	char text[64];
	struct writer w = writer_over(text, sizeof(text) - 1);
	struct address peer;

	ck_assert_ptr_nonnull(stand.x);
	address_write_host(stand.x->client, &w);
	text[w.len] = '\0';
	ck_assert_str_eq(text, host);
	ck_assert_int_eq(exchange_peer(stand.x, &peer), 0);
	ck_assert_int_eq(peer.of.any.sa_family, AF_UNIX);
}

START_TEST(who_the_proxy_names_is_the_client)
{
	stand.begin = keep;
	stand_connect(&stand, SOCK_STREAM, CONN_PROXIED);
	stand_say(&stand, HEADER GET);
	check_client("192.0.2.1");
	ck_assert_uint_eq(count_read(&stand.counters, COUNTER_PROXY_TAKEN), 1);
}
END_TEST

START_TEST(the_proxys_header_may_come_byte_by_byte)
{
	static const char all[] = HEADER GET;

	stand.begin = keep;
	stand_connect(&stand, SOCK_STREAM, CONN_PROXIED);
	for (size_t i = 0; i < sizeof(all) - 1; i++) {
		ck_assert_uint_eq(stand.begun, 0);
		stand_say_bytes(&stand, all + i, 1);
	}
	check_client("192.0.2.1");
}
END_TEST

START_TEST(a_proxy_that_speaks_for_itself_is_the_client)
{
	stand.begin = keep;
	stand_connect(&stand, SOCK_STREAM, CONN_PROXIED);
	stand_say_bytes(&stand, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
	stand_say(&stand, GET);
	check_client("unix");
}
END_TEST

START_TEST(without_the_proxys_header_the_conn_ends)
{
	static const struct {
		const char *said;
		enum counter reason;
	} rows[] = {
		{ GET, COUNTER_PROXY_MISSING },
		{ "PROXY TCP4 1.1.1.1 2.2.2.2 1 x\r\n" GET, COUNTER_PROXY_SYNTAX },
		{ "PROXY TCP4 1.1.1.1 2.2.2.2 1 "
		  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		  COUNTER_PROXY_LONG },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		stand_connect(&stand, SOCK_STREAM, CONN_PROXIED);
		ck_assert_uint_eq(stand.host.open, 1);
		stand_say(&stand, rows[i].said);
		ck_assert_uint_eq(stand.host.open, 0);
		ck_assert_uint_eq(count_read(&stand.counters, rows[i].reason), 1);
	}
	ck_assert_uint_eq(stand.begun + stand.refuseds, 0);
}
END_TEST

START_TEST(a_header_that_ends_early_ends_the_conn)
{
	stand_connect(&stand, SOCK_STREAM, CONN_PROXIED);
	stand_say(&stand, "PROXY TCP4");
	ck_assert_uint_eq(stand.host.open, 1);
	stand_hang_up(&stand, false);
	ck_assert_uint_eq(stand.host.open, 0);
	ck_assert_uint_eq(count_read(&stand.counters, COUNTER_PROXY_CLOSED), 1);
}
END_TEST

START_TEST(header_and_request_have_a_time_each)
{
	stand_connect(&stand, SOCK_STREAM, CONN_PROXIED);
	stand_say(&stand, "PROXY TCP4");
	stand_wait(&stand, 9 * CLOCK_SEC);
	stand_say(&stand, " 192.0.2.1 10.0.0.1 4711 443\r\n");
	stand_wait(&stand, 9 * CLOCK_SEC);
	ck_assert_uint_eq(stand.host.open, 1);
	stand_say(&stand, GET);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "hello"));

	stand_connect(&stand, SOCK_STREAM, CONN_PROXIED);
	stand_say(&stand, "PROXY TCP4");
	stand_wait(&stand, 9 * CLOCK_SEC);
	stand_say(&stand, " 192");
	stand_wait(&stand, 2 * CLOCK_SEC);
	ck_assert_uint_eq(count_read(&stand.counters, COUNTER_PROXY_TIMEOUT), 1);
}
END_TEST

START_TEST(drain_ends_a_header_that_does_not_come)
{
	stand_connect(&stand, SOCK_STREAM, CONN_PROXIED);
	stand_say(&stand, "PROXY ");
	conn_host_drain(&stand.host, CLOCK_SEC);
	stand_wait(&stand, 2 * CLOCK_SEC);
	ck_assert_uint_eq(stand.host.open, 0);
}
END_TEST

START_TEST(a_client_that_closes_an_idle_conn_ends_it)
{
	stand_connect(&stand, SOCK_STREAM, 0);
	stand_say(&stand, GET);
	stand_hang_up(&stand, false);
	ck_assert_uint_eq(stand.host.open, 0);
	stand_connect_tcp(&stand, 0);
	stand_say(&stand, GET);
	stand_hang_up(&stand, true);
	ck_assert_uint_eq(stand.host.open, 0);
	ck_assert_uint_eq(count_read(&stand.counters, COUNTER_CLIENT_GONE), 0);
}
END_TEST

START_TEST(pressure_closes_idle_ones_only)
{
	int fds[CROWD];

	stand_connect(&stand, SOCK_STREAM, 0);
	stand.begin = keep;
	stand_say(&stand, GET);
	add_crowd(fds, CROWD);
	ck_assert_uint_eq(conn_host_close_idle(&stand.host, 10), 10);
	ck_assert_uint_eq(count_closed(fds, CROWD), 10);
	ck_assert_uint_eq(conn_host_close_idle(&stand.host, 1000), CROWD - 10);
	ck_assert_uint_eq(stand.host.open, 1);
	ck_assert_uint_eq(stand.cancels, 0);
	close_crowd(fds, CROWD);
}
END_TEST

START_TEST(the_host_tells_once_when_it_is_empty)
{
	int fds[3];

	add_crowd(fds, 3);
	conn_host_close_all(&stand.host);
	ck_assert_uint_eq(stand.empties, 1);
	close_crowd(fds, 3);
}
END_TEST

START_TEST(without_memory_for_a_conn_its_socket_is_closed)
{
	int fds[1];

	mem_fail_at(1, true);
	add_crowd(fds, 1);
	mem_fail_at(0, false);
	ck_assert_uint_eq(count_closed(fds, 1), 1);
	ck_assert_uint_eq(stand.host.open, 0);
	ck_assert_uint_eq(count_read(&stand.counters, COUNTER_CLOSE_MEMORY), 1);
	close_crowd(fds, 1);
}
END_TEST

/* --- drain ------------------------------------------------------------------------------ */

START_TEST(an_idle_conn_may_send_one_more_request)
{
	stand_connect(&stand, SOCK_STREAM, 0);
	stand_say(&stand, GET);
	conn_host_drain(&stand.host, CLOCK_SEC);
	stand_say(&stand, GET);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "Connection: close\r\n"));
	ck_assert(stand.is_eof);
	ck_assert_uint_eq(stand.host.open, 0);
}
END_TEST

START_TEST(an_idle_conn_that_sends_nothing_is_half_closed)
{
	stand_connect(&stand, SOCK_STREAM, 0);
	stand_say(&stand, GET);
	stand_hear(&stand);
	conn_host_drain(&stand.host, CLOCK_SEC);
	stand_turns(&stand, 1);
	stand_hear(&stand);
	ck_assert(!stand.is_eof);
	stand_wait(&stand, CLOCK_SEC + 100 * CLOCK_MS);
	stand_hear(&stand);
	ck_assert(stand.is_eof);
	ck_assert_uint_eq(count_read(&stand.counters, COUNTER_CLOSE_DRAIN), 1);
	stand_hang_up(&stand, false);
	ck_assert_uint_eq(stand.host.open, 0);
}
END_TEST

START_TEST(work_is_finished_while_draining)
{
	stand.begin = keep;
	stand_connect(&stand, SOCK_STREAM, 0);
	stand_say(&stand, GET);
	conn_host_drain(&stand.host, CLOCK_SEC);
	stand_wait(&stand, 10 * CLOCK_SEC);
	ck_assert_uint_eq(stand.cancels, 0);
	stand_answer(stand.x, "late");
	stand_turns(&stand, 1);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "Connection: close\r\n"));
	ck_assert_uint_eq(stand.host.open, 0);
}
END_TEST

/* Its head had promised to keep the connection: it is idle now, and no different from others. */
START_TEST(a_conn_that_becomes_idle_while_draining_does_not_stay)
{
	stand.begin = keep;
	stand_connect(&stand, SOCK_STREAM, 0);
	stand_say(&stand, GET);
	ck_assert_int_eq(stand_head(stand.x, 200, BODY_LENGTH, 3), 0);
	stand_turns(&stand, 1);
	conn_host_drain(&stand.host, CLOCK_SEC);
	stand_wait(&stand, 5 * CLOCK_SEC);
	ck_assert_int_eq(stand_body(stand.x, "abc", 3), 0);
	exchange_end(stand.x);
	stand_turns(&stand, 2);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "abc"));
	ck_assert(!stand.is_eof);
	stand_wait(&stand, CLOCK_SEC + 100 * CLOCK_MS);
	stand_hear(&stand);
	ck_assert(stand.is_eof);
}
END_TEST

START_TEST(a_request_that_came_just_before_the_end_is_answered)
{
	stand_connect(&stand, SOCK_STREAM, 0);
	stand_say(&stand, GET);
	stand_hear(&stand);
	conn_host_drain(&stand.host, CLOCK_SEC);
	stand_turns(&stand, 1);
	ck_assert_int_eq(send(stand.client, GET, strlen(GET), 0), (ssize_t)strlen(GET));
	/* The time-out is looked at before the socket is. */
	stand.now_ns += 2 * CLOCK_SEC;
	loop_turn_at(&stand.env.loop, stand.now_ns);
	stand_turns(&stand, 1);
	ck_assert_uint_eq(stand.endeds, 2);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "hello"));
}
END_TEST

/* --- clients that do not read ------------------------------------------------------------------
 */

static char large[8 << 20];

static void
answer_large(struct stand *b, struct exchange *x)
{
	(void)b;
	if (stand_head(x, 200, BODY_LENGTH, sizeof(large)) == 0)
		stand_body(x, large, sizeof(large));
	exchange_end(x);
}

/* Bytes of the large answer that the kernel holds for a client that has read nothing. */
static size_t
held_by_kernel(void)
{
	static char heard[1 << 16];
	size_t bytes = 0;
	ssize_t n;

	stand.begin = answer_large;
	stand_connect_tcp(&stand, 0);
	stand_say(&stand, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	stand_turns(&stand, 64);
	while ((n = recv(stand.client, heard, sizeof(heard), MSG_DONTWAIT)) > 0)
		bytes += (size_t)n;
	return bytes;
}

START_TEST(where_many_do_not_read_the_kernel_holds_little_for_the_next)
{
	size_t bytes;

	stand.host.full = CONN_FULL_MANY;
	bytes = held_by_kernel();
	ck_assert_uint_gt(bytes, 0);
	ck_assert_uint_lt(bytes, 512 << 10);
	ck_assert_uint_eq(stand.host.full, CONN_FULL_MANY + 1);
	stand_hang_up(&stand, true);
	stand_turns(&stand, 4);
	ck_assert_uint_eq(stand.host.full, CONN_FULL_MANY);
	stand.host.full = 0;
}
END_TEST

START_TEST(who_reads_on_is_not_counted_any_more)
{
	held_by_kernel();
	ck_assert_uint_eq(stand.host.full, 1);
	for (unsigned i = 0; i < 10000 && stand.host.full > 0; i++) {
		stand_turns(&stand, 1);
		stand_hear(&stand);
		stand.heard_len = 0;
	}
	ck_assert_uint_eq(stand.host.full, 0);
}
END_TEST

/* --- lingering ------------------------------------------------------------------------------ */

START_TEST(what_is_unread_when_we_half_close_is_dropped)
{
	static char body[100000];

	stand_connect_tcp(&stand, 0);
	/* There before the answer: no event will tell of it again. */
	ck_assert_int_eq(send(stand.client, POST, strlen(POST), 0), (ssize_t)strlen(POST));
	ck_assert_int_eq(send(stand.client, body, sizeof(body), 0), (ssize_t)sizeof(body));
	shutdown(stand.client, SHUT_WR);
	stand_turns(&stand, 4);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "hello"));
	ck_assert(stand.is_eof); /* and not a reset */
	ck_assert_uint_eq(stand.host.open, 0); /* at once, not after the longest time */
}
END_TEST

START_TEST(lingering_has_an_end)
{
	stand_connect(&stand, SOCK_STREAM, 0);
	stand_say(&stand, POST);
	stand_hear(&stand);
	ck_assert(stand.is_eof);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_eq(stand.host.open, 1);
		stand_say(&stand, "more");
		stand_wait(&stand, 600 * CLOCK_MS);
	}
	ck_assert_uint_eq(stand.host.open, 0);
}
END_TEST

START_TEST(lingering_drops_only_so_much)
{
	static char body[100000];
	unsigned i;

	stand_connect(&stand, SOCK_STREAM, 0);
	stand_say(&stand, POST);
	for (i = 0; i < 30 && stand.host.open; i++)
		stand_say_bytes(&stand, body,
				send(stand.client, body, sizeof(body), MSG_NOSIGNAL) > 0);
	ck_assert_uint_lt(i, 30);
}
END_TEST

START_TEST(lingering_conns_are_not_drained_or_pressed)
{
	stand_connect(&stand, SOCK_STREAM, 0);
	stand_say(&stand, POST);
	ck_assert_uint_eq(conn_host_close_idle(&stand.host, 1), 0);
	conn_host_drain(&stand.host, CLOCK_SEC);
	ck_assert_uint_eq(stand.host.open, 1);
	stand_hang_up(&stand, false);
	ck_assert_uint_eq(stand.host.open, 0);
}
END_TEST

Suite *
suite_proto_conn(void)
{
	Suite *s = suite_create("proto/conn");
	TCase *t = tcase_create("conn");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_request_that_is_there_already_is_answered_at_once);
	tcase_add_test(t, an_idle_conn_holds_no_buffers);
	tcase_add_test(t, the_peers_address_is_known);
	tcase_add_test(t, who_the_proxy_names_is_the_client);
	tcase_add_test(t, the_proxys_header_may_come_byte_by_byte);
	tcase_add_test(t, a_proxy_that_speaks_for_itself_is_the_client);
	tcase_add_test(t, without_the_proxys_header_the_conn_ends);
	tcase_add_test(t, a_header_that_ends_early_ends_the_conn);
	tcase_add_test(t, header_and_request_have_a_time_each);
	tcase_add_test(t, drain_ends_a_header_that_does_not_come);
	tcase_add_test(t, a_client_that_closes_an_idle_conn_ends_it);
	tcase_add_test(t, pressure_closes_idle_ones_only);
	tcase_add_test(t, the_host_tells_once_when_it_is_empty);
	tcase_add_test(t, without_memory_for_a_conn_its_socket_is_closed);
	tcase_add_test(t, an_idle_conn_may_send_one_more_request);
	tcase_add_test(t, an_idle_conn_that_sends_nothing_is_half_closed);
	tcase_add_test(t, work_is_finished_while_draining);
	tcase_add_test(t, a_conn_that_becomes_idle_while_draining_does_not_stay);
	tcase_add_test(t, a_request_that_came_just_before_the_end_is_answered);
	tcase_add_test(t, where_many_do_not_read_the_kernel_holds_little_for_the_next);
	tcase_add_test(t, who_reads_on_is_not_counted_any_more);
	tcase_add_test(t, what_is_unread_when_we_half_close_is_dropped);
	tcase_add_test(t, lingering_has_an_end);
	tcase_add_test(t, lingering_drops_only_so_much);
	tcase_add_test(t, lingering_conns_are_not_drained_or_pressed);
	return s;
}
