/*
 * The guard cors: whom it believes, what it says, and what it does not.
 */
#include "guard/cors.h"
#include "net/env.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *suite_guard_cors(void);

enum { MEMORY = 1 << 20, TEXT_BYTES = 4096, FIELDS = 16 };

/* One route and one exchange; the protocol below takes whole answers alone. */
struct bed {
	struct store store;
	struct arena site;
	struct conf *conf;
	struct conf_errors errors;
	const struct guard *guard;
	struct exchange x;
	struct guard_asked asked;
	struct env env;
	struct counters counters;
	struct lease lease;
	struct field request[FIELDS], response[FIELDS];
	char text[TEXT_BYTES];
	unsigned answers;
};

static void
on_whole(struct exchange *x, struct slice body)
{
	struct bed *b = CONTAINER_OF(x, struct bed, x);

	ck_assert_uint_eq(body.len, 0);
	b->answers++;
}

static const struct exchange_ops ops = { .whole = on_whole };

static struct bed *
open_bed(const char *route)
{
	struct bed *b = calloc(1, sizeof(*b));
	struct guard_build build = { .arena = &b->site, .errors = &b->errors, .rest = -1 };
	struct conf_table table = { guard_cors.keys, calloc(1, guard_cors.conf_size) };
	struct conf_section *s;

	snprintf(b->text, sizeof(b->text), "[route r]\n%s\n", route);
	store_init(&b->store);
	arena_init(&b->site, &b->store, MEMORY);
	conf_errors_init(&b->errors);
	b->conf = conf_read(slice_of(b->text), "conf", &b->errors);
	s = conf_next(b->conf, "route", NULL);
	if (conf_fill(s, &table, 1, &b->errors) == 0)
		b->guard = guard_cors.load(NULL, table.into, s, &build);
	if (b->guard)
		ck_assert_ptr_eq(b->guard->kind, &guard_cors);
	b->env.counters = &b->counters;
	b->lease.env = &b->env;
	b->x = (struct exchange){ .ops = &ops, .store = &b->store, .lease = &b->lease };
	b->x.request.method = METHOD_GET;
	b->x.request.fields = (struct fields){ .at = b->request, .cap = FIELDS };
	b->x.response.fields = (struct fields){ .at = b->response, .cap = FIELDS };
	arena_init(&b->x.arena, &b->store, MEMORY);
	b->asked = (struct guard_asked){ .x = &b->x, .lease = &b->lease };
	/* The filled struct belongs to the guard for as long as the site lives. */
	ck_assert_int_eq(arena_on_end(&b->site, free, table.into), 0);
	return b;
}

static void
close_bed(struct bed *b)
{
	arena_fini(&b->x.arena);
	arena_fini(&b->site);
	conf_free(&b->conf);
	conf_errors_fini(&b->errors);
	store_fini(&b->store);
	free(b);
}

static void
ask_with(struct bed *b, const char *name, const char *value)
{
	ck_assert_int_eq(fields_add_name(&b->x.request.fields, slice_of(name), slice_of(value)), 0);
}

static const char *
lines(struct bed *b)
{
	struct writer w = writer_over(b->text, sizeof(b->text) - 1);

	for (unsigned i = 0; i < b->x.response.fields.count; i++)
		field_write_line(&w, &b->x.response.fields.at[i]);
	b->text[w.len] = '\0';
	return b->text;
}

/* The fields that an answer of the route gets. */
static const char *
edited(struct bed *b, const char *origin)
{
	if (origin)
		ask_with(b, "Origin", origin);
	ck_assert_int_eq(guard_cors.check(b->guard, &b->asked), GUARD_PASS);
	ck_assert_int_eq(b->x.edits->apply(b->x.edits, &b->x), 0);
	return lines(b);
}

