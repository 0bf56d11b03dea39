/*
 * Equal parts that share one execution: who waits for whom, who may leave, and what is never
 * shared.
 */
#include "world.h"

#include <check.h>

Suite *suite_scenario_flight(void);

enum { CONF_BYTES = 512 };

#define PART "[route r]\n[subrequest r.a]\nsource = upstream fake\ncoalesce = {query.k}\n"

static void
ask_for(struct client *c, const char *query)
{
	c->x.request.query = slice_of(query);
	c->x.request.has_query = true;
}

static struct client *
other(struct world *w, const char *query)
{
	struct client *c = world_client(w);

	ask_for(c, query);
	return c;
}

START_TEST(equal_parts_under_way_are_asked_once)
{
	struct world *w = world_open(PART "body = [7]\npieces = 3\ndelay = 10ms\n");
	struct client *second = other(w, "k=1"), *third = other(w, "k=2");

	ask_for(&w->client, "k=1");
	client_start(w);
	world_run(w, 5);
	other_start(second);
	other_start(third);
	world_run(w, 50);
	ck_assert_got(w, "{\"a\":[7]}");
	ck_assert_other(second, "{\"a\":[7]}");
	ck_assert_other(third, "{\"a\":[7]}");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	ck_assert_uint_eq(world_outcome(w, "a", OUTCOME_OK), 3);
	world_close(w);
}
END_TEST

/* But not those who join it. */
START_TEST(what_no_client_waits_for_makes_way)
{
	struct world *w = world_open(PART "body = 1\ndelay = 10ms\n");
	struct client *second = other(w, "k=1");

	ask_for(&w->client, "k=1");
	w->client.x.is_background = true;
	client_start(w);
	ck_assert_int_eq(world_call(w, "a")->q->priority, CLASS_SHEDDABLE);
	/* Nobody who waits has to make way with it. */
	other_start(second);
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	world_run(w, 50);
	ck_assert_other(second, "{\"a\":1}");
	world_close(w);
}
END_TEST

START_TEST(who_comes_after_the_answer_asks_again)
{
	struct world *w = world_open(PART "body = 1\ndelay = 1ms\n");
	struct client *second = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_start(w);
	world_run(w, 5);
	other_start(second);
	world_run(w, 10);
	ck_assert_other(second, "{\"a\":1}");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	world_close(w);
}
END_TEST

START_TEST(the_first_may_leave_and_the_work_goes_on)
{
	struct world *w = world_open(PART "body = {query.k}\ndelay = 10ms\n");
	struct client *second = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_start(w);
	other_start(second);
	world_run(w, 5);
	client_leave(w);
	world_run(w, 50);
	ck_assert_other(second, "{\"a\":1}");
	ck_assert_uint_eq(world_calls(w, "a"), 1);
	ck_assert_uint_eq(world_call(w, "a")->cancelled, 0);
	world_close(w);
}
END_TEST

START_TEST(the_work_ends_when_the_last_has_left)
{
	struct world *w = world_open(PART "body = 1\ndelay = 10ms\n");
	struct client *second = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_start(w);
	other_start(second);
	world_run(w, 5);
	client_leave(w);
	ck_assert_uint_eq(world_call(w, "a")->cancelled, 0);
	other_leave(second);
	ck_assert_uint_eq(world_call(w, "a")->cancelled, 1);
	world_close(w);
}
END_TEST

START_TEST(each_keeps_its_own_timeout)
{
	struct world *w = world_open(PART "timeout = 20ms\nbody = 1\ndelay = 30ms\n");
	struct client *second = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_start(w);
	world_run(w, 15);
	other_start(second);
	world_run(w, 25);
	ck_assert_int_eq(w->client.status, 504);
	ck_assert(!second->is_ended);
	world_run(w, 50);
	ck_assert_other(second, "{\"a\":1}");
	ck_assert_uint_eq(world_calls(w, "a"), 1);
	world_close(w);
}
END_TEST

/* How those end that are dropped at the deadline of who began them. */
static const char *const drops[] = { "drop = deadline\n", "drop = shed\n" };

static struct world *
open_dropping(const char *drop, const char *more)
{
	char conf[CONF_BYTES];
	struct writer w = writer_over(conf, sizeof(conf) - 1);

	writer_format(&w, "%stimeout = 20ms\nbody = 1\ndelay = 5ms\n%s%s", PART, drop, more);
	conf[w.len] = '\0';
	return world_open(conf);
}

START_TEST(who_joins_has_its_own_time)
{
	struct world *w = open_dropping(drops[_i], "drops = 1\n");
	struct client *second = other(w, "k=1"), *third = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_start(w);
	world_run(w, 10);
	other_start(second);
	world_run(w, 15);
	other_start(third);
	world_run(w, 22);
	ck_assert_int_eq(w->client.status, 504);
	ck_assert(!second->is_ended && !third->is_ended);
	world_run(w, 50);
	ck_assert_other(second, "{\"a\":1}");
	ck_assert_other(third, "{\"a\":1}");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	world_close(w);
}
END_TEST

