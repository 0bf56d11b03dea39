/*
 * Which of two media types a client would rather have.
 */
#include "http/accept.h"

#include <check.h>

Suite *suite_http_accept(void);

static const struct accept_case {
	const char *accept;
	bool prefers_json;
} cases[] = {
	{ "", false },
	{ "application/json", true },
	{ "APPLICATION/JSON", true },
	{ "text/html", false },
	{ "*/*", false },
	{ "application/*", true },
	{ "application/json, text/plain, */*", true },
	{ "text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", false },
	{ "text/html;q=0.5, application/json", true },
	{ "text/html, application/json;q=0.9", false },
	{ "text/html, application/json", false },
	{ "application/json;q=0", false },
	{ "application/json;q=0, text/html;q=0", false },
	{ "text/html;q=0, */*;q=0.1", true },
	{ "application/json;q=x", false },
	{ "application/json ; q=0.3 , text/*;q=0.2", true },
	{ "application/problem+json", false },
	{ ",,;q=1,/,*", false },
};

START_TEST(weight_decides_then_closeness)
{
	struct field at[] = {
		{ SLICE_INIT("Accept"), slice_of(cases[_i].accept), FIELD_ACCEPT },
	};
	struct fields f = { at, 1, 1 };

	ck_assert_msg(accept_prefers(&f, SLICE("application/json"), SLICE("text/html")) ==
			  cases[_i].prefers_json,
		      "%s", cases[_i].accept);
}
END_TEST

START_TEST(fields_of_that_name_are_one_list)
{
	struct field at[] = {
		{ SLICE_INIT("Accept"), SLICE_INIT("text/html;q=0.1"), FIELD_ACCEPT },
		{ SLICE_INIT("Accept"), SLICE_INIT("application/json;q=0.2"), FIELD_ACCEPT },
	};
	struct fields f = { at, 2, 2 }, none = { NULL, 0, 0 };

	ck_assert(accept_prefers(&f, SLICE("application/json"), SLICE("text/html")));
	ck_assert(!accept_prefers(&none, SLICE("application/json"), SLICE("text/html")));
}
END_TEST

Suite *
suite_http_accept(void)
{
	Suite *s = suite_create("http_accept");
	TCase *t = tcase_create("accept");

	tcase_add_loop_test(t, weight_decides_then_closeness, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(t, fields_of_that_name_are_one_list);
	suite_add_tcase(s, t);
	return s;
}
