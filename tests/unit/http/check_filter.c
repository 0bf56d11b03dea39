/*
 * Filters of responses: who is called, in which order, with an application and a
 * protocol that only write down what they hear.
 */
#include "base/list.h"
#include "http/exchange.h"
#include "http/filter.h"

#include <check.h>

Suite *suite_http_filter(void);

/* What happened, word by word. */
static char log_text[512];
static struct writer log_words;

static void
note(const char *who, const char *what)
{
	writer_format(&log_words, "%s%s.%s", log_words.len ? " " : "", who, what);
}

static void
note_body(const char *who, const struct chunks *list)
{
	char bytes[64];
	size_t n = chunks_copy_out(list, bytes, sizeof(bytes));

	writer_format(&log_words, "%s%s(%.*s)", log_words.len ? " " : "", who, (int)n, bytes);
}

static void
assert_log(const char *expected)
{
	ck_assert(!log_words.is_full);
	log_text[log_words.len] = '\0';
	ck_assert_str_eq(log_text, expected);
	log_words.len = 0;
}

/* --- the two ends ------------------------------------------------------------------- */

static int body_result; /* of the protocol */

static int
send_head(struct exchange *x)
{
	(void)x;
	note("out", "head");
	return 0;
}

static int
send_body(struct exchange *x, struct chunks *list)
{
	(void)x;
	note_body("out", list);
	chunks_clear(list);
	return body_result;
}

static void
send_end(struct exchange *x)
{
	(void)x;
	note("out", "end");
}

static void
send_whole(struct exchange *x, struct slice body)
{
	(void)x;
	writer_format(&log_words, "%sout.whole(%.*s)", log_words.len ? " " : "", SLICE_PRINT(body));
}

static void
send_abort(struct exchange *x, int err)
{
	(void)x;
	(void)err;
	note("out", "abort");
}

static const struct exchange_ops steps = {
	.head = send_head,
	.body = send_body,
	.end = send_end,
	.abort = send_abort,
};

static const struct exchange_ops at_once = {
	.head = send_head,
	.body = send_body,
	.end = send_end,
	.abort = send_abort,
	.whole = send_whole,
};

static void
on_resume(struct exchange *x)
{
	(void)x;
	note("app", "resume");
}

static void
on_cancel(struct exchange *x, int err)
{
	(void)x;
	(void)err;
	note("app", "cancel");
}

static const struct exchange_app app = { .resume = on_resume, .cancel = on_cancel };

/* --- filters ---------------------------------------------------------------------------- */

/* Writes down what passes, under its name. */
struct witness {
	struct filter filter;
	const char *name;
};

static const char *
name_of(struct filter *f)
{
	return CONTAINER_OF(f, struct witness, filter)->name;
}

static int
witness_head(struct filter *f)
{
	note(name_of(f), "head");
	return filter_pass_head(f);
}

static int
witness_body(struct filter *f, struct chunks *list)
{
	note_body(name_of(f), list);
	return filter_pass_body(f, list);
}

static void
witness_end(struct filter *f)
{
	note(name_of(f), "end");
	filter_pass_end(f);
}

static void
witness_whole(struct filter *f, struct slice body)
{
	note(name_of(f), "whole");
	filter_pass_whole(f, body);
}

static void
witness_abort(struct filter *f, int err)
{
	note(name_of(f), "abort");
	filter_pass_abort(f, err);
}

static void
witness_resume(struct filter *f)
{
	note(name_of(f), "resume");
	filter_pass_resume(f);
}

static void
witness_cancel(struct filter *f)
{
	note(name_of(f), "cancel");
}

static const struct filter_ops witness_ops = {
	.head = witness_head,
	.body = witness_body,
	.end = witness_end,
	.whole = witness_whole,
	.abort = witness_abort,
	.resume = witness_resume,
	.cancel = witness_cancel,
};

/* Keeps the body until it is told to go on: pauses the application meanwhile. */
struct dam {
	struct filter filter;
	struct chunks held;
	bool has_end;
};

static int
dam_body(struct filter *f, struct chunks *list)
{
	chunks_move(&CONTAINER_OF(f, struct dam, filter)->held, list);
	return EXCHANGE_PAUSE;
}

