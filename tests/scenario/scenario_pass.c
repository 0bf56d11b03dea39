/*
 * A single part, passed through: streaming both ways, failures before and
 * after the head, deadlines, clients that leave.
 */
#include "world.h"

#include <check.h>

Suite *suite_scenario_pass(void);

#define FAKE "[route r]\nsource = upstream fake\n"

static struct world *
play(const char *conf)
{
	struct world *w = world_open(conf);

	client_start(w);
	world_run(w, 1000);
	return w;
}

START_TEST(an_answer_is_passed_on_as_it_is)
{
	struct world *w = play(FAKE "status = 404\ntype = text/plain\nbody = not {Here}\n"
				    "header.X-A = 1\npieces = 3\ngap = 5ms\ndeadline = 3ms\n");

	ck_assert_int_eq(w->client.status, 404);
	ck_assert_got(w, "not {Here}");
	ck_assert_got_field(w, "x-a", "1");
	ck_assert_got_field(w, "content-type", "text/plain");
	ck_assert_got_field(w, "forebay-parts", "");
	ck_assert_uint_eq(w->client.bodies, 3);
	ck_assert_uint_eq(world_outcome(w, "", OUTCOME_OK), 1);
	world_close(w);
}
END_TEST

START_TEST(what_answers_at_once_needs_neither_place_nor_timer)
{
	struct world *w = world_open(FAKE "at_once = yes\nbody = x\nrefuses = yes\n");

	client_start(w);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_uint_eq(w->env.loop.timers.count, 0);
	world_close(w);
}
END_TEST

START_TEST(causes_have_their_statuses)
{
	static const struct {
		const char *conf;
		int status;
		enum outcome outcome;
	} causes[] = {
		{ FAKE "fails = connect\n", 502, OUTCOME_CONNECT },
		{ FAKE "fails = closed\n", 502, OUTCOME_ERROR },
		{ FAKE "fails = protocol\n", 502, OUTCOME_ERROR },
		{ FAKE "fails = failed\n", 502, OUTCOME_ERROR },
		{ FAKE "fails = timeout\n", 504, OUTCOME_TIMEOUT },
		{ FAKE "fails = deadline\n", 504, OUTCOME_TIMEOUT },
		{ FAKE "fails = shed\n", 503, OUTCOME_SHED },
		{ FAKE "fails = shutdown\n", 503, OUTCOME_SHED },
		{ FAKE "fails = memory\n", 503, OUTCOME_ERROR },
		{ FAKE "fails = conflict\n", 409, OUTCOME_CONFLICT },
		{ FAKE "refuses = yes\n", 503, OUTCOME_SHED },
		{ FAKE "hangs = yes\n", 504, OUTCOME_TIMEOUT },
		{ FAKE "body = {query.x}\n", 502, OUTCOME_MISSING },
		{ FAKE "at_once = yes\nfails = closed\n", 502, OUTCOME_ERROR },
	};

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		struct world *w = world_open(causes[i].conf);

		client_start(w);
		world_run(w, 30000);
		ck_assert_int_eq(w->client.status, causes[i].status);
		ck_assert_uint_eq(world_outcome(w, "", causes[i].outcome), 1);
		world_close(w);
	}
}
END_TEST

START_TEST(a_refusal_says_when_to_come_back)
{
	struct world *w = play(FAKE "refuses = yes\n");

	ck_assert_got_field(w, "retry-after", "3");
	ck_assert_got_field(w, "forebay-shed", "pool.fake.queue");
	world_close(w);
}
END_TEST

START_TEST(a_conflict_says_what_kind_of_rule_it_is_with)
{
	struct world *w = play(FAKE "fails = conflict\n");

	ck_assert_got_field(w, "forebay-conflict", "unique");
	world_close(w);
	w = play(FAKE "fails = closed\n");
	ck_assert_got_field(w, "forebay-conflict", "");
	world_close(w);
}
END_TEST

