/*
 * Answers of parts that are kept, and stand in for failures (fallback = stale): for which, for
 * whom, and for how long.
 */
#include "kept.h"

#include <check.h>

Suite *suite_scenario_stale(void);

/* What happens to all requests but the first. */
static const struct {
	const char *keys, *report;
} failures[] = {
	{ "fails = connect\n", "a=connect;1ms;stale" },
	{ "fails = shed\n", "a=shed;1ms;stale" },
	{ "status = 500\n", "a=status;1ms;stale" },
	{ "hangs = yes\ntimeout = 50ms\n", "a=timeout;50ms;stale" },
	{ "refuses = yes\n", "a=shed;0ms;stale" },
	{ "coalesce = x\nfails = failed\n", "a=error;1ms;stale" },
	{ "cache_key = x\nfails = failed\n", "a=error;1ms;stale" },
};

START_TEST(the_last_good_answer_stands_in_for_each_failure)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct client *second, *third;
	struct world *w;

	writer_format(&cw, ROUTE A(STALE "\ngood = 1\nbody = [7]\n%s"), failures[_i].keys);
	writer_char(&cw, '\0');
	w = kept_run(conf);
	ck_assert_got_field(w, "Cache-Control", "");
	second = kept_ask(w, 30000, "");
	ck_assert_int_eq(second->status, 200);
	ck_assert_other(second, "{\"a\":[7]}");
	ck_assert_field(second, "Forebay-Parts", failures[_i].report);
	ck_assert_field(second, "Cache-Control", "no-store");
	third = kept_ask(w, 60200, "");
	ck_assert_other(third, "{\"a\":null}");
	ck_assert_field(third, "Cache-Control", "no-store");
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_PART_STALE), 1);
	world_close(w);
}
END_TEST

/* What the source says of itself is a failure, what it says of what was asked is an answer. */
static const struct {
	const char *keys;
	bool stands_in;
} statuses[] = {
	{ "status = 500\n", true },
	{ "status = 502\n", true },
	{ "status = 503\n", true },
	{ "status = 504\n", true },
	{ "status = 429\n", true },
	{ "status = 400\n", false },
	{ "status = 401\n", false },
	{ "status = 403\n", false },
	{ "status = 404\n", false },
	{ "status = 410\n", false },
	{ "status = 422\n", false },
	{ "status = 501\n", false },
	{ "status = 204\nexpect = 200\n", false },
	{ "status = 404\npieces = 2\nbreaks = failed\n", false },
	{ "status = 503\npieces = 2\nbreaks = failed\n", true },
	{ "pieces = 2\nbreaks = failed\n", true },
};

START_TEST(nothing_stands_in_for_a_status_that_is_an_answer)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct client *second;
	struct world *w;

	writer_format(&cw, ROUTE A(STALE "\ngood = 1\nbody = [7]\n%s"), statuses[_i].keys);
	writer_char(&cw, '\0');
	w = kept_run(conf);
	second = kept_ask(w, 5000, "");
	ck_assert_other(second, statuses[_i].stands_in ? "{\"a\":[7]}" : "{\"a\":null}");
	ck_assert_field(second, "Cache-Control", "no-store");
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_PART_STALE), statuses[_i].stands_in);
	world_close(w);
}
END_TEST

START_TEST(a_source_that_answers_is_asked_each_time)
{
	struct world *w = kept_run(ROUTE A(STALE "\nbody = [7]\n"));

	kept_ask(w, 500, "");
	kept_ask(w, 2000, "");
	ck_assert_uint_eq(world_calls(w, "a"), 3);
	/* That of half a second before does as well. */
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_STORED), 2);
	world_close(w);
}
END_TEST

