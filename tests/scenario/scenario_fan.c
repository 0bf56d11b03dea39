/*
 * Parts that are joined: who starts when, what a failure does to the others,
 * what the client is told.
 */
#include "world.h"

#include <check.h>

Suite *suite_scenario_fan(void);

#define TWO(a, b)                                                                                  \
	"[route r]\n"                                                                              \
	"[subrequest r.a]\nsource = upstream fake\n" a                                             \
	"[subrequest r.b]\nsource = upstream fake\n" b

/* Opens, starts, runs to the end of the first second. */
static struct world *
play(const char *conf)
{
	struct world *w = world_open(conf);

	client_start(w);
	world_run(w, 1000);
	return w;
}

START_TEST(results_are_joined_in_the_order_of_declaration)
{
	struct world *w =
	    play(TWO("body = {\"x\": 1}\ndelay = 20ms\n", "body = [2]\ndelay = 5ms\n"));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "{\"a\":{\"x\": 1},\"b\":[2]}");
	ck_assert_uint_eq(w->client.length, w->client.text_len);
	ck_assert_got_field(w, "content-type", "application/json");
	ck_assert_got_field(w, "forebay-parts", "a=ok;20ms, b=ok;5ms");
	ck_assert_got_field(w, "cache-control", "");
	world_close(w);
}
END_TEST

START_TEST(a_join_as_array_has_no_names)
{
	struct world *w = play("[route r]\njoin = array\nreport = off\n"
			       "[subrequest r.a]\nsource = upstream fake\nbody = 1\n"
			       "[subrequest r.b]\nsource = upstream fake\nbody = 2\n");

	ck_assert_got(w, "[1,2]");
	ck_assert_got_field(w, "forebay-parts", "");
	world_close(w);
}
END_TEST

START_TEST(parts_run_side_by_side)
{
	struct world *w = world_open(TWO("body = 1\ndelay = 20ms\n", "body = 2\ndelay = 20ms\n"));

	client_start(w);
	world_run(w, 20);
	ck_assert(w->client.is_ended);
	world_close(w);
}
END_TEST

START_TEST(a_required_failure_cancels_siblings_at_once)
{
	struct world *w = world_open(TWO("delay = 5ms\nfails = connect\n", "hangs = yes\n"));

	client_start(w);
	world_run(w, 5);
	ck_assert_int_eq(w->client.status, 502);
	ck_assert_uint_eq(world_call(w, "b")->cancelled, 1);
	ck_assert_got_field(w, "forebay-parts", "a=connect;5ms, b=cancelled;5ms");
	world_close(w);
}
END_TEST

START_TEST(a_refused_status_of_a_required_part_is_the_responses)
{
	static const int handed_on[] = { 401, 403, 404, 410, 422, 429 };

	for (size_t i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++) {
		char conf[512];
		struct writer cw = writer_over(conf, sizeof(conf));
		struct world *w;

		writer_format(
		    &cw, TWO("status = %d\nheader.WWW-Authenticate = Basic\n", "hangs = yes\n"),
		    handed_on[i]);
		writer_char(&cw, '\0');
		w = play(conf);
		ck_assert_int_eq(w->client.status, handed_on[i]);
		ck_assert_got_field(w, "www-authenticate", "Basic");
		ck_assert_got_field(w, "forebay-parts", "a=status;1ms, b=cancelled;1ms");
		world_close(w);
	}
}
END_TEST

START_TEST(a_conflict_of_a_required_part_is_the_responses)
{
	struct world *w = play(TWO("delay = 5ms\nfails = conflict\n", "hangs = yes\n"));

	ck_assert_int_eq(w->client.status, 409);
	ck_assert_got_field(w, "forebay-conflict", "unique");
	ck_assert_got_field(w, "forebay-parts", "a=conflict;5ms, b=cancelled;5ms");
	world_close(w);
	w = play(TWO("fails = conflict\noptional = yes\n", "body = 1\n"));
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got_field(w, "forebay-conflict", "");
	ck_assert_got_field(w, "forebay-parts", "a=conflict;1ms, b=ok;1ms");
	world_close(w);
}
END_TEST

