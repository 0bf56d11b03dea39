/*
 * Answers of parts that are kept, and used while they are fresh in the place of the source (cache):
 * what is kept, for whom, and for how long; and what is wrong with a configuration of it.
 */
#include "kept.h"
#include "plan/stash.h"

#include <check.h>

Suite *suite_scenario_stash(void);

/* --- fresh ones ------------------------------------------------------------------------------ */

START_TEST(a_fresh_answer_is_used_in_the_place_of_the_source)
{
	struct world *w = kept_run(ROUTE A("cache = c\ncache_for = 10s\nbody = [7]\n"));
	struct client *second = kept_ask(w, 5000, ""), *third = kept_ask(w, 11000, "");

	ck_assert_got_field(w, "Forebay-Parts", "a=ok;1ms");
	ck_assert_other(second, "{\"a\":[7]}");
	ck_assert_field(second, "Forebay-Parts", "a=ok;0ms;hit");
	ck_assert_field(second, "Cache-Control", "");
	ck_assert_other(third, "{\"a\":[7]}");
	ck_assert_field(third, "Forebay-Parts", "a=ok;1ms");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	ck_assert_uint_eq(world_outcome(w, "a", OUTCOME_OK), 3);
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_PART_HIT), 1);
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_PART_MISS), 2);
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_STORED), 2);
	world_close(w);
}
END_TEST

#define TAGGED "holds = yes\nheader.etag = \"x\"\nheader.cache-control = max-age=10\ncache = c\n"

static const struct call *
last_call(const struct world *w)
{
	return CONTAINER_OF(w->calls.prev, struct call, link);
}

START_TEST(what_is_stale_is_asked_about_and_goes_on_if_it_holds)
{
	struct world *w = kept_run(ROUTE A(TAGGED "body = [{query.k}]\ncache_key = x\n"));
	struct client *later = kept_ask(w, 12000, "k=2"), *soon = kept_ask(w, 15000, "k=3");

	ck_assert_uint_eq(last_call(w)->conditions, 1);
	ck_assert_other(later, "{\"a\":[1]}");
	ck_assert_field(later, "Forebay-Parts", "a=ok;1ms");
	ck_assert_other(soon, "{\"a\":[1]}");
	ck_assert_field(soon, "Forebay-Parts", "a=ok;0ms;hit");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_PART_REVALIDATED), 1);
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_STORED), 2);
	world_close(w);
}
END_TEST

START_TEST(what_does_not_hold_is_replaced)
{
	struct world *w =
	    kept_run(ROUTE A("header.etag = \"x\"\nheader.cache-control = max-age=10\ncache = c\n"
			     "body = [{query.k}]\ncache_key = x\n"));

	ck_assert_other(kept_ask(w, 12000, "k=2"), "{\"a\":[2]}");
	ck_assert_uint_eq(last_call(w)->conditions, 1);
	ck_assert_other(kept_ask(w, 15000, "k=3"), "{\"a\":[2]}");
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_PART_REVALIDATED), 0);
	world_close(w);
}
END_TEST

/* The first one's question is that of all who share the work; it may leave. */
START_TEST(those_who_share_an_execution_ask_about_it_once)
{
	struct world *w =
	    kept_run(ROUTE A(TAGGED "body = [{query.k}]\ncache_key = x\ncoalesce = x\n"
				    "delay = 10ms\n"));
	struct client *first = world_client(w), *second = world_client(w);

	first->x.request.query = second->x.request.query = SLICE("k=2");
	first->x.request.has_query = second->x.request.has_query = true;
	world_run(w, 12000);
	other_start(first);
	other_start(second);
	other_leave(first);
	world_run(w, 12100);
	ck_assert_other(second, "{\"a\":[1]}");
	ck_assert_other(kept_ask(w, 15000, "k=3"), "{\"a\":[1]}");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_PART_REVALIDATED), 1);
	world_close(w);
}
END_TEST

START_TEST(elements_of_a_list_are_asked_about_one_by_one)
{
	struct world *w =
	    kept_run(ROUTE "[subrequest r.l]\nsource = upstream fake\nbody = [1, 2]\n"
			   "[subrequest r.a]\nsource = upstream fake\nforeach = {l}\n" TAGGED
			   "body = [{item}]\n");
	struct client *later = kept_ask(w, 12000, "");

	ck_assert_other(later, "{\"l\":[1, 2],\"a\":[[1],[2]]}");
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_PART_REVALIDATED), 2);
	world_close(w);
}
END_TEST

