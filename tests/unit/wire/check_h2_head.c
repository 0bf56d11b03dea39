/*
 * Heads in HTTP/2's form: the verdicts, and what a request or a response is then.
 */
#include "base/err.h"
#include "base/mem.h"
#include "wire/h2_head.h"

#include <check.h>
#include <stdio.h>

Suite *suite_wire_h2_head(void);

static const struct h1_limits limits = { .max_head_bytes = 1024,
					 .max_fields = 5,
					 .max_target = 64 };

static struct store store;
static struct arena arena;
static struct request request;
static struct h2_head head;

static void
setup(void)
{
	store_init(&store);
	arena_init(&arena, &store, 1 << 20);
	h2_head_begin(&head, &request, &arena, &limits);
}

static void
teardown(void)
{
	arena_fini(&arena);
	ck_assert_uint_eq(store.out, 0);
	store_fini(&store);
}

static void
add(const char *name, const char *value)
{
	/* Copied, so that nothing is borrowed from the caller. */
	char a[256], b[2048];

	snprintf(a, sizeof(a), "%s", name);
	snprintf(b, sizeof(b), "%s", value);
	ck_assert_int_eq(h2_head_add(&head, slice_of(a), slice_of(b)), 0);
}

static void
add_plain(const char *path)
{
	add(":method", "GET");
	add(":scheme", "http");
	add(":authority", "a.example");
	add(":path", path);
}

static void
assert_slice(struct slice s, const char *text)
{
	ck_assert_msg(slice_eq(s, slice_of(text)), "%.*s is not %s", SLICE_PRINT(s), text);
}

START_TEST(a_head_becomes_a_request)
{
	add_plain("/a/../b%20c?d=e");
	add("x-y", "z");
	ck_assert_int_eq(h2_head_end(&head, false), 0);
	ck_assert_int_eq(request.method, METHOD_GET);
	ck_assert_int_eq(request.version, HTTP_2);
	assert_slice(request.authority, "a.example");
	assert_slice(request.raw_path, "/a/../b%20c");
	assert_slice(request.path, "/b c");
	assert_slice(request.query, "d=e");
	ck_assert(request.has_query);
	ck_assert_int_eq(request.framing, BODY_NONE);
	/* What is asked of Host is answered by :authority. */
	assert_slice(fields_find(&request.fields, FIELD_HOST)->value, "a.example");
	assert_slice(fields_find_name(&request.fields, SLICE("x-y"))->value, "z");
}
END_TEST

START_TEST(a_bodys_length_is_known_or_not)
{
	add_plain("/");
	ck_assert_int_eq(h2_head_end(&head, true), 0);
	ck_assert_int_eq(request.framing, BODY_CHUNKED);
	h2_head_begin(&head, &request, &arena, &limits);
	add_plain("/");
	add("content-length", "12");
	ck_assert_int_eq(h2_head_end(&head, true), 0);
	ck_assert_int_eq(request.framing, BODY_LENGTH);
	ck_assert_uint_eq(request.content_length, 12);
}
END_TEST

START_TEST(cookies_are_joined_and_count_once)
{
	add_plain("/");
	for (unsigned i = 0; i < 10; i++)
		add("cookie", i % 2 ? "b=2" : "a=1");
	for (unsigned i = 0; i < limits.max_fields; i++)
		add("x", "1");
	ck_assert_int_eq(h2_head_end(&head, false), 0);
	assert_slice(fields_find(&request.fields, FIELD_COOKIE)->value,
		     "a=1; b=2; a=1; b=2; a=1; b=2; a=1; b=2; a=1; b=2");
	ck_assert_uint_eq(request.fields.count, limits.max_fields + 2); /* and Host */
}
END_TEST

START_TEST(expect_means_something_only_with_a_body)
{
	add_plain("/");
	add("expect", "100-Continue");
	ck_assert_int_eq(h2_head_end(&head, true), 0);
	ck_assert(request.expects_continue);
	h2_head_begin(&head, &request, &arena, &limits);
	add_plain("/");
	add("expect", "100-continue");
	ck_assert_int_eq(h2_head_end(&head, false), 0);
	ck_assert(!request.expects_continue);
}
END_TEST