/* What is written behind the time, and what follows where nothing is kept. */
static const struct {
	const char *route, *rest, *answer;
} rests[] = {
	{ "", "", "{\"a\":null,\"b\":1}" },
	{ "", ", []", "{\"a\":[],\"b\":1}" },
	{ "", ", {\"x\": [1, 2]}", "{\"a\":{\"x\": [1, 2]},\"b\":1}" },
	{ "", ", omit", "{\"b\":1}" },
	{ "join = concat\n", ", none", "none1" },
};

START_TEST(without_one_the_next_fallback_counts)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct world *w;

	writer_format(&cw, ROUTE "%s" A(STALE "%s\nfails = connect\n") B("body = 1\n"),
		      rests[_i].route, rests[_i].rest);
	writer_char(&cw, '\0');
	w = kept_run(conf);
	ck_assert_got(w, rests[_i].answer);
	world_close(w);
}
END_TEST

START_TEST(a_text_is_no_time)
{
	struct world *w = kept_run("[route r]\njoin = concat\n" A(
	    "optional = yes\nfallback = stale bread\nfails = connect\n"));

	ck_assert_got(w, "stale bread");
	world_close(w);
}
END_TEST

/* Before `omit` and in bytes, too. */
static const struct {
	const char *route, *rest, *answer;
} joins[] = {
	{ "", ", omit", "{\"a\":[7],\"b\":[7]}" },
	{ "join = array\n", "", "[[7],[7]]" },
	{ "join = concat\n", ", none", "[7][7]" },
	{ "join = template\ntemplate = {\"is\": {a}}\n", "", "{\"is\": [7]}" },
	{ "report = off\n", "", "{\"a\":[7],\"b\":[7]}" },
};

START_TEST(it_is_a_result_for_joins_and_for_other_parts)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct world *w;

	writer_format(&cw,
		      ROUTE "%s" A(STALE "%s\ngood = 1\nstatus = 503\nbody = [7]\n")
			  B("body = {a:body}\n"),
		      joins[_i].route, joins[_i].rest);
	writer_char(&cw, '\0');
	w = kept_run(conf);
	ck_assert_other(kept_ask(w, 1000, ""), joins[_i].answer);
	world_close(w);
}
END_TEST

/* What an answer says of itself, and whether it may stand in half a minute later. */
static const struct {
	const char *keys;
	bool stands_in;
} says[] = {
	{ "", true },
	{ "header.cache-control = max-age=0\n", true },
	{ "header.cache-control = max-age=5\n", true },
	{ "header.cache-control = max-age=5, must-revalidate\n", false },
	{ "header.cache-control = max-age=50, must-revalidate\n", true },
	{ "header.cache-control = max-age=5, stale-if-error=10\n", false },
	{ "header.cache-control = s-maxage=5\n", false },
	{ "header.cache-control = no-cache\n", false },
	{ "header.cache-control = no-store\n", false },
	{ "header.cache-control = private\n", false },
	{ "header.set-cookie = a=b\n", false },
};

START_TEST(what_an_answer_says_of_itself_counts_for_standing_in)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct world *w;

	writer_format(&cw, ROUTE A(STALE "\ngood = 1\nfails = connect\nbody = [7]\n%s"),
		      says[_i].keys);
	writer_char(&cw, '\0');
	w = kept_run(conf);
	ck_assert_other(kept_ask(w, 30000, ""),
			says[_i].stands_in ? "{\"a\":[7]}" : "{\"a\":null}");
	world_close(w);
}
END_TEST

START_TEST(it_is_never_that_of_another_client)
{
	struct world *w = world_open(
	    ROUTE A(STALE "\ncache_key = x\nforward = authorization\ngood = 1\nfails = connect\n"
			  "body = [7]\n"));
	struct client *second;

	client_field(w, "Authorization", "ann");
	client_start(w);
	world_run(w, 100);
	second = world_client(w);
	other_field(second, "Authorization", "bob");
	other_start(second);
	world_run(w, 200);
	ck_assert_got(w, "{\"a\":[7]}");
	ck_assert_other(second, "{\"a\":null}");
	world_close(w);
}
END_TEST

