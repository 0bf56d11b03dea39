/*
 * Compiling templates: what is a variable and what is text, and what is an error.
 */
#include "bench.h"

Suite *suite_plan_template(void);

static const struct reading {
	const char *text;
	unsigned variables;
	const char *first; /* the first variable, or the whole text without one */
} readings[] = {
	{ "", 0, "" },
	{ "plain", 0, "plain" },
	{ "{id}", 1, "id" },
	{ "x{id}y{odd-1_x}z", 2, "id" },
	{ "{query}", 1, "query" },
	{ "{query.a.b[]}", 1, "query.a.b[]" },
	{ "{header.x-one}", 1, "header.x-one" },
	{ "{body}", 1, "body" },
	{ "{body.b.0}", 1, "body.b.0" },
	{ "{body.$ref.@t.caf\xC3\xA9}", 1, "body.$ref.@t.caf\xC3\xA9" },
	{ "{request.id}{request.method}{client.address}", 3, "request.id" },
	{ "{user.name}", 1, "user.name" },
	{ "{user:status}", 1, "user:status" },
	{ "{user:body}", 1, "user:body" },
	{ "{user:header.etag}", 1, "user:header.etag" },
	/* braces that are text */
	{ "{", 0, "{" },
	{ "}", 0, "}" },
	{ "{}", 0, "{}" },
	{ "{ id }", 0, "{ id }" },
	{ "{id", 0, "{id" },
	{ "{id ", 0, "{id " },
	{ "{Id}", 0, "{Id}" },
	{ "{1}", 0, "{1}" },
	{ "{-a}", 0, "{-a}" },
	{ "{id.}", 0, "{id.}" },
	{ "{id..a}", 0, "{id..a}" },
	{ "{body.a b}", 0, "{body.a b}" },
	{ "{body.\"a\"}", 0, "{body.\"a\"}" },
	{ "{\"a\":1}", 0, "{\"a\":1}" },
	{ "p{color:red}", 0, "p{color:red}" },
	{ "{a:1}", 0, "{a:1}" },
	{ "{nobody:other}", 0, "{nobody:other}" },
	{ "{user:1}", 0, "{user:1}" },
	{ "{\"a\": {id}, \"b\": {}}", 1, "id" },
	{ "{\"a\":{\"b\":{id}}}", 1, "id" },
	/* doubled braces */
	{ "{{id}", 0, "{id}" },
	{ "{{id}}", 0, "{id}}" },
	{ "{{{id}", 1, "id" },
	{ "{{{{id}", 0, "{{id}" },
	{ "{{", 0, "{{" },
	{ "{{}", 0, "{{}" },
	{ "{{Id}", 0, "{{Id}" },
	{ "{{nobody}", 0, "{nobody}" },
	{ "{{user:status}", 0, "{user:status}" },
	{ "a{{id}b{{id}c", 0, "a{id}b{id}c" },
};

START_TEST(braces_are_variables_only_before_a_name_and_a_brace)
{
	const struct reading *r = &readings[_i];
	struct slice text = SLICE("unset");
	struct bench b;
	struct template *t;

	bench_init(&b);
	t = must_compile(&b, slice_of(r->text), VALUE_RAW);
	ck_assert_uint_eq(template_variable_count(t), r->variables);
	ck_assert_int_eq(template_is_constant(t, &text), r->variables == 0);
	if (r->variables)
		text = template_variable_name(t, 0);
	ck_assert_msg(slice_eq(text, slice_of(r->first)), "got %.*s", SLICE_PRINT(text));
	bench_fini(&b);
}
END_TEST

