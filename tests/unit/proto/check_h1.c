/*
 * The machine of one conn: clients that go, time-outs, memory that runs out.
 */
#include "stand.h"

#include "base/mem.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

Suite *suite_proto_h1(void);

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n"

static struct stand stand;
static char big[1 << 20];

static void
keep(struct stand *b, struct exchange *x)
{
	(void)b;
	(void)x;
}

static void
want(struct stand *b, struct exchange *x)
{
	(void)b;
	exchange_want_body(x);
}

static void
setup(void)
{
	stand_open(&stand);
	stand.begin = keep;
	stand_connect(&stand, SOCK_STREAM, 0);
}

static void
teardown(void)
{
	stand_close(&stand);
}

static uint64_t
counted(enum counter id)
{
	return count_read(&stand.counters, id);
}

/* --- clients that go ------------------------------------------------------------------ */

START_TEST(a_fin_while_work_runs_cancels_it)
{
	stand_say(&stand, GET);
	shutdown(stand.client, SHUT_WR);
	stand_turns(&stand, 2);
	ck_assert_uint_eq(stand.cancels, 1);
	ck_assert_int_eq(stand.cancel_err, ERR_GONE);
	ck_assert_uint_eq(stand.endeds, 1);
	ck_assert_uint_eq(stand.host.open, 0);
	ck_assert_uint_eq(counted(COUNTER_CLIENT_GONE), 1);
}
END_TEST

START_TEST(a_fin_is_no_end_where_half_close_is_allowed)
{
	stand_connect(&stand, SOCK_STREAM, CONN_HALF_CLOSE);
	stand_say(&stand, GET);
	shutdown(stand.client, SHUT_WR);
	stand_turns(&stand, 4);
	ck_assert_uint_eq(stand.cancels, 0);
	stand_answer(stand.x, "late");
	stand_turns(&stand, 4);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "late"));
	ck_assert(stand.is_eof);
	ck_assert_uint_eq(stand.host.open, 0);
}
END_TEST

START_TEST(a_fin_inside_the_body_cancels_even_where_half_close_is_allowed)
{
	stand_connect(&stand, SOCK_STREAM, CONN_HALF_CLOSE);
	stand.begin = want;
	stand_say(&stand, POST "abc");
	ck_assert_uint_eq(stand.cancels, 0);
	shutdown(stand.client, SHUT_WR);
	stand_turns(&stand, 4);
	ck_assert_uint_eq(stand.cancels, 1);
}
END_TEST

START_TEST(a_reset_cancels_though_nothing_is_being_read)
{
	stand_connect_tcp(&stand, CONN_HALF_CLOSE);
	stand_say(&stand, GET GET); /* the second waits unread or unparsed */
	stand_hang_up(&stand, true);
	stand_turns(&stand, 4);
	ck_assert_uint_eq(stand.cancels, 1);
	ck_assert(stand.was_cut);
}
END_TEST

START_TEST(gone_while_the_queue_is_full)
{
	stand_say(&stand, GET);
	ck_assert_int_eq(stand_head(stand.x, 200, BODY_CHUNKED, 0), 0);
	ck_assert_int_eq(stand_body(stand.x, big, sizeof(big)), EXCHANGE_PAUSE);
	stand_turns(&stand, 2);
	stand_hang_up(&stand, false);
	ck_assert_uint_eq(stand.cancels, 1);
	ck_assert_uint_eq(stand.host.open, 0);
}
END_TEST

START_TEST(gone_after_the_answer_was_queued_whole)
{
	stand_say(&stand, GET);
	exchange_respond(stand.x, 200, SLICE("a/b"), slice_make(big, sizeof(big)));
	stand_turns(&stand, 2);
	stand_hang_up(&stand, false);
	ck_assert_uint_eq(stand.cancels, 0);
	ck_assert_uint_eq(stand.endeds, 1);
	ck_assert_uint_eq(stand.host.open, 0);
}
END_TEST

/* --- time-outs -------------------------------------------------------------------------- */

