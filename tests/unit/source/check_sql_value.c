/*
 * Values for statements: which type each text is taken for.
 */
#include "source/sql_value.h"

#include <check.h>
#include <math.h>

Suite *suite_source_sql_value(void);

static const struct {
	const char *typed;
	enum sql_type type;
	int64_t integer;
	double real;
	const char *text;
} values[] = {
	{ "null", SQL_TYPE_NULL, 0, 0, "" },
	{ "true", SQL_TYPE_BOOLEAN, 1, 0, "true" },
	{ "false", SQL_TYPE_BOOLEAN, 0, 0, "false" },
	{ "0", SQL_TYPE_INTEGER, 0, 0, "0" },
	{ "-0", SQL_TYPE_INTEGER, 0, 0, "-0" },
	{ "9223372036854775807", SQL_TYPE_INTEGER, INT64_MAX, 0, "9223372036854775807" },
	{ "-9223372036854775808", SQL_TYPE_INTEGER, INT64_MIN, 0, "-9223372036854775808" },
	{ "9223372036854775808", SQL_TYPE_REAL, 0, 9223372036854775808.0, "9223372036854775808" },
	{ "1.0", SQL_TYPE_REAL, 0, 1.0, "1.0" },
	{ "1e3", SQL_TYPE_REAL, 0, 1000.0, "1e3" },
	{ "1E-3", SQL_TYPE_REAL, 0, 0.001, "1E-3" },
	{ "1e999", SQL_TYPE_REAL, 0, INFINITY, "1e999" },
	{ "1e-999", SQL_TYPE_REAL, 0, 0.0, "1e-999" },
	{ "\"", SQL_TYPE_TEXT, 0, 0, "" },
	{ "\"a \"b\"", SQL_TYPE_TEXT, 0, 0, "a \"b\"" },
	{ "\"12", SQL_TYPE_TEXT, 0, 0, "12" },
	{ "\"null", SQL_TYPE_TEXT, 0, 0, "null" },
	{ "{\"a\":1}", SQL_TYPE_JSON, 0, 0, "{\"a\":1}" },
	{ "[1]", SQL_TYPE_JSON, 0, 0, "[1]" },
};

START_TEST(a_typed_value_is_what_its_json_is)
{
	struct sql_value v = sql_value_of(slice_of(values[_i].typed), true);

	ck_assert_int_eq(v.type, values[_i].type);
	ck_assert_int_eq(v.integer, v.type == SQL_TYPE_REAL ? v.integer : values[_i].integer);
	ck_assert(v.real == values[_i].real);
	ck_assert(slice_eq(v.text, slice_of(values[_i].text)));
}
END_TEST

START_TEST(a_value_without_type_is_text)
{
	static const char *const texts[] = { "", "null", "true", "12", "\"a\"", "{}" };

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sql_value v = sql_value_of(slice_of(texts[i]), false);

		ck_assert_int_eq(v.type, SQL_TYPE_TEXT);
		ck_assert(slice_eq(v.text, slice_of(texts[i])));
	}
}
END_TEST

START_TEST(a_number_of_many_digits_is_text)
{
	char digits[600];

	memset(digits, '7', sizeof(digits));
	ck_assert_int_eq(sql_value_of(slice_make(digits, 511), true).type, SQL_TYPE_REAL);
	ck_assert_int_eq(sql_value_of(slice_make(digits, 512), true).type, SQL_TYPE_TEXT);
	ck_assert_uint_eq(sql_value_of(slice_make(digits, 600), true).text.len, 600);
}
END_TEST

Suite *
suite_source_sql_value(void)
{
	Suite *s = suite_create("source_sql_value");
	TCase *t = tcase_create("sql_value");

	tcase_add_loop_test(t, a_typed_value_is_what_its_json_is, 0,
			    sizeof(values) / sizeof(values[0]));
	tcase_add_test(t, a_value_without_type_is_text);
	tcase_add_test(t, a_number_of_many_digits_is_text);
	suite_add_tcase(s, t);
	return s;
}
