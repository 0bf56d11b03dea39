/*
 * Plans from their sections: what is refused and how it is told, and what the
 * compiled plan holds.
 */
#include "../../scenario/world.h"

#include <check.h>

Suite *suite_plan_compile(void);

#define R     "[route r]\n"
#define FIXED "source = fixed\n"
#define A     "[subrequest r.a]\n"
#define B     "[subrequest r.b]\n"

/* Each complaint has to be whole: no other line, nothing missing. */
static const struct {
	const char *conf, *complaint;
} cases[] = {
	{ R FIXED "body = x\n", "" },
	{ R A FIXED, "" },
	/* shapes of a route */
	{ R, "conf:1: [route r]: a route needs a source, or [subrequest r.NAME] sections\n" },
	{ R "sorce = fixed\n",
	  "conf:1: [route r]: a route needs a source, or [subrequest r.NAME] sections\n"
	  "conf:2: [route r] sorce: unknown key; did you mean \"source\"?\n" },
	{ R FIXED A FIXED, "conf:2: [route r] source: a route has either a source or [subrequest "
			   "r.NAME] sections\n" },
	{ R FIXED "join = array\noptional = yes\n",
	  "conf:3: [route r] join: is for routes with [subrequest] sections: this one has a source "
	  "of "
	  "its own, whose answer is passed through\n"
	  "conf:4: [route r] optional: is for routes with [subrequest] sections: this one has a "
	  "source "
	  "of its own, whose answer is passed through\n" },
	{ R "join = merge\n" A FIXED, "conf:2: [route r] join: \"merge\" is none of: object, "
				      "array, concat, first, template\n" },
	{ R "deadlin = 1s\n" A FIXED,
	  "conf:2: [route r] deadlin: unknown key; did you mean \"deadline\"?\n" },
	/* names */
	{ R FIXED "[subrequest q.a]\n" FIXED, "conf:3: [subrequest q.a]: there is no [route q]\n" },
	{ R FIXED "[subrequest a]\n" FIXED,
	  "conf:3: [subrequest a]: the name of a part is ROUTE.NAME, with the route it is of\n" },
	{ R "[subrequest r.Big]\n" FIXED,
	  "conf:2: [subrequest r.Big]: \"Big\" is no name for a part: a lower-case letter, then "
	  "lower-case letters, digits, _ and -\n" },
	{ R "[subrequest r.body]\n" FIXED, "conf:2: [subrequest r.body]: \"body\" cannot be the "
					   "name of a part: in templates it means "
					   "something else\n" },
	{ R "[subrequest r.id]\n" FIXED,
	  "conf:2: [subrequest r.id]: a part cannot bear the name of "
	  "a path parameter of its route: {id} "
	  "would mean both\n" },
	/* sources */
	{ R A "body = x\n", "conf:2: [subrequest r.a] source: this key is required\n" },
	{ R A "source = fixd\nbody = x\n",
	  "conf:3: [subrequest r.a] source: there is no kind of source \"fixd\"; did you mean "
	  "\"fixed\"?\n" },
	{ R A "source = upstream fke\nwhatever = x\n",
	  "conf:3: [subrequest r.a] source: there is no [upstream fke]; did you mean \"fake\"?\n" },
	{ R A "source = upstream\n", "conf:3: [subrequest r.a] source: needs the name of "
				     "a section [upstream NAME]\n" },
	{ R A "source = echo me\n",
	  "conf:3: [subrequest r.a] source: echo takes no name, but there is \"me\"\n" },
	{ R A FIXED "bdy = x\n",
	  "conf:4: [subrequest r.a] bdy: unknown key; did you mean \"body\"?\n" },
	/* keys of parts */
	{ R A FIXED "optional = yes\nfallback = {a\n",
	  "conf:5: [subrequest r.a] fallback: \"{a\" is not JSON: see its byte 2\n" },
	{ R A FIXED "fallback = 1\n",
	  "conf:4: [subrequest r.a] fallback: only an optional part, or one with a condition "
	  "(when), can fall back\n" },
	{ R A FIXED "expect = 200, 9, 300-200, 6xx\n",
	  "conf:4: [subrequest r.a] expect: \"9\" is no status: write 204, 200-299 or 2xx\n"
	  "conf:4: [subrequest r.a] expect: \"300-200\" is no status: write 204, 200-299 or 2xx\n"
	  "conf:4: [subrequest r.a] expect: \"6xx\" is no status: write 204, 200-299 or 2xx\n" },
	{ R A FIXED "after = user\n"
		    "[subrequest r.users]\n" FIXED,
	  "conf:4: [subrequest r.a] after: this route has no part \"user\"; did you mean "
	  "\"users\"?\n" },
	{ R "failure = all-or-nothing\n" A FIXED "optional = yes\n",
	  "conf:5: warning: [subrequest r.a] optional: has no effect: the route says failure = "
	  "all-or-nothing (conf:2)\n" },
	{ R "deadline = 1s\n" A FIXED "timeout = 2s\n",
	  "conf:5: warning: [subrequest r.a] timeout: has no effect: the route's deadline is "
	  "shorter (conf:2)\n" },
	{ R A FIXED "timeout = 2m\n",
	  "conf:4: warning: [subrequest r.a] timeout: has no effect: the route's deadline is "
	  "shorter (the default, conf:1)\n" },
	/* templates */
	{ R A "source = fixed\nbody = {idd}\n", "conf:4: [subrequest r.a] body: {idd}: the route "
						"has no such path parameter (a brace as text "
						"is {{); did you mean \"id\"?\n" },
	{ R A "source = fixed\nas = text\n" B "source = fixed\nbody = {a.x}\n",
	  "conf:7: [subrequest r.b] body: {a.x} can never be there: the result of a is not taken "
	  "as "
	  "JSON\n" },
	/* circles */
	{ R A "source = fixed\nbody = {a.x}\n", "conf:4: [subrequest r.a] body: parts that wait "
						"for each other: a -> a (a waits at conf:4)\n" },
	{ R A "source = fixed\nbody = {b.x}\n" B "source = fixed\nafter = a\n",
	  "conf:4: [subrequest r.a] body: parts that wait for each other: a -> b -> a (a waits at "
	  "conf:4, b waits at conf:7)\n" },
	{ R A "source = fixed\nafter = a\n" B "source = fixed\nafter = b\n",
	  "conf:4: [subrequest r.a] after: parts that wait for each other: a -> a (a waits at "
	  "conf:4)\n"
	  "conf:7: [subrequest r.b] after: parts that wait for each other: b -> b (b waits at "
	  "conf:7)\n" },
	/* fixed */
	{ R FIXED "status = 204\nbody = x\n",
	  "conf:4: [route r] body: a response with status 204 has no body\n" },
	{ R FIXED "header.Content-Length = 3\n",
	  "conf:3: [route r] header.Content-Length: this field is written by the server itself\n" },
	/* all in one run */
	{ R "deadline = soon\n" A "source = fixed\nbody = {x}\n" B "source = nosuch\n",
	  "conf:2: [route r] deadline: \"soon\" is not a duration such as 250ms, 2s or 5m\n"
	  "conf:5: [subrequest r.a] body: {x}: the route has no such path parameter (a brace as "
	  "text "
	  "is {{)\n"
	  "conf:7: [subrequest r.b] source: there is no kind of source \"nosuch\"\n" },
};