START_TEST(another_status_is_a_bad_gateway)
{
	struct world *w =
	    play(TWO("status = 500\nheader.WWW-Authenticate = Basic\n", "body = 1\n"));

	ck_assert_int_eq(w->client.status, 502);
	ck_assert_got_field(w, "www-authenticate", "");
	world_close(w);
}
END_TEST

START_TEST(a_refused_status_is_answered_before_its_body_ends)
{
	struct world *w = world_open(
	    TWO("status = 404\nbody = 123456\npieces = 3\ngap = 100ms\n", "hangs = yes\n"));

	client_start(w);
	world_run(w, 1);
	ck_assert_int_eq(w->client.status, 404);
	ck_assert_uint_eq(world_call(w, "a")->cancelled, 1);
	world_close(w);
}
END_TEST

START_TEST(an_expected_status_is_success)
{
	struct world *w = play(TWO("status = 404\nexpect = 2xx, 404\nbody = null\n", "body = 1\n"));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "{\"a\":null,\"b\":1}");
	world_close(w);
}
END_TEST

START_TEST(an_optional_part_that_times_out_falls_back)
{
	struct world *w = world_open(
	    TWO("body = 1\n", "hangs = yes\ntimeout = 100ms\noptional = yes\nfallback = []\n"));

	client_start(w);
	world_run(w, 99);
	ck_assert(!w->client.is_ended);
	world_run(w, 100);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "{\"a\":1,\"b\":[]}");
	ck_assert_got_field(w, "forebay-parts", "a=ok;1ms, b=timeout;100ms");
	ck_assert_got_field(w, "cache-control", "no-store");
	ck_assert_uint_eq(world_call(w, "b")->cancelled, 1);
	world_close(w);
}
END_TEST

START_TEST(without_a_fallback_an_optional_part_is_null)
{
	struct world *w = play(TWO("body = 1\n", "fails = protocol\noptional = yes\n"));

	ck_assert_got(w, "{\"a\":1,\"b\":null}");
	ck_assert_got_field(w, "forebay-parts", "a=ok;1ms, b=error;1ms");
	world_close(w);
}
END_TEST

START_TEST(all_or_nothing_makes_every_part_required)
{
	struct world *w = play("[route r]\nfailure = all-or-nothing\n"
			       "[subrequest r.a]\nsource = upstream fake\nbody = 1\n"
			       "[subrequest r.b]\nsource = upstream fake\nfails = closed\n"
			       "optional = yes\n");

	ck_assert_int_eq(w->client.status, 502);
	world_close(w);
}
END_TEST

START_TEST(the_deadline_fails_a_required_part_with_504)
{
	struct world *w = world_open("[route r]\ndeadline = 50ms\n"
				     "[subrequest r.a]\nsource = upstream fake\nbody = 1\n"
				     "[subrequest r.b]\nsource = upstream fake\nhangs = yes\n"
				     "[subrequest r.c]\nsource = upstream fake\nbody = {b.x}\n");

	client_start(w);
	world_run(w, 49);
	ck_assert(!w->client.is_ended);
	world_run(w, 50);
	ck_assert_int_eq(w->client.status, 504);
	ck_assert_got_field(w, "forebay-parts", "a=ok;1ms, b=timeout;50ms, c=skipped;0ms");
	world_close(w);
}
END_TEST

START_TEST(a_client_may_wait_less_long_than_the_deadline)
{
	struct world *w = world_open("[route r]\ndeadline = 50ms\n"
				     "[subrequest r.a]\nsource = upstream fake\nhangs = yes\n"
				     "[subrequest r.b]\nsource = upstream fake\nafter = a\n");

	w->client.x.deadline_ns = w->begun_ns + (_i ? 30 * CLOCK_MS : 0);
	client_start(w);
	world_run(w, 29);
	ck_assert(w->client.is_ended == !_i);
	world_run(w, 30);
	ck_assert_int_eq(w->client.status, 504);
	ck_assert_got_field(w, "forebay-parts",
			    _i ? "a=timeout;30ms, b=skipped;0ms" : "a=skipped;0ms, b=skipped;0ms");
	world_close(w);
}
END_TEST

