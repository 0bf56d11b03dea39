/*
 * Freshness: a table of what responses say and what RFC 9111 and RFC 5861 make of it.
 */
#include "cache/freshness.h"

#include "cache/control.h"

#include <check.h>
#include <stdlib.h>

Suite *suite_cache_freshness(void);

enum { NOW = 784111777, ROOM = 16 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

#define DATE    "Date: Sun, 06 Nov 1994 08:49:37 GMT\n"
#define DATE_10 "Date: Sun, 06 Nov 1994 08:49:27 GMT\n"

struct saying {
	const char *fields; /* of the response, a line each */
	int status; /* 0: 200 */
	bool is_authorized;
	const char *asked; /* fields of the request */
	enum method method;
	int64_t unsaid_s, stale_s, meanwhile_s, delay_s;
	/* What comes of it. */
	bool may_store;
	int64_t lifetime_s, age_s, refresh_s, error_s;
};

#define CC "Cache-Control: "

static const struct saying sayings[] = {
	/* 4.2.1: s-maxage, then max-age, then Expires */
	{ .fields = CC "max-age=60", .may_store = true, .lifetime_s = 60 },
	{ .fields = CC "MAX-AGE=\"60\" , x=\"a, no-store\"", .may_store = true, .lifetime_s = 60 },
	{ .fields = CC "max-age=60, s-maxage=10", .may_store = true, .lifetime_s = 10 },
	{ .fields = CC "max-age=60\n" CC "max-age=5", .may_store = true, .lifetime_s = 5 },
	{ .fields = CC "max-age=60\nExpires: 0", .may_store = true, .lifetime_s = 60 },
	{ .fields = DATE "Expires: Sun, 06 Nov 1994 08:50:37 GMT",
	  .may_store = true,
	  .lifetime_s = 60 },
	{ .fields = "Expires: Sun, 06 Nov 1994 08:50:37 GMT", .may_store = true, .lifetime_s = 60 },
	{ .fields = DATE "Expires: Sun, 06 Nov 1994 08:49:00 GMT" },
	{ .fields = "Expires: 0" },
	{ .fields = CC "max-age=99999999999999999999",
	  .may_store = true,
	  .lifetime_s = INT64_C(1) << 31 },
	{ .fields = CC "max-age=x" },
	{ .fields = CC "max-age=-5" },
	{ .fields = CC "max-age" },
	/* 4.2.3 */
	{ .fields = CC "max-age=60\nAge: 20", .may_store = true, .lifetime_s = 60, .age_s = 20 },
	{ .fields = DATE_10 CC "max-age=60", .may_store = true, .lifetime_s = 60, .age_s = 10 },
	{ .fields = DATE_10 CC "max-age=60\nAge: 4",
	  .delay_s = 3,
	  .may_store = true,
	  .lifetime_s = 60,
	  .age_s = 10 },
	{ .fields = DATE_10 CC "max-age=60\nAge: 9",
	  .delay_s = 3,
	  .may_store = true,
	  .lifetime_s = 60,
	  .age_s = 12 },
	{ .fields = CC "max-age=60\nAge: 60", .lifetime_s = 60, .age_s = 60 },
	/* 3: what may not be kept */
	{ .fields = CC "no-store, max-age=60", .lifetime_s = 60 },
	{ .fields = CC "private, max-age=60", .lifetime_s = 60 },
	{ .fields = CC "private=\"set-cookie\", max-age=60", .lifetime_s = 60 },
	{ .fields = CC "max-age=60\nSet-Cookie: a=b", .lifetime_s = 60 },
	{ .fields = CC "max-age=60\nVary: accept, *", .lifetime_s = 60 },
	{ .fields = CC "max-age=60", .asked = CC "no-store", .lifetime_s = 60 },
	{ .fields = CC "max-age=60", .method = METHOD_HEAD, .lifetime_s = 60 },
	{ .fields = CC "max-age=60", .method = METHOD_POST, .lifetime_s = 60 },
	{ .fields = CC "max-age=60", .status = 206, .lifetime_s = 60 },
	{ .fields = CC "max-age=60", .status = 304, .lifetime_s = 60 },
	{ .fields = CC "max-age=60", .status = 500, .lifetime_s = 60 },
	{ .fields = CC "max-age=60", .status = 404, .may_store = true, .lifetime_s = 60 },
	{ .fields = CC "max-age=60", .status = 302, .may_store = true, .lifetime_s = 60 },
	{ .fields = "", .status = 302, .unsaid_s = 5, .lifetime_s = 5 },
	/* 3.5 */
	{ .fields = CC "max-age=60", .is_authorized = true, .lifetime_s = 60 },
	{ .fields = CC "max-age=60, public",
	  .is_authorized = true,
	  .may_store = true,
	  .lifetime_s = 60 },
	{ .fields = CC "s-maxage=60", .is_authorized = true, .may_store = true, .lifetime_s = 60 },
	{ .fields = CC "max-age=60, must-revalidate",
	  .is_authorized = true,
	  .may_store = true,
	  .lifetime_s = 60 },
	/* what says nothing */
	{ .fields = "ETag: \"a\"" },
	{ .fields = "", .stale_s = 9, .error_s = 9 },
	{ .fields = "", .unsaid_s = 5, .may_store = true, .lifetime_s = 5 },
	{ .fields = "", .unsaid_s = 5, .is_authorized = true },
	{ .fields = CC "public", .unsaid_s = 5, .is_authorized = true },
	{ .fields = "", .unsaid_s = 5, .asked = "Cookie: a=b" },
	/* 5.2.2.4: kept to be asked about */
	{ .fields = CC "no-cache\nETag: \"a\"", .may_store = true },
	{ .fields = CC "no-cache, max-age=60\nETag: \"a\"", .stale_s = 9, .may_store = true },
	{ .fields = CC "no-cache" },
	{ .fields = CC "max-age=0\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT",
	  .may_store = true },
	{ .fields = CC "max-age=0" },
	/* RFC 5861, and 4.2.4 */
	{ .fields = CC "max-age=6, stale-while-revalidate=7, stale-if-error=8",
	  .may_store = true,
	  .lifetime_s = 6,
	  .refresh_s = 7,
	  .error_s = 8 },
	{ .fields = CC "max-age=0, stale-if-error=8", .may_store = true, .error_s = 8 },
	{ .fields = CC "max-age=6",
	  .stale_s = 9,
	  .may_store = true,
	  .lifetime_s = 6,
	  .error_s = 9 },
	{ .fields = CC "max-age=6, stale-if-error=0",
	  .stale_s = 9,
	  .may_store = true,
	  .lifetime_s = 6 },
	{ .fields = CC "max-age=6, must-revalidate, stale-if-error=8",
	  .stale_s = 9,
	  .may_store = true,
	  .lifetime_s = 6 },
	{ .fields = CC "max-age=6, proxy-revalidate",
	  .stale_s = 9,
	  .may_store = true,
	  .lifetime_s = 6 },
	{ .fields = CC "s-maxage=6", .stale_s = 9, .may_store = true, .lifetime_s = 6 },
	{ .fields = CC "s-maxage=6, stale-while-revalidate=7",
	  .meanwhile_s = 9,
	  .may_store = true,
	  .lifetime_s = 6,
	  .refresh_s = 7 },
	{ .fields = CC "max-age=6",
	  .meanwhile_s = 9,
	  .may_store = true,
	  .lifetime_s = 6,
	  .refresh_s = 9 },
	{ .fields = CC "max-age=6, stale-while-revalidate=0",
	  .meanwhile_s = 9,
	  .may_store = true,
	  .lifetime_s = 6 },
	{ .fields = CC "max-age=6, must-revalidate",
	  .meanwhile_s = 9,
	  .may_store = true,
	  .lifetime_s = 6 },
	{ .fields = CC "s-maxage=6", .meanwhile_s = 9, .may_store = true, .lifetime_s = 6 },
};

/* Lines of a literal, into f. */
static void
split(const char *text, struct fields *f)
{
	struct slice rest = slice_of(text ? text : "");

	while (rest.len > 0) {
		struct slice value = slice_cut(&rest, '\n'), name = slice_cut(&value, ':');

		ck_assert_int_eq(fields_add_name(f, name, slice_trim(value)), 0);
		f->at[f->count - 1].id = field_id_of(name);
	}
}

START_TEST(what_a_response_says_decides)
{
	const struct saying *s = &sayings[_i];
	struct field said[ROOM], asked[ROOM];
	struct request request = { .method = s->method, .fields = { asked, 0, ROOM } };
	struct response response = { .status = s->status ? s->status : 200,
				     .fields = { said, 0, ROOM } };
	const struct freshness_question q = {
		.request = &request,
		.response = &response,
		.is_authorized = s->is_authorized,
		.now_s = NOW,
		.delay_s = s->delay_s,
		.unsaid_s = s->unsaid_s,
		.stale_if_error_s = s->stale_s,
		.stale_while_revalidate_s = s->meanwhile_s,
	};
	struct freshness f;

	split(s->fields, &response.fields);
	split(s->asked, &request.fields);
	if (request.method == 0)
		request.method = METHOD_GET;
	freshness_read(&q, &f);
	ck_assert_msg(f.may_store == s->may_store, "%s: %d", s->fields, f.may_store);
	ck_assert_msg(f.lifetime_s == s->lifetime_s, "%s: lifetime", s->fields);
	ck_assert_msg(f.age_s == s->age_s, "%s: age", s->fields);
	ck_assert_msg(f.stale_while_revalidate_s == s->refresh_s, "%s: refresh", s->fields);
	ck_assert_msg(f.stale_if_error_s == s->error_s, "%s: error", s->fields);
}
END_TEST

START_TEST(no_cache_is_never_used_unasked)
{
	struct field said[ROOM], asked[1];
	struct request request = { .method = METHOD_GET, .fields = { asked, 0, 1 } };
	struct response response = { .status = 200, .fields = { said, 0, ROOM } };
	const struct freshness_question q = { .request = &request,
					      .response = &response,
					      .now_s = NOW };
	struct freshness f;

	split(CC "no-cache=\"a, b\", max-age=60\nETag: \"a\"", &response.fields);
	freshness_read(&q, &f);
	ck_assert(f.is_always_asked && f.may_store);
	ck_assert_int_eq(f.lifetime_s, 0);
}
END_TEST

Suite *
suite_cache_freshness(void)
{
	Suite *s = suite_create("cache_freshness");
	TCase *t = tcase_create("freshness");

	tcase_add_loop_test(t, what_a_response_says_decides, 0,
			    (int)(sizeof(sayings) / sizeof(sayings[0])));
	tcase_add_test(t, no_cache_is_never_used_unasked);
	suite_add_tcase(s, t);
	return s;
}
