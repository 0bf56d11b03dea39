/*
 * Ways to join: bytes one after the other, the first that succeeds, enough of
 * them, a template; what is left out, and where the report stands.
 */
#include "world.h"

#include <check.h>

Suite *suite_scenario_join(void);

#define FAKE    "source = upstream fake\n"
#define A(keys) "[subrequest r.a]\n" FAKE keys
#define B(keys) "[subrequest r.b]\n" FAKE keys
#define C(keys) "[subrequest r.c]\n" FAKE keys

/* Opens, starts, runs to the end of the first second. */
static struct world *
play(const char *conf)
{
	struct world *w = world_open(conf);

	client_start(w);
	world_run(w, 1000);
	ck_assert(w->client.is_ended);
	return w;
}

/* --- concat --------------------------------------------------------------------- */

START_TEST(bytes_come_one_after_the_other_in_the_order_of_declaration)
{
	struct world *w = play("[route r]\njoin = concat\nmedia_type = text/html\n" A(
	    "body = <p>one\ntype = text/plain\ndelay = 9ms\n") B("body = <p>{a:body}\n"
								 "type = text/plain\n"));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "<p>one<p><p>one");
	ck_assert_uint_eq(w->client.length, w->client.text_len);
	ck_assert_got_field(w, "content-type", "text/html");
	world_close(w);
}
END_TEST

START_TEST(what_failed_adds_its_fallback_as_text_or_nothing)
{
	struct world *w = play("[route r]\njoin = concat\n" A("fails = connect\noptional = yes\n")
				   B("fails = connect\noptional = yes\nfallback = <!-- b -->\n")
				       C("body = c\ntype = text/plain\n"));

	ck_assert_got(w, "<!-- b -->c");
	ck_assert_got_field(w, "content-type", "application/octet-stream");
	ck_assert_got_field(w, "cache-control", "no-store");
	world_close(w);
}
END_TEST

START_TEST(nothing_at_all_is_an_empty_body)
{
	struct world *w = play("[route r]\njoin = concat\n" A("fails = connect\noptional = yes\n"));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "");
	world_close(w);
}
END_TEST

/* --- first ------------------------------------------------------------------------ */

START_TEST(the_first_that_succeeds_is_the_answer_and_the_rest_is_cancelled)
{
	struct world *w = world_open("[route r]\njoin = first\n" A("hangs = yes\n") B(
	    "body = fast\ntype = text/plain\ndelay = 5ms\n") C("body = slow\ndelay = 9ms\n"));

	client_start(w);
	world_run(w, 5);
	ck_assert(w->client.is_ended);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "fast");
	ck_assert_got_field(w, "content-type", "text/plain");
	ck_assert_got_field(w, "cache-control", "");
	ck_assert_got_field(w, "forebay-parts", "a=cancelled;5ms, b=ok;5ms, c=cancelled;5ms");
	ck_assert_uint_eq(world_call(w, "a")->cancelled, 1);
	world_close(w);
}
END_TEST

START_TEST(failures_do_not_count_while_another_may_succeed)
{
	struct world *w = play("[route r]\njoin = first\n" A("fails = connect\n")
				   B("status = 500\n") C("body = 3\ndelay = 50ms\n"));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "3");
	ck_assert_got_field(w, "forebay-parts", "a=connect;1ms, b=status;1ms, c=ok;50ms");
	world_close(w);
}
END_TEST

START_TEST(a_second_choice_starts_when_the_first_has_ended)
{
	struct world *w = play("[route r]\njoin = first\n" A("status = 503\ndelay = 5ms\n")
				   B("body = 2\nafter = a\n"));

	ck_assert_got(w, "2");
	ck_assert_got_field(w, "forebay-parts", "a=status;5ms, b=ok;1ms");
	world_close(w);
}
END_TEST