START_TEST(the_deadline_lets_optional_parts_fall_back)
{
	struct world *w =
	    play("[route r]\ndeadline = 50ms\n"
		 "[subrequest r.a]\nsource = upstream fake\nbody = 1\n"
		 "[subrequest r.b]\nsource = upstream fake\nhangs = yes\n"
		 "optional = yes\nfallback = \"late\"\n"
		 "[subrequest r.c]\nsource = upstream fake\nafter = b\noptional = yes\n");

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "{\"a\":1,\"b\":\"late\",\"c\":null}");
	ck_assert_got_field(w, "forebay-parts", "a=ok;1ms, b=timeout;50ms, c=skipped;0ms");
	world_close(w);
}
END_TEST

START_TEST(a_part_starts_when_what_it_needs_has_ended)
{
	struct world *w =
	    world_open("[route r]\n"
		       "[subrequest r.badge]\nsource = upstream fake\nbody = [\"{user.name}\"]\n"
		       "[subrequest r.user]\nsource = upstream fake\nbody = {\"name\": \"Ann\"}\n"
		       "delay = 10ms\n");

	client_start(w);
	world_run(w, 9);
	ck_assert_uint_eq(world_call(w, "badge")->started, 0);
	world_run(w, 100);
	ck_assert_got(w, "{\"badge\":[\"Ann\"],\"user\":{\"name\": \"Ann\"}}");
	ck_assert_got_field(w, "forebay-parts", "badge=ok;1ms, user=ok;10ms");
	world_close(w);
}
END_TEST

START_TEST(status_body_and_fields_of_a_result_can_be_used)
{
	struct world *w =
	    play("[route r]\n"
		 "[subrequest r.a]\nsource = upstream fake\nbody = [1]\nstatus = 201\n"
		 "header.ETag = v7\n"
		 "[subrequest r.b]\nsource = upstream fake\n"
		 "body = [{a:status}, {a:body}, \"{a:header.etag}\"]\n");

	ck_assert_got(w, "{\"a\":[1],\"b\":[201, [1], \"v7\"]}");
	world_close(w);
}
END_TEST

START_TEST(a_diamond_starts_its_end_once)
{
	struct world *w =
	    play("[route r]\n"
		 "[subrequest r.a]\nsource = upstream fake\nbody = 1\n"
		 "[subrequest r.b]\nsource = upstream fake\nbody = {a:body}2\n"
		 "[subrequest r.c]\nsource = upstream fake\nbody = {a:body}3\ndelay = 9ms\n"
		 "[subrequest r.d]\nsource = upstream fake\nbody = {b:body}{c:body}\n");

	ck_assert_got(w, "{\"a\":1,\"b\":12,\"c\":13,\"d\":1213}");
	ck_assert_got_field(w, "forebay-parts", "a=ok;1ms, b=ok;1ms, c=ok;9ms, d=ok;1ms");
	world_close(w);
}
END_TEST

START_TEST(after_waits_for_the_end_however_it_ended)
{
	struct world *w =
	    play("[route r]\n"
		 "[subrequest r.a]\nsource = upstream fake\nfails = failed\ndelay = 30ms\n"
		 "optional = yes\n"
		 "[subrequest r.b]\nsource = upstream fake\nbody = 1\nafter = a\n");

	ck_assert_got(w, "{\"a\":null,\"b\":1}");
	ck_assert_uint_eq(world_call(w, "b")->started_ns - w->begun_ns, 30000000);
	world_close(w);
}
END_TEST