/* What an answer says of itself, and whether it is used two seconds later, and twenty. */
static const struct {
	const char *keys;
	bool is_used_early, is_used_late;
} lives[] = {
	{ "", false, false },
	{ "cache_for = 10s\n", true, false },
	{ "cache_for = 1h\n", true, true },
	{ "header.cache-control = max-age=10\n", true, false },
	{ "cache_for = 1h\nheader.cache-control = max-age=10\n", true, false },
	{ "header.cache-control = max-age=1, s-maxage=60\n", true, true },
	{ "cache_for = 1h\nheader.cache-control = no-store\n", false, false },
	{ "cache_for = 1h\nheader.cache-control = private, max-age=60\n", false, false },
	{ "cache_for = 1h\nheader.cache-control = no-cache\nheader.etag = \"x\"\n", false, false },
	{ "cache_for = 1h\nheader.set-cookie = a=b\n", false, false },
	{ "cache_for = 1h\nheader.age = 90\nheader.cache-control = max-age=60\n", false, false },
	{ "cache_for = 1h\nheader.vary = *\n", false, false },
	{ "cache_for = 1h\nheader.vary = Accept\n", true, true },
	{ "cache_for = 1h\nexpect = 206\nstatus = 206\n", false, false },
	{ "cache_for = 1h\nstatus = 204\n", true, true },
};

START_TEST(an_answer_is_used_for_as_long_as_it_says)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct world *w;

	writer_text(&cw, ROUTE A("cache = c\nbody = 1\n"));
	writer_text(&cw, lives[_i].keys);
	writer_char(&cw, '\0');
	w = kept_run(conf);
	kept_ask(w, 2000, "");
	ck_assert_uint_eq(world_calls(w, "a"), lives[_i].is_used_early ? 1 : 2);
	if (lives[_i].is_used_early) {
		kept_ask(w, 20000, "");
		ck_assert_uint_eq(world_calls(w, "a"), lives[_i].is_used_late ? 1 : 2);
	}
	world_close(w);
}
END_TEST

/* Two queries, and whether they share an answer. */
static const struct {
	const char *keys, *query;
	bool is_shared;
} keys[] = {
	{ "body = [{query.k}]\n", "k=1&z=9", true },
	{ "body = [{query.k}]\n", "k=2", false },
	{ "body = [\"{request.id}\"]\n", "k=2", true },
	{ "cache_key = {query.k}\nbody = 1\n", "k=1&z=9", true },
	{ "cache_key = {query.k}\nbody = 1\n", "k=2", false },
	{ "cache_key = x\nbody = [{query.k}]\n", "k=2", true },
	{ "cache_key = {query.gone}\nbody = 1\n", "k=1", false },
};

START_TEST(answers_are_told_apart_by_what_is_asked)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct world *w;

	writer_text(&cw, ROUTE A("cache = c\ncache_for = 1h\n"));
	writer_text(&cw, keys[_i].keys);
	writer_char(&cw, '\0');
	w = kept_run(conf);
	kept_ask(w, 1000, keys[_i].query);
	ck_assert_uint_eq(world_calls(w, "a"), keys[_i].is_shared ? 1 : 2);
	world_close(w);
}
END_TEST

/* Whatever the key is. */
static const struct {
	const char *keys, *name;
} private[] = {
	{ "forward = authorization\nbody = 1\n", "authorization" },
	{ "forward = cookie\nbody = 1\n", "Cookie" },
	{ "body = \"{header.x-tenant}\"\n", "X-Tenant" },
};

START_TEST(what_may_be_one_clients_own_is_of_every_key)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct client *second, *third;
	struct world *w;

	writer_text(&cw, ROUTE A("cache = c\ncache_key = x\ncache_for = 1h\n"));
	writer_text(&cw, private[_i].keys);
	writer_char(&cw, '\0');
	w = world_open(conf);
	client_field(w, private[_i].name, "ann");
	client_start(w);
	world_run(w, 100);
	second = world_client(w);
	other_field(second, private[_i].name, "bob");
	other_start(second);
	world_run(w, 200);
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	third = world_client(w);
	other_field(third, private[_i].name, "ann");
	other_start(third);
	world_run(w, 300);
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	ck_assert_field(third, "Forebay-Parts", "a=ok;0ms;hit");
	world_close(w);
}
END_TEST

START_TEST(a_result_of_another_part_is_of_every_key)
{
	struct world *w = kept_run(ROUTE A("body = {\"x\": \"{query.k}\"}\n") B(
	    "cache = c\ncache_key = y\ncache_for = 1h\nbody = \"{a.x}\"\n"));

	kept_ask(w, 1000, "k=2");
	ck_assert_uint_eq(world_calls(w, "b"), 2);
	kept_ask(w, 2000, "k=1");
	ck_assert_uint_eq(world_calls(w, "b"), 2);
	world_close(w);
}
END_TEST

