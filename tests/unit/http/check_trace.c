/*
 * Which trace a request belongs to, and what servers are told of it.
 */
#include "http/trace.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *suite_http_trace(void);

#define ID     "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"
#define VALID  "00-" ID "-" PARENT "-01"

enum { FIELDS = 40, TEXT_BYTES = 1024 };

static struct random numbers;
static struct field at[FIELDS];
static struct fields fields;
static char text[TEXT_BYTES];

static void
setup(void)
{
	random_init(&numbers, 7);
	fields = (struct fields){ .at = at, .cap = FIELDS };
}

static void
say(const char *name, const char *value)
{
	ck_assert_int_eq(fields_add_name(&fields, slice_of(name), slice_of(value)), 0);
}

static const char *
parent_of(const struct trace *t)
{
	struct writer w = writer_over(text, sizeof(text) - 1);

	trace_write_parent(t, &numbers, &w);
	text[w.len] = '\0';
	return text;
}

static const char *
state_of(void)
{
	struct writer w = writer_over(text, sizeof(text) - 1);

	trace_write_state(&fields, &w);
	text[w.len] = '\0';
	return text;
}

/* --- reading --------------------------------------------------------------------------- */

static const struct {
	const char *value;
	int flags; /* -1: malformed */
} parents[] = {
	{ VALID, 1 },
	{ "00-" ID "-" PARENT "-00", 0 },
	{ "00-" ID "-" PARENT "-ff", 255 },
	{ "00-" ID "-" PARENT "-a3", 0xa3 },
	/* Versions to come begin like this one. */
	{ "01-" ID "-" PARENT "-01", 1 },
	{ "cc-" ID "-" PARENT "-01-what-the-future-brings", 1 },
	{ "fe-" ID "-" PARENT "-01-", 1 },
	{ "cc-" ID "-" PARENT "-01what", -1 },
	{ "cc-" ID "-" PARENT "-01.", -1 },
	{ "01-" ID "-" PARENT "-0", -1 },
	{ "ff-" ID "-" PARENT "-01", -1 },
	{ "ff-" ID "-" PARENT "-01-x", -1 },
	/* Version 00 is as long as it is. */
	{ "00-" ID "-" PARENT "-01-", -1 },
	{ "00-" ID "-" PARENT "-01-x", -1 },
	{ "00-" ID "-" PARENT "-011", -1 },
	{ "00-" ID "-" PARENT "-0", -1 },
	{ "00-" ID "-" PARENT "-", -1 },
	{ "00-" ID "-" PARENT, -1 },
	{ "00-" ID, -1 },
	{ "00", -1 },
	{ "", -1 },
	{ "0-" ID "-" PARENT "-01", -1 },
	{ "000-" ID "-" PARENT "-01", -1 },
	/* Lower case, and nothing but hexadecimal. */
	{ "00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01", -1 },
	{ "00-" ID "-B7AD6B7169203331-01", -1 },
	{ "00-" ID "-" PARENT "-0A", -1 },
	{ "0A-" ID "-" PARENT "-01", -1 },
	{ "0g-" ID "-" PARENT "-01", -1 },
	{ "00-0af7651916cd43dd8448eb211c80319g-" PARENT "-01", -1 },
	{ "00-0af7651916cd43dd8448eb211c80319-" PARENT "-011", -1 },
	{ "00-" ID "-b7ad6b716920333.-01", -1 },
	{ "00-" ID "-" PARENT "-0 ", -1 },
	{ " 0-" ID "-" PARENT "-01", -1 },
	{ "00_" ID "-" PARENT "-01", -1 },
	{ "00-" ID "_" PARENT "-01", -1 },
	{ "00-" ID "-" PARENT "_01", -1 },
	/* All zeros are nobody. */
	{ "00-00000000000000000000000000000000-" PARENT "-01", -1 },
	{ "00-" ID "-0000000000000000-01", -1 },
	{ "00-00000000000000000000000000000001-0000000000000001-00", 0 },
};

START_TEST(traceparent_is_read_strictly)
{
	const char *value = parents[_i].value;
	struct slice id = SLICE("");
	unsigned flags = 0;
	int err = trace_parse(slice_of(value), &id, &flags);

	ck_assert_msg(err == (parents[_i].flags < 0 ? ERR_SYNTAX : 0), "\"%s\"", value);
	if (err)
		return;
	ck_assert_int_eq((int)flags, parents[_i].flags);
	ck_assert(slice_eq(id, slice_make(value + 3, TRACE_ID_BYTES)));
}
END_TEST

/* --- which trace it is ------------------------------------------------------------------ */

static const struct trace_conf make = { .mode = TRACE_MAKE },
			       propagate = { .mode = TRACE_PROPAGATE }, off = { .mode = TRACE_OFF },
			       all = { .mode = TRACE_MAKE, .sample = 100 };