static const struct refusal {
	const char *name, *value; /* beside a plain request */
	int status;
} refusals[] = {
	{ "host", "b", 400 },
	{ "x", "a\rb", 400 },
	{ "x", "a\nb", 400 },
	{ "x", "a\1b", 400 },
	{ "x y", "1", 400 },
	{ "", "1", 400 },
	{ ":x", "1", 400 },
	{ "content-length", "-1", 400 },
	{ "content-length", "9223372036854775808", 400 },
	{ "te", "gzip", 400 },
	{ "connection", "close", 400 },
	{ "transfer-encoding", "chunked", 400 },
	{ "upgrade", "h2c", 400 },
	{ "keep-alive", "1", 400 },
	{ "proxy-connection", "close", 400 },
	{ "expect", "miracles", 417 },
	{ ":authority", "u@a", 400 },
	{ ":authority", "", 400 },
	{ ":authority", "a:99999", 400 },
	{ ":scheme", "ftp", 400 },
	{ ":method", "CONNECT", 501 },
	{ ":method", "G T", 400 },
	{ ":method", "", 400 },
	{ ":path", "", 400 },
	{ ":path", "b", 400 },
	{ ":path", "*", 400 },
	{ ":path", "/#a", 400 },
	{ ":path", "/ b", 400 },
	{ ":path", "/%zz", 400 },
	{ ":path", "/../b", 400 },
	{ ":path", "/?\"", 400 },
	{ ":path", "/0123456789012345678901234567890123456789012345678901234567890123", 414 },
};

START_TEST(what_is_wrong_has_its_status)
{
	const struct refusal *r = &refusals[_i];

	add_plain("/");
	add(r->name, r->value); /* the last pseudo-field of a name stands here */
	ck_assert_int_eq(h2_head_end(&head, false), ERR_PROTOCOL);
	ck_assert_int_eq(head.status, r->status);
	ck_assert_ptr_nonnull(head.reason);
}
END_TEST

START_TEST(a_field_that_may_come_once_comes_once)
{
	add_plain("/");
	add("content-type", "a/b");
	add("content-type", "a/b");
	ck_assert_int_eq(h2_head_end(&head, false), ERR_PROTOCOL);
	ck_assert_int_eq(head.status, 400);
}
END_TEST

START_TEST(too_many_and_too_large_are_431)
{
	add_plain("/");
	for (unsigned i = 0; i <= limits.max_fields; i++)
		add("x", "1");
	ck_assert_int_eq(h2_head_end(&head, false), ERR_PROTOCOL);
	ck_assert_int_eq(head.status, 431);
	h2_head_begin(&head, &request, &arena, &limits);
	add_plain("/");
	for (unsigned i = 0; i < 40; i++)
		add("cookie", "");
	ck_assert_int_eq(h2_head_end(&head, false), ERR_PROTOCOL);
	ck_assert_int_eq(head.status, 431);
}
END_TEST

START_TEST(options_may_ask_about_the_server)
{
	add(":method", "OPTIONS");
	add(":scheme", "http");
	add("host", "a");
	add(":path", "*");
	ck_assert_int_eq(h2_head_end(&head, false), 0);
	assert_slice(request.path, "*");
	assert_slice(request.authority, "a");
}
END_TEST

START_TEST(without_memory_it_fails_and_nothing_else)
{
	for (unsigned long n = 1; n < 8; n++) {
		struct arena small;
		int err = 0;

		arena_init(&small, &store, 1 << 20);
		h2_head_begin(&head, &request, &small, &limits);
		mem_fail_at(n, true);
		store_fini(&store); /* nothing is kept for reuse */
		err = h2_head_add(&head, SLICE(":method"), SLICE("GET"));
		err = err ? err : h2_head_add(&head, SLICE(":path"), SLICE("/"));
		err = err ? err : h2_head_add(&head, SLICE(":scheme"), SLICE("http"));
		err = err ? err : h2_head_add(&head, SLICE(":authority"), SLICE("a"));
		err = err ? err : h2_head_end(&head, false);
		mem_fail_at(0, false);
		ck_assert(err == 0 || err == ERR_MEMORY || head.status == 503);
		arena_fini(&small);
	}
}
END_TEST

/* --- responses -------------------------------------------------------------------- */

static struct response response;

static void
begin_response(const char *status)
{
	h2_head_begin_response(&head, &response, &arena, &limits);
	if (status)
		add(":status", status);
}

START_TEST(a_head_becomes_a_response)
{
	begin_response("404");
	add("content-length", "7");
	add("x-y", "z");
	ck_assert_int_eq(h2_head_end_response(&head, METHOD_GET, true), 0);
	ck_assert_int_eq(response.status, 404);
	ck_assert_int_eq(response.framing, BODY_LENGTH);
	ck_assert_uint_eq(response.content_length, 7);
	assert_slice(fields_find_name(&response.fields, SLICE("x-y"))->value, "z");
}
END_TEST