START_TEST(a_head_has_one_deadline_however_it_trickles)
{
	static const char text[] = "GET / HTTP/1.1\r\nA: b\r\n";

	for (unsigned i = 0; i < 19; i++) {
		stand_say_bytes(&stand, text + i, 1);
		stand_wait(&stand, CLOCK_SEC / 2);
	}
	ck_assert_str_eq(stand_heard(&stand), "");
	stand_wait(&stand, CLOCK_SEC);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "HTTP/1.1 408 "));
	ck_assert(stand.is_eof);
	ck_assert_uint_eq(counted(COUNTER_CLOSE_HEADER), 1);
}
END_TEST

/* A client that is busy is always in the middle of one. */
START_TEST(each_head_has_a_deadline_of_its_own)
{
	stand.begin = NULL;
	stand_say(&stand, "GET / HTTP/1.1\r\n");
	for (unsigned i = 0; i < 4; i++) {
		stand_wait(&stand, 6 * CLOCK_SEC);
		stand_say(&stand, "Host: a\r\n\r\nGET / HTTP/1.1\r\n");
	}
	ck_assert_uint_eq(stand.begun, 4);
	ck_assert_ptr_null(strstr(stand_heard(&stand), "HTTP/1.1 408 "));
	stand_wait(&stand, 9 * CLOCK_SEC);
	ck_assert_uint_eq(stand.host.open, 1);
	stand_wait(&stand, 2 * CLOCK_SEC);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "HTTP/1.1 408 "));
}
END_TEST

/* The same for bodies that nobody reads. */
START_TEST(each_unread_body_has_a_deadline_of_its_own)
{
	stand.begin = NULL;
	stand_say(&stand, POST "abc");
	for (unsigned i = 0; i < 4; i++) {
		stand_wait(&stand, 4 * CLOCK_SEC);
		stand_say(&stand, "def" POST "abc");
	}
	ck_assert_uint_eq(stand.begun, 5);
	ck_assert_uint_eq(stand.host.open, 1);
	stand_wait(&stand, 6 * CLOCK_SEC);
	ck_assert_uint_eq(stand.host.open, 0);
}
END_TEST

START_TEST(a_client_that_says_nothing_is_closed)
{
	stand_wait(&stand, 9 * CLOCK_SEC);
	ck_assert_uint_eq(stand.host.open, 1);
	stand_wait(&stand, 2 * CLOCK_SEC);
	ck_assert_uint_eq(stand.host.open, 0);
	ck_assert_str_eq(stand_heard(&stand), "");
}
END_TEST

START_TEST(an_idle_conn_has_its_own_time)
{
	stand.begin = NULL;
	stand_say(&stand, GET);
	stand_wait(&stand, 58 * CLOCK_SEC);
	ck_assert_uint_eq(stand.host.open, 1);
	stand_wait(&stand, 3 * CLOCK_SEC);
	ck_assert_uint_eq(stand.host.open, 0);
	ck_assert_uint_eq(counted(COUNTER_CLOSE_IDLE), 1);
}
END_TEST

START_TEST(a_body_is_given_up_when_nothing_comes)
{
	stand.begin = want;
	stand_say(&stand, POST "ab");
	stand_wait(&stand, 4 * CLOCK_SEC);
	ck_assert_uint_eq(stand.cancels, 0);
	stand_wait(&stand, 2 * CLOCK_SEC);
	ck_assert_uint_eq(stand.cancels, 1);
	ck_assert_int_eq(stand.cancel_err, ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "HTTP/1.1 408 "));
	ck_assert_uint_eq(counted(COUNTER_CLOSE_BODY), 1);
}
END_TEST

START_TEST(each_piece_of_a_body_gives_it_new_time)
{
	stand.begin = want;
	stand_say(&stand, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n");
	for (unsigned i = 1; i <= 10; i++) {
		stand_wait(&stand, 4 * CLOCK_SEC);
		stand_say(&stand, "x");
	}
	ck_assert_uint_eq(stand.cancels, 0);
	ck_assert_uint_eq(stand.fed_len, 10);
	stand_wait(&stand, 6 * CLOCK_SEC);
	ck_assert_uint_eq(stand.cancels, 1);
}
END_TEST

START_TEST(work_has_no_time_out_of_the_conns)
{
	stand_say(&stand, GET);
	stand_wait(&stand, 3600 * CLOCK_SEC);
	ck_assert_uint_eq(stand.cancels, 0);
	stand_answer(stand.x, "late");
	stand_turns(&stand, 1);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "late"));
}
END_TEST

