/*
 * What is believed of a server's response, and what is handed up.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "upstream_bed.h"

#include "source/upstream_priv.h"

#include <check.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *suite_source_upstream_response(void);

enum after { KEPT, CLOSED, HANGS_UP, RESETS }; /* what becomes of the connection */

#define OK(rest)  "HTTP/1.1 200 OK\r\n" rest
#define CHUNKED   "Transfer-Encoding: chunked\r\n"
#define LENGTH(n) "Content-Length: " #n "\r\n"

/* --- responses that are taken ---------------------------------------------------- */

static const struct good {
	const char *method;
	const char *said;
	enum after after;
	int status;
	enum body_framing framing;
	uint64_t length;
	const char *body;
} goods[] = {
	{ "GET", OK(LENGTH(3) "\r\nabc"), KEPT, 200, BODY_LENGTH, 3, "abc" },
	{ "GET", OK(LENGTH(0) "\r\n"), KEPT, 200, BODY_LENGTH, 0, "" },
	{ "GET", OK(CHUNKED "\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: t\r\n\r\n"), KEPT, 200,
	  BODY_CHUNKED, 0, "abcde" },
	{ "GET", OK(CHUNKED "\r\n0\r\n\r\n"), KEPT, 200, BODY_CHUNKED, 0, "" },
	{ "GET", OK("\r\nuntil the end"), HANGS_UP, 200, BODY_CHUNKED, 0, "until the end" },
	{ "GET", OK("\r\n"), HANGS_UP, 200, BODY_CHUNKED, 0, "" },
	{ "GET", OK(LENGTH(3) "Connection: close\r\n\r\nabc"), CLOSED, 200, BODY_LENGTH, 3, "abc" },
	{ "GET", "HTTP/1.0 200 OK\r\n" LENGTH(3) "\r\nabc", CLOSED, 200, BODY_LENGTH, 3, "abc" },
	{ "GET", "HTTP/1.0 200 OK\r\n" LENGTH(3) "Connection: keep-alive\r\n\r\nabc", KEPT, 200,
	  BODY_LENGTH, 3, "abc" },
	{ "GET", "HTTP/1.1 204 No Content\r\n\r\n", KEPT, 204, BODY_NONE, 0, "" },
	{ "GET", "HTTP/1.1 304 Not Modified\r\n" LENGTH(9) "\r\n", KEPT, 304, BODY_NONE, 0, "" },
	{ "HEAD", OK(LENGTH(9) "\r\n"), KEPT, 200, BODY_LENGTH, 9, "" },
	{ "HEAD", OK(CHUNKED "\r\n"), KEPT, 200, BODY_NONE, 0, "" },
	{ "HEAD", OK("\r\n"), KEPT, 200, BODY_NONE, 0, "" },
	{ "GET", "HTTP/1.1 100 Continue\r\n\r\n" OK(LENGTH(1) "\r\nx"), KEPT, 200, BODY_LENGTH, 1,
	  "x" },
	{ "GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK(LENGTH(1) "\r\nx"), KEPT, 200,
	  BODY_LENGTH, 1, "x" },
	{ "GET", "HTTP/1.1 404 \r\n" LENGTH(0) "\r\n", KEPT, 404, BODY_LENGTH, 0, "" },
	/* Surplus: the response is good, the connection is not. */
	{ "GET", OK(LENGTH(3) "\r\nabcHTTP/1.1"), CLOSED, 200, BODY_LENGTH, 3, "abc" },
	{ "GET", OK(CHUNKED "\r\n0\r\n\r\nx"), CLOSED, 200, BODY_CHUNKED, 0, "" },
	{ "HEAD", OK(LENGTH(3) "\r\nabc"), CLOSED, 200, BODY_LENGTH, 3, "" },
	{ "GET", "HTTP/1.1 304 Not Modified\r\n\r\nabc", CLOSED, 304, BODY_NONE, 0, "" },
	{ "GET", OK(LENGTH(3) "\r\nabc"), HANGS_UP, 200, BODY_LENGTH, 3, "abc" },
};

enum { GOODS = sizeof(goods) / sizeof(goods[0]) };

static void
say(struct bed *b, int fd, const char *text, bool in_pieces)
{
	if (!in_pieces) {
		bed_say(b, fd, text);
		return;
	}
	/* Surplus may find the connection closed. */
	for (; *text && send(fd, text, 1, MSG_NOSIGNAL) == 1; text++)
		bed_turn(b);
}

