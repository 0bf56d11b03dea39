/*
 * Members of JSON objects, byte by byte.
 */
#include "server/member.h"

#include <check.h>

Suite *suite_server_member(void);

START_TEST(commas_are_put_between_and_never_before_the_first)
{
	struct buffer b;

	buffer_init(&b, 4096);
	member_object(&b);
	member_text(&b, "text", SLICE("a\"b"));
	member_number(&b, "number", UINT64_MAX);
	member_list(&b, "list");
	member_object(&b);
	member_bool(&b, "yes", true);
	member_bool(&b, "no", false);
	buffer_char(&b, '}');
	member_object(&b);
	buffer_text(&b, "}]");
	member_name(&b, "object");
	buffer_char(&b, '{');
	member_null(&b, "null");
	buffer_text(&b, "}}");
	ck_assert_int_eq(b.err, 0);
	ck_assert(
	    slice_eq(buffer_slice(&b), SLICE("{\"text\":\"a\\\"b\",\"number\":18446744073709551615,"
					     "\"list\":[{\"yes\":true,\"no\":false},{}],"
					     "\"object\":{\"null\":null}}")));
	buffer_fini(&b);
}
END_TEST

START_TEST(what_is_empty_is_a_text_or_null_as_asked)
{
	struct buffer b;

	buffer_init(&b, 4096);
	member_text(&b, "a", SLICE(""));
	member_text_or_null(&b, "b", SLICE(""));
	member_text_or_null(&b, "c", SLICE("x"));
	ck_assert(slice_eq(buffer_slice(&b), SLICE("\"a\":\"\",\"b\":null,\"c\":\"x\"")));
	buffer_fini(&b);
}
END_TEST

START_TEST(thousandths_keep_their_zeros)
{
	struct buffer b;

	buffer_init(&b, 4096);
	member_milli(&b, "a", 0);
	member_milli(&b, "b", 1);
	member_milli(&b, "c", 12050);
	ck_assert(slice_eq(buffer_slice(&b), SLICE("\"a\":0.000,\"b\":0.001,\"c\":12.050")));
	buffer_fini(&b);
}
END_TEST

START_TEST(a_buffer_that_is_full_says_so)
{
	struct buffer b;

	buffer_init(&b, 8);
	member_object(&b);
	member_text(&b, "name", SLICE("too long for it"));
	member_number(&b, "more", 1);
	ck_assert_int_eq(b.err, ERR_TOO_LARGE);
	buffer_fini(&b);
}
END_TEST

Suite *
suite_server_member(void)
{
	Suite *s = suite_create("server_member");
	TCase *t = tcase_create("members");

	tcase_add_test(t, commas_are_put_between_and_never_before_the_first);
	tcase_add_test(t, what_is_empty_is_a_text_or_null_as_asked);
	tcase_add_test(t, thousandths_keep_their_zeros);
	tcase_add_test(t, a_buffer_that_is_full_says_so);
	suite_add_tcase(s, t);
	return s;
}
