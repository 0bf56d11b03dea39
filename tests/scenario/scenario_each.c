/*
 * A part for each element of a list.
 */
#include "world.h"

#include <check.h>

Suite *suite_scenario_each(void);

#define FAKE    "source = upstream fake\n"
#define A(keys) "[subrequest r.a]\n" FAKE keys
#define B(keys) "[subrequest r.b]\n" FAKE keys
#define LIST    A("body = {\"items\": [{\"id\": 1}, {\"id\": 2}, {\"id\": 3}]}\n")

/* Calls of a part so far. */
static unsigned
calls_of(struct world *w, const char *part)
{
	struct list *l, *keep;
	unsigned count = 0;

	LIST_EACH(l, keep, &w->calls)
		count += slice_eq(CONTAINER_OF(l, struct call, link)->name, slice_of(part));
	return count;
}

static struct world *
run(const char *conf)
{
	struct world *w = world_open(conf);

	client_start(w);
	world_run(w, 1000);
	return w;
}

static const struct {
	const char *list, *body, *result;
} cases[] = {
	{ "[1, 2, 3]", "{item}", "[1,2,3]" },
	{ "[]", "{item}", "[]" },
	{ "[[1, 2], {\"x\": 3}]", "{item}", "[[1, 2],{\"x\": 3}]" },
	{ "[{\"x\": {\"y\": 1}}, {\"x\": {\"y\": \"2\"}}]", "[{item.x.y}]", "[[1],[2]]" },
	{ "[1]", "{\"of\": {item}, \"also\": {a.0}}", "[{\"of\": 1, \"also\": 1}]" },
	{ "[ \"a\" , \"b\" ]", "\"{item}\"", "[\"a\",\"b\"]" },
	{ "[true, 0]", "7", "[7,7]" },
};

START_TEST(every_element_is_asked_for_and_results_keep_their_order)
{
	char conf[512], wanted[512];
	struct writer cw = writer_over(conf, sizeof(conf)),
		      ww = writer_over(wanted, sizeof(wanted));
	struct world *w;

	writer_format(&cw, "[route r]\n" A("body = %s\n") B("foreach = {a}\nbody = %s\n"),
		      cases[_i].list, cases[_i].body);
	writer_char(&cw, '\0');
	writer_format(&ww, "{\"a\":%s,\"b\":%s}", cases[_i].list, cases[_i].result);
	writer_char(&ww, '\0');
	w = run(conf);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, wanted);
	world_close(w);
}
END_TEST

START_TEST(it_is_one_entry_of_the_report)
{
	struct world *w = run("[route r]\n" LIST B("foreach = {a.items}\nbody = {item.id}\n"));

	ck_assert_got(w,
		      "{\"a\":{\"items\": [{\"id\": 1}, {\"id\": 2}, {\"id\": 3}]},\"b\":[1,2,3]}");
	ck_assert_got_field(w, "forebay-parts", "a=ok;1ms, b=ok;1ms");
	ck_assert_uint_eq(calls_of(w, "b"), 3);
	ck_assert_uint_eq(world_outcome(w, "b", OUTCOME_OK), 1);
	world_close(w);
}
END_TEST

START_TEST(so_many_at_once_and_no_more)
{
	struct world *w = world_open("[route r]\n" A(
	    "foreach = [1, 2, 3, 4, 5]\nforeach_at_once = 2\nbody = {item}\ndelay = 10ms\n"));

	client_start(w);
	world_run(w, 5);
	ck_assert_uint_eq(calls_of(w, "a"), 2);
	world_run(w, 15);
	ck_assert_uint_eq(calls_of(w, "a"), 4);
	world_run(w, 25);
	ck_assert_uint_eq(calls_of(w, "a"), 5);
	world_run(w, 100);
	ck_assert_got(w, "{\"a\":[1,2,3,4,5]}");
	ck_assert_got_field(w, "forebay-parts", "a=ok;30ms");
	world_close(w);
}
END_TEST

