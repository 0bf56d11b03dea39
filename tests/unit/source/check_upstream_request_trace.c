/*
 * Which trace a server is told that its request belongs to.
 */
#include "upstream_bed.h"

#include <check.h>
#include <stdio.h>

Suite *suite_source_upstream_request_trace(void);

#define TRACE_ID "0af7651916cd43dd8448eb211c80319c"
#define TRACED   "00-" TRACE_ID "-b7ad6b7169203331-01"

static void
ask_trace(struct ask *a, unsigned mode)
{
	static const struct trace_conf confs[] = { { .mode = TRACE_OFF },
						   { .mode = TRACE_PROPAGATE },
						   { .mode = TRACE_MAKE } };

	a->trace.conf = &confs[mode];
	a->q.trace = &a->trace;
}

/* The value of the one traceparent, which is well formed; ends at its line's end. */
static struct slice
parent_in(const char *head, unsigned *flags)
{
	const char *at = strstr(head, "\r\ntraceparent: ");
	struct slice value, id;

	ck_assert_ptr_nonnull(at);
	at += strlen("\r\ntraceparent: ");
	ck_assert_ptr_null(strcasestr(at, "traceparent"));
	value = slice_make(at, (size_t)(strstr(at, "\r\n") - at));
	ck_assert_int_eq(trace_parse(value, &id, flags), 0);
	return value;
}

START_TEST(a_trace_goes_on_with_a_parent_of_our_own)
{
	struct bed *b = bed_open("", "", _i);
	struct ask *a = bed_prepare(b);
	const char *head;
	unsigned flags;
	struct slice value;

	ask_trace(a, TRACE_MAKE);
	ask_field(a, "TraceParent", TRACED);
	ask_field(a, "Tracestate", "a=1");
	ask_field(a, "tracestate", "b=2");
	head = bed_head_of(b, a);
	value = parent_in(head, &flags);
	ck_assert(slice_has_prefix(value, SLICE("00-" TRACE_ID "-")));
	ck_assert(!slice_eq(value, SLICE(TRACED)));
	ck_assert_uint_eq(flags, 1);
	ck_assert(head_has(head, "tracestate: a=1,b=2"));
	bed_close(b);
}
END_TEST

START_TEST(a_malformed_trace_is_replaced_and_its_state_dropped)
{
	struct bed *b = bed_open("", "", _i);
	struct ask *a = bed_prepare(b);
	const char *head;
	unsigned flags;

	ask_trace(a, TRACE_MAKE);
	ask_field(a, "traceparent", TRACED "-x");
	ask_field(a, "tracestate", "a=1");
	head = bed_head_of(b, a);
	ck_assert(!slice_has_prefix(parent_in(head, &flags), SLICE("00-" TRACE_ID "-")));
	ck_assert_uint_eq(flags, 0);
	ck_assert_ptr_null(strcasestr(head, "tracestate"));
	bed_close(b);
}
END_TEST

START_TEST(no_trace_is_made_where_only_others_go_on)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	struct ask *a = bed_prepare(b);
	const char *head;

	ask_trace(a, TRACE_PROPAGATE);
	ask_field(a, "traceparent", "nonsense");
	ask_field(a, "tracestate", "a=1");
	head = bed_head_of(b, a);
	ck_assert_ptr_null(strcasestr(head, "trace"));
	bed_close(b);
}
END_TEST

START_TEST(traces_that_are_off_pass_as_they_are)
{
	struct bed *b = bed_open("", "", BED_PASSED);
	struct ask *a = bed_prepare(b);
	const char *head;

	ask_trace(a, TRACE_OFF);
	ask_field(a, "traceparent", "nonsense");
	ask_field(a, "tracestate", "=");
	head = bed_head_of(b, a);
	ck_assert(head_has(head, "traceparent: nonsense"));
	ck_assert(head_has(head, "tracestate: ="));
	bed_close(b);
}
END_TEST

/* Its state would be another trace's. */
START_TEST(a_trace_of_the_parts_own_stands_alone)
{
	static const char *const parts[] = { "set_request_header.traceparent = own",
					     "remove_request_header = traceparent" };
	struct bed *b = bed_open("", parts[_i], BED_PASSED);
	struct ask *a = bed_prepare(b);
	const char *head;

	ask_trace(a, TRACE_MAKE);
	ask_field(a, "traceparent", TRACED);
	ask_field(a, "tracestate", "a=1");
	head = bed_head_of(b, a);
	ck_assert(head_has(head, "traceparent: own") == !_i);
	ck_assert_ptr_null(strstr(head, TRACE_ID));
	ck_assert_ptr_null(strcasestr(head, "tracestate"));
	bed_close(b);
}
END_TEST

Suite *
suite_source_upstream_request_trace(void)
{
	Suite *s = suite_create("source_upstream_request_trace");
	TCase *t = tcase_create("trace");

	tcase_add_loop_test(t, a_trace_goes_on_with_a_parent_of_our_own, 0, 2);
	tcase_add_loop_test(t, a_malformed_trace_is_replaced_and_its_state_dropped, 0, 2);
	tcase_add_test(t, no_trace_is_made_where_only_others_go_on);
	tcase_add_test(t, traces_that_are_off_pass_as_they_are);
	tcase_add_loop_test(t, a_trace_of_the_parts_own_stands_alone, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
