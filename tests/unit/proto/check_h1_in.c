/*
 * The request's way in: heads, bodies, their framing and back-pressure.
 */
#include "stand.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

Suite *suite_proto_h1_in(void);

#define HELLO "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
#define FED   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nfed"
#define GET   "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST  "POST / HTTP/1.1\r\nHost: a\r\n"

static struct stand stand;

static void
setup(void)
{
	stand_open(&stand);
	stand_connect(&stand, SOCK_STREAM, 0);
}

static void
teardown(void)
{
	stand_close(&stand);
}

static void
want(struct stand *b, struct exchange *x)
{
	(void)b;
	exchange_want_body(x);
}

static void
keep(struct stand *b, struct exchange *x)
{
	(void)b;
	(void)x;
}

START_TEST(requests_one_after_the_other_on_one_connection)
{
	for (unsigned i = 0; i < 3; i++) {
		stand_say(&stand, GET);
		ck_assert_str_eq(stand_heard(&stand), HELLO);
	}
	ck_assert_uint_eq(stand.endeds, 3);
	ck_assert(!stand.is_eof);
}
END_TEST

START_TEST(a_head_byte_by_byte)
{
	const char *text = "\r\n" GET;

	for (size_t i = 0; text[i]; i++) {
		ck_assert_str_eq(stand_heard(&stand), "");
		stand_say_bytes(&stand, text + i, 1);
	}
	ck_assert_str_eq(stand_heard(&stand), HELLO);
}
END_TEST

START_TEST(pipelined_answers_leave_in_one_write)
{
	stand_connect(&stand, SOCK_SEQPACKET, 0);
	stand_say(&stand, GET GET GET);
	ck_assert_uint_eq(stand.endeds, 3);
	ck_assert_int_gt(recv(stand.client, stand.heard, STAND_HEARD_BYTES, 0), 3 * 60);
	ck_assert_int_eq(recv(stand.client, stand.heard, STAND_HEARD_BYTES, 0), -1);
}
END_TEST

/* So many requests, one behind the other; the caller frees them. */
static char *
many_requests(unsigned count)
{
	char *text = malloc(count * sizeof(GET));

	for (unsigned i = 0; i < count; i++)
		memcpy(text + i * strlen(GET), GET, sizeof(GET));
	return text;
}

START_TEST(more_pipelined_requests_than_a_turn_takes)
{
	char *text = many_requests(1000);

	stand_say(&stand, text);
	free(text);
	stand_turns(&stand, 20);
	stand_hear(&stand);
	ck_assert_uint_eq(stand.endeds, 1000);
}
END_TEST

START_TEST(a_client_that_sends_all_and_half_closes_gets_all_answers)
{
	char *text = many_requests(400);

	ck_assert_int_eq(send(stand.client, text, strlen(text), 0), (ssize_t)strlen(text));
	free(text);
	shutdown(stand.client, SHUT_WR);
	stand_turns(&stand, 20);
	stand_hear(&stand);
	ck_assert_uint_eq(stand.endeds, 400);
	ck_assert(stand.is_eof);
}
END_TEST

START_TEST(a_body_of_a_length_is_fed)
{
	stand.begin = want;
	stand_say(&stand, POST "Content-Length: 6\r\n\r\nabc");
	ck_assert_uint_eq(stand.lasts, 0);
	stand_say(&stand, "def" GET);
	ck_assert_uint_eq(stand.lasts, 1);
	ck_assert_mem_eq(stand.fed, "abcdef", 6);
	ck_assert_uint_eq(stand.fed_len, 6);
	ck_assert_uint_eq(stand.begun, 2); /* what comes behind it is the next request */
}
END_TEST