START_TEST(parts_do_not_share_what_is_kept)
{
	struct world *w = kept_run(ROUTE A("cache = c\ncache_for = 1h\ncache_key = x\nbody = 1\n")
				       B("cache = c\ncache_for = 1h\ncache_key = x\nbody = 2\n"));
	struct client *second = kept_ask(w, 1000, "");

	ck_assert_other(second, "{\"a\":1,\"b\":2}");
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_PART_HIT), 2);
	world_close(w);
}
END_TEST

START_TEST(a_client_that_says_no_store_leaves_nothing)
{
	struct world *w = world_open(ROUTE A("cache = c\ncache_for = 1h\nbody = 1\n"));

	client_field(w, "Cache-Control", "no-store");
	client_start(w);
	kept_ask(w, 1000, "");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	world_close(w);
}
END_TEST

START_TEST(what_is_too_large_is_not_kept)
{
	struct world *w = kept_run(
	    "[cache c]\nmax_entry = 3\n[route r]\n" A("cache = c\ncache_for = 1h\nbody = [77]\n")
		B("cache = c\ncache_for = 1h\nbody = [7]\n"));

	kept_ask(w, 1000, "");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	ck_assert_uint_eq(world_calls(w, "b"), 1);
	world_close(w);
}
END_TEST

START_TEST(what_is_no_result_is_not_kept)
{
	struct world *w = world_open(
	    ROUTE A("cache = c\ncache_for = 1h\nas = json\nbody = nonsense\noptional = yes\n"));

	client_start(w);
	kept_ask(w, 1000, "");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_STORED), 0);
	world_close(w);
}
END_TEST

/* Each way to take a result, from the source and from what is kept. */
static const struct {
	const char *route, *keys, *answer;
} forms[] = {
	{ "", "body = {\"x\": {\"y\": 1}, \"z\": 2}\npick = y = x.y\n", "{\"a\":{\"y\":1}}" },
	{ "", "body = a \"b\"\ntype = text/plain\n", "{\"a\":\"a \\\"b\\\"\"}" },
	{ "", "body = abc\nas = base64\n", "{\"a\":\"YWJj\"}" },
	{ "", "status = 204\n", "{\"a\":null}" },
	{ "join = array\n", "body = 7\n", "[7]" },
	{ "join = concat\n", "body = 7\n", "7" },
	{ "join = first\n", "body = 7\ntype = text/x\n", "7" },
	{ "join = template\ntemplate = {\"is\": {a.x}, \"t\": \"{a:header.content-type}\"}\n",
	  "body = {\"x\": 1}\n", "{\"is\": 1, \"t\": \"application/json\"}" },
	{ "report = body\n", "body = 7\n",
	  "{\"a\":7,\"_parts\":{\"a\":{\"outcome\":\"ok\",\"ms\":0,\"cache\":\"hit\"}}}" },
};

START_TEST(what_is_kept_makes_the_same_answer)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct client *second;
	struct world *w;

	writer_format(&cw, "[cache c]\n[route r]\n%s" A("cache = c\ncache_for = 1h\n%s"),
		      forms[_i].route, forms[_i].keys);
	writer_char(&cw, '\0');
	w = kept_run(conf);
	second = kept_ask(w, 1000, "");
	ck_assert_uint_eq(world_calls(w, "a"), 1);
	ck_assert_other(second, forms[_i].answer);
	ck_assert_int_eq(
	    slice_eq(kept_field(second, "Content-Type"), client_got_field(w, "Content-Type")),
	    true);
	world_close(w);
}
END_TEST

START_TEST(who_is_answered_so_needs_no_place)
{
	struct world *w =
	    kept_run(ROUTE A("cache = c\ncache_for = 1h\ngood = 1\nrefuses = yes\nbody = 1\n"));
	struct client *second = kept_ask(w, 1000, "");

	ck_assert_other(second, "{\"a\":1}");
	ck_assert_uint_eq(world_calls(w, "a"), 1);
	world_close(w);
}
END_TEST

START_TEST(those_who_share_an_execution_keep_it_once)
{
	struct world *w = world_open(
	    ROUTE A("cache = c\ncache_for = 1h\ncoalesce = x\ndelay = 10ms\nbody = 1\n"));
	struct client *second = world_client(w);

	client_start(w);
	other_start(second);
	world_run(w, 50);
	ck_assert_other(second, "{\"a\":1}");
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_STORED), 1);
	ck_assert_other(kept_ask(w, 100, ""), "{\"a\":1}");
	ck_assert_uint_eq(world_calls(w, "a"), 1);
	world_close(w);
}
END_TEST