START_TEST(an_unread_body_that_never_comes_is_given_up)
{
	stand_say(&stand, POST "ab");
	stand_answer(stand.x, "early");
	stand_turns(&stand, 2);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "early"));
	ck_assert_uint_eq(stand.host.open, 1);
	stand_wait(&stand, 6 * CLOCK_SEC);
	ck_assert_uint_eq(stand.host.open, 0);
}
END_TEST

START_TEST(an_unread_body_has_one_deadline_however_it_trickles)
{
	stand_say(&stand, POST);
	stand_answer(stand.x, "early");
	stand_turns(&stand, 2);
	for (unsigned i = 0; i < 5; i++) {
		stand_say(&stand, "x");
		stand_wait(&stand, 900 * CLOCK_MS);
	}
	ck_assert_uint_eq(stand.host.open, 1);
	stand_wait(&stand, CLOCK_SEC);
	ck_assert_uint_eq(stand.host.open, 0);
	ck_assert_uint_eq(counted(COUNTER_CLOSE_BODY), 1);
}
END_TEST

/* A full queue to a client that reads nothing. */
static void
stall(void)
{
	stand_say(&stand, GET);
	ck_assert_int_eq(stand_head(stand.x, 200, BODY_CHUNKED, 0), 0);
	ck_assert_int_eq(stand_body(stand.x, big, sizeof(big)), EXCHANGE_PAUSE);
	stand_turns(&stand, 4);
}

START_TEST(a_client_that_reads_nothing_is_given_up)
{
	stall();
	stand_wait(&stand, 29 * CLOCK_SEC);
	ck_assert_uint_eq(stand.cancels, 0);
	stand_wait(&stand, 2 * CLOCK_SEC);
	ck_assert_uint_eq(stand.cancels, 1);
	ck_assert_uint_eq(stand.host.open, 0);
	ck_assert_uint_eq(counted(COUNTER_CLOSE_SEND), 1);
}
END_TEST

/* Reading goes on for the request's body while its answer is stuck: bytes that come must not
 * give more time to those that do not go. */
