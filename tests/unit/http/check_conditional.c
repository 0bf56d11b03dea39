/*
 * Conditional requests: each field alone, and which of several wins.
 */
#include "http/conditional.h"

#include <check.h>

Suite *suite_http_conditional(void);

#define AT     "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

enum { SECOND = 784111777, FIELDS = 4 };

static struct field memory[FIELDS];
static struct request request;

static void
setup(void)
{
	request =
	    (struct request){ .method = METHOD_GET, .fields = { .at = memory, .cap = FIELDS } };
}

static void
say(enum field_id id, const char *value)
{
	ck_assert_int_eq(fields_add(&request.fields, id, slice_of(value)), 0);
}

static struct validators
validators(const char *etag)
{
	return (struct validators){ .etag = slice_of(etag),
				    .modified_s = SECOND,
				    .has_modified = true,
				    .is_modified_strong = true };
}

/* What GET or another method gets with one or two fields. */
struct row {
	enum method method;
	enum field_id id;
	const char *value;
	enum field_id also;
	const char *also_value;
	enum condition expected;
};

static void
assert_rows(const char *etag, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct validators v = validators(etag);

		setup();
		request.method = rows[i].method;
		say(rows[i].id, rows[i].value);
		if (rows[i].also)
			say(rows[i].also, rows[i].also_value);
		ck_assert(condition_is_asked(&request));
		ck_assert_msg(condition_check(&request, &v) == rows[i].expected, "row %zu: %s", i,
			      rows[i].value);
	}
}

#define ASSERT_ROWS(etag, rows) assert_rows(etag, rows, sizeof(rows) / sizeof((rows)[0]))

START_TEST(if_match_compares_strongly)
{
	static const struct row strong[] = {
		{ METHOD_GET, FIELD_IF_MATCH, "\"a\"", 0, NULL, CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_MATCH, "*", 0, NULL, CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_MATCH, "\"x\", ,\"a\"", 0, NULL, CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_MATCH, "\"b\"", 0, NULL, CONDITION_FAILED },
		{ METHOD_GET, FIELD_IF_MATCH, "W/\"a\"", 0, NULL, CONDITION_FAILED },
		{ METHOD_GET, FIELD_IF_MATCH, "\"a\" x", 0, NULL, CONDITION_FAILED },
		{ METHOD_GET, FIELD_IF_MATCH, "a", 0, NULL, CONDITION_FAILED },
		{ METHOD_GET, FIELD_IF_MATCH, "", 0, NULL, CONDITION_FAILED },
	};
	static const struct row weak[] = {
		{ METHOD_GET, FIELD_IF_MATCH, "W/\"a\"", 0, NULL, CONDITION_FAILED },
		{ METHOD_GET, FIELD_IF_MATCH, "\"a\"", 0, NULL, CONDITION_FAILED },
		{ METHOD_GET, FIELD_IF_MATCH, "*", 0, NULL, CONDITION_PASSED },
	};

	ASSERT_ROWS("\"a\"", strong);
	ASSERT_ROWS("W/\"a\"", weak);
}
END_TEST

START_TEST(if_none_match_compares_weakly)
{
	static const struct row rows[] = {
		{ METHOD_GET, FIELD_IF_NONE_MATCH, "\"a\"", 0, NULL, CONDITION_NOT_MODIFIED },
		{ METHOD_HEAD, FIELD_IF_NONE_MATCH, "W/\"a\"", 0, NULL, CONDITION_NOT_MODIFIED },
		{ METHOD_GET, FIELD_IF_NONE_MATCH, " * ", 0, NULL, CONDITION_NOT_MODIFIED },
		{ METHOD_GET, FIELD_IF_NONE_MATCH, "\"b\",W/\"a\"", 0, NULL,
		  CONDITION_NOT_MODIFIED },
		{ METHOD_GET, FIELD_IF_NONE_MATCH, "\"b\"", FIELD_IF_NONE_MATCH, "\"a\"",
		  CONDITION_NOT_MODIFIED },
		{ METHOD_POST, FIELD_IF_NONE_MATCH, "\"a\"", 0, NULL, CONDITION_FAILED },
		{ METHOD_POST, FIELD_IF_NONE_MATCH, "*", 0, NULL, CONDITION_FAILED },
		{ METHOD_GET, FIELD_IF_NONE_MATCH, "\"b\"", 0, NULL, CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_NONE_MATCH, "\"A\"", 0, NULL, CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_NONE_MATCH, "w/\"a\"", 0, NULL, CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_NONE_MATCH, "\"b,\"a\"\"", 0, NULL, CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_NONE_MATCH, "\"a", 0, NULL, CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_NONE_MATCH, "\"", 0, NULL, CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_NONE_MATCH, "*, \"b\"", 0, NULL, CONDITION_PASSED },
	};
	static const struct row odd[] = {
		{ METHOD_GET, FIELD_IF_NONE_MATCH, "\"b\", \",\"", 0, NULL,
		  CONDITION_NOT_MODIFIED },
	};

	ASSERT_ROWS("\"a\"", rows);
	ASSERT_ROWS("\",\"", odd);
}
END_TEST