START_TEST(who_needs_a_result_that_failed_is_skipped)
{
	struct world *w =
	    play("[route r]\n"
		 "[subrequest r.a]\nsource = upstream fake\nfails = timeout\noptional = yes\n"
		 "[subrequest r.b]\nsource = upstream fake\nbody = {a.x}\noptional = yes\n"
		 "[subrequest r.c]\nsource = upstream fake\nbody = {b.x}\noptional = yes\n");

	ck_assert_got(w, "{\"a\":null,\"b\":null,\"c\":null}");
	ck_assert_got_field(w, "forebay-parts", "a=timeout;1ms, b=skipped;0ms, c=skipped;0ms");
	world_close(w);
}
END_TEST

START_TEST(a_required_part_that_is_skipped_fails_by_the_cause)
{
	struct world *w =
	    play("[route r]\n"
		 "[subrequest r.a]\nsource = upstream fake\nfails = timeout\noptional = yes\n"
		 "[subrequest r.b]\nsource = upstream fake\nbody = {a.x}\n");

	ck_assert_int_eq(w->client.status, 504);
	ck_assert_got_field(w, "forebay-parts", "a=timeout;1ms, b=skipped;0ms");
	world_close(w);
}
END_TEST

START_TEST(a_fallback_is_a_result_for_others)
{
	struct world *w =
	    play("[route r]\n"
		 "[subrequest r.a]\nsource = upstream fake\nfails = closed\noptional = yes\n"
		 "fallback = {\"x\": 7}\n"
		 "[subrequest r.b]\nsource = upstream fake\nbody = {a.x}\n");

	ck_assert_got(w, "{\"a\":{\"x\": 7},\"b\":7}");
	world_close(w);
}
END_TEST

START_TEST(an_absent_value_fails_the_part)
{
	struct world *w = play(TWO("body = {\"x\": 1}\n", "body = {a.y}\noptional = yes\n"));

	ck_assert_got(w, "{\"a\":{\"x\": 1},\"b\":null}");
	ck_assert_got_field(w, "forebay-parts", "a=ok;1ms, b=missing;0ms");
	ck_assert_uint_eq(world_call(w, "b")->started, 0);
	world_close(w);
}
END_TEST

START_TEST(a_refused_place_sheds_before_anything_starts)
{
	struct world *w = world_open(TWO("body = 1\n", "refuses = yes\n"));

	client_start(w);
	ck_assert_int_eq(w->client.status, 503);
	ck_assert_got_field(w, "retry-after", "3");
	ck_assert_got_field(w, "forebay-shed", "pool.fake.queue");
	/* They are one fan-out: admitted, and refused, as one. */
	ck_assert_got_field(w, "forebay-parts", "a=shed;0ms, b=shed;0ms");
	ck_assert_ptr_null(world_call(w, "a"));
	world_close(w);
}
END_TEST

START_TEST(places_of_one_source_go_back_when_another_refuses)
{
	struct world *w = world_open("[route r]\n"
				     "[subrequest r.a]\nsource = upstream fake\nbody = 1\n"
				     "[subrequest r.b]\nsource = upstream other\nrefuses = yes\n");

	client_start(w);
	ck_assert_int_eq(w->client.status, 503);
	ck_assert_uint_eq(world_call(w, "a")->released, 1);
	ck_assert_got_field(w, "forebay-parts", "a=skipped;0ms, b=shed;0ms");
	world_close(w);
}
END_TEST

START_TEST(optional_parts_are_refused_alone)
{
	struct world *w = play(TWO("body = 1\n", "refuses = yes\noptional = yes\nfallback = 0\n"));

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "{\"a\":1,\"b\":0}");
	ck_assert_got_field(w, "forebay-parts", "a=ok;1ms, b=shed;0ms");
	ck_assert_got_field(w, "retry-after", "");
	world_close(w);
}
END_TEST

START_TEST(a_dependent_part_has_its_place_from_the_start)
{
	struct world *w = world_open(TWO("body = 1\ndelay = 10ms\n", "body = {a:body}\n"));

	client_start(w);
	ck_assert_uint_eq(world_call(w, "b")->reserved, 1);
	ck_assert_uint_eq(world_call(w, "b")->started, 0);
	/* Of the two only the first keeps anything busy. */
	ck_assert(world_call(w, "b")->q->is_later);
	ck_assert(!world_call(w, "a")->q->is_later);
	client_leave(w);
	ck_assert_uint_eq(world_call(w, "b")->released, 1);
	world_close(w);
}
END_TEST