START_TEST(a_valid_one_is_continued_under_a_parent_of_our_own)
{
	struct trace t = { .conf = _i ? &make : &propagate };
	char first[TEXT_BYTES];

	say("Traceparent", VALID);
	ck_assert(trace_take(&t, &fields, &numbers));
	ck_assert_int_eq(t.state, TRACE_CONTINUED);
	snprintf(first, sizeof(first), "%s", parent_of(&t));
	ck_assert_uint_eq(strlen(first), strlen(VALID));
	ck_assert_int_eq(strncmp(first, VALID, 36), 0);
	ck_assert_str_eq(first + 52, "-01");
	ck_assert_int_ne(strncmp(first + 36, PARENT, 16), 0);
	ck_assert_str_ne(parent_of(&t), first);
	ck_assert(slice_eq(trace_id(&t, &fields), SLICE(ID)));
}
END_TEST

START_TEST(a_later_version_is_continued_as_the_one_that_we_know)
{
	struct trace t = { .conf = &make };

	say("traceparent", "cc-" ID "-" PARENT "-fe-more");
	ck_assert(trace_take(&t, &fields, &numbers));
	ck_assert_int_eq(strncmp(parent_of(&t), "00-" ID "-", 36), 0);
	/* Of its flags, those whose meaning is known. */
	ck_assert_str_eq(text + 52, "-02");
}
END_TEST

/* None, a malformed one, two of them. */
static void
say_badly(int how)
{
	if (how > 0)
		say("traceparent", how == 1 ? VALID "0" : VALID);
	if (how == 2)
		say("traceparent", VALID);
}

START_TEST(a_trace_begins_where_there_is_none)
{
	struct trace t = { .conf = &make };
	struct slice id;
	unsigned flags;
	char first[TRACE_ID_BYTES];

	say_badly(_i);
	ck_assert_uint_eq(trace_id(&t, &fields).len, 0);
	ck_assert(trace_take(&t, &fields, &numbers));
	ck_assert_int_eq(t.state, TRACE_BEGUN);
	ck_assert_int_eq(trace_parse(slice_of(parent_of(&t)), &id, &flags), 0);
	ck_assert_uint_eq(flags, 0);
	ck_assert(slice_eq(id, trace_id(&t, &fields)));
	ck_assert(!slice_eq(id, SLICE(ID)));
	/* It is the same one from then on, and another request's is not. */
	memcpy(first, id.at, sizeof(first));
	ck_assert(trace_take(&t, &fields, &numbers));
	ck_assert(slice_eq(trace_id(&t, &fields), slice_make(first, sizeof(first))));
	t = (struct trace){ .conf = &make };
	ck_assert(trace_take(&t, &fields, &numbers));
	ck_assert(!slice_eq(trace_id(&t, &fields), slice_make(first, sizeof(first))));
}
END_TEST

START_TEST(no_trace_begins_where_that_is_not_wanted)
{
	struct trace t = { .conf = &propagate };

	say_badly(_i);
	ck_assert(!trace_take(&t, &fields, &numbers));
	ck_assert(!trace_take(&t, &fields, &numbers));
	ck_assert_uint_eq(trace_id(&t, &fields).len, 0);
}
END_TEST

START_TEST(what_is_off_is_no_business_of_ours)
{
	struct trace t = { .conf = _i ? &off : NULL };

	say("traceparent", VALID);
	ck_assert(!trace_is_ours(&t));
	ck_assert(!trace_take(&t, &fields, &numbers));
	ck_assert_uint_eq(trace_id(&t, &fields).len, 0);
}
END_TEST

START_TEST(what_nobody_asked_a_server_for_has_its_clients_id)
{
	struct trace t = { .conf = &make };

	say("traceparent", VALID);
	ck_assert(slice_eq(trace_id(&t, &fields), SLICE(ID)));
	ck_assert_int_eq(t.state, TRACE_UNREAD);
}
END_TEST

START_TEST(as_many_are_recorded_as_is_said)
{
	static const struct trace_conf half = { .mode = TRACE_MAKE, .sample = 50 };
	unsigned sampled = 0;

	for (int i = 0; i < 1000; i++) {
		struct trace t = { .conf = &half }, always = { .conf = &all };

		ck_assert(trace_take(&t, &fields, &numbers));
		sampled += strcmp(parent_of(&t) + 52, "-01") == 0;
		ck_assert(trace_take(&always, &fields, &numbers));
		ck_assert_str_eq(parent_of(&always) + 52, "-01");
	}
	ck_assert_uint_gt(sampled, 400);
	ck_assert_uint_lt(sampled, 600);
}
END_TEST

/* --- tracestate --------------------------------------------------------------------------- */