START_TEST(one_memory_serves_both)
{
	struct world *w =
	    kept_run(ROUTE A("cache = c\ncache_for = 5s\noptional = yes\n"
			     "fallback = stale 20s\ngood = 1\nfails = connect\nbody = 1\n"));

	ck_assert_field(kept_ask(w, 4000, ""), "Forebay-Parts", "a=ok;0ms;hit");
	ck_assert_field(kept_ask(w, 10000, ""), "Forebay-Parts", "a=connect;1ms;stale");
	ck_assert_field(kept_ask(w, 30000, ""), "Forebay-Parts", "a=connect;1ms");
	world_close(w);
}
END_TEST

START_TEST(what_may_only_stand_in_is_not_used_as_fresh)
{
	struct world *w =
	    kept_run(ROUTE A("cache = c\noptional = yes\nfallback = stale 20s\ngood = 2\n"
			     "fails = connect\nbody = 1\n"));

	ck_assert_field(kept_ask(w, 1000, ""), "Forebay-Parts", "a=ok;1ms");
	ck_assert_field(kept_ask(w, 2000, ""), "Forebay-Parts", "a=connect;1ms;stale");
	world_close(w);
}
END_TEST

START_TEST(nothing_stands_in_for_a_part_that_is_not_needed)
{
	struct world *w = kept_run(ROUTE A(STALE "\nwhen = {query.k} == 1\nbody = [7]\n"));

	ck_assert_other(kept_ask(w, 1000, "k=2"), "{\"a\":null}");
	world_close(w);
}
END_TEST

/* A part with a condition, and what its result is where that holds; where it does not there is
 * none. For the last the condition is not known at the deadline. */
static const struct {
	const char *keys, *result;
} conditions[] = {
	{ "when = {query.k} == 1\nfails = connect\n", "[7]" },
	{ "when = {query.k} == 1\nrefuses = yes\n", "[7]" },
	{ "when = {query.k} == 1\nafter = a\n", "[7]" },
	{ "when = {query.k} == 1 and not {a.x}\n", "null" },
};

START_TEST(nothing_stands_in_where_a_condition_does_not_hold)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct client *with_1, *with_2;
	struct world *w;
	char answer[64];

	writer_format(&cw,
		      "[cache c]\n[route r]\ndeadline = 1s\n" A(
			  "optional = yes\ngood = 1\nhangs = yes\nbody = 1\n")
			  B(STALE "\ngood = 1\nbody = [7]\n%s"),
		      conditions[_i].keys);
	writer_char(&cw, '\0');
	w = kept_run(conf);
	with_1 = kept_ask(w, 1000, "k=1");
	with_2 = kept_ask(w, 1200, "k=2");
	world_run(w, 5000);
	cw = writer_over(answer, sizeof(answer));
	writer_format(&cw, "{\"a\":null,\"b\":%s}", conditions[_i].result);
	writer_char(&cw, '\0');
	ck_assert_other(with_1, answer);
	ck_assert_other(with_2, "{\"a\":null,\"b\":null}");
	world_close(w);
}
END_TEST

START_TEST(at_the_deadline_it_stands_in_too)
{
	struct world *w = kept_run("[cache c]\n[route r]\ndeadline = 1s\n" A(
	    STALE "\ngood = 1\nhangs = yes\nbody = [7]\n"));
	struct client *second = world_client(w);

	other_start(second);
	world_run(w, 3000);
	ck_assert_other(second, "{\"a\":[7]}");
	ck_assert_field(second, "Cache-Control", "no-store");
	world_close(w);
}
END_TEST

/* Its turn never came, but its answer is of use. */
START_TEST(at_the_deadline_it_stands_in_for_who_waits_too)
{
	struct world *w = kept_run("[cache c]\n[route r]\ndeadline = 1s\n" A(
	    "optional = yes\ngood = 1\nhangs = yes\nbody = 1\n")
				       B(STALE "\nafter = a\nbody = 2\n"));
	struct client *second = world_client(w);

	other_start(second);
	world_run(w, 3000);
	ck_assert_other(second, "{\"a\":null,\"b\":2}");
	world_close(w);
}
END_TEST