START_TEST(a_source_that_sheds_late_says_when_to_come_back)
{
	struct world *w = play(TWO("fails = shed\n", "hangs = yes\n"));

	ck_assert_int_eq(w->client.status, 503);
	ck_assert_got_field(w, "retry-after", "2");
	ck_assert_got_field(w, "forebay-shed", "pool.fake.wait");
	world_close(w);
}
END_TEST

START_TEST(results_that_are_not_json_are_made_so)
{
	struct world *w =
	    play("[route r]\n"
		 "[subrequest r.text]\nsource = upstream fake\ntype = text/plain\n"
		 "body = say \"hi\"\n"
		 "[subrequest r.json]\nsource = upstream fake\n"
		 "type = application/problem+json; charset=utf-8\nbody = {}\n"
		 "[subrequest r.forced]\nsource = upstream fake\nas = text\nbody = {}\n"
		 "[subrequest r.bytes]\nsource = upstream fake\nas = base64\nbody = any\n"
		 "[subrequest r.plain]\nsource = upstream fake\nas = json\n"
		 "type = text/html\nbody = [ 1 ]\n");

	ck_assert_got(w, "{\"text\":\"say \\\"hi\\\"\",\"json\":{},\"forced\":\"{}\","
			 "\"bytes\":\"YW55\",\"plain\":[ 1 ]}");
	world_close(w);
}
END_TEST

START_TEST(invalid_json_fails_its_part_alone)
{
	struct world *w =
	    play(TWO("body = {\"x\":}\noptional = yes\nfallback = {}\n", "body = 1\n"));

	ck_assert_got(w, "{\"a\":{},\"b\":1}");
	ck_assert_got_field(w, "forebay-parts", "a=invalid;1ms, b=ok;1ms");
	world_close(w);
}
END_TEST

START_TEST(no_content_is_null)
{
	struct world *w = play(TWO("status = 204\n", "body = 1\n"));

	ck_assert_got(w, "{\"a\":null,\"b\":1}");
	world_close(w);
}
END_TEST

START_TEST(a_result_above_its_limit_is_cut_off)
{
	struct world *w = world_open(
	    TWO("body = 123456789\npieces = 9\nmax_result = 4\ngap = 10ms\n", "hangs = yes\n"));

	client_start(w);
	world_run(w, 41);
	ck_assert_int_eq(w->client.status, 502);
	ck_assert_uint_eq(world_call(w, "a")->cancelled, 1);
	ck_assert_got_field(w, "forebay-parts", "a=too-large;41ms, b=cancelled;41ms");
	world_close(w);
}
END_TEST

START_TEST(a_result_at_its_limit_is_whole)
{
	struct world *w = play(TWO("body = 1234\npieces = 3\nmax_result = 4\n", "body = 1\n"));

	ck_assert_got(w, "{\"a\":1234,\"b\":1}");
	world_close(w);
}
END_TEST

START_TEST(a_long_chain_of_answers_at_once_needs_no_stack)
{
	static char conf[16384];
	struct writer cw = writer_over(conf, sizeof(conf) - 1);
	struct world *w;

	writer_text(&cw, "[route r]\n[subrequest r.p0]\nsource = fixed\nbody = x\n");
	for (int i = 1; i < PLAN_PARTS_MAX; i++)
		writer_format(&cw, "[subrequest r.p%d]\nsource = fixed\nbody = {p%d:body}\n", i,
			      i - 1);
	conf[cw.len] = '\0';
	w = world_open(conf);
	client_start(w);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_uint_eq(w->env.loop.timers.count, 0);
	world_close(w);
}
END_TEST