START_TEST(a_client_that_only_writes_gets_no_more_time_to_read)
{
	stand.begin = want;
	stand_say(&stand, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n");
	ck_assert_int_eq(stand_head(stand.x, 200, BODY_CHUNKED, 0), 0);
	ck_assert_int_eq(stand_body(stand.x, big, sizeof(big)), EXCHANGE_PAUSE);
	stand_turns(&stand, 4);
	for (unsigned i = 1; i <= 29; i++) {
		stand_wait(&stand, CLOCK_SEC);
		stand_say(&stand, "x");
	}
	ck_assert_uint_eq(stand.cancels, 0);
	ck_assert_uint_eq(stand.fed_len, 29);
	stand_wait(&stand, 2 * CLOCK_SEC);
	ck_assert_uint_eq(stand.cancels, 1);
}
END_TEST

START_TEST(a_client_that_reads_a_little_gets_more_time)
{
	stall();
	for (unsigned i = 0; i < 3; i++) {
		stand_wait(&stand, 20 * CLOCK_SEC);
		ck_assert_int_gt(recv(stand.client, stand.heard, 250000, 0), 0);
		stand_turns(&stand, 2);
	}
	ck_assert_uint_eq(stand.cancels, 0);
	ck_assert_uint_eq(stand.host.open, 1);
}
END_TEST

/* --- memory ------------------------------------------------------------------------------- */

static void
answer_in_steps(struct stand *b, struct exchange *x)
{
	(void)b;
	if (stand_head(x, 200, BODY_CHUNKED, 0) != 0 || stand_body(x, big, 3000) < 0 ||
	    stand_body(x, big, 9000) < 0)
		return;
	exchange_end(x);
}

static void
take_and_answer(struct stand *b, struct exchange *x, struct chunks *body, bool is_last)
{
	chunks_clear(body);
	if (is_last)
		answer_in_steps(b, x);
	else
		exchange_want_body(x);
}

static void
wants_then_answers(void)
{
	stand.begin = want;
	stand.feed = take_and_answer;
}

static void
answers_whole(void)
{
	stand.begin = NULL;
}

static void
answers_in_steps(void)
{
	stand.begin = answer_in_steps;
}

static void
respond_much(struct stand *b, struct exchange *x)
{
	char *memory = arena_alloc(&x->arena, 20000);

	(void)b;
	if (!memory) {
		exchange_abort(x, ERR_MEMORY);
		return;
	}
	memset(memory, 'm', 20000);
	exchange_respond(x, 200, SLICE("a/b"), slice_make(memory, 20000));
}

static void
answers_much(void)
{
	stand.begin = respond_much;
}

/* With the n-th allocation failing, for every n: the connection may break, nothing else. */
static void
fail_everywhere(void (*prepare)(void), const char *request)
{
	unsigned long used;
	unsigned long n = 0;

	do {
		stand_open(&stand);
		prepare();
		mem_fail_at(++n, false);
		stand_connect(&stand, SOCK_STREAM, 0);
		if (send(stand.client, request, strlen(request), MSG_NOSIGNAL) > 0)
			stand_turns(&stand, 8);
		used = mem_count();
		mem_fail_at(0, false);
		stand_turns(&stand, 2);
		stand_hear(&stand);
		ck_assert(stand.heard_len > 0 || stand.is_eof || stand.is_reset);
		stand_close(&stand);
	} while (n <= used);
	ck_assert_uint_gt(n, 3);
}

START_TEST(memory_fails_anywhere_in_a_whole_answer)
{
	fail_everywhere(answers_whole, GET GET);
}
END_TEST

START_TEST(memory_fails_anywhere_in_a_long_answer)
{
	fail_everywhere(answers_much, GET GET);
}
END_TEST

START_TEST(memory_fails_anywhere_in_an_answer_in_steps)
{
	fail_everywhere(answers_in_steps, GET GET);
}
END_TEST

START_TEST(memory_fails_anywhere_in_a_body)
{
	fail_everywhere(wants_then_answers, "POST / HTTP/1.1\r\nHost: a\r\n"
					    "Transfer-Encoding: chunked\r\n\r\n"
					    "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n" GET);
}
END_TEST

START_TEST(memory_fails_anywhere_in_a_refusal)
{
	fail_everywhere(answers_whole, GET "NON SENSE\r\n\r\n");
}
END_TEST

Suite *
suite_proto_h1(void)
{
	Suite *s = suite_create("proto/h1");
	TCase *t = tcase_create("h1");
	TCase *m = tcase_create("memory");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_fin_while_work_runs_cancels_it);
	tcase_add_test(t, a_fin_is_no_end_where_half_close_is_allowed);
	tcase_add_test(t, a_fin_inside_the_body_cancels_even_where_half_close_is_allowed);
	tcase_add_test(t, a_reset_cancels_though_nothing_is_being_read);
	tcase_add_test(t, gone_while_the_queue_is_full);
	tcase_add_test(t, gone_after_the_answer_was_queued_whole);
	tcase_add_test(t, a_head_has_one_deadline_however_it_trickles);
	tcase_add_test(t, each_head_has_a_deadline_of_its_own);
	tcase_add_test(t, each_unread_body_has_a_deadline_of_its_own);
	tcase_add_test(t, a_client_that_says_nothing_is_closed);
	tcase_add_test(t, an_idle_conn_has_its_own_time);
	tcase_add_test(t, a_body_is_given_up_when_nothing_comes);
	tcase_add_test(t, each_piece_of_a_body_gives_it_new_time);
	tcase_add_test(t, work_has_no_time_out_of_the_conns);
	tcase_add_test(t, an_unread_body_that_never_comes_is_given_up);
	tcase_add_test(t, an_unread_body_has_one_deadline_however_it_trickles);
	tcase_add_test(t, a_client_that_reads_nothing_is_given_up);
	tcase_add_test(t, a_client_that_only_writes_gets_no_more_time_to_read);
	tcase_add_test(t, a_client_that_reads_a_little_gets_more_time);
	suite_add_tcase(s, m);
	tcase_add_test(m, memory_fails_anywhere_in_a_whole_answer);
	tcase_add_test(m, memory_fails_anywhere_in_a_long_answer);
	tcase_add_test(m, memory_fails_anywhere_in_an_answer_in_steps);
	tcase_add_test(m, memory_fails_anywhere_in_a_body);
	tcase_add_test(m, memory_fails_anywhere_in_a_refusal);
	return s;
}
