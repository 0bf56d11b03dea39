/*
 * Byte classes, held against the grammars written out as text.
 */
#include "http/byte.h"

#include <check.h>
#include <string.h>

#define ALNUM "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Suite *suite_http_byte(void);

/* `members` lists what is in a class below 0x80; above it all or nothing is. */
static void
assert_class(enum byte_class wanted, const char *members, bool with_high)
{
	for (int c = 0; c < 256; c++) {
		bool is_member = c == 0 ? false : c > 0x7f ? with_high : strchr(members, c) != NULL;

		ck_assert_msg(byte_is((char)c, wanted) == is_member, "class %d, byte %d",
			      (int)wanted, c);
	}
}

START_TEST(classes_hold_the_bytes_of_their_grammar_and_no_others)
{
	char value[128] = "\t";
	size_t n = 1;

	assert_class(BYTE_TOKEN, ALNUM "!#$%&'*+-.^_`|~", false);
	assert_class(BYTE_UNRESERVED, ALNUM "-._~", false);
	assert_class(BYTE_HOST, ALNUM "-._~!$&'()*+,;=%", false);
	assert_class(BYTE_PATH, ALNUM "-._~!$&'()*+,;=%:@/[]^|", false);
	assert_class(BYTE_QUERY, ALNUM "-._~!$&'()*+,;=%:@/[]^|?`{}\\", false);
	for (char c = 0x20; c < 0x7f; c++)
		value[n++] = c;
	value[n] = 0;
	assert_class(BYTE_VALUE, value, true);
}
END_TEST

Suite *
suite_http_byte(void)
{
	Suite *s = suite_create("http_byte");
	TCase *t = tcase_create("byte");

	tcase_add_test(t, classes_hold_the_bytes_of_their_grammar_and_no_others);
	suite_add_tcase(s, t);
	return s;
}