static void
dam_end(struct filter *f)
{
	CONTAINER_OF(f, struct dam, filter)->has_end = true;
}

static void
dam_let_go(struct filter *f)
{
	chunks_clear(&CONTAINER_OF(f, struct dam, filter)->held);
}

static void
dam_open(struct dam *d)
{
	ck_assert_int_ge(filter_pass_body(&d->filter, &d->held), 0);
	if (d->has_end)
		filter_pass_end(&d->filter);
	else
		filter_pass_resume(&d->filter);
}

static const struct filter_ops dam_ops = {
	.body = dam_body,
	.end = dam_end,
	.cancel = dam_let_go,
};

static const struct filter_ops nothing_ops = { 0 };

/* --- the bed ------------------------------------------------------------------------------ */

static struct store store;
static struct exchange x;
static struct witness a, b;
static struct filter nothing;
static struct dam dam;

static void
setup(void)
{
	log_words = writer_over(log_text, sizeof(log_text) - 1);
	body_result = 0;
	store_init(&store);
	x = (struct exchange){ .ops = &steps, .app = &app, .store = &store };
	arena_init(&x.arena, &store, 1 << 16);
	a = (struct witness){ .name = "a" };
	b = (struct witness){ .name = "b" };
	nothing = (struct filter){ 0 };
	dam = (struct dam){ 0 };
	chunks_init(&dam.held, &store);
}

static void
teardown(void)
{
	arena_fini(&x.arena);
	store_fini(&store);
}

static void
add_witnesses(void)
{
	filter_add(&x, &a.filter, &witness_ops);
	filter_add(&x, &nothing, &nothing_ops);
	filter_add(&x, &b.filter, &witness_ops);
}

static int
say(const char *bytes)
{
	struct chunks list;

	chunks_init(&list, &store);
	ck_assert_int_eq(chunks_add_static(&list, slice_of(bytes)), 0);
	return exchange_body(&x, &list);
}

/* --- tests -------------------------------------------------------------------------------- */

START_TEST(a_response_passes_all_filters_in_their_order)
{
	add_witnesses();
	ck_assert_int_eq(exchange_head(&x), 0);
	ck_assert_int_eq(say("one"), 0);
	exchange_end(&x);
	assert_log("a.head b.head out.head a(one) b(one) out(one) a.end b.end out.end");
	ck_assert_uint_eq(x.body_sent, 3);
}
END_TEST

START_TEST(without_filters_nothing_stands_between)
{
	ck_assert_int_eq(exchange_head(&x), 0);
	ck_assert_int_eq(say("one"), 0);
	exchange_end(&x);
	assert_log("out.head out(one) out.end");
	ck_assert(!x.is_answered);
}
END_TEST

START_TEST(a_whole_response_passes_each_filter_once)
{
	add_witnesses();
	exchange_whole(&x, SLICE("all"));
	assert_log("a.whole b.whole out.head out(all) out.end");
	ck_assert(x.is_head_sent);
	ck_assert_uint_eq(x.body_sent, 3);
}
END_TEST

START_TEST(a_protocol_that_can_gets_it_whole)
{
	x.ops = &at_once;
	add_witnesses();
	exchange_refuse(&x, 404);
	assert_log("a.whole b.whole out.whole(Not Found)");
}
END_TEST

START_TEST(a_pause_reaches_the_application_and_room_comes_back_the_other_way)
{
	add_witnesses();
	ck_assert_int_eq(exchange_head(&x), 0);
	body_result = EXCHANGE_PAUSE;
	ck_assert_int_eq(say("one"), EXCHANGE_PAUSE);
	log_words.len = 0;
	exchange_resume(&x);
	assert_log("b.resume a.resume app.resume");
}
END_TEST

START_TEST(who_has_answered_hears_of_no_room)
{
	filter_add(&x, &dam.filter, &dam_ops);
	filter_add(&x, &b.filter, &witness_ops);
	ck_assert_int_eq(exchange_head(&x), 0);
	ck_assert_int_eq(say("one"), EXCHANGE_PAUSE);
	exchange_end(&x);
	exchange_resume(&x);
	assert_log("b.head out.head b.resume");
	dam_open(&dam);
	assert_log("b(one) out(one) b.end out.end");
}
END_TEST

