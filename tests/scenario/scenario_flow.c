/*
 * Flows: what each call starts and waits for, what the client is told, and that
 * nothing is left of one that is cancelled.
 */
#include "base/clock.h"
#include "world.h"

#include <check.h>
#include <stdio.h>

Suite *suite_scenario_flow(void);

#define PART(name, keys) "[subrequest r." name "]\nsource = upstream fake\n" keys
#define FLOW(script)     "[route r]\nflow = script\nscript = " script "\n"

/* Opens, starts, runs to the end of the first second. */
static struct world *
play(const char *conf)
{
	struct world *w = world_open(conf);

	client_start(w);
	world_run(w, 1000);
	return w;
}

START_TEST(calls_come_one_after_the_other)
{
	struct world *w = world_open(FLOW("call a; say [; put a; say ,; call b; put b; say ]") PART(
	    "a", "body = {\"x\": 1}\ndelay = 20ms\n") PART("b", "body = 2\ndelay = 5ms\n"));

	client_start(w);
	world_run(w, 19);
	ck_assert_ptr_null(world_call(w, "b"));
	world_run(w, 21);
	ck_assert_uint_eq(world_call(w, "b")->started, 1);
	world_run(w, 25);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "[{\"x\": 1},2]");
	ck_assert_uint_eq(w->client.length, w->client.text_len);
	ck_assert_got_field(w, "content-type", "application/json");
	ck_assert_got_field(w, "forebay-parts", "a=ok;20ms, b=ok;5ms");
	ck_assert_got_field(w, "cache-control", "");
	ck_assert_uint_eq(w->stacks.live, 0);
	world_close(w);
}
END_TEST

START_TEST(several_run_side_by_side)
{
	struct world *w = world_open(FLOW("all a,b; say [; put a; say ,; put b; say ]") PART(
	    "a", "body = 1\ndelay = 20ms\n") PART("b", "body = 2\ndelay = 20ms\n"));

	client_start(w);
	world_run(w, 20);
	ck_assert(w->client.is_ended);
	ck_assert_got(w, "[1,2]");
	world_close(w);
}
END_TEST

START_TEST(parts_that_answer_at_once_need_no_turn_of_the_loop)
{
	struct world *w = world_open(
	    FLOW("call a; all b,c; put c") PART("a", "at_once = yes\nbody = 1\n")
		PART("b", "at_once = yes\nbody = 2\n") PART("c", "at_once = yes\nbody = 3\n"));

	client_start(w);
	ck_assert(w->client.is_ended);
	ck_assert_got(w, "3");
	world_close(w);
}
END_TEST

START_TEST(what_was_not_called_was_not_needed)
{
	struct world *w =
	    play(FLOW("call b; put b") PART("a", "") PART("b", "body = 2\n") PART("c", ""));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got_field(w, "forebay-parts", "a=unneeded;0ms, b=ok;1ms, c=unneeded;0ms");
	ck_assert_got_field(w, "cache-control", "");
	ck_assert_ptr_null(world_call(w, "a"));
	world_close(w);
}
END_TEST

START_TEST(a_failure_that_is_returned_answers_as_that_of_a_join)
{
	static const struct {
		const char *keys;
		int status;
		const char *report;
	} cases[] = {
		{ "status = 404\n", 404, "a=status;1ms, b=skipped;0ms" },
		{ "status = 500\n", 502, "a=status;1ms, b=skipped;0ms" },
		{ "fails = connect\n", 502, "a=connect;1ms, b=skipped;0ms" },
		{ "fails = timeout\n", 504, "a=timeout;1ms, b=skipped;0ms" },
		{ "refuses = yes\n", 503, "a=shed;0ms, b=skipped;0ms" },
		{ "hangs = yes\ntimeout = 7ms\n", 504, "a=timeout;7ms, b=skipped;0ms" },
		{ "body = {query.x}\n", 502, "a=missing;0ms, b=skipped;0ms" },
	};
	char conf[500];
	struct world *w;

	snprintf(conf, sizeof(conf), FLOW("call! a; call! b; put b") PART("a", "%s") PART("b", ""),
		 cases[_i].keys);
	w = play(conf);
	ck_assert_int_eq(w->client.status, cases[_i].status);
	ck_assert_got_field(w, "forebay-parts", cases[_i].report);
	world_close(w);
}
END_TEST