START_TEST(many_that_answer_at_once_need_no_stack)
{
	static char conf[32768];
	struct writer w = writer_over(conf, sizeof(conf));
	struct world *world;

	writer_text(&w, "[route r]\n" A("at_once = yes\nbody = x\nas = text\nforeach_max = 10000\n"
					"foreach_at_once = 1\nforeach = [0"));
	for (unsigned i = 1; i < 10000; i++)
		writer_text(&w, ",1");
	writer_text(&w, "]\n");
	writer_char(&w, '\0');
	world = run(conf);
	ck_assert_int_eq(world->client.status, 200);
	ck_assert_uint_eq(client_got(world).len, strlen("{\"a\":[]}") + 10000 * 4 - 1);
	world_close(world);
}
END_TEST

/* --- failures ------------------------------------------------------------------------- */

START_TEST(one_that_fails_fails_the_part_and_cancels_the_others)
{
	struct world *w = run("[route r]\n" A("foreach = [1, 2, 3]\nstatus = 404\ndelay = 5ms\n")
				  B("delay = 100ms\nbody = 1\n"));

	ck_assert_int_eq(w->client.status, 404);
	ck_assert_got_field(w, "forebay-parts", "a=status;5ms, b=cancelled;5ms");
	world_close(w);
}
END_TEST

START_TEST(an_optional_part_falls_back_as_a_whole)
{
	struct world *w = run(
	    "[route r]\n" A("foreach = [1, 2]\nfails = connect\noptional = yes\nfallback = [9]\n"));

	ck_assert_got(w, "{\"a\":[9]}");
	ck_assert_got_field(w, "forebay-parts", "a=connect;1ms");
	ck_assert_got_field(w, "cache-control", "no-store");
	world_close(w);
}
END_TEST

START_TEST(an_element_may_fall_back_alone)
{
	struct world *w =
	    run("[route r]\n" A("foreach = [{\"x\": 1}, {}, {\"x\": 3}]\nbody = {item.x}\n"
				"foreach_fallback = {\"no\": true}\n"));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "{\"a\":[1,{\"no\": true},3]}");
	ck_assert_got_field(w, "forebay-parts", "a=ok;1ms");
	ck_assert_got_field(w, "cache-control", "no-store");
	world_close(w);
}
END_TEST

static const struct {
	const char *keys, *report;
	int status;
} failures[] = {
	{ "foreach = {\"no\": \"list\"}\nbody = 1\n", "a=invalid;0ms", 502 },
	{ "foreach = {query.ids}\nbody = 1\n", "a=missing;0ms", 502 },
	{ "foreach = [1, 2, 3]\nforeach_max = 2\nbody = 1\n", "a=too-large;0ms", 502 },
	{ "foreach = [1, 2, 3]\nbody = \"four\"\nmax_result = 20\n", "a=too-large;1ms", 502 },
	{ "foreach = [1, 2, 3]\nbody = {item.x}\n", "a=missing;0ms", 502 },
	{ "foreach = [1, 2, 3]\nbody = no json\n", "a=invalid;1ms", 502 },
	{ "foreach = [1, 2, 3]\nrefuses = yes\nbody = 1\n", "a=shed;0ms", 503 },
	{ "foreach = [1, 2, 3]\nhangs = yes\nbody = 1\ntimeout = 20ms\n", "a=timeout;20ms", 504 },
	{ "foreach = [1, 2, 3]\nbody = 123456\npieces = 3\nbreaks = closed\n", "a=error;1ms", 502 },
};

START_TEST(what_is_wrong_with_one_is_the_part_s_outcome)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct world *w;

	writer_text(&cw, "[route r]\n[subrequest r.a]\n" FAKE);
	writer_text(&cw, failures[_i].keys);
	writer_char(&cw, '\0');
	w = run(conf);
	ck_assert_int_eq(w->client.status, failures[_i].status);
	ck_assert_got_field(w, "forebay-parts", failures[_i].report);
	world_close(w);
}
END_TEST

START_TEST(a_list_that_failed_leaves_nothing_to_ask_for)
{
	struct world *w = run("[route r]\n" A("fails = connect\noptional = yes\n")
				  B("foreach = {a.items}\nbody = 1\noptional = yes\n"));

	ck_assert_got(w, "{\"a\":null,\"b\":null}");
	ck_assert_got_field(w, "forebay-parts", "a=connect;1ms, b=skipped;0ms");
	ck_assert_uint_eq(calls_of(w, "b"), 0);
	world_close(w);
}
END_TEST

