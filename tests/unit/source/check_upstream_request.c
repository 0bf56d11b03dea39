/*
 * What a server is sent, of what a client said.
 */
#include "base/clock.h"
#include "upstream_bed.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *suite_source_upstream_request(void);

START_TEST(a_joined_part_sends_nothing_of_the_client)
{
	struct bed *b = bed_open("", "path = /p\nheader.x-own = 1", BED_JOINED);
	struct ask *a = bed_prepare(b);
	char expected[256];

	ask_method(a, "POST");
	ask_field(a, "Cookie", "secret");
	ask_field(a, "Authorization", "secret");
	ask_field(a, "Content-Length", "5");
	ask_field(a, "X-Forwarded-For", "203.0.113.9");
	ask_field(a, "traceparent", "00-0af7-b7ad-01");
	snprintf(expected, sizeof(expected),
		 "GET /p HTTP/1.1\r\nHost: 127.0.0.1:%u\r\ntraceparent: 00-0af7-b7ad-01\r\n"
		 "X-Request-Id: id-1\r\nx-own: 1\r\n\r\n",
		 bed_port(b));
	bed_check_head(bed_head_of(b, a), expected);
	bed_close(b);
}
END_TEST

START_TEST(a_joined_part_asks_about_what_is_kept)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	struct ask *a = bed_prepare(b);
	struct field one[1];
	struct fields condition = { one, 0, 1 };
	const char *head;

	ck_assert_int_eq(fields_add(&condition, FIELD_IF_NONE_MATCH, SLICE("\"x\"")), 0);
	a->q.condition = &condition;
	ask_field(a, "If-None-Match", "\"theirs\"");
	head = bed_head_of(b, a);
	ck_assert_msg(head_has(head, "if-none-match: \"x\""), "%s", head);
	ck_assert_ptr_null(strstr(head, "theirs"));
	bed_close(b);
}
END_TEST

/* A 304 must be about what we have. */
static const struct {
	const char *keys;
	bool asks;
} asking[] = {
	{ "", true },
	{ "method = GET\nforward = accept", true },
	{ "method = HEAD", false },
	{ "forward = accept, if-none-match", false },
	{ "header.If-Modified-Since = {query.since}", false },
};

START_TEST(conditions_of_others_are_not_mixed_with_ours)
{
	struct bed *b = bed_open("", asking[_i].keys, BED_JOINED);
	const struct part *part = bed_prepare(b)->q.part;

	ck_assert_int_eq(part->source->ops->asks_condition(part), asking[_i].asks);
	bed_close(b);
}
END_TEST

START_TEST(a_joined_part_forwards_what_it_names)
{
	struct bed *b =
	    bed_open("", "forward = authorization, Accept-Language\nhost = client", BED_JOINED);
	struct ask *a = bed_prepare(b);
	const char *head;

	ask_field(a, "Accept-language", "de");
	ask_field(a, "AUTHORIZATION", "Basic x");
	ask_field(a, "Cookie", "secret");
	head = bed_head_of(b, a);
	ck_assert_ptr_eq(strstr(head, "GET /client?q=1 HTTP/1.1\r\nHost: front.example\r\n"), head);
	ck_assert(head_has(head, "Accept-language: de"));
	ck_assert(head_has(head, "AUTHORIZATION: Basic x"));
	ck_assert_ptr_null(strstr(head, "secret"));
	bed_close(b);
}
END_TEST

START_TEST(a_request_passed_through_keeps_its_end_to_end_fields)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	struct ask *a = bed_prepare(b);
	char expected[1024];

	ask_method(a, "DELETE");
	ask_field(a, "Host", "front.example");
	ask_field(a, "Connection", "close, X-Mine");
	ask_field(a, "X-Mine", "1");
	ask_field(a, "TE", "trailers");
	ask_field(a, "Upgrade", "h2c");
	ask_field(a, "Expect", "100-continue");
	ask_field(a, "Proxy-Authorization", "secret");
	ask_field(a, "Forebay-Deadline", "99s");
	ask_field(a, "X-Forwarded-For", "203.0.113.9");
	ask_field(a, "X-Forwarded-For", "203.0.113.10");
	ask_field(a, "X-Forwarded-Proto", "https");
	ask_field(a, "Via", "1.0 fred");
	ask_field(a, "X-Request-Id", "theirs");
	ask_field(a, "Cookie", "a=b");
	ask_field(a, "Cookie", "c=d");
	snprintf(expected, sizeof(expected),
		 "DELETE /client?q=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
		 "Connection: TE\r\nTE: trailers\r\nX-Request-Id: theirs\r\n"
		 "Cookie: a=b\r\nCookie: c=d\r\nVia: 1.0 fred, 1.1 forebay\r\n"
		 "X-Forwarded-For: 192.0.2.7\r\n"
		 "X-Forwarded-Proto: http\r\nX-Forwarded-Host: front.example\r\n\r\n",
		 bed_port(b));
	bed_check_head(bed_head_of(b, a), expected);
	bed_close(b);
}
END_TEST