START_TEST(a_client_that_leaves_stops_everything)
{
	static const char conf[] =
	    "[route r]\n"
	    "[subrequest r.a]\nsource = upstream fake\nbody = 1\ndelay = 2ms\n"
	    "[subrequest r.b]\nsource = upstream fake\nbody = 12\ndelay = 3ms\n"
	    "pieces = 2\ngap = 2ms\n"
	    "[subrequest r.c]\nsource = upstream fake\nbody = {a:body}\ndelay = 2ms\n";

	for (uint64_t ms = 0; ms < 8; ms++) {
		struct world *w = world_open(conf);

		client_start(w);
		world_run(w, ms);
		client_leave(w);
		world_close(w);
	}
}
END_TEST

START_TEST(the_last_answer_and_leaving_in_one_turn_do_no_harm)
{
	struct world *w =
	    world_open(TWO("status = 404\npieces = 2\nbody = 11\ngap = 5ms\n", "hangs = yes\n"));

	client_start(w);
	/* The head came, its consequence waits for the end of the turn. */
	w->env.loop.now_ns += 1000000;
	timers_run(&w->env.loop.timers, w->env.loop.now_ns);
	ck_assert(!w->client.is_ended);
	client_leave(w);
	world_close(w);
}
END_TEST

START_TEST(a_body_that_templates_need_is_awaited_whole)
{
	struct world *w = world_open(TWO("body = {body}\n", "body = {body.n}\n"));

	client_upload(w, "POST", SLICE("{\"n\": 5}"), true);
	w->client.upload_piece = 3;
	w->client.upload_gap_ns = 10000000;
	client_start(w);
	world_run(w, 29);
	ck_assert_ptr_null(world_call(w, "a"));
	world_run(w, 31);
	ck_assert_got(w, "{\"a\":{\"n\": 5},\"b\":5}");
	world_close(w);
}
END_TEST

START_TEST(the_clock_stands_while_the_body_comes)
{
	struct world *w =
	    world_open("[route r]\ndeadline = 50ms\n"
		       "[subrequest r.a]\nsource = upstream fake\nbody = {body}\nhangs = yes\n");

	client_upload(w, "POST", SLICE("123456"), false);
	w->client.upload_piece = 1;
	w->client.upload_gap_ns = 30000000;
	client_start(w);
	world_run(w, 229);
	ck_assert(!w->client.is_ended);
	world_run(w, 230);
	ck_assert_int_eq(w->client.status, 504);
	world_close(w);
}
END_TEST

START_TEST(a_body_above_the_limit_is_refused)
{
	struct world *w = world_open(TWO("body = {body}\n", "body = 1\n"));

	client_upload(w, "POST", SLICE("123456"), false);
	w->client.x.max_body = 5;
	client_start(w);
	ck_assert_int_eq(w->client.status, 413);
	ck_assert_got_field(w, "forebay-parts", "a=skipped;0ms, b=skipped;0ms");
	world_close(w);
}
END_TEST

START_TEST(a_chunked_body_above_the_limit_is_refused)
{
	struct world *w = world_open(TWO("body = {body}\n", "body = 1\n"));

	client_upload(w, "POST", SLICE("123456"), true);
	w->client.x.max_body = 5;
	w->client.upload_piece = 2;
	client_start(w);
	world_run(w, 10);
	ck_assert_int_eq(w->client.status, 413);
	world_close(w);
}
END_TEST

START_TEST(a_body_that_nobody_needs_is_not_asked_for)
{
	struct world *w = world_open(TWO("body = 1\n", "body = 2\n"));

	client_upload(w, "POST", SLICE("123456"), false);
	client_start(w);
	world_run(w, 10);
	ck_assert_uint_eq(w->client.wants, 0);
	ck_assert_got(w, "{\"a\":1,\"b\":2}");
	world_close(w);
}
END_TEST

START_TEST(a_failing_exchange_is_not_touched_again)
{
	struct world *w = world_open(TWO("body = 1\n", "body = 2\n"));

	w->client.breaks_head = true;
	client_start(w);
	world_run(w, 10);
	ck_assert_uint_eq(w->client.heads, 1);
	ck_assert(!w->client.is_ended);
	world_close(w);
}
END_TEST