START_TEST(a_client_that_leaves_cancels_all)
{
	struct world *w =
	    world_open("[route r]\n" A("foreach = [1, 2, 3]\nhangs = yes\nbody = 1\n"));

	client_start(w);
	world_run(w, 5);
	client_leave(w);
	ck_assert_uint_eq(world_outcome(w, "a", OUTCOME_CANCELLED), 1);
	world_close(w);
}
END_TEST

START_TEST(members_are_picked_of_each_element)
{
	struct world *w = run("[route r]\n" A("foreach = [1, 2]\nbody = {\"x\": {item}, \"y\": 0}\n"
					      "pick = z = x\n") B("body = [{a.1.z}, {a.0}]\n"));

	ck_assert_got(w, "{\"a\":[{\"z\":1},{\"z\":2}],\"b\":[2, {\"z\":1}]}");
	world_close(w);
}
END_TEST

START_TEST(an_array_does_not_nest_deeper_than_a_reader_can_follow)
{
	char conf[1024];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct world *w;

	/* The object, the array, and as many as make 128: one more is too deep. */
	writer_text(&cw, "[route r]\n[subrequest r.a]\n" FAKE "foreach = [1]\nbody = ");
	for (unsigned i = 0; i < 126u + (unsigned)_i; i++)
		writer_char(&cw, '[');
	for (unsigned i = 0; i < 126u + (unsigned)_i; i++)
		writer_char(&cw, ']');
	writer_text(&cw, "\n");
	writer_char(&cw, '\0');
	w = run(conf);
	ck_assert_int_eq(w->client.status, _i ? 502 : 200);
	world_close(w);
}
END_TEST

START_TEST(mistakes_are_told)
{
	ck_assert_str_eq(world_complaint("[route r]\n" A("foreach_max = 3\nbody = 1\n")),
			 "conf:4: [subrequest r.a] foreach_max: is for parts with foreach\n");
	ck_assert_str_eq(
	    world_complaint("[route r]\n" A("foreach = [1]\nforeach_fallback = x\nbody = 1\n")),
	    "conf:5: [subrequest r.a] foreach_fallback: \"x\" is not JSON: see its byte 1\n");
	ck_assert_str_eq(world_complaint("[route r]\n" A("foreach = [1\nbody = 1\n")),
			 "conf:4: [subrequest r.a] foreach: not JSON\n");
	ck_assert_str_eq(
	    world_complaint("[route r]\n[subrequest r.item]\n" FAKE "foreach = [1]\nbody = 1\n"),
	    "conf:4: [subrequest r.item] foreach: {item} would mean an element of it, and a part "
	    "or "
	    "path parameter of that name\n");
	ck_assert_str_eq(
	    world_complaint("[route r]\n" A("body = {item.x}\n")),
	    "conf:4: [subrequest r.a] body: {item.x}: only a part with foreach has an element\n");
	ck_assert_str_eq(world_complaint("[route r]\n" A("foreach = [1]\nbody = {item:status}\n")),
			 "conf:5: [subrequest r.a] body: {item:status}: of an element there are "
			 "{item} and {item.field}\n");
}
END_TEST

Suite *
suite_scenario_each(void)
{
	Suite *s = suite_create("scenario_each");
	TCase *t = tcase_create("each");

	tcase_add_loop_test(t, every_element_is_asked_for_and_results_keep_their_order, 0,
			    sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(t, it_is_one_entry_of_the_report);
	tcase_add_test(t, so_many_at_once_and_no_more);
	tcase_add_test(t, many_that_answer_at_once_need_no_stack);
	tcase_add_test(t, one_that_fails_fails_the_part_and_cancels_the_others);
	tcase_add_test(t, an_optional_part_falls_back_as_a_whole);
	tcase_add_test(t, an_element_may_fall_back_alone);
	tcase_add_loop_test(t, what_is_wrong_with_one_is_the_part_s_outcome, 0,
			    sizeof(failures) / sizeof(failures[0]));
	tcase_add_test(t, a_list_that_failed_leaves_nothing_to_ask_for);
	tcase_add_test(t, a_client_that_leaves_cancels_all);
	tcase_add_test(t, members_are_picked_of_each_element);
	tcase_add_loop_test(t, an_array_does_not_nest_deeper_than_a_reader_can_follow, 0, 2);
	tcase_add_test(t, mistakes_are_told);
	suite_add_tcase(s, t);
	return s;
}