static const struct {
	const char *line[3], *list;
} states[] = {
	{ { NULL }, "" },
	{ { "" }, "" },
	{ { " , ," }, "" },
	{ { "a=1" }, "a=1" },
	{ { "a=1 ,\tb=2" }, "a=1,b=2" },
	{ { "a=1", "b=2,c=3", "d=4" }, "a=1,b=2,c=3,d=4" },
	{ { ",a=1,,", "", "b=2," }, "a=1,b=2" },
	{ { "0a_-*/@t=!~ x" }, "0a_-*/@t=!~ x" },
	/* What is malformed makes all of it nothing. */
	{ { "a=1,b" }, "" },
	{ { "a=1,=2" }, "" },
	{ { "a=1,b=" }, "" },
	{ { "a=1,B=2" }, "" },
	{ { "a=1,_b=2" }, "" },
	{ { "a=1,b =2" }, "" },
	{ { "a=1,b=2=3" }, "" },
	{ { "a=1", "b=\xc3\xa4" }, "" },
	{ { "a=1", "b=1\t2" }, "" },
};

START_TEST(tracestate_goes_on_as_one_list)
{
	for (int i = 0; i < 3 && states[_i].line[i]; i++)
		say("tracestate", states[_i].line[i]);
	ck_assert_str_eq(state_of(), states[_i].list);
}
END_TEST

/* A member of that many bytes. */
static const char *
member(char key, size_t bytes)
{
	static char memory[8][300];
	static unsigned next;
	char *m = memory[next++ % 8];

	memset(m, 'v', bytes);
	m[0] = key;
	m[1] = '=';
	m[bytes] = '\0';
	return m;
}

START_TEST(tracestate_has_no_more_bytes_than_everybody_takes)
{
	for (char key = 'a'; key < 'e'; key++)
		say("tracestate", member(key, key == 'd' ? 125 : 128));
	ck_assert_uint_eq(strlen(state_of()), TRACE_STATE_BYTES);
	say("tracestate", "e=1");
	ck_assert_uint_eq(strlen(state_of()), TRACE_STATE_BYTES);
	ck_assert_ptr_null(strstr(text, "e=1"));
}
END_TEST

START_TEST(long_members_of_a_long_tracestate_go_first)
{
	say("tracestate", "a=1");
	say("tracestate", member('b', 129));
	say("tracestate", "c=1");
	ck_assert_uint_eq(strlen(state_of()), 3 + 1 + 129 + 1 + 3);
	say("tracestate", member('d', 258));
	say("tracestate", member('e', 128));
	ck_assert_int_eq(strncmp(state_of(), "a=1,c=1,e=v", 11), 0);
	ck_assert_uint_eq(strlen(text), 3 + 1 + 3 + 1 + 128);
}
END_TEST

START_TEST(tracestate_has_32_members_at_most)
{
	for (int i = 0; i < 32; i++)
		say("tracestate", "a=1");
	ck_assert_uint_eq(strlen(state_of()), 32 * 4 - 1);
	say("tracestate", "a=1");
	ck_assert_str_eq(state_of(), "");
}
END_TEST

START_TEST(keys_and_values_of_tracestate_are_bounded)
{
	char line[600];

	memset(line, 'k', sizeof(line));
	snprintf(line + 256, sizeof(line) - 256, "=v");
	say("tracestate", line);
	ck_assert_str_eq(state_of(), line);
	line[256] = 'k';
	snprintf(line + 257, sizeof(line) - 257, "=v");
	ck_assert_str_eq(state_of(), "");
	line[0] = 'k', line[1] = '=';
	memset(line + 2, 'v', 256);
	line[258] = '\0';
	setup();
	say("tracestate", line);
	ck_assert_str_eq(state_of(), line);
	line[258] = 'v', line[259] = '\0';
	setup();
	say("tracestate", line);
	ck_assert_str_eq(state_of(), "");
}
END_TEST

Suite *
suite_http_trace(void)
{
	Suite *s = suite_create("http_trace");
	TCase *t = tcase_create("trace");
	int count = sizeof(parents) / sizeof(parents[0]);

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, traceparent_is_read_strictly, 0, count);
	tcase_add_loop_test(t, a_valid_one_is_continued_under_a_parent_of_our_own, 0, 2);
	tcase_add_test(t, a_later_version_is_continued_as_the_one_that_we_know);
	tcase_add_loop_test(t, a_trace_begins_where_there_is_none, 0, 3);
	tcase_add_loop_test(t, no_trace_begins_where_that_is_not_wanted, 0, 3);
	tcase_add_loop_test(t, what_is_off_is_no_business_of_ours, 0, 2);
	tcase_add_test(t, what_nobody_asked_a_server_for_has_its_clients_id);
	tcase_add_test(t, as_many_are_recorded_as_is_said);
	count = sizeof(states) / sizeof(states[0]);
	tcase_add_loop_test(t, tracestate_goes_on_as_one_list, 0, count);
	tcase_add_test(t, tracestate_has_no_more_bytes_than_everybody_takes);
	tcase_add_test(t, long_members_of_a_long_tracestate_go_first);
	tcase_add_test(t, tracestate_has_32_members_at_most);
	tcase_add_test(t, keys_and_values_of_tracestate_are_bounded);
	suite_add_tcase(s, t);
	return s;
}
