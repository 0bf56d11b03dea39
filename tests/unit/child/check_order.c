/*
 * Orders: what is written is what is read, and what cannot be executed is refused.
 */
#include "child/order.h"

#include <check.h>

Suite *suite_child_order(void);

static const struct order_limits limits = { .memory = 1 << 20, .cpu_s = 2, .files = 16 };
static char message[ORDER_BYTES];

static size_t
copy(const struct order *o)
{
	memcpy(message, &o->head, sizeof(o->head));
	memcpy(message + sizeof(o->head), o->text.at, o->text.len);
	return sizeof(o->head) + o->text.len;
}

static void
fill(struct order *o)
{
	order_init(o, "/bin/ls", "/tmp", &limits);
	order_argument(o, SLICE("-l"));
	order_argument(o, SLICE(""));
	order_argument(o, SLICE("a b; $c"));
	order_variable(o, SLICE("A"), SLICE("1=2"));
	o->head.share.nice = 7;
	ck_assert_int_eq(o->text.err, 0);
}

START_TEST(an_order_is_read_as_it_was_written)
{
	static struct order_read r;
	struct order o;

	fill(&o);
	ck_assert_int_eq(order_read(&r, message, copy(&o)), 0);
	ck_assert_str_eq(r.program, "/bin/ls");
	ck_assert_str_eq(r.folder, "/tmp");
	ck_assert_str_eq(r.arguments[0], "/bin/ls");
	ck_assert_str_eq(r.arguments[1], "-l");
	ck_assert_str_eq(r.arguments[2], "");
	ck_assert_str_eq(r.arguments[3], "a b; $c");
	ck_assert_ptr_null(r.arguments[4]);
	ck_assert_str_eq(r.variables[0], "A=1=2");
	ck_assert_ptr_null(r.variables[1]);
	ck_assert_int_eq(r.head.share.nice, 7);
	ck_assert_uint_eq(r.head.limits.cpu_s, 2);
	order_fini(&o);
}
END_TEST

START_TEST(an_order_that_was_cut_is_none)
{
	static struct order_read r;
	struct order o;
	size_t len;

	fill(&o);
	len = copy(&o);
	for (size_t cut = 0; cut < len; cut++)
		ck_assert_int_eq(order_read(&r, message, cut), ERR_SYNTAX);
	order_fini(&o);
}
END_TEST

START_TEST(an_order_with_endless_lists_is_none)
{
	static struct order_read r;
	struct order o;

	fill(&o);
	o.head.arguments = UINT32_MAX;
	ck_assert_int_eq(order_read(&r, message, copy(&o)), ERR_SYNTAX);
	order_fini(&o);
}
END_TEST

START_TEST(a_nul_in_a_value_is_refused)
{
	struct order o;

	fill(&o);
	order_argument(&o, SLICE("a\0b"));
	ck_assert_int_eq(o.text.err, ERR_ARGUMENT);
	order_fini(&o);
}
END_TEST

START_TEST(what_is_larger_than_a_message_is_refused)
{
	static char large[ORDER_BYTES];
	struct order o;

	fill(&o);
	memset(large, 'x', sizeof(large));
	order_argument(&o, slice_make(large, sizeof(large)));
	ck_assert_int_eq(o.text.err, ERR_TOO_LARGE);
	order_fini(&o);
	fill(&o);
	for (unsigned i = 0; i < ORDER_TEXTS_MAX; i++)
		order_argument(&o, SLICE("x"));
	ck_assert_int_eq(o.text.err, ERR_TOO_MANY);
	order_fini(&o);
}
END_TEST

Suite *
suite_child_order(void)
{
	Suite *s = suite_create("child_order");
	TCase *t = tcase_create("order");

	tcase_add_test(t, an_order_is_read_as_it_was_written);
	tcase_add_test(t, an_order_that_was_cut_is_none);
	tcase_add_test(t, an_order_with_endless_lists_is_none);
	tcase_add_test(t, a_nul_in_a_value_is_refused);
	tcase_add_test(t, what_is_larger_than_a_message_is_refused);
	suite_add_tcase(s, t);
	return s;
}