static const char *
preflight(struct bed *b, const char *origin, const char *method)
{
	b->x.request.method = METHOD_OPTIONS;
	ask_with(b, "Origin", origin);
	ask_with(b, "Access-Control-Request-Method", method);
	ck_assert_int_eq(guard_cors.check(b->guard, &b->asked), GUARD_ENDED);
	ck_assert_uint_eq(b->answers, 1);
	ck_assert_int_eq(b->x.response.status, 204);
	return lines(b);
}

#define ONE "cors_origins = https://app.example.com"

static const struct origin_case {
	const char *route, *origin;
	bool is_good;
} origin_cases[] = {
	{ ONE, "https://app.example.com", true },
	{ ONE, "https://app.example.com:443", false },
	{ ONE, "http://app.example.com", false },
	{ ONE, "https://app.example.com.evil.example", false },
	{ ONE, "https://evil.example/https://app.example.com", false },
	{ ONE, "https://xapp.example.com", false },
	{ ONE, "null", false },
	{ ONE, "", false },
	{ "cors_origins = http://a.example:8080", "http://a.example:8080", true },
	{ "cors_origins = http://a.example:8080", "http://a.example", false },
	{ "cors_origins = https://*.example.com", "https://a.example.com", true },
	{ "cors_origins = https://*.example.com", "https://a.b-1.example.com", true },
	{ "cors_origins = https://*.example.com", "https://example.com", false },
	{ "cors_origins = https://*.example.com", "https://.example.com", false },
	{ "cors_origins = https://*.example.com", "https://evilexample.com", false },
	{ "cors_origins = https://*.example.com", "http://a.example.com", false },
	{ "cors_origins = https://*.example.com", "https://evil.example/.example.com", false },
	{ "cors_origins = https://*.example.com", "https://evil.example#.example.com", false },
	{ "cors_origins = https://*.example.com", "https://evil.example:1@.example.com", false },
	{ "cors_origins = https://*.example.com", "https://a.example.com.evil.example", false },
	{ "cors_origins = https://*.example.com:8443", "https://a.example.com:8443", true },
	{ "cors_origins = https://*.example.com:8443", "https://a.example.com", false },
	{ "cors_origins = https://a.example, https://b.example", "https://b.example", true },
};

START_TEST(an_origin_is_believed_or_not)
{
	const struct origin_case *c = &origin_cases[_i];
	struct bed *b = open_bed(c->route);
	char expected[256];

	snprintf(expected, sizeof(expected), "Vary: Origin\r\n%s%s%s",
		 c->is_good ? "Access-Control-Allow-Origin: " : "", c->is_good ? c->origin : "",
		 c->is_good ? "\r\n" : "");
	ck_assert_str_eq(edited(b, c->origin), expected);
	close_bed(b);
}
END_TEST

START_TEST(any_origin_is_a_star_and_varies_nothing)
{
	struct bed *b = open_bed("cors_origins = *\ncors_expose = X-A, X-B");

	ck_assert_str_eq(edited(b, "https://a.example"),
			 "Access-Control-Allow-Origin: *\r\n"
			 "Access-Control-Expose-Headers: X-A, X-B\r\n");
	close_bed(b);
}
END_TEST

START_TEST(any_origin_is_a_star_where_none_asks)
{
	struct bed *b = open_bed("cors_origins = *\ncors_expose = X-A");

	ck_assert_str_eq(edited(b, NULL), "Access-Control-Allow-Origin: *\r\n"
					  "Access-Control-Expose-Headers: X-A\r\n");
	close_bed(b);
}
END_TEST

START_TEST(credentials_and_exposed_fields_are_for_the_origin_alone)
{
	struct bed *b = open_bed(ONE "\ncors_credentials = yes\ncors_expose = X-A");

	ck_assert_str_eq(edited(b, "https://app.example.com"),
			 "Vary: Origin\r\n"
			 "Access-Control-Allow-Origin: https://app.example.com\r\n"
			 "Access-Control-Allow-Credentials: true\r\n"
			 "Access-Control-Expose-Headers: X-A\r\n");
	close_bed(b);
	b = open_bed(ONE "\ncors_credentials = yes\ncors_expose = X-A");
	ck_assert_str_eq(edited(b, "https://evil.example"), "Vary: Origin\r\n");
	close_bed(b);
}
END_TEST