/* A value may borrow from another part's result, which is sent before it. */
START_TEST(results_that_share_memory_outlive_each_other)
{
	struct world *w =
	    play("[route r]\n"
		 "[subrequest r.a]\nsource = upstream fake\nbody = [\"shared\"]\n"
		 "[subrequest r.b]\nsource = fixed\ntype = text/plain\nas = json\nbody = {a:body}\n"
		 "[subrequest r.c]\nsource = echo\nas = text\n");

	ck_assert_got(w, "{\"a\":[\"shared\"],\"b\":[\"shared\"],\"c\":\"\"}");
	world_close(w);
}
END_TEST

Suite *
suite_scenario_fan(void)
{
	Suite *s = suite_create("scenario_fan");
	TCase *t = tcase_create("fan");

	tcase_add_test(t, results_are_joined_in_the_order_of_declaration);
	tcase_add_test(t, a_join_as_array_has_no_names);
	tcase_add_test(t, parts_run_side_by_side);
	tcase_add_test(t, a_required_failure_cancels_siblings_at_once);
	tcase_add_test(t, a_refused_status_of_a_required_part_is_the_responses);
	tcase_add_test(t, a_conflict_of_a_required_part_is_the_responses);
	tcase_add_test(t, another_status_is_a_bad_gateway);
	tcase_add_test(t, a_refused_status_is_answered_before_its_body_ends);
	tcase_add_test(t, an_expected_status_is_success);
	tcase_add_test(t, an_optional_part_that_times_out_falls_back);
	tcase_add_test(t, without_a_fallback_an_optional_part_is_null);
	tcase_add_test(t, all_or_nothing_makes_every_part_required);
	tcase_add_test(t, the_deadline_fails_a_required_part_with_504);
	tcase_add_loop_test(t, a_client_may_wait_less_long_than_the_deadline, 0, 2);
	tcase_add_test(t, the_deadline_lets_optional_parts_fall_back);
	tcase_add_test(t, a_part_starts_when_what_it_needs_has_ended);
	tcase_add_test(t, status_body_and_fields_of_a_result_can_be_used);
	tcase_add_test(t, a_diamond_starts_its_end_once);
	tcase_add_test(t, after_waits_for_the_end_however_it_ended);
	tcase_add_test(t, who_needs_a_result_that_failed_is_skipped);
	tcase_add_test(t, a_required_part_that_is_skipped_fails_by_the_cause);
	tcase_add_test(t, a_fallback_is_a_result_for_others);
	tcase_add_test(t, an_absent_value_fails_the_part);
	tcase_add_test(t, a_refused_place_sheds_before_anything_starts);
	tcase_add_test(t, places_of_one_source_go_back_when_another_refuses);
	tcase_add_test(t, optional_parts_are_refused_alone);
	tcase_add_test(t, a_dependent_part_has_its_place_from_the_start);
	tcase_add_test(t, a_source_that_sheds_late_says_when_to_come_back);
	tcase_add_test(t, results_that_are_not_json_are_made_so);
	tcase_add_test(t, invalid_json_fails_its_part_alone);
	tcase_add_test(t, no_content_is_null);
	tcase_add_test(t, a_result_above_its_limit_is_cut_off);
	tcase_add_test(t, a_result_at_its_limit_is_whole);
	tcase_add_test(t, a_long_chain_of_answers_at_once_needs_no_stack);
	tcase_add_test(t, a_client_that_leaves_stops_everything);
	tcase_add_test(t, the_last_answer_and_leaving_in_one_turn_do_no_harm);
	tcase_add_test(t, a_body_that_templates_need_is_awaited_whole);
	tcase_add_test(t, the_clock_stands_while_the_body_comes);
	tcase_add_test(t, a_body_above_the_limit_is_refused);
	tcase_add_test(t, a_chunked_body_above_the_limit_is_refused);
	tcase_add_test(t, a_body_that_nobody_needs_is_not_asked_for);
	tcase_add_test(t, a_failing_exchange_is_not_touched_again);
	tcase_add_test(t, results_that_share_memory_outlive_each_other);
	suite_add_tcase(s, t);
	return s;
}