START_TEST(a_path_of_its_own_keeps_the_query_of_a_request_passed_through)
{
	struct bed *b = bed_open("", "path = /new", BED_PASSED);

	ck_assert_ptr_nonnull(strstr(bed_head_of(b, bed_prepare(b)), "GET /new?q=1 HTTP/1.1\r\n"));
	bed_close(b);
}
END_TEST

START_TEST(a_query_of_its_own_replaces_the_query)
{
	struct bed *b = bed_open("", "query = a=1&b=2", BED_PASSED);

	ck_assert_ptr_nonnull(
	    strstr(bed_head_of(b, bed_prepare(b)), "GET /client?a=1&b=2 HTTP/1.1\r\n"));
	bed_close(b);
}
END_TEST

START_TEST(fields_are_set_added_and_removed)
{
	struct bed *b = bed_open("",
				 "set_request_header.Cookie = own\nset_request_header.x-user =\n"
				 "add_request_header.X-A = 2\n"
				 "remove_request_header = accept, Via, X-Forwarded-For, "
				 "X-Forwarded-Proto, X-Forwarded-Host, X-Request-Id",
				 BED_PASSED);
	struct ask *a = bed_prepare(b);
	char expected[512];

	ask_field(a, "Cookie", "a=b");
	ask_field(a, "X-User", "forged");
	ask_field(a, "X-A", "1");
	ask_field(a, "Accept", "text/html");
	ask_field(a, "Via", "1.0 fred");
	ask_field(a, "X-Forwarded-For", "203.0.113.9");
	ask_field(a, "X-Forwarded-Proto", "https");
	snprintf(expected, sizeof(expected),
		 "GET /client?q=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX-A: 1\r\n"
		 "Cookie: own\r\nX-A: 2\r\n\r\n",
		 bed_port(b));
	bed_check_head(bed_head_of(b, a), expected);
	bed_close(b);
}
END_TEST

START_TEST(header_keys_replace_the_fields_of_the_client)
{
	struct bed *b = bed_open(
	    "", "header.Cookie = own\nheader.x-request-id = 7\nheader.x-none =", BED_PASSED);
	struct ask *a = bed_prepare(b);
	const char *head;

	ask_field(a, "cookie", "theirs");
	ask_field(a, "X-None", "theirs");
	head = bed_head_of(b, a);
	ck_assert(head_has(head, "Cookie: own"));
	ck_assert(head_has(head, "x-request-id: 7"));
	ck_assert_ptr_null(strstr(head, "theirs"));
	ck_assert_ptr_null(strstr(head, "id-1"));
	bed_close(b);
}
END_TEST

START_TEST(what_is_left_of_the_deadline_is_said)
{
	struct bed *b = bed_open("", "", BED_JOINED);
	struct ask *a = bed_prepare(b);
	const char *at;
	int ms;

	a->q.deadline_ns = clock_monotonic() + 5000 * CLOCK_MS;
	at = strstr(bed_head_of(b, a), "\r\nForebay-Deadline: ");
	ck_assert_ptr_nonnull(at);
	ms = (int)strtol(at + 20, NULL, 10);
	ck_assert_int_ge(ms, 1000);
	ck_assert_int_le(ms, 5000);
	bed_close(b);
}
END_TEST

/* --- what must not be sent ----------------------------------------------------------- */

static const struct refusal {
	const char *path;
	int err;
} refusals[] = {
	{ "/a/../b", ERR_NOT_FOUND }, { "/a/..", ERR_NOT_FOUND },
	{ "/a/.", ERR_NOT_FOUND },    { "/%2e%2E/b", ERR_NOT_FOUND },
	{ "/.%2e", ERR_NOT_FOUND },   { "/a b", ERR_SYNTAX },
	{ "/a\r\nX: y", ERR_SYNTAX }, { "/a?b", ERR_SYNTAX },
	{ "/a#b", ERR_SYNTAX },       { "a", ERR_SYNTAX },
	{ "", ERR_SYNTAX },           { "/\x80", ERR_SYNTAX },
};