static struct ask *
ask_with(struct bed *b, const char *method, int *fd)
{
	struct ask *a = bed_prepare(b);

	ask_method(a, method);
	ck_assert_int_eq(ask_start(a), 0);
	*fd = bed_accept(b);
	bed_expect(b, *fd, method);
	return a;
}

static void
check_good(const struct good *g, bool in_pieces)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = ask_with(b, g->method, &fd);

	say(b, fd, g->said, in_pieces);
	if (g->after == HANGS_UP)
		bed_hang_up(fd);
	bed_await(b, a);
	bed_turn(b);
	ck_assert_msg(a->err == 0, "%s: %d", g->said, a->err);
	ck_assert_uint_eq(a->heads, 1);
	ck_assert_int_eq(a->q.response.status, g->status);
	ck_assert_int_eq((int)a->q.response.framing, (int)g->framing);
	ck_assert_uint_eq(a->q.response.content_length, g->length);
	ck_assert_msg(ask_has(a, g->body), "%s: %zu bytes", g->said, a->body_len);
	ck_assert_msg(bed_open_conns(b) == (g->after == KEPT), "%s", g->said);
	if (g->after != HANGS_UP)
		bed_hang_up(fd);
	bed_close(b);
}

START_TEST(a_good_response_is_taken)
{
	check_good(&goods[_i], false);
}
END_TEST

START_TEST(a_good_response_is_taken_byte_by_byte)
{
	check_good(&goods[_i], true);
}
END_TEST

/* --- responses that are not --------------------------------------------------------- */