START_TEST(a_failure_that_is_handled_is_none)
{
	struct world *w = play(FLOW("call a; call! b; put b") PART("a", "status = 404\n")
				   PART("b", "body = 2\n"));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "2");
	ck_assert_got_field(w, "forebay-parts", "a=status;1ms, b=ok;1ms");
	/* It was the flow's way to find out. */
	ck_assert_got_field(w, "cache-control", "");
	world_close(w);
}
END_TEST

START_TEST(a_failure_of_its_own_is_500)
{
	struct world *w = play(FLOW("call a; fail") PART("a", "body = 1\n"));

	ck_assert_int_eq(w->client.status, 500);
	ck_assert_got_field(w, "forebay-parts", "a=ok;1ms");
	world_close(w);
}
END_TEST

START_TEST(an_optional_part_falls_back)
{
	struct world *w =
	    play(FLOW("all! a,b; say [; put a; say ,; put b; say ]")
		     PART("a", "status = 500\noptional = yes\nfallback = {\"f\": 1}\n")
			 PART("b", "fails = closed\noptional = yes\n"));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "[{\"f\": 1},null]");
	ck_assert_got_field(w, "cache-control", "no-store");
	world_close(w);
}
END_TEST

START_TEST(a_required_part_that_fails_ends_the_call)
{
	struct world *w = world_open(FLOW("all! a,b,c") PART("a", "body = 1\ndelay = 50ms\n") PART(
	    "b", "status = 403\ndelay = 5ms\n") PART("c", "optional = yes\nfails = closed\n"));

	client_start(w);
	world_run(w, 5);
	ck_assert_int_eq(w->client.status, 403);
	ck_assert_got_field(w, "forebay-parts", "a=cancelled;5ms, b=status;5ms, c=error;1ms");
	world_close(w);
}
END_TEST

START_TEST(of_any_the_first_that_succeeds_is_enough)
{
	struct world *w = world_open(
	    FLOW("any! a,b,c; say [; put b; say ]") PART("a", "fails = closed\n")
		PART("b", "body = 2\ndelay = 5ms\n") PART("c", "body = 3\ndelay = 9ms\n"));

	client_start(w);
	world_run(w, 5);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "[2]");
	ck_assert_got_field(w, "forebay-parts", "a=error;1ms, b=ok;5ms, c=cancelled;5ms");
	world_close(w);
}
END_TEST

START_TEST(of_any_none_that_succeeds_is_a_failure)
{
	struct world *w = play(FLOW("any! a,b") PART("a", "status = 404\n")
				   PART("b", "fails = closed\ndelay = 3ms\n"));

	ck_assert_int_eq(w->client.status, 404);
	ck_assert_got_field(w, "forebay-parts", "a=status;1ms, b=error;3ms");
	world_close(w);
}
END_TEST

START_TEST(of_any_one_that_is_refused_leaves_the_others)
{
	struct world *w = play(FLOW("any! a,b; put b") PART(
	    "a", "refuses = yes\n") "[subrequest r.b]\nsource = upstream other\nbody = 2\n");

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "2");
	ck_assert_got_field(w, "forebay-parts", "a=shed;0ms, b=ok;1ms");
	world_close(w);
}
END_TEST

START_TEST(a_call_of_several_is_admitted_as_one)
{
	struct world *w = play(FLOW("all! a,b") PART(
	    "a", "body = 1\n") "[subrequest r.b]\nsource = upstream other\nrefuses = yes\n");

	ck_assert_int_eq(w->client.status, 503);
	ck_assert_got_field(w, "forebay-parts", "a=skipped;0ms, b=shed;0ms");
	ck_assert_uint_eq(world_call(w, "a")->started, 0);
	world_close(w);
}
END_TEST

START_TEST(places_are_taken_by_the_call_that_needs_them)
{
	struct world *w = world_open(FLOW("call a; call b; put b") PART("a", "delay = 5ms\n")
					 PART("b", "body = 2\n"));

	client_start(w);
	world_run(w, 4);
	ck_assert_ptr_null(world_call(w, "b"));
	world_run(w, 5);
	ck_assert_uint_eq(world_call(w, "b")->reserved, 1);
	world_run(w, 10);
	ck_assert_got(w, "2");
	world_close(w);
}
END_TEST

