/*
 * The response's way out: framing for every kind of client, chunks of every
 * kind, slow readers, responses that end early.
 */
#include "stand.h"

#include "base/mem.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *suite_proto_h1_out(void);

#define GET      "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_1_0  "GET / HTTP/1.0\r\n\r\n"
#define KEEP_1_0 "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
#define HEAD     "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
#define TEXT(n)  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " n "\r\n"

enum { PIECE = 30000, TOTAL = 3000000 };

static struct stand stand;
static char piece[PIECE];

static void
keep(struct stand *b, struct exchange *x)
{
	(void)b;
	(void)x;
}

static void
setup(void)
{
	memset(piece, 'p', sizeof(piece));
	stand_open(&stand);
	stand.begin = keep;
	stand_connect(&stand, SOCK_STREAM, 0);
}

static void
teardown(void)
{
	stand_close(&stand);
}

/* A request, and an answer of that framing in two pieces. */
static const char *
exchange_of(const char *request, int status, enum body_framing framing, uint64_t length)
{
	stand_say(&stand, request);
	ck_assert_ptr_nonnull(stand.x);
	ck_assert_int_eq(stand_head(stand.x, status, framing, length), 0);
	ck_assert_int_eq(stand_body(stand.x, "abc", 3), 0);
	ck_assert_int_eq(stand_body(stand.x, "de", 2), 0);
	exchange_end(stand.x);
	stand_turns(&stand, 2);
	return stand_heard(&stand);
}

