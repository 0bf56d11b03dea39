/*
 * Parts with a condition: which ones are asked, and what stands for those that
 * are not.
 */
#include "world.h"

#include <check.h>

Suite *suite_scenario_when(void);

#define FAKE    "source = upstream fake\n"
#define A(keys) "[subrequest r.a]\n" FAKE keys
#define B(keys) "[subrequest r.b]\n" FAKE keys
#define C(keys) "[subrequest r.c]\n" FAKE keys

static struct world *
play(const char *conf)
{
	struct world *w = world_open(conf);

	client_start(w);
	world_run(w, 1000);
	ck_assert(w->client.is_ended);
	return w;
}

/* A condition, and whether it holds: of a part `a` that gave {"n": 10, "s": "pro", ...}. */
static const struct {
	const char *when;
	bool holds;
} cases[] = {
	{ "{a.s}", true },
	{ "{a.no}", false },
	{ "{a.yes}", true },
	{ "{a.off}", false },
	{ "{a.zero}", false },
	{ "{a.nil}", false },
	{ "{a.empty}", false },
	{ "{a.list}", true },
	{ "not {a.no}", true },
	{ "not not {a.s}", true },
	{ "{a.s} == pro", true },
	{ "{a.s} == 'pro'", true },
	{ "{a.s}==pro", true },
	{ "{a.s} != pro", false },
	{ "{a.s} == ''", false },
	{ "{a.empty} == ''", true },
	{ "{a.no} == ''", false },
	{ "{a.no} != x", true },
	{ "{a.no} == x", false },
	{ "{a.no} < 1", false },
	{ "{a.n} > 9", true },
	{ "{a.n} > 9.5", true },
	{ "{a.n} >= 10.0", true },
	{ "{a.n} == 1e1", true },
	{ "{a.n} < 9", false },
	{ "{a.n} <= -1", false },
	{ "{a.s} > 9", true },
	{ "9 < {a.n}", true },
	{ "{a.day} < 2026-12-01", true },
	{ "{a.n} == {a.n}", true },
	{ "{a.n} == 0xa", false },
	{ "{a.n} == '10'", true },
	{ "{a.n} == '10.0'", false },
	{ "{a.long} == '9007199254740992'", false },
	{ "{a.long} == {a.near}", false },
	{ "{a.long} != {a.near}", true },
	{ "{a.long} == {a.long}", true },
	{ "{a:status} == 200", true },
	{ "{request.method} == GET", true },
	{ "{a.s} and {a.n}", true },
	{ "{a.s} and {a.no}", false },
	{ "{a.no} or {a.s}", true },
	{ "{a.s} or {a.no} and {a.no}", true },
	{ "({a.s} or {a.no}) and {a.no}", false },
	{ "not ({a.no} or {a.off})", true },
	{ "not {a.no} and not {a.s}", false },
};

START_TEST(a_part_is_asked_where_its_condition_holds)
{
	char conf[1024];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct world *w;

	writer_format(
	    &cw,
	    "[route r]\n" A("body = {\"n\": 10, \"s\": \"pro\", \"yes\": true, \"off\": false, "
			    "\"zero\": 0, \"nil\": null, \"empty\": \"\", \"list\": [], "
			    "\"day\": \"2026-11-23\", \"long\": 9007199254740993, "
			    "\"near\": 9007199254740992}\n") B("body = 2\nwhen = %s\n"),
	    cases[_i].when);
	writer_char(&cw, '\0');
	w = play(conf);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_msg((world_call(w, "b") != NULL && world_call(w, "b")->started == 1) ==
			  cases[_i].holds,
		      "%s", cases[_i].when);
	world_close(w);
}
END_TEST

START_TEST(one_that_is_not_needed_is_null_and_no_failure)
{
	struct world *w = play("[route r]\n" A("body = 1\n") B("body = 2\nwhen = {query.b}\n"));

	ck_assert_got(w, "{\"a\":1,\"b\":null}");
	ck_assert_got_field(w, "forebay-parts", "a=ok;1ms, b=unneeded;0ms");
	ck_assert_got_field(w, "cache-control", "");
	world_close(w);
}
END_TEST

START_TEST(it_may_be_left_out_or_have_a_value_of_its_own)
{
	struct world *w = play("[route r]\n" A("when = {query.a}\nfallback = omit\n") B(
	    "when = {query.b}\nfallback = {\"x\": 7}\n") C("body = [{b.x}]\n"));

	ck_assert_got(w, "{\"b\":{\"x\": 7},\"c\":[7]}");
	ck_assert_got_field(w, "forebay-parts", "a=unneeded;0ms, b=unneeded;0ms, c=ok;1ms");
	world_close(w);
}
END_TEST