START_TEST(a_second_choice_is_never_asked_when_the_first_succeeds)
{
	struct world *w =
	    play("[route r]\njoin = first\n" A("body = 1\n") B("body = 2\nafter = a\n"));

	ck_assert_got(w, "1");
	ck_assert_got_field(w, "forebay-parts", "a=ok;1ms, b=skipped;0ms");
	world_close(w);
}
END_TEST

START_TEST(the_last_failure_decides_when_all_have_failed)
{
	struct world *w = play("[route r]\njoin = first\n" A("fails = connect\ndelay = 5ms\n")
				   B("status = 404\ndelay = 9ms\n"));

	ck_assert_int_eq(w->client.status, 404);
	ck_assert_got_field(w, "forebay-parts", "a=connect;5ms, b=status;9ms");
	world_close(w);
}
END_TEST

START_TEST(the_deadline_ends_all_choices)
{
	struct world *w = play("[route r]\njoin = first\ndeadline = 20ms\n" A("hangs = yes\n")
				   B("hangs = yes\n"));

	ck_assert_int_eq(w->client.status, 504);
	ck_assert_got_field(w, "forebay-parts", "a=timeout;20ms, b=timeout;20ms");
	world_close(w);
}
END_TEST

START_TEST(choices_that_answer_at_once_leave_the_others_unasked)
{
	struct world *w = play("[route r]\njoin = first\n" A("body = 1\nat_once = yes\n")
				   B("body = 2\nat_once = yes\n"));

	ck_assert_got(w, "1");
	ck_assert_got_field(w, "forebay-parts", "a=ok;0ms, b=skipped;0ms");
	world_close(w);
}
END_TEST

/* --- quorum ------------------------------------------------------------------------- */

START_TEST(enough_is_enough)
{
	struct world *w = play("[route r]\nquorum = 2\n" A("body = 1\ndelay = 9ms\n")
				   B("hangs = yes\n") C("body = 3\ndelay = 5ms\n"));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "{\"a\":1,\"b\":null,\"c\":3}");
	ck_assert_got_field(w, "forebay-parts", "a=ok;9ms, b=cancelled;9ms, c=ok;5ms");
	ck_assert_got_field(w, "cache-control", "");
	world_close(w);
}
END_TEST

START_TEST(too_many_failures_are_told_as_soon_as_they_are_too_many)
{
	struct world *w = world_open("[route r]\nquorum = 2\njoin = array\n" A("fails = connect\n")
					 B("status = 500\ndelay = 7ms\n") C("hangs = yes\n"));

	client_start(w);
	world_run(w, 7);
	ck_assert_int_eq(w->client.status, 502);
	ck_assert_got_field(w, "forebay-parts", "a=connect;1ms, b=status;7ms, c=cancelled;7ms");
	world_close(w);
}
END_TEST

/* --- template ----------------------------------------------------------------------- */

START_TEST(a_template_has_places_for_whole_results_and_for_pieces)
{
	struct world *w =
	    play("[route r]\njoin = template\n"
		 "template = {\"who\": {a.name}, \"all\": {b}, \"say\": \"hi {a.name}\",\n"
		 "  \"why\": {b:status}}\n" A("body = {\"name\": \"Ann\"}\n")
		     B("body = {\"x\": [1]}\n"));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "{\"who\": \"Ann\", \"all\": {\"x\": [1]}, \"say\": \"hi Ann\",\n"
			 "\"why\": 200}");
	ck_assert_got_field(w, "content-type", "application/json");
	world_close(w);
}
END_TEST

START_TEST(a_result_that_is_no_json_becomes_a_string)
{
	struct world *w = play("[route r]\njoin = template\ntemplate = [{a}, \"{a}\"]\n" A(
	    "body = say \"x\"\ntype = text/plain\n"));

	ck_assert_got(w, "[\"say \\\"x\\\"\", \"say \\\"x\\\"\"]");
	world_close(w);
}
END_TEST