enum { REFUSALS = sizeof(refusals) / sizeof(refusals[0]) };

START_TEST(a_value_cannot_leave_its_place_in_the_path)
{
	struct bed *b = bed_open("", "path = /{id}", BED_JOINED);
	struct ask *a = bed_prepare(b);

	a->value[0] = slice_of(refusals[_i].path);
	ck_assert_int_eq(ask_start(a), 0);
	bed_await(b, a);
	ck_assert_msg(a->err == refusals[_i].err, "%s: %d", refusals[_i].path, a->err);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	bed_close(b);
}
END_TEST

START_TEST(dots_that_are_no_segment_are_let_pass)
{
	struct bed *b = bed_open("", "path = /{id}", BED_JOINED);
	struct ask *a = bed_prepare(b);

	a->value[0] = SLICE("/.../a..b/.c/..d/%2ex");
	ck_assert_ptr_nonnull(strstr(bed_head_of(b, a), "GET /.../a..b/.c/..d/%2ex HTTP/1.1\r\n"));
	bed_close(b);
}
END_TEST

START_TEST(no_value_can_start_a_line_of_its_own)
{
	struct bed *b = bed_open("", "header.x-a = {id}", BED_JOINED);
	struct ask *a = bed_prepare(b);

	a->value[0] = SLICE("v\r\nX-Evil: 1");
	ck_assert_int_eq(ask_start(a), 0);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_SYNTAX);
	bed_close(b);
}
END_TEST

START_TEST(a_head_too_large_to_write_fails)
{
	struct bed *b = bed_open("", "header.x-a = {id}", BED_JOINED);
	struct ask *a = bed_prepare(b);
	size_t len = 70000;
	char *value = malloc(len);

	ck_assert_ptr_nonnull(value);
	memset(value, 'x', len);
	a->value[0] = slice_make(value, len);
	ck_assert_int_eq(ask_start(a), 0);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_TOO_LARGE);
	free(value);
	bed_close(b);
}
END_TEST

START_TEST(a_large_head_is_sent_whole)
{
	struct bed *b = bed_open("", "header.x-a = {id}", BED_JOINED);
	struct ask *a = bed_prepare(b);
	size_t len = 40000;
	char *value = malloc(len);
	const char *head;

	ck_assert_ptr_nonnull(value);
	memset(value, 'x', len);
	a->value[0] = slice_make(value, len);
	head = bed_head_of(b, a);
	ck_assert_uint_gt(strlen(head), len);
	free(value);
	bed_close(b);
}
END_TEST

/* --- bodies ---------------------------------------------------------------------------- */

static struct ask *
post(struct bed *b, bool is_length_known, uint64_t bytes, int *fd)
{
	struct ask *a = bed_prepare(b);

	ask_method(a, "POST");
	a->q.has_body = true;
	a->q.is_body_length_known = is_length_known;
	a->q.body_bytes = bytes;
	ck_assert_int_eq(ask_start(a), 0);
	*fd = bed_accept(b);
	return a;
}

START_TEST(a_body_of_known_length_is_streamed)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = post(b, true, 6, &fd);

	ck_assert(head_has(bed_expect(b, fd, "POST "), "Content-Length: 6"));
	bed_until(b, &a->wants, 1);
	ask_feed(a, "abc", false);
	bed_hear(b, fd, "abc");
	bed_until(b, &a->wants, 2);
	ask_feed(a, "def", true);
	bed_hear(b, fd, "def");
	bed_turn(b);
	ck_assert_uint_eq(a->wants, 2);
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	ck_assert_uint_eq(bed_open_conns(b), 1);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_body_of_unknown_length_is_chunked)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = post(b, false, 0, &fd);

	ck_assert(head_has(bed_expect(b, fd, "POST "), "Transfer-Encoding: chunked"));
	bed_until(b, &a->wants, 1);
	ask_feed(a, "abcdefghijklm", false);
	bed_hear(b, fd, "d\r\nabcdefghijklm\r\n");
	bed_until(b, &a->wants, 2);
	ask_feed(a, "", false);
	bed_until(b, &a->wants, 3);
	ask_feed(a, "x", true);
	bed_hear(b, fd, "1\r\nx\r\n0\r\n\r\n");
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