static const struct bad {
	const char *said;
	enum after after;
	int err;
} bads[] = {
	{ "garbage\r\n\r\n", KEPT, ERR_PROTOCOL },
	{ "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", KEPT, ERR_PROTOCOL },
	{ "HTTP/2.0 200 OK\r\n\r\n", KEPT, ERR_PROTOCOL },
	{ "HTTP/1.1 20 OK\r\n\r\n", KEPT, ERR_PROTOCOL },
	{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", KEPT,
	  ERR_PROTOCOL },
	{ OK(LENGTH(3) CHUNKED "\r\n3\r\nabc\r\n0\r\n\r\n"), KEPT, ERR_PROTOCOL },
	{ OK(LENGTH(3) LENGTH(4) "\r\nabc"), KEPT, ERR_PROTOCOL },
	{ OK(LENGTH(3) LENGTH(3) "\r\nabc"), KEPT, ERR_PROTOCOL },
	{ OK(LENGTH(-1) "\r\n"), KEPT, ERR_PROTOCOL },
	{ OK("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), KEPT, ERR_PROTOCOL },
	{ OK("A: b\r\n folded\r\n\r\n"), KEPT, ERR_PROTOCOL },
	{ OK("A : b\r\n\r\n"), KEPT, ERR_PROTOCOL },
	{ OK("A: b\rc\r\n\r\n"), KEPT, ERR_PROTOCOL },
	{ OK(CHUNKED "\r\nx\r\n"), KEPT, ERR_PROTOCOL },
	{ OK(CHUNKED "\r\n3\r\nabcd\r\n"), KEPT, ERR_PROTOCOL },
	{ OK(CHUNKED "\r\n3\nabc\n0\n\n"), KEPT, ERR_PROTOCOL },
	{ "", HANGS_UP, ERR_CLOSED },
	{ "", RESETS, ERR_CLOSED },
	{ "HTTP/1.1 200", HANGS_UP, ERR_CLOSED },
	{ "HTTP/1.1 100 Continue\r\n\r\n", HANGS_UP, ERR_CLOSED },
	{ OK(LENGTH(3) "\r\nab"), HANGS_UP, ERR_CLOSED },
	{ OK(LENGTH(3) "\r\nab"), RESETS, ERR_CLOSED },
	{ OK(CHUNKED "\r\n3\r\nabc\r\n"), HANGS_UP, ERR_CLOSED },
	{ OK(CHUNKED "\r\n3\r\nabc\r\n0\r\n"), HANGS_UP, ERR_CLOSED },
	{ OK("\r\nuntil"), RESETS, ERR_CLOSED },
};

enum { BADS = sizeof(bads) / sizeof(bads[0]) };

START_TEST(a_bad_response_fails_and_costs_the_connection)
{
	const struct bad *bad = &bads[_i];
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = ask_with(b, "GET", &fd);

	bed_say(b, fd, bad->said);
	if (bad->after == HANGS_UP)
		bed_hang_up(fd);
	if (bad->after == RESETS)
		bed_reset(fd);
	bed_await(b, a);
	ck_assert_msg(a->err == bad->err, "%s: %d", bad->said, a->err);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	ck_assert_uint_eq(bed_count(b, bad->err == ERR_CLOSED ? COUNTER_UPSTREAM_CLOSED
							      : COUNTER_UPSTREAM_PROTOCOL),
			  1);
	if (bad->after == KEPT)
		bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_head_above_the_limit_is_refused)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = ask_with(b, "GET", &fd);
	char line[128];

	bed_say(b, fd, "HTTP/1.1 200 OK\r\n");
	memset(line, 'x', sizeof(line));
	memcpy(line, "A: ", 3);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	for (unsigned i = 0; i < 200 && !a->is_ended; i++) {
		ssize_t n = send(fd, line, sizeof(line), MSG_NOSIGNAL);

		ck_assert_int_eq(n, sizeof(line));
		bed_turn(b);
	}
	ck_assert(a->is_ended);
	ck_assert_int_eq(a->err, ERR_PROTOCOL);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_head_of_one_endless_line_is_refused)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = ask_with(b, "GET", &fd);
	char line[4096];

	memset(line, 'x', sizeof(line));
	bed_say(b, fd, "HTTP/1.1 200 OK\r\nA: ");
	for (unsigned i = 0; i < 5 && !a->is_ended; i++) {
		ck_assert_int_gt(send(fd, line, sizeof(line), MSG_NOSIGNAL), 0);
		bed_turn(b);
	}
	ck_assert(a->is_ended);
	ck_assert_int_eq(a->err, ERR_PROTOCOL);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(interim_responses_have_a_limit)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = ask_with(b, "GET", &fd);
	unsigned said = 0;

	while (!a->is_ended && said < 100) {
		bed_say(b, fd, "HTTP/1.1 102 Processing\r\n\r\n");
		said++;
	}
	ck_assert_uint_eq(said, 9);
	ck_assert_int_eq(a->err, ERR_PROTOCOL);
	ck_assert_uint_eq(a->heads, 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(fields_of_the_connection_stay_behind)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = ask_with(b, "GET", &fd);

	bed_say(b, fd,
		OK("Connection: keep-alive, X-Mine\r\nKeep-Alive: 5\r\nX-Mine: 1\r\nTrailer: T\r\n"
		   "Upgrade: h2c\r\nProxy-Authenticate: x\r\nETag: \"e\"\r\n"
		   "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Yours: v w\r\n" LENGTH(0) "\r\n"));
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	ck_assert_uint_eq(a->q.response.fields.count, 4);
	ck_assert_str_eq(ask_header(a, "etag"), "\"e\"");
	ck_assert_str_eq(ask_header(a, "x-yours"), "v w");
	ck_assert_ptr_null(ask_header(a, "x-mine"));
	ck_assert_ptr_null(ask_header(a, "content-length"));
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(fields_outlive_the_connection)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = ask_with(b, "GET", &fd);

	bed_say(b, fd, OK("X-A: value\r\nConnection: close\r\n" LENGTH(0) "\r\n"));
	bed_await(b, a);
	bed_turn(b);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	ck_assert_str_eq(ask_header(a, "x-a"), "value");
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

/* --- back-pressure --------------------------------------------------------------------- */

START_TEST(a_paused_reader_is_not_given_more)
{
	struct bed *b = bed_open("read_idle_timeout = 2ms", "", BED_PASSED);
	struct ask *a;
	int fd;

	bed_freeze(b);
	a = ask_with(b, "GET", &fd);
	a->pauses = true;
	bed_say(b, fd, OK(LENGTH(6) "\r\nabc"));
	ck_assert(ask_has(a, "abc"));
	bed_say(b, fd, "def");
	/* Nor is the server blamed for the time that passes. */
	bed_pass(b, 5);
	ck_assert(ask_has(a, "abc"));
	ck_assert(!a->is_ended);
	a->pauses = false;
	a->q.part->source->ops->resume(&a->q);
	ck_assert(ask_has(a, "abc")); /* not from inside */
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	ck_assert(ask_has(a, "abcdef"));
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(the_end_of_the_stream_is_seen_after_a_pause)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = ask_with(b, "GET", &fd);

	a->pauses = true;
	bed_say(b, fd, OK("\r\nabc"));
	bed_say(b, fd, "def");
	bed_hang_up(fd);
	bed_turn(b);
	ck_assert(!a->is_ended);
	a->pauses = false;
	a->q.part->source->ops->resume(&a->q);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	ck_assert(ask_has(a, "abcdef"));
	bed_close(b);
}
END_TEST

/* Pauses at every piece; the socket holds the rest back. */
START_TEST(a_large_body_passes_in_bounded_memory)
{
	enum { PIECE = 1 << 16, PIECES = 128 };
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = ask_with(b, "GET", &fd);
	size_t sent = 0, total = (size_t)PIECE * PIECES;
	char *piece = mem_zalloc(1, PIECE), head[128];

	a->pauses = a->discards = true;
	snprintf(head, sizeof(head), OK("Content-Length: %zu\r\n\r\n"), total);
	bed_say(b, fd, head);
	while (!a->is_ended) {
		size_t left = total - sent < PIECE ? total - sent : PIECE;
		ssize_t n = left ? send(fd, piece, left, MSG_NOSIGNAL) : 0;

		sent += n > 0 ? (size_t)n : 0;
		loop_turn(&bed_env(b)->loop, false);
		ck_assert_uint_le(bed_env(b)->store.out, 8);
		if (!a->is_ended)
			a->q.part->source->ops->resume(&a->q);
	}
	ck_assert_int_eq(a->err, 0);
	ck_assert_uint_eq(a->body_len, total);
	mem_free(&piece);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(one_large_body_does_not_hold_the_loop)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = ask_with(b, "GET", &fd);
	char piece[1 << 14] = { 0 };
	struct upstream_errand *e;
	struct upstream_conn *c;
	int room = 1 << 22;
	size_t before;

	a->discards = true;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	e = a->q.state;
	c = CONTAINER_OF(e->channel, struct upstream_conn, channel);
	setsockopt(io_fd(&c->io), SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	bed_say(b, fd, OK("\r\n"));
	while (send(fd, piece, sizeof(piece), MSG_NOSIGNAL) > 0)
		;
	before = a->body_len;
	loop_turn(&bed_env(b)->loop, false);
	ck_assert_uint_le(a->body_len - before, 16 * 16384);
	bed_turn(b);
	ck_assert_uint_gt(a->body_len - before, 16 * 16384);
	bed_hang_up(fd);
	bed_await(b, a);
	bed_close(b);
}
END_TEST

/* --- without memory ---------------------------------------------------------------------- */

START_TEST(whatever_allocation_fails_the_subrequest_ends_once)
{
	for (unsigned long n = 1; n < 40; n++) {
		struct bed *b = bed_open("", "", BED_PASSED);
		struct ask *a = bed_prepare(b);
		int fd = -1;

		/* Blocks and pages that were given back would hide the failure. */
		mem_fail_at(n, true);
		if (ask_start(a) == 0) {
			for (unsigned i = 0; i < 20 && !a->is_ended; i++)
				loop_turn(&bed_env(b)->loop, false);
		}
		mem_fail_at(0, false);
		if (!a->is_ended) {
			fd = bed_accept(b);
			bed_expect(b, fd, "GET ");
			mem_fail_at(n, true);
			ck_assert_int_gt(send(fd, OK(LENGTH(2) "A: b\r\n\r\nok"), 44, MSG_NOSIGNAL),
					 0);
			bed_turn(b);
			mem_fail_at(0, false);
			bed_hang_up(fd);
			bed_await(b, a);
		}
		ck_assert_uint_eq(bed_admitted(b), 0);
		bed_close(b);
	}
}
END_TEST

Suite *
suite_source_upstream_response(void)
{
	Suite *s = suite_create("source_upstream_response");
	TCase *t = tcase_create("responses");

	tcase_add_loop_test(t, a_good_response_is_taken, 0, GOODS);
	tcase_add_loop_test(t, a_good_response_is_taken_byte_by_byte, 0, GOODS);
	tcase_add_loop_test(t, a_bad_response_fails_and_costs_the_connection, 0, BADS);
	tcase_add_test(t, a_head_above_the_limit_is_refused);
	tcase_add_test(t, a_head_of_one_endless_line_is_refused);
	tcase_add_test(t, interim_responses_have_a_limit);
	tcase_add_test(t, fields_of_the_connection_stay_behind);
	tcase_add_test(t, fields_outlive_the_connection);
	tcase_add_test(t, a_paused_reader_is_not_given_more);
	tcase_add_test(t, the_end_of_the_stream_is_seen_after_a_pause);
	tcase_add_test(t, a_large_body_passes_in_bounded_memory);
	tcase_add_test(t, one_large_body_does_not_hold_the_loop);
	tcase_add_test(t, whatever_allocation_fails_the_subrequest_ends_once);
	suite_add_tcase(s, t);
	return s;
}