START_TEST(what_is_absent_is_null_and_nothing_inside_a_string)
{
	struct world *w =
	    play("[route r]\njoin = template\n"
		 "template = [{a}, {a.x}, \"<{a.x}>\", {b.no}, {query.q}, {b:header.x}]\n" A(
		     "fails = connect\noptional = yes\n") B("body = {\"x\": 1}\n"));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "[null, null, \"<>\", null, null, null]");
	ck_assert_got_field(w, "cache-control", "no-store");
	world_close(w);
}
END_TEST

START_TEST(a_template_takes_a_fallback_for_the_result)
{
	struct world *w = play("[route r]\njoin = template\ntemplate = [{a}, {a.x}]\n" A(
	    "fails = connect\noptional = yes\nfallback = {\"x\": 7}\n"));

	ck_assert_got(w, "[{\"x\": 7}, 7]");
	world_close(w);
}
END_TEST

/* --- what is left out, and the report ------------------------------------------------- */

START_TEST(a_part_may_be_left_out_when_it_failed)
{
	static const struct {
		const char *a, *b, *object, *array;
	} cases[] = {
		{ "", "", "{\"a\":1,\"b\":2}", "[1,2]" },
		{ "fails = connect\n", "", "{\"b\":2}", "[2]" },
		{ "", "fails = connect\n", "{\"a\":1}", "[1]" },
		{ "fails = connect\n", "fails = connect\n", "{}", "[]" },
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		bool is_array = i % 2;
		char conf[512];
		struct writer cw = writer_over(conf, sizeof(conf));
		struct world *w;

		writer_format(&cw, "[route r]\njoin = %s\n", is_array ? "array" : "object");
		writer_format(&cw, A("body = 1\noptional = yes\nfallback = omit\n%s"),
			      cases[i / 2].a);
		writer_format(&cw, B("body = 2\noptional = yes\nfallback = omit\n%s"),
			      cases[i / 2].b);
		writer_char(&cw, '\0');
		w = play(conf);
		ck_assert_got(w, is_array ? cases[i / 2].array : cases[i / 2].object);
		world_close(w);
	}
}
END_TEST

START_TEST(one_that_is_left_out_has_no_result_for_others)
{
	struct world *w = play("[route r]\n" A("fails = connect\noptional = yes\nfallback = omit\n")
				   B("body = {a:body}\noptional = yes\n"));

	ck_assert_got(w, "{\"b\":null}");
	ck_assert_got_field(w, "forebay-parts", "a=connect;1ms, b=skipped;0ms");
	world_close(w);
}
END_TEST

START_TEST(the_report_may_stand_in_the_body)
{
	struct world *w = play("[route r]\nreport = body\n" A("body = 1\ndelay = 20ms\n")
				   B("fails = connect\noptional = yes\n"));

	ck_assert_got(w, "{\"a\":1,\"b\":null,\"_parts\":{\"a\":{\"outcome\":\"ok\",\"ms\":20},"
			 "\"b\":{\"outcome\":\"connect\",\"ms\":1}}}");
	ck_assert_got_field(w, "forebay-parts", "");
	world_close(w);
}
END_TEST

START_TEST(the_report_stands_alone_where_all_is_left_out)
{
	struct world *w = play(
	    "[route r]\nreport = body\n" A("fails = connect\noptional = yes\nfallback = omit\n"));

	ck_assert_got(w, "{\"_parts\":{\"a\":{\"outcome\":\"connect\",\"ms\":1}}}");
	world_close(w);
}
END_TEST

START_TEST(a_refusal_has_its_report_in_the_header)
{
	struct world *w = play("[route r]\nreport = body\n" A("fails = connect\n"));

	ck_assert_int_eq(w->client.status, 502);
	ck_assert_got_field(w, "forebay-parts", "a=connect;1ms");
	world_close(w);
}
END_TEST

/* --- mistakes ------------------------------------------------------------------------- */

