/*
 * Formats of the access log: what is taken, and what is said about the rest.
 */
#include "bench.h"

#include <check.h>

Suite *suite_accesslog_access_format(void);

static struct bench b;

static void
set_up(void)
{
	bench_open(&b);
}

static void
tear_down(void)
{
	bench_close(&b);
}

START_TEST(combined_is_the_default)
{
	bench_read(&b, "");
	ck_assert_str_eq(b.said, "");
	ck_assert(!b.format->is_json);
	ck_assert(!b.format->wants_parts);
	ck_assert_str_eq(bench_line(&b), "127.0.0.1 - - [02/Jan/2026:03:04:05 +0000] \"GET /a?b=c "
					 "HTTP/1.1\" 200 12 \"-\" \"-\"");
}
END_TEST

START_TEST(template_keeps_text_and_braces_that_hold_no_name)
{
	ck_assert_str_eq(bench_template(&b, "a {status} {} { {Status?} {{status}} {{{status} b}"),
			 "a 200 {} { {Status?} {status}} {200 b}");
}
END_TEST

START_TEST(template_of_two_lines_is_one_line)
{
	ck_assert_str_eq(bench_template(&b, "{status}\n  {route}"), "200 r");
}
END_TEST

START_TEST(unknown_field_is_an_error_with_the_nearest)
{
	bench_read(&b, "format = {status} {stats} {request.metod}");
	ck_assert_ptr_null(b.format);
	ck_assert_ptr_nonnull(strstr(b.said, "conf:2: [access_log] format: there is no field "
					     "\"stats\"; did you mean \"status\"?"));
	ck_assert_ptr_nonnull(strstr(b.said, "did you mean \"request.method\"?"));
}
END_TEST

START_TEST(header_field_without_a_name_is_unknown)
{
	bench_read(&b, "format = {header.}");
	ck_assert_ptr_nonnull(strstr(b.said, "there is no field \"header.\""));
}
END_TEST

START_TEST(text_without_a_field_is_an_error)
{
	bench_read(&b, "format = combind");
	ck_assert_ptr_nonnull(
	    strstr(b.said, "\"combind\" holds no {field}; it is none of: combined, json"));
}
END_TEST

START_TEST(json_has_the_fields_that_are_asked_for)
{
	bench_read(&b, "format = json\nfields = status, request.id, header.X-A");
	ck_assert_str_eq(bench_line(&b),
			 "{\"status\":200,\"request_id\":\"1f\",\"header_x-a\":null}");
	bench_read(&b, "format = json\nfields = status, nothing");
	ck_assert_ptr_nonnull(strstr(b.said, "conf:3: [access_log] fields: there is no field"));
	bench_read(&b, "fields = status");
	ck_assert_ptr_nonnull(strstr(b.said, "only format = json has fields"));
}
END_TEST

START_TEST(parts_are_wanted_only_where_they_stand)
{
	bench_template(&b, "{status} {parts}");
	ck_assert(b.format->wants_parts);
	bench_read(&b, "format = json");
	ck_assert(b.format->wants_parts);
	bench_read(&b, "format = json\nfields = status");
	ck_assert(!b.format->wants_parts);
}
END_TEST

Suite *
suite_accesslog_access_format(void)
{
	Suite *s = suite_create("accesslog_access_format");
	TCase *t = tcase_create("format");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, combined_is_the_default);
	tcase_add_test(t, template_keeps_text_and_braces_that_hold_no_name);
	tcase_add_test(t, template_of_two_lines_is_one_line);
	tcase_add_test(t, unknown_field_is_an_error_with_the_nearest);
	tcase_add_test(t, header_field_without_a_name_is_unknown);
	tcase_add_test(t, text_without_a_field_is_an_error);
	tcase_add_test(t, json_has_the_fields_that_are_asked_for);
	tcase_add_test(t, parts_are_wanted_only_where_they_stand);
	suite_add_tcase(s, t);
	return s;
}