START_TEST(a_chunked_body_byte_by_byte)
{
	const char *text = POST "Transfer-Encoding: chunked\r\n\r\n"
				"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n";

	stand.begin = want;
	for (size_t i = 0; text[i]; i++) {
		ck_assert_uint_eq(stand.lasts, 0);
		stand_say_bytes(&stand, text + i, 1);
	}
	ck_assert_uint_eq(stand.lasts, 1);
	ck_assert_mem_eq(stand.fed, "abcde", 5);
	ck_assert_str_eq(stand_heard(&stand), FED);
	stand.begin = NULL;
	stand_say(&stand, GET);
	ck_assert_str_eq(stand_heard(&stand), HELLO);
}
END_TEST

START_TEST(a_chunked_body_in_one_read_is_one_feed)
{
	stand.begin = want;
	stand_say(&stand,
		  POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" GET);
	ck_assert_uint_eq(stand.feeds, 1);
	ck_assert_uint_eq(stand.lasts, 1);
	ck_assert_mem_eq(stand.fed, "abcde", 5);
	ck_assert_uint_eq(stand.begun, 2);
}
END_TEST

static struct chunks collected;

/* A reader that is slow: it takes all, and it stays. */
static void
collect(struct stand *b, struct exchange *x, struct chunks *body, bool is_last)
{
	(void)b;
	if (!collected.store)
		chunks_init(&collected, x->store);
	chunks_move(&collected, body);
	if (!is_last)
		exchange_want_body(x);
}

START_TEST(chunks_of_one_byte_cost_no_more_memory_than_they_bring)
{
	enum { CHUNKS = 50000, EACH = 6 };
	static char text[CHUNKS * EACH + 6];
	static char got[CHUNKS];

	collected = (struct chunks){ 0 };
	for (size_t i = 0; i < CHUNKS; i++) {
		memcpy(text + i * EACH, "1\r\n \r\n", EACH);
		text[i * EACH + 3] = (char)('a' + i % 26);
	}
	memcpy(text + CHUNKS * EACH, "0\r\n\r\n", 5);
	stand.begin = want;
	stand.feed = collect;
	stand_say(&stand, POST "Transfer-Encoding: chunked\r\n\r\n");
	stand_say_bytes(&stand, text, sizeof(text) - 1);
	ck_assert_uint_eq(collected.bytes, CHUNKS);
	/* Blocks of 16 KiB, and a piece of the list for each time that it was fed. */
	ck_assert_uint_le(stand.env.store.out, CHUNKS / 1000);
	ck_assert_uint_eq(chunks_copy_out(&collected, got, sizeof(got)), CHUNKS);
	for (size_t i = 0; i < CHUNKS; i++)
		ck_assert_int_eq(got[i], 'a' + (int)(i % 26));
	chunks_clear(&collected);
	stand_answer(stand.x, "x");
	stand_turns(&stand, 1);
}
END_TEST

/* Large ones are not copied, and all stay in order. */
START_TEST(chunks_of_all_sizes_stay_in_order)
{
	static const size_t sizes[] = { 1, 5000, 2, 4096, 4097, 10, 9000, 1 };
	static char text[65536], expected[65536], got[65536];
	size_t at = 0, all = 0;

	collected = (struct chunks){ 0 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		at += (size_t)snprintf(text + at, 16, "%zx\r\n", sizes[i]);
		memset(text + at, 'a' + (int)i, sizes[i]);
		memset(expected + all, 'a' + (int)i, sizes[i]);
		at += sizes[i];
		all += sizes[i];
		memcpy(text + at, "\r\n", 2);
		at += 2;
	}
	memcpy(text + at, "0\r\n\r\n", 5);
	stand.begin = want;
	stand.feed = collect;
	stand_say(&stand, POST "Transfer-Encoding: chunked\r\n\r\n");
	stand_say_bytes(&stand, text, at + 5);
	ck_assert_uint_eq(chunks_copy_out(&collected, got, sizeof(got)), all);
	ck_assert_mem_eq(got, expected, all);
	chunks_clear(&collected);
	stand_answer(stand.x, "x");
	stand_turns(&stand, 1);
}
END_TEST

START_TEST(an_empty_body_is_complete_at_once)
{
	stand.begin = keep;
	stand_say(&stand, POST "Content-Length: 0\r\n\r\n");
	ck_assert(stand.x->is_body_complete);
	stand_answer(stand.x, "x");
	stand_turns(&stand, 1);
	stand_say(&stand, POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	ck_assert(!stand.x->is_body_complete);
	exchange_want_body(stand.x);
	stand_turns(&stand, 1);
	ck_assert_uint_eq(stand.lasts, 1);
	ck_assert_uint_eq(stand.fed_len, 0);
}
END_TEST

static void
hold(struct stand *b, struct exchange *x, struct chunks *body, bool is_last)
{
	(void)b;
	(void)x;
	(void)body;
	(void)is_last;
}

START_TEST(nobody_wants_it_nothing_is_read)
{
	static char piece[65536];
	unsigned said = 0;

	stand.begin = keep;
	stand.feed = hold;
	stand_say(&stand, POST "Content-Length: 1000000\r\n\r\n");
	while (send(stand.client, piece, sizeof(piece), 0) > 0) {
		ck_assert_uint_lt(said++, 15); /* the socket's buffers fill up */
		stand_turns(&stand, 2);
	}
	ck_assert_uint_eq(stand.feeds, 0);
	ck_assert_uint_eq(stand.env.store.out, 1);
	/* One feed for each want. */
	exchange_want_body(stand.x);
	stand_turns(&stand, 4);
	ck_assert_uint_eq(stand.feeds, 1);
	exchange_want_body(stand.x);
	stand_turns(&stand, 4);
	ck_assert_uint_eq(stand.feeds, 2);
	ck_assert_uint_ge(stand.fed_len, 1);
	ck_assert_uint_eq(stand.x->body_received, stand.fed_len);
}
END_TEST

static void
ask_again(struct stand *b, struct exchange *x, struct chunks *body, bool is_last)
{
	b->fed_len = 0;
	chunks_clear(body);
	if (is_last)
		stand_answer(x, "fed");
	else
		exchange_want_body(x);
}

/* Requests whose ends fall on, before and behind the end of a block. */
START_TEST(a_body_may_end_anywhere_in_a_block)
{
	for (size_t bytes = 2 * STORE_BLOCK_BYTES - 3; bytes <= 2 * STORE_BLOCK_BYTES + 3;
	     bytes++) {
		char *text = malloc(bytes);
		size_t head = strlen(POST "Content-Length: 12345\r\n\r\n");

		memset(text, 'b', bytes);
		ck_assert_int_eq(
		    snprintf(text, bytes, POST "Content-Length: %zu\r\n\r\n", bytes - head), head);
		text[head] = 'b';
		stand_connect(&stand, SOCK_STREAM, 0);
		stand.begun = stand.endeds = stand.lasts = 0;
		stand.begin = want;
		stand.feed = ask_again;
		ck_assert_int_eq(send(stand.client, text, bytes, 0), bytes);
		stand_turns(&stand, 8);
		ck_assert_uint_eq(stand.lasts, 1);
		stand.begin = NULL;
		stand_say(&stand, GET);
		ck_assert_str_eq(stand_heard(&stand), FED HELLO);
		free(text);
	}
}
END_TEST

/* A client that is always faster than we are. */
static void
refill(struct stand *b, struct exchange *x, struct chunks *body, bool is_last)
{
	static char piece[65536];

	ask_again(b, x, body, is_last);
	while (send(b->client, piece, sizeof(piece), MSG_NOSIGNAL) > 0)
		continue;
}

START_TEST(a_fast_upload_does_not_hold_the_thread)
{
	stand.host.limits.max_body = 1 << 30;
	stand.begin = want;
	stand.feed = refill;
	stand_say_bytes(&stand, POST "Content-Length: 99999999\r\n\r\nx",
			strlen(POST "Content-Length: 99999999\r\n\r\nx"));
	for (unsigned i = 0; i < 4; i++) {
		uint64_t before = stand.x->body_received;

		stand_turns(&stand, 1);
		ck_assert_uint_gt(stand.x->body_received, before);
		/* Once when the socket tells, once when the turn ends. */
		ck_assert_uint_le(stand.x->body_received - before, 600000);
	}
}
END_TEST

START_TEST(a_head_longer_than_blocks)
{
	enum { LONG = 90000 };
	char *text = malloc(LONG + 100);
	size_t len = (size_t)snprintf(text, 100, "GET / HTTP/1.1\r\nHost: a\r\nX-Long: ");

	stand.host.limits.h1.max_head_bytes = 1 << 20;
	memset(text + len, 'x', LONG);
	len += LONG;
	memcpy(text + len, "\r\n\r\n", 4);
	len += 4;
	/* In the middle of a block, behind another request. */
	stand_say(&stand, GET "GET / HT");
	stand_say_bytes(&stand, text + 8, len - 8);
	stand_turns(&stand, 40);
	ck_assert_str_eq(stand_heard(&stand), HELLO HELLO);
	stand_say(&stand, GET);
	ck_assert_str_eq(stand_heard(&stand), HELLO);
	free(text);
}
END_TEST

START_TEST(a_refused_request_is_told_with_how_it_began)
{
	static const struct {
		const char *sent, *told;
	} rows[] = {
		{ "GET /a?b HTTP/1.1\r\nBad Name: x\r\n\r\n", "GET /a?b" },
		{ "\r\nGET /a HTTP/9.9\r\n\r\n", "GET /a" },
		{ "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%zz" },
		{ "\x16\x03 x\r\n", "\x16\x03 x" },
		{ "nonsense\r\n\r\n", "nonsense " },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (i > 0)
			stand_connect(&stand, SOCK_STREAM, 0);
		stand_say(&stand, rows[i].sent);
		ck_assert_str_eq(stand.refused, rows[i].told);
		ck_assert_uint_eq(stand.refuseds, i + 1);
		stand_hang_up(&stand, false);
		stand_turns(&stand, 2);
	}
	ck_assert_uint_eq(stand.begun, 0);
}
END_TEST

START_TEST(a_head_that_is_too_slow_is_told)
{
	stand_say(&stand, "GET /slow HTT");
	stand_wait(&stand, 11 * CLOCK_SEC);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "HTTP/1.1 408 "));
	ck_assert_str_eq(stand.refused, "GET /slow");
}
END_TEST