START_TEST(complaints_name_place_and_cure)
{
	const char *complaint = world_complaint(cases[_i].conf);

	ck_assert_msg(strcmp(complaint, cases[_i].complaint) == 0, "%s\n--- says\n%s--- not\n%s",
		      cases[_i].conf, complaint, cases[_i].complaint);
}
END_TEST

START_TEST(more_than_64_parts_are_refused)
{
	static char conf[8192];
	struct writer w = writer_over(conf, sizeof(conf) - 1);

	writer_text(&w, R);
	for (int i = 0; i <= PLAN_PARTS_MAX; i++)
		writer_format(&w, "[subrequest r.p%d]\nsource = fixed\n", i);
	conf[w.len] = '\0';
	ck_assert_str_eq(world_complaint(conf),
			 "conf:1: [route r]: 65 parts; at most 64 can be joined\n");
}
END_TEST

START_TEST(a_plan_knows_who_waits_for_whom)
{
	struct world *w = world_open(R "[subrequest r.c]\nsource = fixed\nbody = {a:body}{b:body}\n"
				       "[subrequest r.b]\nsource = fixed\nafter = a\n"
				       "[subrequest r.a]\nsource = fixed\n");
	const struct plan *p = w->plan;

	ck_assert_uint_eq(p->count, 3);
	ck_assert_uint_eq(p->first, 4);
	ck_assert_uint_eq(p->part[0].needs, 6);
	ck_assert_uint_eq(p->part[0].after, 6);
	ck_assert_uint_eq(p->part[1].needs, 0);
	ck_assert_uint_eq(p->part[1].after, 4);
	ck_assert_uint_eq(p->part[2].followers, 3);
	ck_assert_uint_eq(p->order[0], 2);
	ck_assert_uint_eq(p->order[1], 1);
	ck_assert_uint_eq(p->order[2], 0);
	client_start(w);
	world_close(w);
}
END_TEST