static const struct mistake {
	const char *text;
	enum value_coding coding;
	int error;
	size_t offset;
	const char *message;
} mistakes[] = {
	{ "{idd}", VALUE_RAW, ERR_NOT_FOUND, 1,
	  "{idd}: the route has no such path parameter (a brace as text is {{); did you mean "
	  "\"id\"?" },
	{ "ab {user}", VALUE_RAW, ERR_NOT_FOUND, 4,
	  "{user}: that is a part: say which of it, as in {part.field} or {part:body}" },
	{ "{usr.name}", VALUE_RAW, ERR_NOT_FOUND, 1,
	  "{usr.name}: the route has no other part of that name; did you mean \"user\"?" },
	{ "{usr:status}", VALUE_RAW, ERR_NOT_FOUND, 1,
	  "{usr:status}: the route has no other part of that name; did you mean \"user\"?" },
	{ "{user:stat}", VALUE_RAW, ERR_NOT_FOUND, 1,
	  "{user:stat}: of a part there are :status, :body and :header.NAME" },
	{ "{user:header}", VALUE_RAW, ERR_NOT_FOUND, 1,
	  "{user:header}: of a part there are :status, :body and :header.NAME" },
	{ "{id.x}", VALUE_RAW, ERR_NOT_FOUND, 1, "{id.x}: nothing can follow a path parameter" },
	{ "{qury.x}", VALUE_RAW, ERR_NOT_FOUND, 1,
	  "{qury.x}: the route has no other part of that name; did you mean \"query\"?" },
	{ "{request.methd}", VALUE_RAW, ERR_NOT_FOUND, 1,
	  "{request.methd}: there is no such variable; did you mean \"request.method\"?" },
	{ "{header}", VALUE_RAW, ERR_NOT_FOUND, 1, NULL },
	{ "{request}", VALUE_RAW, ERR_NOT_FOUND, 1, NULL },
	{ "{client}", VALUE_RAW, ERR_NOT_FOUND, 1, NULL },
	{ "{body:status}", VALUE_RAW, ERR_NOT_FOUND, 1, NULL },
	{ "{header.x[y]}", VALUE_RAW, ERR_SYNTAX, 1,
	  "{header.x[y]}: that is no name of a header field" },
	{ "{user:header.a@b}", VALUE_RAW, ERR_SYNTAX, 1, NULL },
	{ "/a b", VALUE_PATH, ERR_SYNTAX, 0, "a byte that no path may hold; write it as %XX" },
	{ "/a#b", VALUE_PATH, ERR_SYNTAX, 0, NULL },
	{ "/a\n/b", VALUE_PATH, ERR_SYNTAX, 0, NULL },
	{ "/caf\xC3\xA9", VALUE_PATH, ERR_SYNTAX, 0, NULL },
	{ "/{ id }", VALUE_PATH, ERR_SYNTAX, 0, NULL },
	{ "/a/../{id}", VALUE_PATH, ERR_SYNTAX, 0, "a path with dot segments" },
	{ "/a/%2e%2E/{id}", VALUE_PATH, ERR_SYNTAX, 0, NULL },
	{ "a&b c", VALUE_QUERY, ERR_SYNTAX, 0, NULL },
	{ "one\r\ntwo: {id}", VALUE_FIELD, ERR_SYNTAX, 0, NULL },
	{ "{\"a\": {id}", VALUE_JSON, ERR_SYNTAX, 0, "not JSON" },
	{ "{\"a\": x{id}}", VALUE_JSON, ERR_SYNTAX, 0, "not JSON" },
};

START_TEST(mistakes_are_named_with_the_nearest_name)
{
	const struct mistake *m = &mistakes[_i];
	struct template_error e;
	struct bench b;

	bench_init(&b);
	ck_assert(!template_compile(&b.arena, slice_of(m->text), m->coding, &names, &e));
	ck_assert_int_eq(e.err, m->error);
	ck_assert_uint_eq(e.offset, m->offset);
	if (m->message)
		ck_assert_str_eq(e.text, m->message);
	ck_assert(e.text[0] != '\0');
	bench_fini(&b);
}
END_TEST

START_TEST(a_long_name_is_cut_in_its_error)
{
	char text[1000];
	struct template_error e;
	struct bench b;

	bench_init(&b);
	memset(text, 'a', sizeof(text));
	text[0] = '{';
	text[sizeof(text) - 1] = '}';
	ck_assert(
	    !template_compile(&b.arena, slice_make(text, sizeof(text)), VALUE_RAW, &names, &e));
	ck_assert_int_eq(e.err, ERR_NOT_FOUND);
	ck_assert(strstr(e.text, "a...: the route has no such"));
	bench_fini(&b);
}
END_TEST

START_TEST(needs_are_the_parts_and_bodies_that_are_named)
{
	struct template_needs n;
	struct bench b;

	bench_init(&b);
	n = template_needs(must_compile(&b, SLICE("{id}{query.x}{{user.a}"), VALUE_RAW));
	ck_assert(n.parts == 0 && !n.has_body && !n.has_body_json);
	n = template_needs(must_compile(&b, SLICE("{gone:status}{user.a}{user.b}"), VALUE_RAW));
	ck_assert(n.parts == 5 && !n.has_body);
	n = template_needs(must_compile(&b, SLICE("{body}"), VALUE_RAW));
	ck_assert(n.has_body && !n.has_body_json);
	n = template_needs(must_compile(&b, SLICE("{body.a}"), VALUE_RAW));
	ck_assert(n.has_body && n.has_body_json);
	bench_fini(&b);
}
END_TEST

START_TEST(a_user_is_known_only_where_the_route_asks)
{
	struct bench b;
	struct template_names alone = names;
	struct template_error e;

	bench_init(&b);
	ck_assert_ptr_nonnull(template_compile(&b.arena, SLICE("{request.user}{request.claim.a}"),
					       VALUE_RAW, &alone, &e));
	alone.lacks_user = true;
	ck_assert_ptr_null(
	    template_compile(&b.arena, SLICE("{request.user}"), VALUE_RAW, &alone, &e));
	ck_assert_int_eq(e.err, ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "the route has no auth"));
	ck_assert_ptr_null(
	    template_compile(&b.arena, SLICE("{request.claim.a}"), VALUE_RAW, &alone, &e));
	bench_fini(&b);
}
END_TEST

Suite *
suite_plan_template(void)
{
	Suite *s = suite_create("plan/template");
	TCase *t = tcase_create("compile");

	tcase_add_loop_test(t, braces_are_variables_only_before_a_name_and_a_brace, 0,
			    COUNT(readings));
	tcase_add_loop_test(t, mistakes_are_named_with_the_nearest_name, 0, COUNT(mistakes));
	tcase_add_test(t, a_long_name_is_cut_in_its_error);
	tcase_add_test(t, needs_are_the_parts_and_bodies_that_are_named);
	tcase_add_test(t, a_user_is_known_only_where_the_route_asks);
	suite_add_tcase(s, t);
	return s;
}