START_TEST(who_needs_its_result_is_not_needed_either)
{
	struct world *w = play("[route r]\n" A("body = 1\nwhen = {query.a}\n")
				   B("body = {a:body}\n") C("body = {b:body}\n"));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "{\"a\":null,\"b\":null,\"c\":null}");
	ck_assert_got_field(w, "forebay-parts", "a=unneeded;0ms, b=unneeded;0ms, c=unneeded;0ms");
	world_close(w);
}
END_TEST

START_TEST(a_condition_about_one_that_failed_is_about_nothing)
{
	struct world *w = play("[route r]\n" A("fails = connect\noptional = yes\n")
				   B("body = 2\nwhen = {a.x}\n") C("body = 3\nwhen = not {a.x}\n"));

	ck_assert_got(w, "{\"a\":null,\"b\":null,\"c\":3}");
	ck_assert_got_field(w, "forebay-parts", "a=connect;1ms, b=unneeded;0ms, c=ok;1ms");
	world_close(w);
}
END_TEST

START_TEST(conditions_choose_between_parts)
{
	struct world *w = play("[route r]\njoin = first\n" A("body = 1\nwhen = {query.a}\n")
				   B("body = 2\nwhen = {request.method} == GET\n"));

	ck_assert_got(w, "2");
	world_close(w);
	w = play("[route r]\njoin = first\n" A("body = 1\nwhen = {query.a}\n"));
	ck_assert_int_eq(w->client.status, 404);
	world_close(w);
}
END_TEST

START_TEST(its_place_is_given_back)
{
	struct world *w = play("[route r]\n" A("body = 1\nwhen = {query.a}\n"));

	ck_assert_uint_eq(world_call(w, "a")->reserved, 1);
	ck_assert_uint_eq(world_call(w, "a")->released, 1);
	ck_assert_uint_eq(world_call(w, "a")->started, 0);
	world_close(w);
}
END_TEST

START_TEST(mistakes_are_told_with_their_byte)
{
	static const struct {
		const char *when, *why;
	} wrong[] = {
		{ "{a.x} = 1", "and, or or the end is expected, at its byte 7" },
		{ "{a.x} == ", "a {variable}, a word or a 'text' is missing, at its byte 9" },
		{ "(not {a.x}", "a ) is missing, at its byte 11" },
		{ "{a.x} == 'y", "a text without its second ', at its byte 11" },
		{ "full", "a comparison is missing: == != < <= > >=, at its byte 5" },
		{ "{a.x} or", "a {variable}, a word or a 'text' is missing, at its byte 9" },
		{ "{a.x", "a variable without its }, at its byte 1" },
		{ "{A}", "no name of a variable, at its byte 1" },
		{ "{a.x} and {z.y}", "{z.y}: the route has no other part of that name" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char conf[512], told[512];
		struct writer cw = writer_over(conf, sizeof(conf)),
			      tw = writer_over(told, sizeof(told));

		writer_format(&cw, "[route r]\n" A("") B("when = %s\n"), wrong[i].when);
		writer_char(&cw, '\0');
		writer_format(&tw, "conf:6: [subrequest r.b] when: %s\n", wrong[i].why);
		writer_char(&tw, '\0');
		ck_assert_str_eq(world_complaint(conf), told);
	}
	ck_assert_str_eq(
	    world_complaint("[route r]\n" A("when = {b.x}\n") B("when = {a.x}\n")),
	    "conf:4: [subrequest r.a] when: parts that wait for each other: a -> b -> a "
	    "(a waits at conf:4, b waits at conf:7)\n");
}
END_TEST

Suite *
suite_scenario_when(void)
{
	Suite *s = suite_create("scenario_when");
	TCase *t = tcase_create("when");

	tcase_add_loop_test(t, a_part_is_asked_where_its_condition_holds, 0,
			    sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(t, one_that_is_not_needed_is_null_and_no_failure);
	tcase_add_test(t, it_may_be_left_out_or_have_a_value_of_its_own);
	tcase_add_test(t, who_needs_its_result_is_not_needed_either);
	tcase_add_test(t, a_condition_about_one_that_failed_is_about_nothing);
	tcase_add_test(t, conditions_choose_between_parts);
	tcase_add_test(t, its_place_is_given_back);
	tcase_add_test(t, mistakes_are_told_with_their_byte);
	suite_add_tcase(s, t);
	return s;
}
