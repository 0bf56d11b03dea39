/*
 * Members that are picked out of results.
 */
#include "world.h"

#include <check.h>

Suite *suite_scenario_pick(void);

#define FAKE    "source = upstream fake\n"
#define A(keys) "[subrequest r.a]\n" FAKE keys
#define B(keys) "[subrequest r.b]\n" FAKE keys

static const struct {
	const char *pick, *body, *result;
} cases[] = {
	{ "id", "{\"id\": 1, \"x\": 2}", "{\"id\":1}" },
	{ "x, id", "{\"id\": 1, \"x\": [2]}", "{\"x\":[2],\"id\":1}" },
	{ "city = address.city", "{\"address\": {\"city\": \"Rom\"}}", "{\"city\":\"Rom\"}" },
	{ "address.city", "{\"address\": {\"city\": \"Rom\"}}", "{\"city\":\"Rom\"}" },
	{ "first = list.0", "{\"list\": [7, 8]}", "{\"first\":7}" },
	{ "id, no, no.x", "{\"id\": null}", "{\"id\":null}" },
	{ "id", "{}", "{}" },
	{ "id", "[{\"id\": 1, \"x\": 2}, {\"x\": 3}, 4, [5], null]", "[{\"id\":1},{},4,[5],null]" },
	{ "id", "[]", "[]" },
	{ "id", " 12 ", "12" },
	{ "id", "\"text\"", "\"text\"" },
	{ "a = x, b = x", "{\"x\": {\"y\": [1, 2]}}",
	  "{\"a\":{\"y\": [1, 2]},\"b\":{\"y\": [1, 2]}}" },
	{ "a\"b = x", "{\"x\": 1}", "{\"a\\\"b\":1}" },
	{ "x", "{\"x\": 1, \"x\": 2}", "{\"x\":2}" },
};

START_TEST(members_go_on_in_the_order_of_the_key)
{
	char conf[512], wanted[512];
	struct writer cw = writer_over(conf, sizeof(conf)),
		      ww = writer_over(wanted, sizeof(wanted));
	struct world *w;

	writer_format(&cw, "[route r]\n" A("body = %s\npieces = 2\npick = %s\n"), cases[_i].body,
		      cases[_i].pick);
	writer_char(&cw, '\0');
	writer_format(&ww, "{\"a\":%s}", cases[_i].result);
	writer_char(&ww, '\0');
	w = world_open(conf);
	client_start(w);
	world_run(w, 1000);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, wanted);
	world_close(w);
}
END_TEST

START_TEST(others_see_what_was_picked)
{
	struct world *w =
	    world_open("[route r]\n" A("body = {\"x\": {\"y\": 7}, \"z\": 8}\npick = n = x.y\n")
			   B("body = [{a.n}, {a:body}]\n"));

	client_start(w);
	world_run(w, 1000);
	ck_assert_got(w, "{\"a\":{\"n\":7},\"b\":[7, {\"n\":7}]}");
	world_close(w);
}
END_TEST

START_TEST(what_is_no_json_has_no_members)
{
	struct world *w =
	    world_open("[route r]\n" A("body = text\ntype = text/plain\npick = id\n"));

	client_start(w);
	world_run(w, 1000);
	ck_assert_int_eq(w->client.status, 502);
	ck_assert_got_field(w, "forebay-parts", "a=invalid;1ms");
	world_close(w);
}
END_TEST

START_TEST(names_may_not_make_a_result_too_large)
{
	struct world *w = world_open("[route r]\n" A(
	    "body = {\"x\": 1}\nmax_result = 10\npick = a_very_long_name = x\noptional = yes\n"));

	client_start(w);
	world_run(w, 1000);
	ck_assert_got(w, "{\"a\":null}");
	ck_assert_got_field(w, "forebay-parts", "a=too-large;1ms");
	world_close(w);
}
END_TEST

START_TEST(mistakes_are_told)
{
	ck_assert_str_eq(world_complaint("[route r]\n" A("pick = id, a..b\n")),
			 "conf:4: [subrequest r.a] pick: \"a..b\" is no member: write id, "
			 "address.city, or city = address.city\n");
	ck_assert_str_eq(world_complaint("[route r]\n" A("pick = = id\n")),
			 "conf:4: [subrequest r.a] pick: \"= id\" is no member: write id, "
			 "address.city, or city = address.city\n");
	ck_assert_str_eq(world_complaint("[route r]\n" A("pick = id, x.id\n")),
			 "conf:4: [subrequest r.a] pick: two members would be \"id\": give one "
			 "another name, as in city = address.city\n");
	ck_assert_str_eq(world_complaint("[route r]\n" A("pick = id\nas = text\n")),
			 "conf:4: [subrequest r.a] pick: only JSON has members: as says otherwise "
			 "(conf:5)\n");
}
END_TEST

Suite *
suite_scenario_pick(void)
{
	Suite *s = suite_create("scenario_pick");
	TCase *t = tcase_create("pick");

	tcase_add_loop_test(t, members_go_on_in_the_order_of_the_key, 0,
			    sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(t, others_see_what_was_picked);
	tcase_add_test(t, what_is_no_json_has_no_members);
	tcase_add_test(t, names_may_not_make_a_result_too_large);
	tcase_add_test(t, mistakes_are_told);
	suite_add_tcase(s, t);
	return s;
}