START_TEST(a_failure_after_the_head_cuts_the_response)
{
	struct world *w = play(FAKE "body = 123456\npieces = 3\ngap = 2ms\nbreaks = closed\n");

	ck_assert_int_eq(w->client.status, 200);
	ck_assert_uint_eq(w->client.aborts, 1);
	ck_assert_int_eq(w->client.abort_err, ERR_CLOSED);
	ck_assert_got(w, "12");
	world_close(w);
}
END_TEST

START_TEST(the_deadline_ends_with_the_head)
{
	struct world *w = world_open(FAKE "deadline = 10ms\ndelay = 9ms\nbody = 1234\npieces = 4\n"
					  "gap = 50ms\n");

	client_start(w);
	world_run(w, 100);
	ck_assert(!w->client.is_ended);
	world_run(w, 1000);
	ck_assert_got(w, "1234");
	world_close(w);
}
END_TEST

/* What a client says of its own deadline lowers the route's, and never raises it. */
START_TEST(a_client_that_waits_less_long_is_told_earlier)
{
	static const unsigned waits_ms[] = { 5, 10, 80 };
	struct world *w = world_open(FAKE "deadline = 20ms\nhangs = yes\n");
	unsigned at = waits_ms[_i] < 20 ? waits_ms[_i] : 20;

	w->client.x.deadline_ns = w->begun_ns + waits_ms[_i] * CLOCK_MS;
	client_start(w);
	ck_assert_uint_eq(world_call(w, "")->q->deadline_ns, w->begun_ns + at * CLOCK_MS);
	ck_assert_int_eq(world_call(w, "")->q->is_hurried, waits_ms[_i] < 20);
	world_run(w, at - 1);
	ck_assert(!w->client.is_ended);
	world_run(w, at);
	ck_assert_int_eq(w->client.status, 504);
	ck_assert_uint_eq(world_outcome(w, "", OUTCOME_TIMEOUT), 1);
	world_close(w);
}
END_TEST

/* Its body may take as long as it likes, but not longer than that: sent on, collected, or late. */
START_TEST(a_client_that_uploads_slowly_is_told_in_time_all_the_same)
{
	static const char *const confs[] = {
		FAKE "reads = yes\nbody = done\ndeadline = 20ms\n",
		FAKE "reads = yes\nbody = {body}\ndeadline = 20ms\n",
		FAKE "reads = yes\nbody = done\ndeadline = 20ms\ndelay = 20ms\n",
	};
	static const unsigned pieces[] = { 4, 4, 10 };
	struct world *w = world_open(confs[_i]);

	client_upload(w, "PUT", SLICE("0123456789"), true);
	w->client.upload_piece = pieces[_i];
	w->client.upload_gap_ns = 15 * CLOCK_MS;
	w->client.x.deadline_ns = w->begun_ns + 32 * CLOCK_MS;
	client_start(w);
	world_run(w, 31);
	ck_assert(!w->client.is_ended);
	if (_i == 2) {
		ck_assert_uint_eq(world_call(w, "")->q->deadline_ns, w->begun_ns + 32 * CLOCK_MS);
		ck_assert(world_call(w, "")->q->is_hurried);
	}
	world_run(w, 32);
	ck_assert_int_eq(w->client.status, 504);
	ck_assert_uint_eq(world_outcome(w, "", _i == 1 ? OUTCOME_SKIPPED : OUTCOME_TIMEOUT), 1);
	world_close(w);
}
END_TEST

START_TEST(a_client_that_waits_no_longer_costs_nothing)
{
	struct world *w = world_open(FAKE "at_once = yes\n");

	w->client.x.deadline_ns = w->begun_ns;
	client_start(w);
	ck_assert_int_eq(w->client.status, 504);
	ck_assert_got_field(w, "forebay-shed", "deadline");
	ck_assert_uint_eq(world_calls(w, ""), 0);
	ck_assert_uint_eq(world_outcome(w, "", OUTCOME_SKIPPED), 1);
	world_close(w);
}
END_TEST