START_TEST(an_answer_without_origin_varies_too)
{
	struct bed *b = open_bed(ONE);

	ck_assert_str_eq(edited(b, NULL), "Vary: Origin\r\n");
	close_bed(b);
}
END_TEST

START_TEST(what_the_source_said_of_it_is_dropped)
{
	struct bed *b = open_bed(ONE);
	struct fields *f = &b->x.response.fields;

	ck_assert_int_eq(fields_add_name(f, SLICE("ACCESS-Control-Allow-Origin"), SLICE("*")), 0);
	ck_assert_int_eq(
	    fields_add_name(f, SLICE("access-control-allow-credentials"), SLICE("true")), 0);
	ck_assert_int_eq(fields_add_name(f, SLICE("Vary"), SLICE("accept, ORIGIN")), 0);
	ck_assert_str_eq(edited(b, "https://app.example.com"),
			 "Vary: accept, ORIGIN\r\n"
			 "Access-Control-Allow-Origin: https://app.example.com\r\n");
	close_bed(b);
}
END_TEST

START_TEST(the_route_s_own_edits_come_after)
{
	static const struct exchange_edits own;
	struct bed *b = open_bed(ONE);

	b->x.edits = &own;
	ck_assert_int_eq(guard_cors.check(b->guard, &b->asked), GUARD_PASS);
	ck_assert_ptr_eq(b->x.edits->next, &own);
	close_bed(b);
}
END_TEST

START_TEST(a_preflight_is_answered_at_once)
{
	struct bed *b = open_bed(ONE "\ncors_methods = PUT, DELETE\ncors_headers = X-A, x-b\n"
				     "cors_max_age = 10m\ncors_credentials = yes\n"
				     "cors_expose = X-C");

	ck_assert_str_eq(preflight(b, "https://app.example.com", "PUT"),
			 "Vary: Origin, Access-Control-Request-Method\r\n"
			 "Access-Control-Allow-Origin: https://app.example.com\r\n"
			 "Access-Control-Allow-Credentials: true\r\n"
			 "Access-Control-Allow-Methods: PUT, DELETE\r\n"
			 "Access-Control-Allow-Headers: X-A, x-b\r\n"
			 "Access-Control-Max-Age: 600\r\n");
	ck_assert_uint_eq(count_read(&b->counters, COUNTER_CORS_ALLOWED), 1);
	close_bed(b);
}
END_TEST

START_TEST(without_a_list_the_method_that_is_asked_for_is_allowed)
{
	struct bed *b = open_bed("cors_origins = *");

	ck_assert_str_eq(preflight(b, "https://a.example", "PURGE"),
			 "Vary: Origin, Access-Control-Request-Method\r\n"
			 "Access-Control-Allow-Origin: *\r\n"
			 "Access-Control-Allow-Methods: PURGE\r\n");
	close_bed(b);
}
END_TEST

START_TEST(another_origin_learns_nothing)
{
	struct bed *b = open_bed(ONE "\ncors_methods = PUT\ncors_headers = X-A\n");

	ck_assert_str_eq(preflight(b, "https://evil.example", "PUT"),
			 "Vary: Origin, Access-Control-Request-Method\r\n");
	ck_assert_uint_eq(count_read(&b->counters, COUNTER_CORS_REFUSED), 1);
	close_bed(b);
}
END_TEST

START_TEST(another_method_is_not_in_the_list)
{
	struct bed *b = open_bed(ONE "\ncors_methods = PUT\n");

	ck_assert_ptr_nonnull(strstr(preflight(b, "https://app.example.com", "put"),
				     "Access-Control-Allow-Methods: PUT\r\n"));
	ck_assert_uint_eq(count_read(&b->counters, COUNTER_CORS_REFUSED), 1);
	close_bed(b);
}
END_TEST

