/*
 * The source `fixed`.
 */
#include "../../scenario/world.h"

#include <check.h>

Suite *suite_source_fixed(void);

START_TEST(a_constant_has_its_lines_ready)
{
	struct world *w = world_open(
	    "[route r]\nsource = fixed\nbody = Hello.\nheader.Cache-Control = max-age=60\n");

	client_start(w);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "Hello.");
	ck_assert_got_field(w, "content-type", "text/plain");
	ck_assert_got_field(w, "cache-control", "max-age=60");
	ck_assert_uint_eq(w->client.length, 6);
	ck_assert(slice_eq(w->client.x.prepared, SLICE("Content-Type: text/plain\r\n"
						       "Cache-Control: max-age=60\r\n"
						       "Content-Length: 6\r\n")));
	world_close(w);
}
END_TEST

START_TEST(values_of_the_request_are_filled_in)
{
	struct world *w =
	    world_open("[route r]\nsource = fixed\nbody = You are {header.user-agent}.\n"
		       "header.X-Q = {request.method}\nheader.X-C = c\n");

	client_field(w, "User-Agent", "a test");
	client_start(w);
	ck_assert_got(w, "You are a test.");
	ck_assert_got_field(w, "x-q", "GET");
	ck_assert_got_field(w, "x-c", "c");
	ck_assert_uint_eq(w->client.x.prepared.len, 0);
	ck_assert_uint_eq(w->client.length, 15);
	world_close(w);
}
END_TEST

START_TEST(json_is_written_as_json)
{
	struct world *w = world_open("[route r]\nsource = fixed\ntype = application/json\n"
				     "body = {\"a\": \"{header.x}\", \"b\": {header.x}}\n");

	client_field(w, "x", "say \"hi\"");
	client_start(w);
	ck_assert_got(w, "{\"a\": \"say \\\"hi\\\"\", \"b\": \"say \\\"hi\\\"\"}");
	world_close(w);
}
END_TEST

START_TEST(a_status_without_body_has_no_length)
{
	struct world *w = world_open("[route r]\nsource = fixed\nstatus = 204\n");

	client_start(w);
	ck_assert_int_eq(w->client.status, 204);
	ck_assert(!w->client.has_length);
	ck_assert_uint_eq(w->client.fields, 0);
	world_close(w);
}
END_TEST

START_TEST(an_empty_body_has_length_0_and_no_type)
{
	struct world *w = world_open("[route r]\nsource = fixed\n");

	client_start(w);
	ck_assert(w->client.has_length);
	ck_assert_uint_eq(w->client.length, 0);
	ck_assert_uint_eq(w->client.fields, 0);
	world_close(w);
}
END_TEST

Suite *
suite_source_fixed(void)
{
	Suite *s = suite_create("source_fixed");
	TCase *t = tcase_create("fixed");

	tcase_add_test(t, a_constant_has_its_lines_ready);
	tcase_add_test(t, values_of_the_request_are_filled_in);
	tcase_add_test(t, json_is_written_as_json);
	tcase_add_test(t, a_status_without_body_has_no_length);
	tcase_add_test(t, an_empty_body_has_length_0_and_no_type);
	suite_add_tcase(s, t);
	return s;
}
