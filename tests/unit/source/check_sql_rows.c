/*
 * Rows as JSON: every shape, every type, numbers that read back as they were.
 */
#include "base/json.h"
#include "base/random.h"
#include "source/sql_rows.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

Suite *suite_source_sql_rows(void);

enum { LIMIT = 4096 };

/* Two columns, `rows` rows; the text that comes out. */
static void
write_rows(struct buffer *b, enum sql_shape shape, unsigned rows)
{
	struct sql_rows r;

	buffer_init(b, LIMIT);
	sql_rows_begin(&r, shape, b);
	for (unsigned i = 0; i < rows; i++) {
		unsigned wanted = sql_rows_row(&r, 2);
		for (unsigned k = 0; k < wanted; k++) {
			sql_rows_name(&r, k == 0 ? SLICE("i\"d") : SLICE("x"));
			if (k == 0)
				sql_rows_i64(&r, (int64_t)i - 1);
			else
				sql_rows_null(&r);
		}
		sql_rows_row_end(&r);
	}
	sql_rows_end(&r, true, 99);
}

static const struct {
	enum sql_shape shape;
	unsigned rows;
	const char *expected;
} shapes[] = {
	{ SQL_ARRAY, 0, "[]" },
	{ SQL_ARRAY, 1, "[{\"i\\\"d\":-1,\"x\":null}]" },
	{ SQL_ARRAY, 2, "[{\"i\\\"d\":-1,\"x\":null},{\"i\\\"d\":0,\"x\":null}]" },
	{ SQL_OBJECT, 0, "null" },
	{ SQL_OBJECT, 1, "{\"i\\\"d\":-1,\"x\":null}" },
	{ SQL_OBJECT, 3, "{\"i\\\"d\":-1,\"x\":null}" },
	{ SQL_VALUE, 0, "null" },
	{ SQL_VALUE, 1, "-1" },
	{ SQL_VALUE, 2, "-1" },
	{ SQL_COUNT, 0, "0" },
	{ SQL_COUNT, 12, "12" },
};

START_TEST(each_shape_is_valid_json_of_its_rows)
{
	struct buffer b;

	write_rows(&b, shapes[_i].shape, shapes[_i].rows);
	ck_assert_int_eq(b.err, 0);
	ck_assert(slice_eq(buffer_slice(&b), slice_of(shapes[_i].expected)));
	ck_assert_int_eq(json_validate(buffer_slice(&b), 8, NULL), 0);
	buffer_fini(&b);
}
END_TEST

START_TEST(a_statement_without_columns_counts_what_it_changed)
{
	struct sql_rows r;
	struct buffer b;

	buffer_init(&b, LIMIT);
	sql_rows_begin(&r, SQL_COUNT, &b);
	sql_rows_end(&r, false, 3);
	ck_assert(slice_eq(buffer_slice(&b), SLICE("3")));
	buffer_fini(&b);
}
END_TEST

static void
expect_real(double value, const char *expected)
{
	struct sql_rows r;
	struct buffer b;

	buffer_init(&b, LIMIT);
	sql_rows_begin(&r, SQL_VALUE, &b);
	sql_rows_row(&r, 1);
	sql_rows_real(&r, value);
	ck_assert_msg(slice_eq(buffer_slice(&b), slice_of(expected)), "%a gave %.*s", value,
		      SLICE_PRINT(buffer_slice(&b)));
	buffer_fini(&b);
}

static int
splice(struct buffer *b, const char *name, const char *text)
{
	static const struct slice json[] = { SLICE_INIT("j"), SLICE_INIT("k") };
	struct sql_rows r;

	buffer_init(b, LIMIT);
	sql_rows_begin(&r, SQL_OBJECT, b);
	sql_rows_splice(&r, json, 2);
	sql_rows_row(&r, 1);
	sql_rows_name(&r, slice_of(name));
	sql_rows_text(&r, slice_of(text));
	sql_rows_row_end(&r);
	ck_assert(r.bad == (b->err == ERR_SYNTAX ? &json[name[0] - 'j'] : NULL));
	return b->err;
}

START_TEST(columns_that_are_json_are_taken_as_they_stand)
{
	struct buffer b;

	ck_assert_int_eq(splice(&b, "k", " {\"a\": [1.50] }"), 0);
	ck_assert(slice_eq(buffer_slice(&b), SLICE("{\"k\": {\"a\": [1.50] }}")));
	buffer_fini(&b);
	ck_assert_int_eq(splice(&b, "x", "[1]"), 0);
	ck_assert(slice_eq(buffer_slice(&b), SLICE("{\"x\":\"[1]\"}")));
	buffer_fini(&b);
}
END_TEST