/* It began for the second one's sake, and the third came after that. */
START_TEST(who_joins_what_was_begun_again_has_its_own_time_too)
{
	struct world *w = open_dropping(drops[_i], "drops = 2\n");
	struct client *second = other(w, "k=1"), *third = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_start(w);
	world_run(w, 15);
	other_start(second);
	world_run(w, 30);
	other_start(third);
	world_run(w, 60);
	ck_assert_int_eq(second->status, 504);
	ck_assert_other(third, "{\"a\":1}");
	ck_assert_uint_eq(world_calls(w, "a"), 3);
	world_close(w);
}
END_TEST

START_TEST(what_all_have_had_time_for_is_not_begun_again)
{
	struct world *w = open_dropping(drops[_i], "drops = 1\n");
	struct client *second = other(w, "k=1"), *third = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_start(w);
	other_start(second);
	world_run(w, 10);
	other_start(third);
	other_leave(third);
	world_run(w, 50);
	ck_assert_int_ge(second->status, 503);
	ck_assert_uint_eq(world_calls(w, "a"), 1);
	world_close(w);
}
END_TEST

START_TEST(who_is_refused_when_it_is_begun_again_is_told)
{
	struct world *w = open_dropping(drops[_i], "drops = 1\nrefuses = yes\ngood = 1\n");
	struct client *second = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_start(w);
	world_run(w, 10);
	other_start(second);
	world_run(w, 25);
	ck_assert_int_eq(second->status, 503);
	ck_assert_uint_eq(world_calls(w, "a"), 1);
	world_close(w);
}
END_TEST

START_TEST(who_leaves_before_it_is_begun_again_ends_it)
{
	struct world *w = open_dropping(drops[_i], "drops = 1\n");
	struct client *second = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_start(w);
	world_run(w, 10);
	other_start(second);
	client_leave(w);
	world_run(w, 20);
	other_leave(second);
	world_run(w, 50);
	ck_assert_uint_le(world_calls(w, "a"), 2);
	world_close(w);
}
END_TEST

START_TEST(a_failure_is_shared_too)
{
	struct world *w = world_open(PART "body = 1\ndelay = 10ms\nfails = connect\n");
	struct client *second = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_start(w);
	other_start(second);
	world_run(w, 50);
	ck_assert_int_eq(w->client.status, 502);
	ck_assert_int_eq(second->status, 502);
	ck_assert_uint_eq(world_outcome(w, "a", OUTCOME_CONNECT), 2);
	world_close(w);
}
END_TEST

START_TEST(a_refused_place_fails_the_one_who_asked)
{
	struct world *w = world_open(PART "body = 1\nrefuses = yes\n");

	ask_for(&w->client, "k=1");
	client_start(w);
	world_run(w, 5);
	ck_assert_int_eq(w->client.status, 503);
	ck_assert_got_field(w, "Retry-After", "3");
	world_close(w);
}
END_TEST

START_TEST(an_unexpected_status_is_told_to_all)
{
	struct world *w = world_open(PART "body = 1\nstatus = 404\ndelay = 10ms\npieces = 2\n"
					  "gap = 1s\n");
	struct client *second = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_start(w);
	other_start(second);
	world_run(w, 50);
	ck_assert_int_eq(w->client.status, 404);
	ck_assert_int_eq(second->status, 404);
	ck_assert_uint_eq(world_call(w, "a")->cancelled, 1);
	world_close(w);
}
END_TEST

START_TEST(a_result_too_large_fails_all)
{
	struct world *w = world_open(PART "body = 12345\nmax_result = 3\ndelay = 10ms\n");
	struct client *second = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_start(w);
	other_start(second);
	world_run(w, 50);
	ck_assert_uint_eq(world_outcome(w, "a", OUTCOME_TOO_LARGE), 2);
	world_close(w);
}
END_TEST

/* The body is made of the client's field: an answer is one client's own. */
START_TEST(answers_made_of_a_clients_fields_are_not_shared_with_others)
{
	struct world *w = world_open(PART "body = {header.authorization}\ndelay = 10ms\n");
	struct client *same = other(w, "k=1"), *stranger = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_field(w, "Authorization", "1");
	other_field(same, "Authorization", "1");
	other_field(stranger, "Authorization", "2");
	client_start(w);
	other_start(same);
	other_start(stranger);
	world_run(w, 50);
	ck_assert_got(w, "{\"a\":1}");
	ck_assert_other(same, "{\"a\":1}");
	ck_assert_other(stranger, "{\"a\":2}");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	world_close(w);
}
END_TEST

START_TEST(fields_that_the_source_sends_on_are_of_the_key)
{
	struct world *w = world_open(PART "body = 1\ndelay = 10ms\nforward = x-tenant\n");
	struct client *same = other(w, "k=1"), *stranger = other(w, "k=1"),
		      *nobody = other(w, "k=1");

	ask_for(&w->client, "k=1");
	client_field(w, "X-Tenant", "blue");
	other_field(same, "x-tenant", "blue");
	other_field(stranger, "X-Tenant", "red");
	client_start(w);
	other_start(same);
	other_start(stranger);
	other_start(nobody);
	world_run(w, 50);
	ck_assert_uint_eq(world_calls(w, "a"), 3);
	world_close(w);
}
END_TEST

