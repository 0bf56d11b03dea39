/*
 * Request heads in HTTP/2's form: the verdicts, and what a request is then.
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

Suite *
suite_wire_h2_head(void)
{
	Suite *s = suite_create("wire_h2_head");
	TCase *t = tcase_create("h2_head");

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