START_TEST(a_head_above_the_limit_is_431_and_the_end)
{
	static char text[8192];

	memset(text, 'x', sizeof(text));
	stand_say(&stand, "GET / HTTP/1.1\r\nX-Long: ");
	stand_say_bytes(&stand, text, 4096);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "HTTP/1.1 431 "));
	ck_assert(stand.is_eof);
	ck_assert_uint_eq(stand.begun, 0);
	ck_assert_uint_eq(count_read(&stand.counters, COUNTER_REFUSED_HEAD), 1);
}
END_TEST

START_TEST(nonsense_is_400_and_what_follows_is_not_read)
{
	stand_say(&stand, GET "NON SENSE\r\n\r\n" GET);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), HELLO "HTTP/1.1 400 Bad Request\r\n"));
	ck_assert_ptr_nonnull(strstr(stand.heard, "Connection: close\r\n"));
	ck_assert(stand.is_eof);
	ck_assert_uint_eq(stand.begun, 1);
}
END_TEST

START_TEST(a_body_above_max_body_is_413_and_cancels)
{
	stand.begin = want;
	stand.host.limits.max_body = 4;
	stand_say(&stand, POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	stand_say(&stand, "2\r\nde\r\n");
	ck_assert_uint_eq(stand.cancels, 1);
	ck_assert_int_eq(stand.cancel_err, ERR_TOO_LARGE);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "HTTP/1.1 413 "));
	ck_assert(stand.is_eof);
}
END_TEST