static void
check_trailers(const char *part, const char *expected)
{
	struct field trailers[] = {
		{ SLICE("X-User"), SLICE("root"), FIELD_OTHER },
		{ SLICE("X-Mine"), SLICE("1"), FIELD_OTHER },
		{ SLICE("X-Sum"), SLICE("7"), FIELD_OTHER },
		{ SLICE("X_User"), SLICE("root"), FIELD_OTHER },
		{ SLICE("X_Forwarded_For"), SLICE("::1"), FIELD_OTHER },
		{ SLICE("X_Real_IP"), SLICE("::1"), FIELD_OTHER },
		{ SLICE("Content_Length"), SLICE("0"), FIELD_OTHER },
		{ SLICE("Forebay_Deadline"), SLICE("1h"), FIELD_OTHER },
	};
	struct bed *b = bed_open("", part, BED_PASSED);
	int fd;
	struct ask *a = post(b, false, 0, &fd);

	ask_field(a, "Connection", "x-mine");
	a->request.trailers = (struct fields){ .at = trailers, .count = 8, .cap = 8 };
	bed_expect(b, fd, "POST ");
	bed_until(b, &a->wants, 1);
	ask_feed(a, "x", true);
	bed_hear(b, fd, expected);
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	bed_hang_up(fd);
	bed_close(b);
}

START_TEST(trailers_say_nothing_that_the_head_may_not)
{
	check_trailers("", "1\r\nx\r\n0\r\nX-User: root\r\nX-Sum: 7\r\nX_User: root\r\n\r\n");
	check_trailers("set_request_header.x-user =", "1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n");
	check_trailers("add_request_header.x-user = 1", "1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n");
	check_trailers("header.x-user = 1", "1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n");
	check_trailers("remove_request_header = x-user, x-sum", "1\r\nx\r\n0\r\n\r\n");
}
END_TEST

START_TEST(many_small_pieces_are_all_framed)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = post(b, false, 0, &fd);

	bed_expect(b, fd, "POST ");
	/* More size lines than one block holds. */
	for (unsigned i = 1; i <= 6000; i++) {
		bed_until(b, &a->wants, i);
		ask_feed(a, "x", i == 6000);
		bed_hear(b, fd, "1\r\nx\r\n");
	}
	bed_hear(b, fd, "0\r\n\r\n");
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(no_more_is_asked_for_than_the_server_takes)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = post(b, false, 0, &fd);
	char *piece = malloc((1 << 20) + 1);
	unsigned asked;

	ck_assert_ptr_nonnull(piece);
	memset(piece, 'x', 1 << 20);
	piece[1 << 20] = '\0';
	do {
		asked = a->wants;
		if (asked > 0)
			ask_feed(a, piece, false);
		bed_turn(b);
	} while (a->wants > asked || asked == 0);
	ck_assert_uint_lt(a->wants, 32);
	bed_expect(b, fd, "POST ");
	for (unsigned i = 0; i < asked; i++) {
		bed_hear(b, fd, "100000\r\n");
		bed_hear(b, fd, piece);
		bed_hear(b, fd, "\r\n");
	}
	ck_assert_uint_gt(a->wants, asked);
	free(piece);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_body_longer_or_shorter_than_said_is_never_completed)
{
	static const char *const bodies[] = { "abcdefg", "abc" };
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = post(b, true, 6, &fd);

	bed_expect(b, fd, "POST ");
	bed_until(b, &a->wants, 1);
	/* Too long is too long, whether or not more would come. */
	ask_feed(a, bodies[_i], _i == 1);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_FAILED);
	bed_hear_end(b, fd);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_body_of_the_part_is_sent_with_its_length)
{
	struct bed *b = bed_open("", "method = PUT\nbody = hello", BED_JOINED);
	struct ask *a = bed_ask(b);
	int fd = bed_accept(b);

	ck_assert(head_has(bed_expect(b, fd, "PUT /client?q=1 HTTP/1.1\r\n"), "Content-Length: 5"));
	bed_hear(b, fd, "hello");
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	ck_assert_uint_eq(a->wants, 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_post_without_a_body_says_so)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	struct ask *a = bed_prepare(b);

	ask_method(a, "POST");
	ck_assert(head_has(bed_head_of(b, a), "Content-Length: 0"));
	bed_close(b);
}
END_TEST