START_TEST(values_go_from_flow_to_part)
{
	struct world *w =
	    play(FLOW("call! a; set who=ann; call! b; set who=bob; call! c; say [; put "
		      "b; say ,; put c; say ]") PART("a", "body = 1\n")
		     PART("b", "body = [\"{flow.who}\"]\n")
			 PART("c", "body = {\"w\": \"{flow.who}\", \"a\": {a:status}}\n"));

	ck_assert_got(w, "[[\"ann\"],{\"w\": \"bob\", \"a\": 200}]");
	world_close(w);
}
END_TEST

START_TEST(a_value_that_is_not_set_fails_the_part)
{
	struct world *w = play(FLOW("call! a") PART("a", "body = {flow.who}\n")
				   PART("b", "body = {flow.other}\n"));

	ck_assert_int_eq(w->client.status, 502);
	ck_assert_got_field(w, "forebay-parts", "a=missing;0ms, b=skipped;0ms");
	world_close(w);
}
END_TEST

START_TEST(a_part_is_called_once)
{
	struct world *w = play(FLOW("call! a; call a; call a; call nobody; all b,b; put a")
				   PART("a", "body = 1\n") PART("b", ""));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "1");
	ck_assert_got_field(w, "forebay-parts", "a=ok;1ms, b=unneeded;0ms");
	world_close(w);
}
END_TEST

START_TEST(a_flow_may_sleep)
{
	struct world *w =
	    world_open(FLOW("sleep 5; call a; sleep 7; put a") PART("a", "body = 1\n"));

	client_start(w);
	world_run(w, 4);
	ck_assert_ptr_null(world_call(w, "a"));
	world_run(w, 12);
	ck_assert(!w->client.is_ended);
	world_run(w, 13);
	ck_assert_got(w, "1");
	world_close(w);
}
END_TEST

START_TEST(the_deadline_ends_it_wherever_it_is)
{
	static const char *const confs[] = {
		FLOW("sleep 100; call a") "deadline = 10ms\n" PART("a", ""),
		FLOW("call a; say x") "deadline = 10ms\n" PART("a", "hangs = yes\n"),
		FLOW("all! a,b") "deadline = 10ms\n" PART("a", "hangs = yes\n")
		    PART("b", "hangs = yes\noptional = yes\n"),
		FLOW("deaf; call a; call b") "deadline = 10ms\n" PART("a", "hangs = yes\n")
		    PART("b", ""),
	};
	struct world *w = play(confs[_i]);

	ck_assert_int_eq(w->client.status, 504);
	ck_assert_uint_eq(w->stacks.live, 0);
	world_close(w);
}
END_TEST

START_TEST(a_client_may_wait_less_long_than_the_flow)
{
	struct world *w = world_open(FLOW("sleep 100; call a") "deadline = 50ms\n" PART("a", ""));

	w->client.x.deadline_ns = w->begun_ns + 10 * CLOCK_MS;
	client_start(w);
	world_run(w, 9);
	ck_assert(!w->client.is_ended);
	world_run(w, 10);
	ck_assert_int_eq(w->client.status, 504);
	world_close(w);
}
END_TEST

START_TEST(a_client_that_goes_takes_the_flow_along)
{
	static const char *const confs[] = {
		FLOW("sleep 100; call a") PART("a", ""),
		FLOW("call a; call b") PART("a", "hangs = yes\n") PART("b", ""),
		FLOW("any a,b") PART("a", "hangs = yes\n") PART("b", "hangs = yes\n"),
		FLOW("deaf; sleep 100; call a") PART("a", ""),
	};
	struct world *w = world_open(confs[_i]);

	client_start(w);
	world_run(w, 5);
	ck_assert_uint_eq(w->stacks.live, 1);
	client_leave(w);
	ck_assert_uint_eq(w->stacks.live, 0);
	world_close(w);
}
END_TEST