START_TEST(a_slow_client_slows_the_source)
{
	struct world *w = world_open(FAKE "body = 123456\npieces = 3\n");
	struct call *c;

	w->client.pauses = true;
	client_start(w);
	world_run(w, 10);
	c = world_call(w, "");
	ck_assert_uint_eq(c->sent, 2);
	client_resume(w);
	ck_assert_uint_eq(c->sent, 4);
	w->client.pauses = false;
	client_resume(w);
	ck_assert_got(w, "123456");
	ck_assert_uint_eq(c->resumes, 2);
	world_close(w);
}
END_TEST

START_TEST(a_request_body_is_streamed_into_the_source)
{
	struct world *w = world_open(FAKE "reads = yes\nbody = done\ndeadline = 20ms\n");

	client_upload(w, "PUT", SLICE("0123456789"), true);
	w->client.upload_piece = 4;
	w->client.upload_gap_ns = 15000000;
	client_start(w);
	world_run(w, 1000);
	ck_assert_got(w, "done");
	ck_assert_uint_eq(world_call(w, "")->fed, 10);
	ck_assert_uint_eq(world_call(w, "")->feeds, 3);
	world_close(w);
}
END_TEST

START_TEST(a_source_that_stalls_after_the_upload_meets_the_deadline)
{
	struct world *w = world_open(FAKE "reads = yes\nhangs = yes\ndeadline = 20ms\n");

	client_upload(w, "PUT", SLICE("0123456789"), false);
	w->client.upload_gap_ns = 100000000;
	client_start(w);
	world_run(w, 119);
	ck_assert(!w->client.is_ended);
	world_run(w, 120);
	ck_assert_int_eq(w->client.status, 504);
	world_close(w);
}
END_TEST

START_TEST(a_body_that_never_comes_is_left_to_its_own_time_outs)
{
	struct world *w = world_open(FAKE "reads = yes\ndeadline = 20ms\n");

	client_upload(w, "PUT", SLICE("0123456789"), false);
	w->client.stalls = true;
	client_start(w);
	world_run(w, 10000);
	ck_assert(!w->client.is_ended);
	world_close(w);
	/* cancelled by world_close */
}
END_TEST

START_TEST(a_body_that_a_template_needs_is_collected_and_then_fed)
{
	struct world *w = world_open(FAKE "reads = yes\nbody = got {body.n}\n");

	client_upload(w, "POST", SLICE("{\"n\": 12}"), true);
	w->client.upload_piece = 2;
	client_start(w);
	world_run(w, 100);
	ck_assert_got(w, "got 12");
	ck_assert_uint_eq(world_call(w, "")->fed, 9);
	ck_assert_uint_eq(world_call(w, "")->feeds, 1);
	world_close(w);
}
END_TEST

START_TEST(a_source_without_use_for_the_body_leaves_it)
{
	struct world *w = world_open("[route r]\nsource = fixed\nbody = Hello.\n");

	client_upload(w, "POST", SLICE("0123456789"), false);
	client_start(w);
	ck_assert_uint_eq(w->client.wants, 0);
	ck_assert_got(w, "Hello.");
	world_close(w);
}
END_TEST

START_TEST(a_client_that_leaves_cancels_at_every_step)
{
	static const char *const confs[] = {
		FAKE "reads = yes\nbody = 1234\npieces = 4\ngap = 2ms\ndelay = 3ms\n",
		FAKE "reads = yes\nbody = {body}\npieces = 4\ngap = 2ms\ndelay = 3ms\n",
		"[route r]\nsource = echo\n",
	};

	for (size_t i = 0; i < sizeof(confs) / sizeof(confs[0]); i++) {
		for (uint64_t ms = 0; ms < 20; ms++) {
			struct world *w = world_open(confs[i]);

			client_upload(w, "POST", SLICE("abcd"), true);
			w->client.upload_piece = 1;
			w->client.upload_gap_ns = 1000000;
			client_start(w);
			world_run(w, ms);
			client_leave(w);
			world_close(w);
		}
	}
}
END_TEST