static void
start_with(struct client *c, const char *query)
{
	c->x.request.query = slice_of(query);
	c->x.request.has_query = true;
	other_start(c);
}

/* Who asks first leaves, the second shares what that one asked; a third, in the second loop, asks
 * the same. */
START_TEST(what_is_shared_is_kept_for_what_was_asked)
{
	struct world *w = world_open(
	    ROUTE A("cache = c\ncache_for = 1h\ncoalesce = x\ndelay = 10ms\nbody = [{query.k}]\n"));
	struct client *first = world_client(w), *second = world_client(w);

	start_with(first, "k=1");
	start_with(second, "k=2");
	if (_i)
		start_with(world_client(w), "k=1");
	world_run(w, 5);
	other_leave(first);
	world_run(w, 50);
	ck_assert_other(second, "{\"a\":[1]}");
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_STORED), _i);
	second = kept_ask(w, 100, "k=2");
	ck_assert_other(second, "{\"a\":[2]}");
	second = kept_ask(w, 300, "k=1");
	ck_assert_other(second, "{\"a\":[1]}");
	ck_assert_uint_eq(world_calls(w, "a"), _i ? 2 : 3);
	client_start(w);
	world_close(w);
}
END_TEST

START_TEST(elements_of_a_list_are_kept_one_by_one)
{
	struct world *w = kept_run(ROUTE A("body = [{query.k}, 2]\n") B(
	    "foreach = {a}\ncache = c\ncache_for = 1h\ncache_key = x\nbody = {item}\n"));
	struct client *second = kept_ask(w, 1000, "k=2"), *third;

	ck_assert_got(w, "{\"a\":[1, 2],\"b\":[1,2]}");
	ck_assert_other(second, "{\"a\":[2, 2],\"b\":[2,2]}");
	ck_assert_uint_eq(world_calls(w, "b"), 2);
	third = kept_ask(w, 2000, "k=3");
	ck_assert_other(third, "{\"a\":[3, 2],\"b\":[3,2]}");
	ck_assert_uint_eq(world_calls(w, "b"), 3);
	world_close(w);
}
END_TEST

START_TEST(a_flow_gets_what_is_kept)
{
	struct world *w = kept_run("[cache c]\n[route r]\ndeadline = 1h\nflow = script\n"
				   "script = call a; set k=1; call b; put a; put b\n" A(
				       "cache = c\ncache_for = 1h\nbody = 1\n")
				       B(STALE "\ncache_key = x\ngood = 1\nfails = connect\n"
					       "body = [{flow.k}]\n"));
	struct client *second = kept_ask(w, 5000, "");

	ck_assert_got(w, "1[1]");
	ck_assert_other(second, "1[1]");
	ck_assert_field(second, "Forebay-Parts", "a=ok;0ms;hit, b=connect;1ms;stale");
	ck_assert_field(second, "Cache-Control", "no-store");
	world_close(w);
}
END_TEST

/* What a reload changes, and whether what was kept before is found after it. */
static const struct {
	const char *conf;
	bool is_found;
} reloads[] = {
	{ ROUTE "[subrequest r.a]\nsource = upstream u\ncache = c\n[upstream u]\nservers = x\n",
	  true },
	{ ROUTE "[upstream u]\nservers = x\n[subrequest r.a]\nsource = upstream u\ncache = c\n",
	  true },
	{ ROUTE "[subrequest r.a]\nsource = upstream u\ncache = c\n[upstream u]\nservers = y\n",
	  false },
	{ ROUTE
	  "[subrequest r.a]\nsource = upstream u\ncache = c\nbody = 1\n[upstream u]\nservers = x\n",
	  false },
};

START_TEST(who_points_elsewhere_finds_nothing_of_before)
{
	struct world *before = world_open(reloads[0].conf), *after = world_open(reloads[_i].conf);

	ck_assert_int_eq(before->plan->part[0].stash->print == after->plan->part[0].stash->print,
			 reloads[_i].is_found);
	client_start(before);
	client_start(after);
	world_close(before);
	world_close(after);
}
END_TEST

/* --- mistakes
 * --------------------------------------------------------------------------------------
 */

