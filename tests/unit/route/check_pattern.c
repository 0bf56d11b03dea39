/*
 * What may stand in match = and host =, and what is said about the rest.
 */
#include "base/writer.h"
#include "route/pattern.h"

#include <check.h>

Suite *suite_route_pattern(void);

static struct store store;
static struct arena arena;

static void
setup(void)
{
	store_init(&store);
	arena_init(&arena, &store, 1 << 20);
}

static void
teardown(void)
{
	arena_fini(&arena);
	store_fini(&store);
}

START_TEST(segments_are_literals_params_and_a_last_rest)
{
	struct pattern p;
	struct pattern_fault fault;

	ck_assert_int_eq(
	    pattern_parse(&p, SLICE(" GET|POST   /users/{id}/x/{path...} "), &arena, &fault), 0);
	ck_assert_uint_eq(p.methods, 1u << METHOD_GET | 1u << METHOD_POST);
	ck_assert_uint_eq(p.count, 4);
	ck_assert_int_eq(p.segment[0].kind, SEGMENT_LITERAL);
	ck_assert(slice_eq(p.segment[0].text, SLICE("users")));
	ck_assert_int_eq(p.segment[1].kind, SEGMENT_PARAM);
	ck_assert(slice_eq(p.segment[1].text, SLICE("id")));
	ck_assert_int_eq(p.segment[3].kind, SEGMENT_REST);
	ck_assert_uint_eq(p.captures, 2);
	ck_assert(slice_eq(p.capture[0], SLICE("id")));
	ck_assert(slice_eq(p.capture[1], SLICE("path")));
	ck_assert(slice_eq(p.path, SLICE("/users/{id}/x/{path...}")));
	ck_assert_int_eq(p.host_kind, HOST_ANY);
}
END_TEST