START_TEST(dates_count_where_they_can_be_read)
{
	static const struct row rows[] = {
		{ METHOD_GET, FIELD_IF_MODIFIED_SINCE, AT, 0, NULL, CONDITION_NOT_MODIFIED },
		{ METHOD_GET, FIELD_IF_MODIFIED_SINCE, AFTER, 0, NULL, CONDITION_NOT_MODIFIED },
		{ METHOD_GET, FIELD_IF_MODIFIED_SINCE, BEFORE, 0, NULL, CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_MODIFIED_SINCE, "yesterday", 0, NULL, CONDITION_PASSED },
		{ METHOD_POST, FIELD_IF_MODIFIED_SINCE, AT, 0, NULL, CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_UNMODIFIED_SINCE, AT, 0, NULL, CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_UNMODIFIED_SINCE, AFTER, 0, NULL, CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_UNMODIFIED_SINCE, BEFORE, 0, NULL, CONDITION_FAILED },
		{ METHOD_GET, FIELD_IF_UNMODIFIED_SINCE, "yesterday", 0, NULL, CONDITION_PASSED },
	};

	ASSERT_ROWS("\"a\"", rows);
}
END_TEST

/* RFC 9110 13.2.2 */
START_TEST(entity_tags_go_before_dates_and_if_match_before_all)
{
	static const struct row rows[] = {
		{ METHOD_GET, FIELD_IF_MATCH, "\"a\"", FIELD_IF_UNMODIFIED_SINCE, BEFORE,
		  CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_MATCH, "\"a\"", FIELD_IF_NONE_MATCH, "\"a\"",
		  CONDITION_NOT_MODIFIED },
		{ METHOD_GET, FIELD_IF_MATCH, "\"b\"", FIELD_IF_NONE_MATCH, "\"a\"",
		  CONDITION_FAILED },
		{ METHOD_GET, FIELD_IF_NONE_MATCH, "\"b\"", FIELD_IF_MODIFIED_SINCE, AFTER,
		  CONDITION_PASSED },
		{ METHOD_GET, FIELD_IF_NONE_MATCH, "\"a\"", FIELD_IF_MODIFIED_SINCE, BEFORE,
		  CONDITION_NOT_MODIFIED },
		{ METHOD_GET, FIELD_IF_UNMODIFIED_SINCE, BEFORE, FIELD_IF_NONE_MATCH, "\"a\"",
		  CONDITION_FAILED },
	};

	ASSERT_ROWS("\"a\"", rows);
}
END_TEST

START_TEST(what_has_no_time_is_not_judged_by_it)
{
	struct validators v = { .etag = SLICE("\"a\"") };

	say(FIELD_IF_MODIFIED_SINCE, AFTER);
	say(FIELD_IF_UNMODIFIED_SINCE, "Thu, 01 Jan 1970 00:00:00 GMT");
	ck_assert_int_eq(condition_check(&request, &v), CONDITION_PASSED);
}
END_TEST

START_TEST(if_range_wants_this_very_representation)
{
	static const struct {
		const char *value, *etag;
		bool is_time_weak, counts;
	} rows[] = {
		{ "\"a\"", "\"a\"", false, true },      { "\"b\"", "\"a\"", false, false },
		{ "W/\"a\"", "\"a\"", false, false },   { "\"a\"", "W/\"a\"", false, false },
		{ "W/\"a\"", "W/\"a\"", false, false }, { "\"a\", \"b\"", "\"a\"", false, false },
		{ "*", "\"a\"", false, false },         { AT, "\"a\"", false, true },
		{ AT, "\"a\"", true, false },           { AFTER, "\"a\"", false, false },
		{ BEFORE, "\"a\"", false, false },      { "yesterday", "\"a\"", false, false },
		{ "", "\"a\"", false, false },          { "\"a\"", "", false, false },
	};

	ck_assert(!condition_is_asked(&request));
	ck_assert(condition_range_counts(&request, &(struct validators){ 0 }));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct validators v = validators(rows[i].etag);

		v.is_modified_strong = !rows[i].is_time_weak;
		setup();
		say(FIELD_IF_RANGE, rows[i].value);
		ck_assert(condition_is_asked(&request));
		ck_assert_msg(condition_range_counts(&request, &v) == rows[i].counts, "row %zu: %s",
			      i, rows[i].value);
		ck_assert_int_eq(condition_check(&request, &v), CONDITION_PASSED);
	}
}
END_TEST

Suite *
suite_http_conditional(void)
{
	Suite *s = suite_create("http/conditional");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, if_match_compares_strongly);
	tcase_add_test(t, if_none_match_compares_weakly);
	tcase_add_test(t, dates_count_where_they_can_be_read);
	tcase_add_test(t, entity_tags_go_before_dates_and_if_match_before_all);
	tcase_add_test(t, what_has_no_time_is_not_judged_by_it);
	tcase_add_test(t, if_range_wants_this_very_representation);
	suite_add_tcase(s, t);
	return s;
}