static const struct {
	const char *conf, *said;
} mistakes[] = {
	{ "[cache pages]\n" A("cache = page\n"), "conf:8: [subrequest r.a] cache: there is no "
						 "[cache page]; did you mean \"pages\"?" },
	{ "[cache c]\n" A("cache_key = {id}\n"), "cache_key: is for parts with cache" },
	{ "[cache c]\n" A("cache_for = 1s\n"), "cache_for: is for parts with cache" },
	{ "[cache c]\n" A("stale_in = c\n"), "stale_in: is for parts with fallback = stale" },
	{ "[cache c]\n" A("optional = yes\nfallback = stale 1s\n"), "stale needs memory" },
	{ "[cache c]\n" A("optional = yes\nfallback = stale soon\nstale_in = c\n"),
	  "\"soon\" is no time: write how old an answer may be, stale 60s" },
	{ "[cache c]\n" A("optional = yes\nfallback = stale\nstale_in = c\n"), "is no time" },
	{ "[cache c]\n" A("optional = yes\nfallback = stale 1s, x\nstale_in = c\n"),
	  "\"x\" is not JSON" },
	{ "[cache c]\n" A("fallback = stale 1s\nstale_in = c\n"), "only an optional part" },
	{ "[cache c]\n" A("when = {id} == 1\nfallback = stale 1s\nstale_in = c\n"),
	  "stale is for optional parts" },
	{ "[cache c]\n" A("cache = c\nstale_in = c\noptional = yes\nfallback = stale 1s\n"),
	  "what is kept in cache stands in (conf:8)" },
	{ "[cache c]\n" A("cache = c\neffects = yes\n"), "cannot stand for the part: it says so" },
	{ "[cache c]\n" A(
	      "foreach = {body.x}\nstale_in = c\noptional = yes\nfallback = stale 1s\n"),
	  "stale is not for parts with foreach" },
	{ "[cache c]\n" A("cache = c\ncache_key = {nobody}\n"), "cache_key: {nobody}" },
	{ "[cache c]\n[subrequest r.f]\nsource = fixed\nbody = 1\ncache = c\n",
	  "cache: keeps nothing: answers of source fixed do not say how long they are fresh" },
};

START_TEST(a_mistake_is_told_with_its_line)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));

	writer_format(&cw, "[route r]\nmatch = GET /{id}\n# one\n# two\n%s", mistakes[_i].conf);
	writer_char(&cw, '\0');
	ck_assert_msg(strstr(world_complaint(conf), mistakes[_i].said) != NULL, "%s",
		      world_complaint(conf));
}
END_TEST

Suite *
suite_scenario_stash(void)
{
	Suite *s = suite_create("scenario_stash");
	TCase *t = tcase_create("fresh");

	tcase_add_test(t, a_fresh_answer_is_used_in_the_place_of_the_source);
	tcase_add_test(t, what_is_stale_is_asked_about_and_goes_on_if_it_holds);
	tcase_add_test(t, what_does_not_hold_is_replaced);
	tcase_add_test(t, those_who_share_an_execution_ask_about_it_once);
	tcase_add_test(t, elements_of_a_list_are_asked_about_one_by_one);
	tcase_add_loop_test(t, an_answer_is_used_for_as_long_as_it_says, 0,
			    sizeof(lives) / sizeof(lives[0]));
	tcase_add_loop_test(t, answers_are_told_apart_by_what_is_asked, 0,
			    sizeof(keys) / sizeof(keys[0]));
	tcase_add_loop_test(t, what_may_be_one_clients_own_is_of_every_key, 0,
			    sizeof(private) / sizeof(private[0]));
	tcase_add_test(t, a_result_of_another_part_is_of_every_key);
	tcase_add_test(t, parts_do_not_share_what_is_kept);
	tcase_add_test(t, a_client_that_says_no_store_leaves_nothing);
	tcase_add_test(t, what_is_too_large_is_not_kept);
	tcase_add_test(t, what_is_no_result_is_not_kept);
	tcase_add_loop_test(t, what_is_kept_makes_the_same_answer, 0,
			    sizeof(forms) / sizeof(forms[0]));
	tcase_add_test(t, who_is_answered_so_needs_no_place);
	tcase_add_test(t, those_who_share_an_execution_keep_it_once);
	tcase_add_loop_test(t, what_is_shared_is_kept_for_what_was_asked, 0, 2);
	tcase_add_test(t, elements_of_a_list_are_kept_one_by_one);
	tcase_add_test(t, a_flow_gets_what_is_kept);
	tcase_add_loop_test(t, who_points_elsewhere_finds_nothing_of_before, 0,
			    sizeof(reloads) / sizeof(reloads[0]));
	suite_add_tcase(s, t);
	t = tcase_create("mistakes");
	tcase_add_loop_test(t, a_mistake_is_told_with_its_line, 0,
			    sizeof(mistakes) / sizeof(mistakes[0]));
	suite_add_tcase(s, t);
	return s;
}