static const struct framed {
	const char *status, *length;
	enum method method;
	bool has_body;
	enum body_framing framing;
	uint64_t bytes;
} framed[] = {
	{ "200", NULL, METHOD_GET, true, BODY_CHUNKED, 0 },
	{ "200", NULL, METHOD_GET, false, BODY_LENGTH, 0 },
	{ "200", "12", METHOD_GET, true, BODY_LENGTH, 12 },
	{ "200", "12", METHOD_HEAD, false, BODY_NONE, 12 },
	{ "304", "12", METHOD_GET, false, BODY_NONE, 12 },
	{ "204", NULL, METHOD_GET, false, BODY_NONE, 0 },
	{ "204", "0", METHOD_GET, false, BODY_NONE, 0 },
	{ "103", NULL, METHOD_GET, true, BODY_NONE, 0 },
};

START_TEST(a_response_is_framed_as_in_http_1)
{
	const struct framed *f = &framed[_i];

	begin_response(f->status);
	if (f->length)
		add("content-length", f->length);
	ck_assert_int_eq(h2_head_end_response(&head, f->method, f->has_body), 0);
	ck_assert_int_eq(response.framing, f->framing);
	ck_assert_uint_eq(response.content_length, f->bytes);
}
END_TEST

/* Of a response with :status 200, or with the one that is given. */
static const struct {
	const char *status, *name, *value;
} bad_responses[] = {
	{ NULL, "x", "y" }, /* no status */
	{ "099", "x", "y" },
	{ "600", "x", "y" },
	{ "20", "x", "y" },
	{ "2000", "x", "y" },
	{ "+20", "x", "y" },
	{ "101", "x", "y" },
	{ "200", ":path", "/" },
	{ "200", ":method", "GET" },
	{ "200", "connection", "close" },
	{ "200", "transfer-encoding", "chunked" },
	{ "200", "upgrade", "x" },
	{ "200", "x y", "z" },
	{ "200", "x", "a\rb" },
	{ "200", "x", "a\nb" },
	{ "200", "content-length", "-1" },
	{ "200", "content-length", "1, 1" },
	{ "204", "content-length", "1" },
	{ "103", "content-length", "1" },
};

START_TEST(a_bad_response_is_502)
{
	begin_response(bad_responses[_i].status);
	add(bad_responses[_i].name, bad_responses[_i].value);
	ck_assert_int_eq(h2_head_end_response(&head, METHOD_GET, true), ERR_PROTOCOL);
	ck_assert_int_eq(head.status, 502);
	ck_assert_ptr_nonnull(head.reason);
}
END_TEST

START_TEST(a_length_twice_is_502_and_other_fields_are_lists)
{
	begin_response("200");
	add("etag", "a");
	add("etag", "b");
	add("content-length", "1");
	ck_assert_int_eq(head.status, 0);
	add("content-length", "1");
	ck_assert_int_eq(h2_head_end_response(&head, METHOD_GET, true), ERR_PROTOCOL);
}
END_TEST

START_TEST(a_response_has_its_bounds)
{
	begin_response("200");
	for (unsigned i = 0; i < limits.max_fields; i++)
		add("x", "y");
	ck_assert_int_eq(head.status, 0);
	add("x", "y");
	ck_assert_int_eq(head.status, 502);
	begin_response("200");
	for (unsigned i = 0; i < 4; i++)
		add("x", "0123456789012345678901234567890123456789012345678901234567890123456789"
			 "0123456789012345678901234567890123456789012345678901234567890123456789"
			 "0123456789012345678901234567890123456789012345678901234567890123456789"
			 "01234567890123456789");
	ck_assert_int_eq(head.status, 502);
}
END_TEST

Suite *
suite_wire_h2_head(void)
{
	Suite *s = suite_create("wire_h2_head");
	TCase *t = tcase_create("h2_head");

	tcase_add_test(t, a_head_becomes_a_response);
	tcase_add_loop_test(t, a_response_is_framed_as_in_http_1, 0,
			    sizeof(framed) / sizeof(framed[0]));
	tcase_add_loop_test(t, a_bad_response_is_502, 0,
			    sizeof(bad_responses) / sizeof(bad_responses[0]));
	tcase_add_test(t, a_length_twice_is_502_and_other_fields_are_lists);
	tcase_add_test(t, a_response_has_its_bounds);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_head_becomes_a_request);
	tcase_add_test(t, a_bodys_length_is_known_or_not);
	tcase_add_test(t, cookies_are_joined_and_count_once);
	tcase_add_test(t, expect_means_something_only_with_a_body);
	tcase_add_loop_test(t, what_is_wrong_has_its_status, 0,
			    sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(t, a_field_that_may_come_once_comes_once);
	tcase_add_test(t, too_many_and_too_large_are_431);
	tcase_add_test(t, options_may_ask_about_the_server);
	tcase_add_test(t, without_memory_it_fails_and_nothing_else);
	return s;
}