START_TEST(a_failing_exchange_pauses_its_source_until_it_is_cancelled)
{
	for (int where = 0; where < 2; where++) {
		struct world *w = world_open(FAKE "body = 123456\npieces = 3\ngap = 1ms\n");

		w->client.breaks_head = where == 0;
		w->client.breaks_body = where == 1;
		client_start(w);
		world_run(w, 100);
		ck_assert_uint_eq(w->client.ends + w->client.aborts, 0);
		ck_assert_uint_eq(world_call(w, "")->dones, 0);
		client_leave(w);
		ck_assert_uint_eq(world_outcome(w, "", OUTCOME_CANCELLED), 1);
		world_close(w);
	}
}
END_TEST

/* The body that fails is the last: echo is done right after it. */
START_TEST(a_failing_exchange_is_not_ended_by_a_source_that_is_done)
{
	struct world *w = world_open("[route r]\nsource = echo\n");

	client_upload(w, "POST", SLICE("1234"), false);
	w->client.breaks_body = true;
	client_start(w);
	world_run(w, 10);
	ck_assert_uint_eq(w->client.ends + w->client.aborts, 0);
	ck_assert_uint_eq(world_outcome(w, "", OUTCOME_OK), 1);
	world_close(w);
}
END_TEST

START_TEST(captures_reach_the_templates)
{
	static const char *const names[] = { "id" }, *const values[] = { "a b" };
	struct world *w = world_open_path("[route r]\nsource = fixed\n"
					  "body = {id} {request.method} {request.id}\n",
					  names, values, 1);

	client_start(w);
	ck_assert_got(w, "a b GET abc");
	world_close(w);
}
END_TEST

Suite *
suite_scenario_pass(void)
{
	Suite *s = suite_create("scenario_pass");
	TCase *t = tcase_create("pass");

	tcase_add_test(t, an_answer_is_passed_on_as_it_is);
	tcase_add_test(t, what_answers_at_once_needs_neither_place_nor_timer);
	tcase_add_test(t, causes_have_their_statuses);
	tcase_add_test(t, a_refusal_says_when_to_come_back);
	tcase_add_test(t, a_conflict_says_what_kind_of_rule_it_is_with);
	tcase_add_test(t, a_failure_after_the_head_cuts_the_response);
	tcase_add_test(t, the_deadline_ends_with_the_head);
	tcase_add_loop_test(t, a_client_that_waits_less_long_is_told_earlier, 0, 3);
	tcase_add_loop_test(t, a_client_that_uploads_slowly_is_told_in_time_all_the_same, 0, 3);
	tcase_add_test(t, a_client_that_waits_no_longer_costs_nothing);
	tcase_add_test(t, a_slow_client_slows_the_source);
	tcase_add_test(t, a_request_body_is_streamed_into_the_source);
	tcase_add_test(t, a_source_that_stalls_after_the_upload_meets_the_deadline);
	tcase_add_test(t, a_body_that_never_comes_is_left_to_its_own_time_outs);
	tcase_add_test(t, a_body_that_a_template_needs_is_collected_and_then_fed);
	tcase_add_test(t, a_source_without_use_for_the_body_leaves_it);
	tcase_add_test(t, a_client_that_leaves_cancels_at_every_step);
	tcase_add_test(t, a_failing_exchange_pauses_its_source_until_it_is_cancelled);
	tcase_add_test(t, a_failing_exchange_is_not_ended_by_a_source_that_is_done);
	tcase_add_test(t, captures_reach_the_templates);
	suite_add_tcase(s, t);
	return s;
}