/* Routes whose second answer is an error, and b would be of no use. */
static const struct {
	const char *conf;
	int status;
} stops[] = {
	{ ROUTE A("good = 1\nfails = connect\nbody = 1\n") B(STALE "\nafter = a\nbody = 2\n"),
	  502 },
	{ ROUTE A("good = 1\nrefuses = yes\nbody = 1\n") B(STALE "\nbody = 2\n"), 503 },
	{ ROUTE A("good = 1\nfails = connect\nbody = {\"x\": 2}\noptional = yes\n")
	      B(STALE "\ncache_key = x\nbody = {a.x}\n"),
	  200 },
	{ "[cache c]\n[route r]\ndeadline = 1s\nflow = script\nscript = call b; call a; put b\n" A(
	      "good = 1\nhangs = yes\nbody = 1\n") B(STALE "\nbody = 2\n"),
	  504 },
	{ "[cache c]\n[route r]\ndeadline = 1s\nflow = script\nscript = call a; call b; put b\n" A(
	      "good = 1\nhangs = yes\nbody = 1\n") B(STALE "\nbody = 2\n"),
	  504 },
	{ "[cache c]\n[route r]\ndeadline = 1s\nflow = script\nscript = call a; put a\n" A(
	      STALE "\ngood = 1\nhangs = yes\nbody = 1\n"),
	  504 },
};

START_TEST(nothing_stands_in_for_a_part_that_the_run_stops)
{
	struct world *w = kept_run(stops[_i].conf);
	struct client *second = world_client(w);

	other_start(second);
	world_run(w, 3000);
	ck_assert_int_eq(second->status, stops[_i].status);
	ck_assert_uint_eq(kept_counted(w, COUNTER_CACHE_PART_STALE), 0);
	world_close(w);
}
END_TEST

Suite *
suite_scenario_stale(void)
{
	Suite *s = suite_create("scenario_stale");
	TCase *t = tcase_create("stale");

	tcase_add_loop_test(t, the_last_good_answer_stands_in_for_each_failure, 0,
			    sizeof(failures) / sizeof(failures[0]));
	tcase_add_loop_test(t, nothing_stands_in_for_a_status_that_is_an_answer, 0,
			    sizeof(statuses) / sizeof(statuses[0]));
	tcase_add_test(t, a_source_that_answers_is_asked_each_time);
	tcase_add_loop_test(t, without_one_the_next_fallback_counts, 0,
			    sizeof(rests) / sizeof(rests[0]));
	tcase_add_test(t, a_text_is_no_time);
	tcase_add_loop_test(t, it_is_a_result_for_joins_and_for_other_parts, 0,
			    sizeof(joins) / sizeof(joins[0]));
	tcase_add_loop_test(t, what_an_answer_says_of_itself_counts_for_standing_in, 0,
			    sizeof(says) / sizeof(says[0]));
	tcase_add_test(t, it_is_never_that_of_another_client);
	tcase_add_test(t, one_memory_serves_both);
	tcase_add_test(t, what_may_only_stand_in_is_not_used_as_fresh);
	tcase_add_test(t, nothing_stands_in_for_a_part_that_is_not_needed);
	tcase_add_loop_test(t, nothing_stands_in_where_a_condition_does_not_hold, 0,
			    sizeof(conditions) / sizeof(conditions[0]));
	tcase_add_test(t, at_the_deadline_it_stands_in_too);
	tcase_add_test(t, at_the_deadline_it_stands_in_for_who_waits_too);
	tcase_add_loop_test(t, nothing_stands_in_for_a_part_that_the_run_stops, 0,
			    sizeof(stops) / sizeof(stops[0]));
	suite_add_tcase(s, t);
	return s;
}