static const struct preflight_case {
	enum method method;
	const char *origin, *announced;
	bool is_one;
} preflight_cases[] = {
	{ METHOD_OPTIONS, "https://a.example", "PUT", true },
	{ METHOD_OPTIONS, "https://a.example", NULL, false },
	{ METHOD_OPTIONS, NULL, "PUT", false },
	{ METHOD_OPTIONS, "https://a.example", "PU T", false },
	{ METHOD_OPTIONS, "https://a.example", "", false },
	{ METHOD_GET, "https://a.example", "PUT", false },
};

START_TEST(a_preflight_is_an_options_that_announces_a_request)
{
	const struct preflight_case *c = &preflight_cases[_i];
	struct bed *b = open_bed(ONE);
	enum method method = METHOD_OTHER;

	b->x.request.method = c->method;
	if (c->origin)
		ask_with(b, "origin", c->origin);
	if (c->announced)
		ask_with(b, "access-control-request-method", c->announced);
	ck_assert_int_eq(cors_is_preflight(&b->x.request, &method), c->is_one);
	ck_assert_int_eq(method, c->is_one ? METHOD_PUT : METHOD_OTHER);
	close_bed(b);
}
END_TEST

static const char *const wrong[] = {
	"cors_origins = *\ncors_credentials = yes",
	"cors_origins = *, https://a.example",
	"cors_origins = null",
	"cors_origins = https://a.example/",
	"cors_origins = https://A.example",
	"cors_origins = a.example",
	"cors_origins = ftp://a.example",
	"cors_origins = https://*",
	"cors_origins = https://*example.com",
	"cors_origins = https://a.*.example.com",
	"cors_origins = https://user@a.example",
	"cors_origins = https://",
	ONE "\ncors_credentials = yes\ncors_headers = *",
	ONE "\ncors_credentials = yes\ncors_methods = *",
	ONE "\ncors_credentials = yes\ncors_expose = *",
	ONE "\ncors_headers = a b",
	"cors_methods = PUT",
	"cors_max_age = 5s",
	"cors_credentials = yes",
};

START_TEST(what_would_open_more_than_was_meant_is_an_error)
{
	struct bed *b = open_bed(wrong[_i]);

	ck_assert_msg(b->errors.errors == 1, "%s: %u errors", wrong[_i], b->errors.errors);
	close_bed(b);
}
END_TEST

START_TEST(without_origins_there_is_no_guard)
{
	struct bed *b = open_bed("cors_credentials = no");

	ck_assert_ptr_null(b->guard);
	close_bed(b);
}
END_TEST

Suite *
suite_guard_cors(void)
{
	Suite *s = suite_create("guard_cors");
	TCase *t = tcase_create("cors");

	tcase_add_loop_test(t, an_origin_is_believed_or_not, 0,
			    sizeof(origin_cases) / sizeof(origin_cases[0]));
	tcase_add_test(t, any_origin_is_a_star_and_varies_nothing);
	tcase_add_test(t, any_origin_is_a_star_where_none_asks);
	tcase_add_test(t, credentials_and_exposed_fields_are_for_the_origin_alone);
	tcase_add_test(t, an_answer_without_origin_varies_too);
	tcase_add_test(t, what_the_source_said_of_it_is_dropped);
	tcase_add_test(t, the_route_s_own_edits_come_after);
	tcase_add_test(t, a_preflight_is_answered_at_once);
	tcase_add_test(t, without_a_list_the_method_that_is_asked_for_is_allowed);
	tcase_add_test(t, another_origin_learns_nothing);
	tcase_add_test(t, another_method_is_not_in_the_list);
	tcase_add_loop_test(t, a_preflight_is_an_options_that_announces_a_request, 0,
			    sizeof(preflight_cases) / sizeof(preflight_cases[0]));
	tcase_add_loop_test(t, what_would_open_more_than_was_meant_is_an_error, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, without_origins_there_is_no_guard);
	suite_add_tcase(s, t);
	return s;
}