START_TEST(a_broken_chunk_is_400_and_cancels)
{
	stand.begin = want;
	stand_say(&stand, POST "Transfer-Encoding: chunked\r\n\r\nzz\r\n");
	ck_assert_int_eq(stand.cancel_err, ERR_PROTOCOL);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "HTTP/1.1 400 "));
	ck_assert(stand.is_eof);
	ck_assert_uint_eq(count_read(&stand.counters, COUNTER_BODY_SYNTAX), 1);
}
END_TEST

START_TEST(a_broken_chunk_after_the_head_cuts_the_response)
{
	stand.begin = keep;
	stand_say(&stand, POST "Transfer-Encoding: chunked\r\n\r\n");
	ck_assert_int_eq(stand_head(stand.x, 200, BODY_CHUNKED, 0), 0);
	exchange_want_body(stand.x);
	stand_say(&stand, "zz\r\n");
	ck_assert_uint_eq(stand.cancels, 1);
	ck_assert_str_eq(stand_heard(&stand),
			 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	ck_assert(stand.is_eof || stand.is_reset);
}
END_TEST

/* --- Expect ------------------------------------------------------------------------------ */

#define EXPECT POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"

START_TEST(continue_is_said_when_the_body_is_wanted)
{
	stand.begin = keep;
	stand_say(&stand, EXPECT);
	ck_assert_str_eq(stand_heard(&stand), "");
	exchange_want_body(stand.x);
	stand_turns(&stand, 1);
	ck_assert_str_eq(stand_heard(&stand), "HTTP/1.1 100 Continue\r\n\r\n");
	stand_say(&stand, "abc");
	ck_assert_str_eq(stand_heard(&stand), FED);
	stand_say(&stand, GET);
	ck_assert(!stand.is_eof);
}
END_TEST

START_TEST(continue_is_said_once)
{
	stand.begin = want;
	stand_say(&stand, EXPECT);
	stand_say(&stand, "a");
	stand_say(&stand, "b");
	stand_say(&stand, "c");
	ck_assert_str_eq(stand_heard(&stand), "HTTP/1.1 100 Continue\r\n\r\n" FED);
}
END_TEST

START_TEST(an_answer_instead_of_continue_ends_the_connection)
{
	stand_say(&stand, EXPECT);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "Connection: close\r\n"));
	ck_assert_ptr_null(strstr(stand.heard, "100 Continue"));
	ck_assert(stand.is_eof);
}
END_TEST