START_TEST(values_without_variables_are_kept)
{
	struct world *w =
	    world_open(R A "source = fixed\nbody = {{id}\n" B "source = fixed\nbody = {body}\n");

	ck_assert_ptr_nonnull(w->plan->part[0].constant);
	ck_assert(slice_eq(w->plan->part[0].constant[0], SLICE("{id}")));
	ck_assert_ptr_null(w->plan->part[1].constant);
	ck_assert(w->plan->needs_body);
	ck_assert(!w->plan->needs_body_json);
	client_start(w);
	world_close(w);
}
END_TEST

START_TEST(parts_of_one_source_are_admitted_together_required_ones_first)
{
	struct world *w =
	    world_open(R A "source = upstream fake\noptional = yes\n" B "source = upstream fake\n"
			   "[subrequest r.c]\nsource = upstream other\n"
			   "[subrequest r.d]\nsource = upstream fake\n"
			   "[subrequest r.e]\nsource = fixed\n");
	const struct plan *p = w->plan;

	ck_assert_uint_eq(p->batches, 3);
	ck_assert_uint_eq(p->batch[0].parts, 2 | 8);
	ck_assert_uint_eq(p->batch[1].parts, 4);
	ck_assert_uint_eq(p->batch[2].parts, 1);
	ck_assert(p->batch[2].is_optional);
	client_start(w);
	world_close(w);
}
END_TEST

START_TEST(a_dump_of_the_plans_tables_reads_as_the_same_plan)
{
	struct world *w =
	    world_open(R "report = off\n" A "source = fixed\nbody = x\nheader.X-A = 1\n");
	char text[4096];
	struct writer out = writer_over(text, sizeof(text) - 1);

	conf_dump_section(w->plan->section, w->plan->table, w->plan->tables, &out);
	conf_dump_section(w->plan->part[0].part.section, w->plan->part[0].table,
			  w->plan->part[0].tables, &out);
	text[out.len] = '\0';
	ck_assert_str_eq(
	    text, "[route r]\ndeadline = 30s\npriority = normal\nbuffer_body = no\n"
		  "max_response_file = 1g\njoin = object\nfailure = "
		  "partial\nreport = off\n"
		  "\n"
		  "[subrequest r.a]\nsource = fixed\noptional = no\nas = auto\nexpect = 200-299\n"
		  "max_result = 1m\nstatus = 200\ntype = text/plain\nbody = x\nheader.X-A = 1\n\n");
	ck_assert_str_eq(world_complaint(text), "");
	client_start(w);
	world_close(w);
}
END_TEST

Suite *
suite_plan_compile(void)
{
	Suite *s = suite_create("plan_compile");
	TCase *t = tcase_create("compile");

	tcase_add_loop_test(t, complaints_name_place_and_cure, 0,
			    (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(t, more_than_64_parts_are_refused);
	tcase_add_test(t, a_plan_knows_who_waits_for_whom);
	tcase_add_test(t, values_without_variables_are_kept);
	tcase_add_test(t, parts_of_one_source_are_admitted_together_required_ones_first);
	tcase_add_test(t, a_dump_of_the_plans_tables_reads_as_the_same_plan);
	suite_add_tcase(s, t);
	return s;
}