START_TEST(a_length_is_sent_and_the_connection_stays)
{
	ck_assert_str_eq(exchange_of(GET, 200, BODY_LENGTH, 5),
			 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde");
	ck_assert(!stand.is_eof);
}
END_TEST

START_TEST(without_a_length_it_is_chunked)
{
	ck_assert_str_eq(exchange_of(GET, 200, BODY_CHUNKED, 0),
			 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			 "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	ck_assert_str_eq(exchange_of(GET, 200, BODY_UNTIL_CLOSE, 0),
			 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			 "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	ck_assert(!stand.is_eof);
}
END_TEST

START_TEST(http_1_0_reads_until_the_end_of_the_connection)
{
	ck_assert_str_eq(exchange_of(KEEP_1_0, 200, BODY_CHUNKED, 0),
			 "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde");
	ck_assert(stand.is_eof);
}
END_TEST

START_TEST(http_1_0_keeps_the_connection_when_asked_and_there_is_a_length)
{
	ck_assert_str_eq(
	    exchange_of(KEEP_1_0, 200, BODY_LENGTH, 5),
	    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nabcde");
	ck_assert(!stand.is_eof);
	ck_assert_str_eq(exchange_of(GET_1_0, 200, BODY_LENGTH, 5),
			 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabcde");
	ck_assert(stand.is_eof);
}
END_TEST

START_TEST(head_has_the_fields_but_no_body)
{
	ck_assert_str_eq(exchange_of(HEAD, 200, BODY_LENGTH, 5),
			 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	ck_assert_str_eq(exchange_of(HEAD, 200, BODY_CHUNKED, 0), "HTTP/1.1 200 OK\r\n\r\n");
	stand_say(&stand, HEAD);
	stand_answer(stand.x, "hello");
	stand_turns(&stand, 1);
	ck_assert_str_eq(stand_heard(&stand), TEXT("5") "\r\n");
	ck_assert(!stand.is_eof);
}
END_TEST

START_TEST(statuses_without_a_body_have_none)
{
	ck_assert_str_eq(exchange_of(GET, 204, BODY_LENGTH, 5), "HTTP/1.1 204 No Content\r\n\r\n");
	ck_assert_str_eq(exchange_of(GET, 304, BODY_CHUNKED, 0),
			 "HTTP/1.1 304 Not Modified\r\n\r\n");
	ck_assert(!stand.is_eof);
}
END_TEST

START_TEST(no_body_where_one_could_be_has_length_0)
{
	stand_say(&stand, GET);
	ck_assert_int_eq(stand_head(stand.x, 200, BODY_NONE, 0), 0);
	exchange_end(stand.x);
	stand_turns(&stand, 1);
	ck_assert_str_eq(stand_heard(&stand), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	ck_assert(!stand.is_eof);
}
END_TEST

START_TEST(connection_close_is_heeded)
{
	ck_assert_str_eq(exchange_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200,
				     BODY_LENGTH, 5),
			 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabcde");
	ck_assert(stand.is_eof);
}
END_TEST

START_TEST(a_head_does_not_wait_for_the_body)
{
	stand_say(&stand, GET);
	ck_assert_int_eq(stand_head(stand.x, 200, BODY_LENGTH, 5), 0);
	stand_turns(&stand, 1);
	ck_assert_str_eq(stand_heard(&stand), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
}
END_TEST

START_TEST(fields_of_the_connection_are_not_the_applications)
{
	struct exchange *x;

	stand_say(&stand, GET);
	x = stand.x;
	ck_assert_int_eq(exchange_add_field(x, FIELD_CONTENT_LENGTH, SLICE("99")), 0);
	ck_assert_int_eq(exchange_add_field(x, FIELD_CONNECTION, SLICE("close")), 0);
	ck_assert_int_eq(exchange_add_field(x, FIELD_TRANSFER_ENCODING, SLICE("gzip")), 0);
	ck_assert_int_eq(exchange_add_field_name(x, SLICE("X-Own"), SLICE("1")), 0);
	stand_answer(x, "hello");
	stand_turns(&stand, 1);
	ck_assert_str_eq(stand_heard(&stand),
			 "HTTP/1.1 200 OK\r\nX-Own: 1\r\nContent-Type: text/plain\r\n"
			 "Content-Length: 5\r\n\r\nhello");
}
END_TEST

START_TEST(a_long_head_is_sent_whole)
{
	enum { LONG = 40000 };
	char *value = malloc(LONG);

	memset(value, 'v', LONG);
	stand_say(&stand, GET);
	ck_assert_int_eq(exchange_add_field_name(stand.x, SLICE("X-Long"), slice_make(value, LONG)),
			 0);
	stand_answer(stand.x, "hello");
	stand_turns(&stand, 1);
	ck_assert_uint_gt(strlen(stand_heard(&stand)), LONG);
	ck_assert_ptr_nonnull(strstr(stand.heard, "\r\n\r\nhello"));
	free(value);
}
END_TEST

/* --- chunks -------------------------------------------------------------------------------- */

static struct chunk_file *
make_file(size_t bytes)
{
	char path[] = "/tmp/check_h1_XXXXXX";
	struct chunk_file *f = mem_alloc(sizeof(*f));

	*f = (struct chunk_file){ .fd = mkstemp(path), .refs = 1 };
	unlink(path);
	for (size_t i = 0; i < bytes; i++)
		ck_assert_int_eq(write(f->fd, "f", 1), 1);
	return f;
}

/* Whole answers from the arena around the size up to which they are copied. */
START_TEST(whole_answers_of_every_size)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 70000, 300000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *memory, wanted[128];

		stand_say(&stand, GET);
		memory = arena_alloc(&stand.x->arena, sizes[i] + 1);
		memset(memory, 'm', sizes[i]);
		exchange_respond(stand.x, 200, SLICE("a/b"), slice_make(memory, sizes[i]));
		stand_turns(&stand, 1);
		stand_hear(&stand);
		stand_turns(&stand, 4);
		snprintf(wanted, sizeof(wanted), "Content-Length: %zu\r\n\r\n%.*s", sizes[i],
			 sizes[i] < 3 ? (int)sizes[i] : 3, "mmm");
		ck_assert_ptr_nonnull(strstr(stand_heard(&stand), wanted));
		ck_assert_uint_eq(strlen(strstr(stand.heard, "\r\n\r\n") + 4), sizes[i]);
	}
	ck_assert_uint_eq(stand.endeds, 7);
}
END_TEST

START_TEST(chunks_of_every_kind_keep_their_order)
{
	static char big[10000];
	struct chunks list;
	struct exchange *x;
	char *heap = mem_alloc(9), *arena;

	memcpy(heap, "heap text", 9);
	memset(big, 'S', sizeof(big));
	stand_say(&stand, GET);
	x = stand.x;
	arena = arena_alloc(&x->arena, 8000);
	memset(arena, 'A', 8000);
	ck_assert_int_eq(stand_head(x, 200, BODY_CHUNKED, 0), 0);
	chunks_init(&list, x->store);
	ck_assert_int_eq(chunks_add_heap(&list, heap, slice_make(heap, 9)), 0);
	ck_assert_int_eq(chunks_add_static(&list, slice_make(big, sizeof(big))), 0);
	ck_assert_int_eq(chunks_add_copy(&list, SLICE("copied")), 0);
	ck_assert_int_eq(chunks_add_file(&list, make_file(50), 10, 20), 0);
	ck_assert_int_eq(chunks_add_arena(&list, slice_make(arena, 8000)), 0);
	ck_assert_int_ge(exchange_body(x, &list), 0);
	ck_assert_uint_eq(list.bytes, 0);
	exchange_end(x);
	stand_turns(&stand, 2);
	stand_hear(&stand);
	ck_assert_ptr_nonnull(strstr(stand.heard, "\r\n\r\n4673\r\nheap textSSS"));
	ck_assert_ptr_nonnull(strstr(stand.heard, "SSScopiedffffffffffffffffffffAAA"));
	ck_assert_ptr_nonnull(strstr(stand.heard, "AAA\r\n0\r\n\r\n"));
	ck_assert_uint_eq(stand.endeds, 1);
}
END_TEST

START_TEST(more_than_was_announced_is_never_sent)
{
	stand_say(&stand, GET);
	ck_assert_int_eq(stand_head(stand.x, 200, BODY_LENGTH, 4), 0);
	ck_assert_int_eq(stand_body(stand.x, "abc", 3), 0);
	ck_assert_int_lt(stand_body(stand.x, "de", 2), 0);
	stand_turns(&stand, 2);
	ck_assert_uint_eq(stand.cancels, 1);
	stand_hear(&stand);
	ck_assert_ptr_null(strstr(stand.heard, "abcd"));
	ck_assert(stand.is_eof);
}
END_TEST

START_TEST(less_than_was_announced_ends_the_connection)
{
	stand_say(&stand, GET GET);
	ck_assert_int_eq(stand_head(stand.x, 200, BODY_LENGTH, 4), 0);
	ck_assert_int_eq(stand_body(stand.x, "abc", 3), 0);
	exchange_end(stand.x);
	stand_turns(&stand, 2);
	stand_hear(&stand);
	ck_assert(stand.is_eof || stand.is_reset);
	ck_assert_uint_eq(stand.begun, 1);
	ck_assert(stand.was_cut);
	ck_assert_uint_eq(count_read(&stand.counters, COUNTER_ABORTED), 1);
}
END_TEST

START_TEST(aborted_before_the_head_is_an_error_response)
{
	stand_say(&stand, GET);
	exchange_abort(stand.x, ERR_TIMEOUT);
	stand_turns(&stand, 1);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "HTTP/1.1 504 "));
	ck_assert(!stand.was_cut);
	stand_say(&stand, GET);
	ck_assert_uint_eq(stand.begun, 2); /* the connection is as good as before */
}
END_TEST

START_TEST(aborted_after_the_head_has_no_final_chunk)
{
	stand_say(&stand, GET);
	ck_assert_int_eq(stand_head(stand.x, 200, BODY_CHUNKED, 0), 0);
	ck_assert_int_eq(stand_body(stand.x, "abc", 3), 0);
	stand_turns(&stand, 1);
	exchange_abort(stand.x, ERR_CLOSED);
	stand_turns(&stand, 2);
	stand_hear(&stand);
	ck_assert_ptr_nonnull(strstr(stand.heard, "3\r\nabc\r\n"));
	ck_assert_ptr_null(strstr(stand.heard, "\r\n0\r\n"));
	ck_assert(stand.is_eof || stand.is_reset);
	ck_assert_uint_eq(stand.endeds, 1);
}
END_TEST

/* Where the end of the connection would mean the end of the body, it must not look like one. */
static void
begin_until_close(const char *request)
{
	stand_connect_tcp(&stand, 0);
	stand_say(&stand, request);
	ck_assert_int_eq(stand_head(stand.x, 200, BODY_CHUNKED, 0), 0);
	ck_assert_int_eq(stand_body(stand.x, "abc", 3), 0);
	stand_turns(&stand, 1);
	stand_hear(&stand);
}

START_TEST(a_cut_body_until_close_ends_in_a_reset)
{
	begin_until_close(GET_1_0);
	exchange_abort(stand.x, ERR_CLOSED);
	stand_turns(&stand, 2);
	stand_hear(&stand);
	ck_assert(stand.is_reset);
}
END_TEST

START_TEST(a_body_until_close_that_is_closed_under_way_ends_in_a_reset)
{
	begin_until_close(GET_1_0);
	conn_host_close_all(&stand.host);
	stand_turns(&stand, 2);
	stand_hear(&stand);
	ck_assert(stand.is_reset);
}
END_TEST

START_TEST(a_body_until_close_cut_by_a_broken_request_ends_in_a_reset)
{
	begin_until_close("POST / HTTP/1.0\r\nContent-Length: 9\r\n\r\n");
	exchange_want_body(stand.x);
	stand_turns(&stand, 1);
	stand_wait(&stand, 6 * CLOCK_SEC); /* body_idle_timeout */
	stand_turns(&stand, 2);
	ck_assert_uint_eq(stand.cancels, 1);
	stand_hear(&stand);
	ck_assert(stand.is_reset);
}
END_TEST

START_TEST(a_whole_body_until_close_ends_in_a_plain_end)
{
	begin_until_close(GET_1_0);
	exchange_end(stand.x);
	stand_turns(&stand, 2);
	stand_hear(&stand);
	ck_assert(stand.is_eof);
}
END_TEST

/* --- slow readers ---------------------------------------------------------------------------- */

/* Sends until it is told to pause. */
static void
pour(struct stand *b, struct exchange *x)
{
	int err = 0;

	(void)b;
	while (err == 0 && x->body_sent < TOTAL)
		err = stand_body(x, piece, PIECE);
	ck_assert_int_ge(err, 0);
	if (x->body_sent == TOTAL)
		exchange_end(x);
}

static void
begin_pouring(struct stand *b, struct exchange *x)
{
	ck_assert_int_eq(stand_head(x, 200, BODY_LENGTH, TOTAL), 0);
	pour(b, x);
}

START_TEST(a_slow_reader_slows_the_application)
{
	stand.begin = begin_pouring;
	stand.resume = pour;
	stand_say(&stand, GET);
	stand_turns(&stand, 20);
	ck_assert_ptr_nonnull(stand.x);
	ck_assert_uint_lt(stand.x->body_sent, TOTAL / 2);
	ck_assert_uint_lt(stand.env.store.out, 16);
	for (unsigned i = 0; i < 1000 && stand.endeds == 0; i++)
		stand_hear(&stand);
	stand_turns(&stand, 4);
	stand_hear(&stand);
	ck_assert_uint_gt(stand.resumes, 10);
	ck_assert_uint_eq(strlen(strstr(stand.heard, "\r\n\r\n") + 4), TOTAL);
	stand.begin = NULL;
	stand_say(&stand, GET);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "hello"));
}
END_TEST

/* The queue borrows from the arena, so the exchange lives until it is written. */
START_TEST(an_arena_body_to_a_slow_reader_is_whole)
{
	char *memory;

	stand_say(&stand, GET);
	memory = arena_alloc(&stand.x->arena, TOTAL);
	memset(memory, 'a', TOTAL);
	exchange_respond(stand.x, 200, SLICE("a/b"), slice_make(memory, TOTAL));
	stand_turns(&stand, 8);
	ck_assert_uint_eq(stand.endeds, 0);
	for (unsigned i = 0; i < 1000 && stand.endeds == 0; i++)
		stand_hear(&stand);
	stand_hear(&stand);
	ck_assert_uint_eq(strlen(strstr(stand.heard, "\r\n\r\n") + 4), TOTAL);
	ck_assert_ptr_null(strchr(strstr(stand.heard, "\r\n\r\n"), '\x01'));
	stand.begin = NULL;
	stand_say(&stand, GET);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "hello"));
}
END_TEST