START_TEST(keys_that_do_not_go_together_are_told)
{
	static const struct {
		const char *conf, *complaint;
	} cases[] = {
		{ "[route r]\nquorum = 2\n" A(""),
		  "conf:2: [route r] quorum: 2 parts can never succeed: the route has 1\n" },
		{ "[route r]\nquorum = 1\njoin = concat\n" A(""),
		  "conf:2: [route r] quorum: is for join = object and join = array\n" },
		{ "[route r]\nquorum = 1\n" A("optional = yes\n"),
		  "conf:5: [subrequest r.a] optional: means nothing here: any part may fail as "
		  "long "
		  "as enough succeed (conf:2)\n" },
		{ "[route r]\njoin = first\n" A("optional = yes\n"),
		  "conf:5: [subrequest r.a] optional: means nothing here: any part may fail as "
		  "long "
		  "as enough succeed (conf:2)\n" },
		{ "[route r]\nmedia_type = text/html\n" A(""),
		  "conf:2: [route r] media_type: is for join = concat\n" },
		{ "[route r]\ntemplate = {}\n" A(""),
		  "conf:2: [route r] template: is for join = template\n" },
		{ "[route r]\njoin = template\n" A(""),
		  "conf:2: [route r] join: template needs a key template = JSON\n" },
		{ "[route r]\njoin = template\ntemplate = {\"a\": {a}\n" A(""),
		  "conf:3: [route r] template: not JSON\n" },
		{ "[route r]\njoin = template\ntemplate = {\"a\": {b}}\n" A(""),
		  "conf:3: [route r] template: {b}: the route has no such path parameter (a brace "
		  "as "
		  "text is {{)\n" },
		{ "[route r]\njoin = array\nreport = body\n" A(""),
		  "conf:3: [route r] report: body is for join = object, which has room for a "
		  "member "
		  "_parts\n" },
		{ "[route r]\njoin = concat\n" A("optional = yes\nfallback = omit\n"), "" },
		{ "[route r]\njoin = template\ntemplate = {a}\n" A(
		      "optional = yes\nfallback = omit\n"),
		  "conf:7: [subrequest r.a] fallback: omit is for join = object and join = "
		  "array\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_str_eq(world_complaint(cases[i].conf), cases[i].complaint);
}
END_TEST

Suite *
suite_scenario_join(void)
{
	Suite *s = suite_create("scenario_join");
	TCase *t = tcase_create("join");

	tcase_add_test(t, bytes_come_one_after_the_other_in_the_order_of_declaration);
	tcase_add_test(t, what_failed_adds_its_fallback_as_text_or_nothing);
	tcase_add_test(t, nothing_at_all_is_an_empty_body);
	tcase_add_test(t, the_first_that_succeeds_is_the_answer_and_the_rest_is_cancelled);
	tcase_add_test(t, failures_do_not_count_while_another_may_succeed);
	tcase_add_test(t, a_second_choice_starts_when_the_first_has_ended);
	tcase_add_test(t, a_second_choice_is_never_asked_when_the_first_succeeds);
	tcase_add_test(t, the_last_failure_decides_when_all_have_failed);
	tcase_add_test(t, the_deadline_ends_all_choices);
	tcase_add_test(t, choices_that_answer_at_once_leave_the_others_unasked);
	tcase_add_test(t, enough_is_enough);
	tcase_add_test(t, too_many_failures_are_told_as_soon_as_they_are_too_many);
	tcase_add_test(t, a_template_has_places_for_whole_results_and_for_pieces);
	tcase_add_test(t, a_result_that_is_no_json_becomes_a_string);
	tcase_add_test(t, what_is_absent_is_null_and_nothing_inside_a_string);
	tcase_add_test(t, a_template_takes_a_fallback_for_the_result);
	tcase_add_test(t, a_part_may_be_left_out_when_it_failed);
	tcase_add_test(t, one_that_is_left_out_has_no_result_for_others);
	tcase_add_test(t, the_report_may_stand_in_the_body);
	tcase_add_test(t, the_report_stands_alone_where_all_is_left_out);
	tcase_add_test(t, a_refusal_has_its_report_in_the_header);
	tcase_add_test(t, keys_that_do_not_go_together_are_told);
	suite_add_tcase(s, t);
	return s;
}