START_TEST(what_it_says_is_bounded)
{
	struct world *w = play(FLOW("say 12345; say 678; call a") "max_answer = 7\n" PART("a", ""));

	ck_assert_int_eq(w->client.status, 500);
	world_close(w);
	w = play(FLOW("say 12; call a; put a") "max_answer = 7\n" PART("a", "body = 123456\n"));
	ck_assert_int_eq(w->client.status, 500);
	world_close(w);
	w = play(FLOW("say 12; call a; put a") "max_answer = 7\n" PART("a", "body = 12345\n"));
	ck_assert_got(w, "1212345");
	world_close(w);
}
END_TEST

START_TEST(long_texts_and_short_ones_keep_their_order)
{
	static char conf[4000], want[4000];
	struct writer c = writer_over(conf, sizeof(conf) - 1);
	struct writer x = writer_over(want, sizeof(want) - 1);
	struct world *w;

	writer_text(&c, "[route r]\nflow = script\nscript = ");
	for (unsigned i = 0; i < 40; i++) {
		writer_text(&c, "say ");
		for (unsigned k = 0; k < (i % 5 == 4 ? 300 : 7); k++) {
			writer_char(&c, (char)('a' + i % 26));
			writer_char(&x, (char)('a' + i % 26));
		}
		writer_text(&c, ";");
	}
	w = play(conf);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, want);
	world_close(w);
}
END_TEST

START_TEST(the_head_is_the_flows)
{
	struct world *w = play(FLOW("status 201; field X-A=b; field content-type=a/b; field "
				    "Content-Length=7; say x; get request.method"));

	ck_assert_int_eq(w->client.status, 201);
	ck_assert_got(w, "xGET");
	ck_assert_got_field(w, "x-a", "b");
	ck_assert_got_field(w, "content-type", "a/b");
	ck_assert_uint_eq(w->client.length, 4);
	world_close(w);
	w = play(FLOW("status 204"));
	ck_assert_int_eq(w->client.status, 204);
	ck_assert(!w->client.has_length);
	world_close(w);
	w = play(FLOW("status 204; say x"));
	ck_assert_int_eq(w->client.status, 500);
	world_close(w);
}
END_TEST

START_TEST(what_it_reads_is_there)
{
	struct world *w =
	    world_open("[route r]\nflow = strict\nscript = call! a; get a.x; say -; get "
		       "a:header.x-a; say -; get body.n; get query.x\n" PART(
			   "a", "body = {\"x\": \"ann\"}\nheader.X-A = v\n") PART("b", ""));

	client_upload(w, "POST", SLICE("{\"n\": 7}"), true);
	client_start(w);
	world_run(w, 10);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "ann-v-7");
	world_close(w);
}
END_TEST

START_TEST(too_many_flows_are_refused)
{
	struct world *w = world_open(FLOW("sleep 10; call a; put a") PART("a", "body = 1\n"));

	w->stacks.live += WORLD_FLOWS;
	client_start(w);
	ck_assert_int_eq(w->client.status, 503);
	ck_assert_got_field(w, "forebay-shed", "limits.max_flows");
	ck_assert_got_field(w, "forebay-parts", "a=skipped;0ms");
	ck_assert_uint_eq(count_read(&w->counters, COUNTER_FLOW_REFUSED), 1);
	w->stacks.live -= WORLD_FLOWS;
	world_close(w);
}
END_TEST

START_TEST(who_runs_too_long_is_told_once)
{
	struct stall_report r;
	struct world *w =
	    play(FLOW("burn 3; call a; put a") "max_turn = 2ms\n" PART("a", "body = 1\n"));

	ck_assert_got(w, "1");
	ck_assert(stall_take(w->env.loop.stall, &r));
	ck_assert(r.lasted_ns >= 3 * CLOCK_MS && stall_where(r.mark).at == STALL_AT_FLOW);
	ck_assert_uint_eq(r.request, w->client.x.id);
	ck_assert_str_eq(r.name, "script");
	ck_assert(!stall_take(w->env.loop.stall, &r));
	world_close(w);
}
END_TEST

/* --- configurations ------------------------------------------------------------------------- */