START_TEST(a_file_to_a_slow_reader_is_whole)
{
	struct chunks list;
	struct chunk_file *f = make_file(1);

	ck_assert_int_eq(ftruncate(f->fd, TOTAL), 0);
	stand_say(&stand, GET);
	ck_assert_int_eq(stand_head(stand.x, 200, BODY_LENGTH, TOTAL), 0);
	chunks_init(&list, stand.x->store);
	ck_assert_int_eq(chunks_add_file(&list, f, 0, TOTAL), 0);
	ck_assert_int_ge(exchange_body(stand.x, &list), 0);
	exchange_end(stand.x);
	for (unsigned i = 0; i < 1000 && stand.heard_len < TOTAL; i++)
		stand_hear(&stand);
	ck_assert_uint_gt(stand.heard_len, TOTAL);
	ck_assert_uint_eq(stand.endeds, 1);
}
END_TEST

static void
answer_much(struct stand *b, struct exchange *x)
{
	(void)b;
	exchange_respond(x, 200, SLICE("a/b"), slice_make(piece, 4000));
}

START_TEST(a_client_that_only_writes_is_not_queued_for_without_bound)
{
	size_t said = 0;

	stand.begin = answer_much;
	for (;;) {
		ssize_t n = send(stand.client, GET, strlen(GET), 0);

		if (n < 0)
			break; /* reading has paused: its own buffer is full */
		said += (size_t)n;
		stand_turns(&stand, 2);
		ck_assert_uint_lt(said, 1 << 21);
		ck_assert_uint_lt(stand.env.store.out, 128);
	}
	/* And goes on when it reads. */
	for (unsigned i = 0; i < 2000 && stand.endeds < said / strlen(GET); i++) {
		stand.heard_len = 0;
		stand_hear(&stand);
	}
	ck_assert_uint_ge(stand.endeds, said / strlen(GET));
}
END_TEST