/* b is made of a, which is made of a cookie: equal keys, but not equal clients. */
START_TEST(results_of_other_parts_are_of_the_key)
{
	struct world *w = world_open("[route r]\n"
				     "[subrequest r.a]\nsource = upstream fake\n"
				     "body = {\"id\": {header.cookie}}\n"
				     "[subrequest r.b]\nsource = upstream fake\ncoalesce = same\n"
				     "body = {a.id}\ndelay = 10ms\n");
	struct client *stranger = world_client(w);

	client_field(w, "Cookie", "1");
	other_field(stranger, "Cookie", "2");
	client_start(w);
	other_start(stranger);
	world_run(w, 50);
	ck_assert_other(stranger, "{\"a\":{\"id\": 2},\"b\":2}");
	ck_assert_uint_eq(world_calls(w, "b"), 2);
	world_close(w);
}
END_TEST

START_TEST(without_a_value_for_the_key_nothing_is_shared)
{
	struct world *w = world_open(PART "body = 1\ndelay = 10ms\n");
	struct client *second = world_client(w);

	client_start(w);
	other_start(second);
	world_run(w, 50);
	ck_assert_other(second, "{\"a\":1}");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	world_close(w);
}
END_TEST

/* Whose deadline the client lowered, first or second. */
START_TEST(who_hurries_asks_alone)
{
	struct world *w = world_open(PART "body = 1\ndelay = 10ms\n");
	struct client *second = other(w, "k=1"), *third = other(w, "k=1");
	struct exchange *hurried = _i ? &second->x : &w->client.x;

	ask_for(&w->client, "k=1");
	hurried->deadline_ns = w->begun_ns + 5 * CLOCK_MS;
	client_start(w);
	other_start(second);
	other_start(third);
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	world_run(w, 50);
	ck_assert_int_eq(w->client.status, _i ? 200 : 504);
	ck_assert_int_eq(second->status, _i ? 504 : 200);
	ck_assert_other(third, "{\"a\":1}");
	world_close(w);
}
END_TEST

/* What the client allows is more than the part takes. */
START_TEST(who_hurries_less_than_the_parts_own_timeout_shares)
{
	struct world *w = world_open(PART "timeout = 20ms\nbody = 1\ndelay = 10ms\n");
	struct client *second = other(w, "k=1");

	ask_for(&w->client, "k=1");
	w->client.x.deadline_ns = w->begun_ns + 50 * CLOCK_MS;
	client_start(w);
	other_start(second);
	world_run(w, 50);
	ck_assert_other(second, "{\"a\":1}");
	ck_assert_uint_eq(world_calls(w, "a"), 1);
	world_close(w);
}
END_TEST

START_TEST(what_has_effects_is_not_shared)
{
	const char *said = world_complaint(PART "effects = yes\n");

	ck_assert_msg(strstr(said, "cannot share an execution") != NULL, "%s", said);
}
END_TEST

Suite *
suite_scenario_flight(void)
{
	Suite *s = suite_create("scenario_flight");
	TCase *t = tcase_create("flight");

	tcase_add_test(t, equal_parts_under_way_are_asked_once);
	tcase_add_test(t, what_no_client_waits_for_makes_way);
	tcase_add_test(t, who_comes_after_the_answer_asks_again);
	tcase_add_test(t, the_first_may_leave_and_the_work_goes_on);
	tcase_add_test(t, the_work_ends_when_the_last_has_left);
	tcase_add_test(t, each_keeps_its_own_timeout);
	tcase_add_loop_test(t, who_joins_has_its_own_time, 0, 2);
	tcase_add_loop_test(t, who_joins_what_was_begun_again_has_its_own_time_too, 0, 2);
	tcase_add_loop_test(t, what_all_have_had_time_for_is_not_begun_again, 0, 2);
	tcase_add_loop_test(t, who_is_refused_when_it_is_begun_again_is_told, 0, 2);
	tcase_add_loop_test(t, who_leaves_before_it_is_begun_again_ends_it, 0, 2);
	tcase_add_test(t, a_failure_is_shared_too);
	tcase_add_test(t, a_refused_place_fails_the_one_who_asked);
	tcase_add_test(t, an_unexpected_status_is_told_to_all);
	tcase_add_test(t, a_result_too_large_fails_all);
	tcase_add_test(t, answers_made_of_a_clients_fields_are_not_shared_with_others);
	tcase_add_test(t, fields_that_the_source_sends_on_are_of_the_key);
	tcase_add_test(t, results_of_other_parts_are_of_the_key);
	tcase_add_test(t, without_a_value_for_the_key_nothing_is_shared);
	tcase_add_loop_test(t, who_hurries_asks_alone, 0, 2);
	tcase_add_test(t, who_hurries_less_than_the_parts_own_timeout_shares);
	tcase_add_test(t, what_has_effects_is_not_shared);
	suite_add_tcase(s, t);
	return s;
}