START_TEST(a_body_that_did_not_wait_for_continue_is_taken)
{
	stand.begin = want;
	stand_say(&stand, EXPECT "abc" GET);
	ck_assert_uint_eq(stand.lasts, 1);
	ck_assert_uint_eq(stand.begun, 2);
}
END_TEST

START_TEST(http_1_0_is_not_told_to_continue)
{
	stand.begin = want;
	stand_say(&stand,
		  "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
	ck_assert_ptr_null(strstr(stand_heard(&stand), "100 Continue"));
	ck_assert_uint_eq(stand.lasts, 1);
}
END_TEST

/* --- bodies that nobody wanted -------------------------------------------------------------- */

START_TEST(an_unread_body_is_dropped_and_the_connection_stays)
{
	stand_say(&stand, POST "Content-Length: 6\r\n\r\nabc");
	ck_assert_str_eq(stand_heard(&stand), HELLO);
	stand_say(&stand, "def" GET);
	ck_assert_str_eq(stand_heard(&stand), HELLO);
	stand_say(&stand, POST "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
	stand_say(&stand, "1\r\nc\r\n0\r\n\r\n" GET);
	ck_assert_str_eq(stand_heard(&stand), HELLO HELLO);
	ck_assert_uint_eq(stand.feeds, 0);
	ck_assert(!stand.is_eof);
}
END_TEST

START_TEST(a_long_unread_body_costs_the_connection_but_not_the_answer)
{
	static char piece[65536];

	stand_say(&stand, POST "Content-Length: 900000\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "Connection: close\r\n"));
	ck_assert(stand.is_eof); /* half-closed: */
	ck_assert_uint_eq(stand.host.open, 1);
	for (unsigned i = 0; i < 13; i++)
		stand_say_bytes(&stand, piece, sizeof(piece));
	shutdown(stand.client, SHUT_WR);
	stand_turns(&stand, 2);
	ck_assert_uint_eq(stand.host.open, 0);
}
END_TEST

START_TEST(an_unread_chunked_body_is_dropped_only_so_far)
{
	static char piece[65536 + 32];
	unsigned i;

	stand_say(&stand, POST "Transfer-Encoding: chunked\r\n\r\n");
	memcpy(piece, "10000\r\n", 7);
	memcpy(piece + 7 + 65536, "\r\n", 2);
	for (i = 0; i < 20 && !stand.is_eof; i++) {
		stand_say_bytes(&stand, piece, 65536 + 9);
		stand_hear(&stand);
	}
	ck_assert_uint_lt(i, 10);
}
END_TEST

START_TEST(broken_framing_of_an_unread_body_ends_the_connection)
{
	stand_say(&stand, POST "Transfer-Encoding: chunked\r\n\r\nzz\r\n" GET);
	stand_hear(&stand);
	ck_assert_uint_eq(stand.begun, 1);
	ck_assert(stand.is_eof);
}
END_TEST

Suite *
suite_proto_h1_in(void)
{
	Suite *s = suite_create("proto/h1_in");
	TCase *t = tcase_create("h1_in");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, requests_one_after_the_other_on_one_connection);
	tcase_add_test(t, a_head_byte_by_byte);
	tcase_add_test(t, pipelined_answers_leave_in_one_write);
	tcase_add_test(t, more_pipelined_requests_than_a_turn_takes);
	tcase_add_test(t, a_client_that_sends_all_and_half_closes_gets_all_answers);
	tcase_add_test(t, a_body_of_a_length_is_fed);
	tcase_add_test(t, a_chunked_body_byte_by_byte);
	tcase_add_test(t, a_chunked_body_in_one_read_is_one_feed);
	tcase_add_test(t, chunks_of_one_byte_cost_no_more_memory_than_they_bring);
	tcase_add_test(t, chunks_of_all_sizes_stay_in_order);
	tcase_add_test(t, an_empty_body_is_complete_at_once);
	tcase_add_test(t, nobody_wants_it_nothing_is_read);
	tcase_add_test(t, a_body_may_end_anywhere_in_a_block);
	tcase_add_test(t, a_fast_upload_does_not_hold_the_thread);
	tcase_add_test(t, a_head_longer_than_blocks);
	tcase_add_test(t, a_refused_request_is_told_with_how_it_began);
	tcase_add_test(t, a_head_that_is_too_slow_is_told);
	tcase_add_test(t, a_head_above_the_limit_is_431_and_the_end);
	tcase_add_test(t, nonsense_is_400_and_what_follows_is_not_read);
	tcase_add_test(t, a_body_above_max_body_is_413_and_cancels);
	tcase_add_test(t, a_broken_chunk_is_400_and_cancels);
	tcase_add_test(t, a_broken_chunk_after_the_head_cuts_the_response);
	tcase_add_test(t, continue_is_said_when_the_body_is_wanted);
	tcase_add_test(t, continue_is_said_once);
	tcase_add_test(t, an_answer_instead_of_continue_ends_the_connection);
	tcase_add_test(t, a_body_that_did_not_wait_for_continue_is_taken);
	tcase_add_test(t, http_1_0_is_not_told_to_continue);
	tcase_add_test(t, an_unread_body_is_dropped_and_the_connection_stays);
	tcase_add_test(t, a_long_unread_body_costs_the_connection_but_not_the_answer);
	tcase_add_test(t, an_unread_chunked_body_is_dropped_only_so_far);
	tcase_add_test(t, broken_framing_of_an_unread_body_ends_the_connection);
	return s;
}