Suite *
suite_proto_h1_out(void)
{
	Suite *s = suite_create("proto/h1_out");
	TCase *t = tcase_create("h1_out");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_length_is_sent_and_the_connection_stays);
	tcase_add_test(t, without_a_length_it_is_chunked);
	tcase_add_test(t, http_1_0_reads_until_the_end_of_the_connection);
	tcase_add_test(t, http_1_0_keeps_the_connection_when_asked_and_there_is_a_length);
	tcase_add_test(t, head_has_the_fields_but_no_body);
	tcase_add_test(t, statuses_without_a_body_have_none);
	tcase_add_test(t, no_body_where_one_could_be_has_length_0);
	tcase_add_test(t, connection_close_is_heeded);
	tcase_add_test(t, a_head_does_not_wait_for_the_body);
	tcase_add_test(t, fields_of_the_connection_are_not_the_applications);
	tcase_add_test(t, a_long_head_is_sent_whole);
	tcase_add_test(t, whole_answers_of_every_size);
	tcase_add_test(t, chunks_of_every_kind_keep_their_order);
	tcase_add_test(t, more_than_was_announced_is_never_sent);
	tcase_add_test(t, less_than_was_announced_ends_the_connection);
	tcase_add_test(t, aborted_before_the_head_is_an_error_response);
	tcase_add_test(t, aborted_after_the_head_has_no_final_chunk);
	tcase_add_test(t, a_cut_body_until_close_ends_in_a_reset);
	tcase_add_test(t, a_body_until_close_that_is_closed_under_way_ends_in_a_reset);
	tcase_add_test(t, a_body_until_close_cut_by_a_broken_request_ends_in_a_reset);
	tcase_add_test(t, a_whole_body_until_close_ends_in_a_plain_end);
	tcase_add_test(t, a_slow_reader_slows_the_application);
	tcase_add_test(t, an_arena_body_to_a_slow_reader_is_whole);
	tcase_add_test(t, a_file_to_a_slow_reader_is_whole);
	tcase_add_test(t, a_client_that_only_writes_is_not_queued_for_without_bound);
	return s;
}
