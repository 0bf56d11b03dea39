/*
 * Runs on their way to a process: parameters of every kind arrive as they were
 * sent, and what was cut is refused.
 */
#include "module/cell_wire.h"

#include <check.h>

Suite *suite_module_cell_wire(void);

struct params {
	struct slice text, first, second;
	uint32_t number;
	bool is_on;
};

static const struct conf_key keys[] = {
	{ "text", CONF_TEXT, CONF_FIELD(struct params, text) },
	{ "first", CONF_TEMPLATE, CONF_FIELD(struct params, first) },
	{ "number", CONF_UINT, CONF_FIELD(struct params, number) },
	{ "second", CONF_TEMPLATE, CONF_FIELD(struct params, second) },
	{ "on", CONF_BOOL, CONF_FIELD(struct params, is_on) },
	CONF_KEYS_END,
};

static const struct job_type type = { .name = "x",
				      .keys = keys,
				      .conf_size = sizeof(struct params) };

static struct buffer frame, output;
static struct params params = { .number = 7, .is_on = true };
static struct job job = { .deadline_ns = 12345 };

static void
set_up(void)
{
	struct job_call c = { .type = &type,
			      .conf = &params,
			      .output = &output,
			      .job = &job,
			      .input = SLICE("in\0put"),
			      .text = { SLICE("one"), { NULL, 0 } } };

	params.text = SLICE("a text");
	buffer_init(&frame, 1 << 16);
	buffer_init(&output, 99);
	cell_wire_put_run(&frame, &c, 3);
	ck_assert_int_eq(frame.err, 0);
}

static void
tear_down(void)
{
	buffer_fini(&frame);
}

static struct slice
payload(void)
{
	return slice_after(buffer_slice(&frame), sizeof(struct cell_frame));
}

START_TEST(a_run_arrives_as_it_was_sent)
{
	struct cell_frame head;
	struct cell_run run;
	struct params got;

	memcpy(&head, frame.at, sizeof(head));
	ck_assert_uint_eq(head.kind, CELL_RUN);
	ck_assert_uint_eq(head.bytes, payload().len);
	ck_assert_int_eq(cell_wire_take_run(&run, &type, &got, payload()), 0);
	ck_assert_uint_eq(run.head.job, 3);
	ck_assert_uint_eq(run.head.deadline_ns, 12345);
	ck_assert_uint_eq(run.head.max_output, 99);
	ck_assert(slice_eq(run.input, SLICE("in\0put")));
	ck_assert(slice_eq(got.text, SLICE("a text")));
	ck_assert_ptr_ne(got.text.at, params.text.at);
	ck_assert_int_eq(got.text.at[got.text.len], '\0');
	ck_assert(slice_eq(run.text[0], SLICE("one")));
	ck_assert_ptr_null(run.text[1].at);
	ck_assert_uint_eq(got.number, 7);
	ck_assert(got.is_on);
}
END_TEST

START_TEST(a_run_that_was_cut_is_none)
{
	struct slice whole = payload();
	struct cell_run run;
	struct params got;

	for (size_t cut = 0; cut < whole.len; cut++)
		ck_assert_int_eq(cell_wire_take_run(&run, &type, &got, slice_make(whole.at, cut)),
				 ERR_SYNTAX);
}
END_TEST

Suite *
suite_module_cell_wire(void)
{
	Suite *s = suite_create("module_cell_wire");
	TCase *t = tcase_create("runs");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_run_arrives_as_it_was_sent);
	tcase_add_test(t, a_run_that_was_cut_is_none);
	suite_add_tcase(s, t);
	return s;
}