START_TEST(literals_are_kept_as_request_paths_are)
{
	static const struct {
		const char *match, *segment;
	} rows[] = {
		{ "* /", "" },
		{ "* /caf%C3%A9", "caf\xc3\xa9" },
		{ "* /a%2Fb", "a%2Fb" },
		{ "* /a%2fb", "a%2Fb" },
		{ "* /a%20b", "a b" },
		{ "* /100%25", "100%25" },
		{ "* /%7Bid%7D", "{id}" },
		{ "* /.well-known", ".well-known" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern p;
		struct pattern_fault fault;

		ck_assert_int_eq(pattern_parse(&p, slice_of(rows[i].match), &arena, &fault), 0);
		ck_assert_uint_eq(p.methods, PATTERN_ANY_METHOD);
		ck_assert_msg(slice_eq(p.segment[0].text, slice_of(rows[i].segment)), "%s",
			      rows[i].match);
	}
}
END_TEST

START_TEST(faults_name_the_offending_part)
{
	static const struct {
		const char *match, *where, *why;
	} rows[] = {
		{ "", "", "is not METHOD /path" },
		{ "/hello", "/hello", "is not METHOD /path" },
		{ "GET", "GET", "is not METHOD /path" },
		{ "GET hello", "GET hello", "has no path" },
		{ "GTE /", "GTE", "is no method known" },
		{ "get /", "get", "is no method known" },
		{ "GET||POST /", "", "is no method known" },
		{ "GET|* /", "*", "is no method known" },
		{ "GET /a b", "GET /a b", "more than a method and a path" },
		{ "GET /a?b=1", "/a?b=1", "query" },
		{ "GET /a//b", "/a//b", "empty segment" },
		{ "GET /a/./b", ".", "dot segment" },
		{ "GET /a/%2e%2E", "%2e%2E", "not a segment" },
		{ "GET /a/%zz", "%zz", "not a segment" },
		{ "GET /a/%00", "%00", "not a segment" },
		{ "GET /{", "{", "whole segment" },
		{ "GET /{}", "{}", "whole segment" },
		{ "GET /{...}", "{...}", "whole segment" },
		{ "GET /{Id}", "{Id}", "whole segment" },
		{ "GET /{id}.json", "{id}.json", "whole segment" },
		{ "GET /v{id}", "v{id}", "whole segment" },
		{ "GET /{id", "{id", "whole segment" },
		{ "GET /{a..}", "{a..}", "whole segment" },
		{ "GET /{body}", "body", "templates" },
		{ "GET /{query...}", "query", "templates" },
		{ "GET /{a}/{a}", "{a}", "twice" },
		{ "GET /{a...}/b", "{a...}", "last segment" },
		{ "GET /{a...}/", "{a...}", "last segment" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern p;
		struct pattern_fault fault = { "", { NULL, 0 } };

		ck_assert_msg(pattern_parse(&p, slice_of(rows[i].match), &arena, &fault) ==
				  ERR_SYNTAX,
			      "%s", rows[i].match);
		ck_assert_msg(strstr(fault.why, rows[i].why) != NULL, "%s: %s", rows[i].match,
			      fault.why);
		ck_assert_msg(slice_eq(fault.where, slice_of(rows[i].where)), "%s: %.*s",
			      rows[i].match, SLICE_PRINT(fault.where));
	}
}
END_TEST

START_TEST(segments_and_parameters_have_a_ceiling)
{
	char text[512];
	struct pattern p;
	struct pattern_fault fault;

	for (int i = PATTERN_SEGMENTS; i <= PATTERN_SEGMENTS + 1; i++) {
		struct writer w = writer_over(text, sizeof(text));

		writer_text(&w, "GET ");
		for (int n = 0; n < i; n++)
			writer_text(&w, "/a");
		ck_assert_int_eq(pattern_parse(&p, writer_slice(&w), &arena, &fault),
				 i <= PATTERN_SEGMENTS ? 0 : ERR_SYNTAX);
	}
	for (int i = PATTERN_CAPTURES; i <= PATTERN_CAPTURES + 1; i++) {
		struct writer w = writer_over(text, sizeof(text));

		writer_text(&w, "GET ");
		for (int n = 0; n < i; n++)
			writer_format(&w, "/{p%d}", n);
		ck_assert_int_eq(pattern_parse(&p, writer_slice(&w), &arena, &fault),
				 i <= PATTERN_CAPTURES ? 0 : ERR_SYNTAX);
	}
}
END_TEST

START_TEST(hosts_are_exact_or_start_with_a_star)
{
	static const struct {
		const char *host;
		int err;
		enum host_kind kind;
		const char *text;
	} rows[] = {
		{ "", 0, HOST_ANY, "" },
		{ "Example.COM", 0, HOST_EXACT, "example.com" },
		{ "example.com.", 0, HOST_EXACT, "example.com" },
		{ "*.Example.com", 0, HOST_SUFFIX, ".example.com" },
		{ "[::1]", 0, HOST_EXACT, "[::1]" },
		{ "127.0.0.1", 0, HOST_EXACT, "127.0.0.1" },
		{ "example.com:80", ERR_SYNTAX, 0, NULL },
		{ "*", ERR_SYNTAX, 0, NULL },
		{ "*.", ERR_SYNTAX, 0, NULL },
		{ "a.*.com", ERR_SYNTAX, 0, NULL },
		{ "*.*.com", ERR_SYNTAX, 0, NULL },
		{ "a b", ERR_SYNTAX, 0, NULL },
		{ "http://a", ERR_SYNTAX, 0, NULL },
		{ "a/b", ERR_SYNTAX, 0, NULL },
		{ "a@b", ERR_SYNTAX, 0, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern p;
		struct pattern_fault fault;

		ck_assert_msg(pattern_parse_host(&p, slice_of(rows[i].host), &arena, &fault) ==
				  rows[i].err,
			      "%s", rows[i].host);
		if (rows[i].err)
			continue;
		ck_assert_int_eq(p.host_kind, rows[i].kind);
		ck_assert(slice_eq(p.host, slice_of(rows[i].text)));
	}
}
END_TEST

Suite *
suite_route_pattern(void)
{
	Suite *s = suite_create("route/pattern");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, segments_are_literals_params_and_a_last_rest);
	tcase_add_test(t, literals_are_kept_as_request_paths_are);
	tcase_add_test(t, faults_name_the_offending_part);
	tcase_add_test(t, segments_and_parameters_have_a_ceiling);
	tcase_add_test(t, hosts_are_exact_or_start_with_a_star);
	suite_add_tcase(s, t);
	return s;
}