START_TEST(an_early_response_is_taken_and_the_connection_closed)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = post(b, true, 1000, &fd);

	bed_expect(b, fd, "POST ");
	bed_until(b, &a->wants, 1);
	ask_feed(a, "abc", false);
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	ck_assert(ask_has(a, "ok"));
	ck_assert_uint_eq(bed_open_conns(b), 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(an_early_response_is_heard_though_the_server_stopped_reading)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = post(b, false, 0, &fd);

	bed_expect(b, fd, "POST ");
	bed_until(b, &a->wants, 1);
	ck_assert_int_gt(write(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", 45), 0);
	bed_hang_up(fd);
	ask_feed(a, "abc", false);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	ck_assert_int_eq(a->q.response.status, 413);
	bed_close(b);
}
END_TEST

START_TEST(what_was_said_before_a_reset_is_heard)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = post(b, false, 0, &fd);

	bed_expect(b, fd, "POST ");
	bed_until(b, &a->wants, 1);
	a->pauses = true;
	bed_say(b, fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nab");
	bed_say(b, fd, "cde");
	bed_reset(fd);
	ask_feed(a, "abc", false);
	bed_turn(b);
	ck_assert(!a->is_ended);
	a->pauses = false;
	a->q.part->source->ops->resume(&a->q);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	ck_assert(ask_has(a, "abcde"));
	ck_assert_uint_eq(a->wants, 1);
	bed_close(b);
}
END_TEST

START_TEST(both_bodies_can_move_at_once)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	int fd;
	struct ask *a = post(b, false, 0, &fd);

	bed_expect(b, fd, "POST ");
	bed_until(b, &a->wants, 1);
	ask_feed(a, "abc", false);
	bed_hear(b, fd, "3\r\nabc\r\n");
	bed_say(b, fd, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nABC");
	ck_assert(ask_has(a, "ABC"));
	bed_until(b, &a->wants, 2);
	ask_feed(a, "def", true);
	bed_hear(b, fd, "3\r\ndef\r\n0\r\n\r\n");
	bed_say(b, fd, "DEF");
	ck_assert(ask_has(a, "ABCDEF"));
	ck_assert(a->is_ended);
	ck_assert_int_eq(a->err, 0);
	ck_assert_uint_eq(bed_open_conns(b), 1);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

static void
add_heads(Suite *s)
{
	TCase *t = tcase_create("heads");

	tcase_add_test(t, a_joined_part_sends_nothing_of_the_client);
	tcase_add_test(t, a_joined_part_asks_about_what_is_kept);
	tcase_add_loop_test(t, conditions_of_others_are_not_mixed_with_ours, 0,
			    sizeof(asking) / sizeof(asking[0]));
	tcase_add_test(t, a_joined_part_forwards_what_it_names);
	tcase_add_test(t, a_request_passed_through_keeps_its_end_to_end_fields);
	tcase_add_test(t, a_path_of_its_own_keeps_the_query_of_a_request_passed_through);
	tcase_add_test(t, a_query_of_its_own_replaces_the_query);
	tcase_add_test(t, fields_are_set_added_and_removed);
	tcase_add_test(t, header_keys_replace_the_fields_of_the_client);
	tcase_add_test(t, what_is_left_of_the_deadline_is_said);
	tcase_add_loop_test(t, a_value_cannot_leave_its_place_in_the_path, 0, REFUSALS);
	tcase_add_test(t, dots_that_are_no_segment_are_let_pass);
	tcase_add_test(t, no_value_can_start_a_line_of_its_own);
	tcase_add_test(t, a_head_too_large_to_write_fails);
	tcase_add_test(t, a_large_head_is_sent_whole);
	suite_add_tcase(s, t);
}

static void
add_bodies(Suite *s)
{
	TCase *t = tcase_create("bodies");

	tcase_add_test(t, a_body_of_known_length_is_streamed);
	tcase_add_test(t, a_body_of_unknown_length_is_chunked);
	tcase_add_test(t, trailers_say_nothing_that_the_head_may_not);
	tcase_add_test(t, many_small_pieces_are_all_framed);
	tcase_add_test(t, no_more_is_asked_for_than_the_server_takes);
	tcase_add_loop_test(t, a_body_longer_or_shorter_than_said_is_never_completed, 0, 2);
	tcase_add_test(t, a_body_of_the_part_is_sent_with_its_length);
	tcase_add_test(t, a_post_without_a_body_says_so);
	tcase_add_test(t, an_early_response_is_taken_and_the_connection_closed);
	tcase_add_test(t, an_early_response_is_heard_though_the_server_stopped_reading);
	tcase_add_test(t, what_was_said_before_a_reset_is_heard);
	tcase_add_test(t, both_bodies_can_move_at_once);
	suite_add_tcase(s, t);
}

Suite *
suite_source_upstream_request(void)
{
	Suite *s = suite_create("source_upstream_request");

	add_heads(s);
	add_bodies(s);
	return s;
}