START_TEST(what_a_filter_held_back_comes_before_more)
{
	filter_add(&x, &dam.filter, &dam_ops);
	ck_assert_int_eq(exchange_head(&x), 0);
	ck_assert_int_eq(say("one"), EXCHANGE_PAUSE);
	dam_open(&dam);
	ck_assert_int_eq(say("two"), EXCHANGE_PAUSE);
	exchange_end(&x);
	dam_open(&dam);
	assert_log("out.head out(one) app.resume out(two) out.end");
	ck_assert_uint_eq(x.body_sent, 6);
}
END_TEST

START_TEST(a_cancel_takes_all_filters_out_and_tells_the_application)
{
	filter_add(&x, &dam.filter, &dam_ops);
	add_witnesses();
	ck_assert_int_eq(exchange_head(&x), 0);
	ck_assert_int_eq(say("one"), EXCHANGE_PAUSE);
	log_words.len = 0;
	exchange_cancel(&x, ERR_GONE);
	assert_log("b.cancel a.cancel app.cancel");
	ck_assert_ptr_null(x.filter);
	ck_assert(chunks_is_empty(&dam.held));
}
END_TEST

START_TEST(who_has_answered_is_not_cancelled)
{
	filter_add(&x, &dam.filter, &dam_ops);
	ck_assert_int_eq(exchange_head(&x), 0);
	exchange_end(&x);
	log_words.len = 0;
	exchange_cancel(&x, ERR_GONE);
	assert_log("");
	ck_assert_ptr_null(x.filter);
}
END_TEST

START_TEST(an_answer_after_a_cancel_goes_straight_to_the_client)
{
	x.ops = &at_once;
	add_witnesses();
	exchange_cancel(&x, ERR_TIMEOUT);
	log_words.len = 0;
	exchange_refuse(&x, 408);
	assert_log("out.whole(Request Timeout)");
}
END_TEST

START_TEST(an_abort_passes_all_filters)
{
	add_witnesses();
	ck_assert_int_eq(exchange_head(&x), 0);
	log_words.len = 0;
	exchange_abort(&x, ERR_CLOSED);
	assert_log("a.abort b.abort out.abort");
}
END_TEST

START_TEST(a_filter_that_fails_ends_both_sides)
{
	add_witnesses();
	ck_assert_int_eq(exchange_head(&x), 0);
	log_words.len = 0;
	exchange_fail(&x, ERR_MEMORY);
	assert_log("b.cancel a.cancel app.cancel out.abort");
}
END_TEST

START_TEST(a_filter_that_fails_before_the_head_leaves_room_for_a_status)
{
	x.ops = &at_once;
	add_witnesses();
	exchange_fail(&x, ERR_MEMORY);
	assert_log("b.cancel a.cancel app.cancel out.whole(Service Unavailable)");
	ck_assert_int_eq(x.response.status, 503);
}
END_TEST

Suite *
suite_http_filter(void)
{
	Suite *s = suite_create("http/filter");
	TCase *c = tcase_create("filter");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_response_passes_all_filters_in_their_order);
	tcase_add_test(c, without_filters_nothing_stands_between);
	tcase_add_test(c, a_whole_response_passes_each_filter_once);
	tcase_add_test(c, a_protocol_that_can_gets_it_whole);
	tcase_add_test(c, a_pause_reaches_the_application_and_room_comes_back_the_other_way);
	tcase_add_test(c, who_has_answered_hears_of_no_room);
	tcase_add_test(c, what_a_filter_held_back_comes_before_more);
	tcase_add_test(c, a_cancel_takes_all_filters_out_and_tells_the_application);
	tcase_add_test(c, who_has_answered_is_not_cancelled);
	tcase_add_test(c, an_answer_after_a_cancel_goes_straight_to_the_client);
	tcase_add_test(c, an_abort_passes_all_filters);
	tcase_add_test(c, a_filter_that_fails_ends_both_sides);
	tcase_add_test(c, a_filter_that_fails_before_the_head_leaves_room_for_a_status);
	suite_add_tcase(s, c);
	return s;
}