START_TEST(contradictions_are_told)
{
	static const struct {
		const char *conf, *complaint;
	} cases[] = {
		{ "[route r]\nflow = scirpt\n", "conf:2: [route r] flow: there is no flow "
						"\"scirpt\"; did you mean \"script\"?\n" },
		{ "[route r]\nflow = script\njoin = array\n",
		  "conf:3: [route r] join: means nothing here: the flow makes the answer "
		  "(conf:2)\n" },
		{ "[route r]\nflow = script\nreport = body\n",
		  "conf:3: [route r] report: body is for join = object: here the flow makes the "
		  "body\n" },
		{ "[route r]\nflow = script\n" PART("a", "") PART("b", "after = a\n"),
		  "conf:7: [subrequest r.b] after: means nothing here: the flow decides what is "
		  "called "
		  "when (conf:2)\n" },
		{ "[route r]\nflow = script\n" PART("flow", ""),
		  "conf:3: [subrequest r.flow]: flow cannot be the name of a part where a flow "
		  "decides: "
		  "{flow.NAME} is what it has set\n" },
		{ "[route r]\nflow = strict\n" PART("a", ""),
		  "conf:2: [route r] flow: flow strict calls a part b: declare it in [subrequest "
		  "r.b]\n" },
		{ "[route r]\nflow = strict\n" PART("a", "") PART("b", "") PART("c", ""),
		  "conf:7: warning: [subrequest r.c]: flow strict does not call this part\n" },
		{ "[route r]\nflow = script\nsource = echo\n",
		  "conf:2: [route r] flow: is for routes with [subrequest] sections: this one has "
		  "a "
		  "source of its own, whose answer is passed through\n" },
		{ "[route r]\n" PART("a", "body = {flow.x}\n"),
		  "conf:4: [subrequest r.a] body: {flow.x}: the route has no other part of that "
		  "name\n" },
		{ "[route r]\nflow = script\nscrpt = x\n",
		  "conf:3: [route r] scrpt: unknown key; did you mean \"script\"?\n" },
	};

	ck_assert_str_eq(world_complaint(cases[_i].conf), cases[_i].complaint);
}
END_TEST

enum { CONTRADICTIONS = 10, FAILURES = 7 };

Suite *
suite_scenario_flow(void)
{
	Suite *s = suite_create("scenario_flow");
	TCase *t = tcase_create("flow");

	tcase_add_test(t, calls_come_one_after_the_other);
	tcase_add_test(t, several_run_side_by_side);
	tcase_add_test(t, parts_that_answer_at_once_need_no_turn_of_the_loop);
	tcase_add_test(t, what_was_not_called_was_not_needed);
	tcase_add_loop_test(t, a_failure_that_is_returned_answers_as_that_of_a_join, 0, FAILURES);
	tcase_add_test(t, a_failure_that_is_handled_is_none);
	tcase_add_test(t, a_failure_of_its_own_is_500);
	tcase_add_test(t, an_optional_part_falls_back);
	tcase_add_test(t, a_required_part_that_fails_ends_the_call);
	tcase_add_test(t, of_any_the_first_that_succeeds_is_enough);
	tcase_add_test(t, of_any_none_that_succeeds_is_a_failure);
	tcase_add_test(t, of_any_one_that_is_refused_leaves_the_others);
	tcase_add_test(t, a_call_of_several_is_admitted_as_one);
	tcase_add_test(t, places_are_taken_by_the_call_that_needs_them);
	tcase_add_test(t, values_go_from_flow_to_part);
	tcase_add_test(t, a_value_that_is_not_set_fails_the_part);
	tcase_add_test(t, a_part_is_called_once);
	tcase_add_test(t, a_flow_may_sleep);
	tcase_add_loop_test(t, the_deadline_ends_it_wherever_it_is, 0, 4);
	tcase_add_test(t, a_client_may_wait_less_long_than_the_flow);
	tcase_add_loop_test(t, a_client_that_goes_takes_the_flow_along, 0, 4);
	tcase_add_test(t, what_it_says_is_bounded);
	tcase_add_test(t, long_texts_and_short_ones_keep_their_order);
	tcase_add_test(t, the_head_is_the_flows);
	tcase_add_test(t, what_it_reads_is_there);
	tcase_add_test(t, too_many_flows_are_refused);
	tcase_add_test(t, who_runs_too_long_is_told_once);
	tcase_add_loop_test(t, contradictions_are_told, 0, CONTRADICTIONS);
	suite_add_tcase(s, t);
	return s;
}