START_TEST(text_that_is_no_json_where_it_should_be_fails_the_whole)
{
	static const char *const texts[] = { "", "{", "a", "1,2", "\"\xff\"", "{}}" };
	char deep[2 * JSON_DEPTH_MAX + 1] = "";
	struct buffer b;

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert_int_eq(splice(&b, "j", texts[i]), ERR_SYNTAX);
		buffer_fini(&b);
	}
	/* As deep as a response may be around it. */
	for (unsigned depth = JSON_DEPTH_MAX - 3; depth < JSON_DEPTH_MAX; depth++) {
		memset(deep, '[', depth);
		memset(deep + depth, ']', depth);
		ck_assert_int_eq(splice(&b, "k", deep),
				 depth > JSON_DEPTH_MAX - 3 ? ERR_SYNTAX : 0);
		buffer_fini(&b);
	}
}
END_TEST

START_TEST(reals_are_short_and_stay_reals)
{
	expect_real(0.1, "0.1");
	expect_real(0.1 + 0.2, "0.30000000000000004");
	expect_real(5, "5.0");
	expect_real(-0.0, "-0.0");
	expect_real(1e20, "1e+20");
	expect_real(1e-7, "1e-07");
	expect_real(123456789012345680.0, "1.2345678901234568e+17");
	expect_real(5e-324, "4.94065645841247e-324");
	expect_real(INFINITY, "null");
	expect_real(-INFINITY, "null");
	expect_real(NAN, "null");
}
END_TEST

START_TEST(any_real_reads_back_as_itself)
{
	struct random random;

	random_init(&random, 7);
	for (unsigned i = 0; i < 20000; i++) {
		union {
			uint64_t bits;
			double real;
		} v = { .bits = random_next(&random) };
		struct sql_rows r;
		struct buffer b;

		if (!isfinite(v.real))
			continue;
		buffer_init(&b, LIMIT);
		sql_rows_begin(&r, SQL_VALUE, &b);
		sql_rows_real(&r, v.real);
		ck_assert_int_eq(json_validate(buffer_slice(&b), 0, NULL), 0);
		buffer_char(&b, '\0');
		ck_assert(strtod(b.at, NULL) == v.real);
		buffer_fini(&b);
	}
}
END_TEST

START_TEST(text_is_escaped_and_bytes_are_base64)
{
	struct sql_rows r;
	struct buffer b;

	buffer_init(&b, LIMIT);
	sql_rows_begin(&r, SQL_ARRAY, &b);
	sql_rows_row(&r, 2);
	sql_rows_name(&r, SLICE("a"));
	sql_rows_text(&r, SLICE("\"\n\xff\0z"));
	sql_rows_name(&r, SLICE("b"));
	sql_rows_bytes(&r, SLICE("\xff\xfe\xfd\x00"));
	sql_rows_row_end(&r);
	sql_rows_end(&r, true, 0);
	ck_assert_int_eq(json_validate(buffer_slice(&b), 2, NULL), 0);
	ck_assert(slice_eq(buffer_slice(&b),
			   SLICE("[{\"a\":\"\\\"\\n\xef\xbf\xbd\\u0000z\",\"b\":\"//79AA==\"}]")));
	buffer_fini(&b);
}
END_TEST

Suite *
suite_source_sql_rows(void)
{
	Suite *s = suite_create("source_sql_rows");
	TCase *t = tcase_create("sql_rows");

	tcase_add_loop_test(t, each_shape_is_valid_json_of_its_rows, 0,
			    sizeof(shapes) / sizeof(shapes[0]));
	tcase_add_test(t, a_statement_without_columns_counts_what_it_changed);
	tcase_add_test(t, columns_that_are_json_are_taken_as_they_stand);
	tcase_add_test(t, text_that_is_no_json_where_it_should_be_fails_the_whole);
	tcase_add_test(t, reals_are_short_and_stay_reals);
	tcase_add_test(t, any_real_reads_back_as_itself);
	tcase_add_test(t, text_is_escaped_and_bytes_are_base64);
	suite_add_tcase(s, t);
	return s;
}
