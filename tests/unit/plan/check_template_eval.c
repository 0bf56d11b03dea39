/*
 * Evaluating templates: values in every coding, what hostile values may not do, bounds.
 */
#include "base/json.h"
#include "base/mem.h"
#include "bench.h"

Suite *suite_plan_template_eval(void);

/* --- a request and results ----------------------------------------------------------- */

static const struct slice values[] = {
	SLICE_INIT("a b/c"),
	SLICE_INIT("x/y z%2F"),
	SLICE_INIT("odd"),
};

#define QUERY "name=J%C3%BCrgen+D.&empty=&dots=..&crlf=a%0D%0Ab&quote=%22%5C&a.b[]=1&bad=%zz&flag"
#define JSON                                                                                       \
	"{\"name\":\"A "                                                                           \
	"\\\"q\\\"\",\"tags\":[\"x\",{\"k\":12.50}],\"no\":null,\"half\":\"\\ud800\","             \
	"\"sub\":{\"a\":1},\"up\":\"../admin\",\"\":0}"

static struct field request_fields[] = {
	{ SLICE_INIT("X-One"), SLICE_INIT("first"), FIELD_OTHER },
	{ SLICE_INIT("x-one"), SLICE_INIT("second"), FIELD_OTHER },
};

static struct field result_fields[] = {
	{ SLICE_INIT("ETag"), SLICE_INIT("\"e\""), FIELD_ETAG },
};

static const struct request request = {
	.method_name = SLICE_INIT("PATCH"),
	.query = SLICE_INIT(QUERY),
	.authority = SLICE_INIT("www.example.com:8080"),
	.has_query = true,
	.fields = { request_fields, 2, 2 },
};

static const struct fields part_fields = { result_fields, 1, 1 };
static const struct template_result user = {
	.status = 201,
	.fields = &part_fields,
	.body = SLICE_INIT(JSON),
	.json = SLICE_INIT(JSON),
};
static const struct template_result orders = { .status = 200, .body = SLICE_INIT("no json") };
static const struct template_result *const results[] = { &user, &orders, NULL };

static const struct template_scope scope = {
	.params = values,
	.rest = SLICE_INIT("x/y z%2F%25"),
	.request = &request,
	.request_id = SLICE_INIT("77"),
	.client_address = SLICE_INIT("192.0.2.1"),
	.user = SLICE_INIT("A b"),
	.claims = SLICE_INIT("{\"sub\":\"A b\",\"roles\":[\"dev\",\"ops\"]}"),
	.body = SLICE_INIT(" {\"b\":[true,\"t\"]}"),
	.body_json = SLICE_INIT(" {\"b\":[true,\"t\"]}"),
	.results = results,
};

/* --- values -------------------------------------------------------------------------- */

static const struct value_case {
	const char *text;
	enum value_coding coding;
	int error;
	const char *result; /* or the variable at fault */
} value_cases[] = {
	{ "plain", VALUE_PATH, 0, "plain" },
	{ "<{id}>", VALUE_RAW, 0, "<a b/c>" },
	{ "{path}", VALUE_RAW, 0, "x/y z%2F" },
	{ "{query.name}", VALUE_RAW, 0, "J\xC3\xBCrgen D." },
	{ "{query.empty}|{query.flag}", VALUE_RAW, 0, "|" },
	{ "{query.a.b[]}", VALUE_RAW, 0, "1" },
	{ "{query.bad}", VALUE_RAW, ERR_SYNTAX, "query.bad" },
	{ "{query.none}", VALUE_RAW, ERR_MISSING, "query.none" },
	{ "{query}", VALUE_RAW, 0, QUERY },
	{ "{header.x-ONE}", VALUE_RAW, 0, "first" },
	{ "a{id}{header.none}", VALUE_RAW, ERR_MISSING, "header.none" },
	{ "{body}", VALUE_RAW, 0, " {\"b\":[true,\"t\"]}" },
	{ "{body.b.0}{body.b.1}", VALUE_RAW, 0, "truet" },
	{ "{body.b.2}", VALUE_RAW, ERR_MISSING, "body.b.2" },
	{ "{request.id}-{request.method}-{client.address}", VALUE_RAW, 0, "77-PATCH-192.0.2.1" },
	{ "{request.host}", VALUE_RAW, 0, "www.example.com" },
	{ "{request.user}", VALUE_RAW, 0, "A b" },
	{ "/u/{request.user}", VALUE_PATH, 0, "/u/A%20b" },
	{ "{request.claim.sub}", VALUE_RAW, 0, "A b" },
	{ "{request.claim.roles.1}", VALUE_RAW, 0, "ops" },
	{ "{request.claim.none}", VALUE_RAW, ERR_MISSING, "request.claim.none" },
	{ "[{request.claim.roles},{request.user}]", VALUE_JSON, 0, "[[\"dev\",\"ops\"],\"A b\"]" },
	{ "https://{request.host}/{id}", VALUE_PATH, 0, "https://www.example.com/a%20b%2Fc" },
	{ "{user.name}", VALUE_RAW, 0, "A \"q\"" },
	{ "{user.tags.1.k}", VALUE_RAW, 0, "12.50" },
	{ "{user.tags}", VALUE_RAW, 0, "[\"x\",{\"k\":12.50}]" },
	{ "{user.no}", VALUE_RAW, ERR_MISSING, "user.no" },
	{ "{user.half}", VALUE_RAW, ERR_SYNTAX, "user.half" },
	{ "{user.none}", VALUE_RAW, ERR_MISSING, "user.none" },
	{ "{user:status}", VALUE_RAW, 0, "201" },
	{ "{user:header.etag}", VALUE_RAW, 0, "\"e\"" },
	{ "{user:header.none}", VALUE_RAW, ERR_MISSING, "user:header.none" },
	{ "{orders:body}", VALUE_RAW, 0, "no json" },
	{ "{orders.a}", VALUE_RAW, ERR_MISSING, "orders.a" }, /* not a JSON result */
	{ "{orders:header.etag}", VALUE_RAW, ERR_MISSING, "orders:header.etag" },
	{ "{id}{gone:status}", VALUE_RAW, ERR_MISSING, "gone:status" },
	{ "{gone:body}", VALUE_RAW, ERR_MISSING, "gone:body" },
	{ "{gone.a}", VALUE_RAW, ERR_MISSING, "gone.a" },
	/* with its type, when it stands alone */
	{ "{body.b.0}", VALUE_TYPED, 0, "true" },
	{ "{body.b.1}", VALUE_TYPED, 0, "\"t" },
	{ "{body.b}", VALUE_TYPED, 0, "[true,\"t\"]" },
	{ "{body.b.2}", VALUE_TYPED, ERR_MISSING, "body.b.2" },
	{ "{user.tags.1.k}", VALUE_TYPED, 0, "12.50" },
	{ "{user.name}", VALUE_TYPED, 0, "\"A \"q\"" },
	{ "{user.no}", VALUE_TYPED, 0, "null" },
	{ "{user.half}", VALUE_TYPED, ERR_SYNTAX, "user.half" },
	{ "{user:status}", VALUE_TYPED, 0, "201" },
	{ "{user}", VALUE_TYPED, 0, JSON },
	{ "{orders}", VALUE_TYPED, 0, "\"no json" },
	{ "{gone}", VALUE_TYPED, ERR_MISSING, "gone" },
	{ "{request.claim.sub}", VALUE_TYPED, 0, "\"A b" },
	{ "{id}", VALUE_TYPED, 0, "a b/c" },
	{ "{orders:body}", VALUE_TYPED, 0, "no json" },
	{ "{body}", VALUE_TYPED, 0, " {\"b\":[true,\"t\"]}" },
	{ "-{body.b.0}", VALUE_TYPED, 0, "-true" },
	{ "{body.b.0}{body.b.1}", VALUE_TYPED, 0, "truet" },
	{ "x{user.none}", VALUE_TYPED, ERR_MISSING, "user.none" },
	{ "7", VALUE_TYPED, 0, "7" },
	/* paths: a value stays inside its segment */
	{ "/u/{id}", VALUE_PATH, 0, "/u/a%20b%2Fc" },
	{ "/u/{user.name}?x={user.name}", VALUE_PATH, 0, "/u/A%20%22q%22?x=A%20%22q%22" },
	{ "/f/{path}", VALUE_PATH, 0, "/f/x/y%20z%2F%25" },
	{ "/f?p={path}", VALUE_PATH, 0, "/f?p=x%2Fy%20z%252F" },
	{ "/u?{query}", VALUE_PATH, 0, "/u?" QUERY },
	{ "/u?x=1&{query}", VALUE_PATH, 0, "/u?x=1&" QUERY },
	{ "/u/{query.empty}", VALUE_PATH, 0, "/u/" },
	{ "/u/{query.crlf}", VALUE_PATH, 0, "/u/a%0D%0Ab" },
	{ "/u/{query.dots}/x", VALUE_PATH, ERR_SYNTAX, "query.dots" },
	{ "/u/{query.dots}", VALUE_PATH, ERR_SYNTAX, "query.dots" },
	{ "/u/{query.dots}?a", VALUE_PATH, ERR_SYNTAX, "query.dots" },
	{ "/u/{query.dots}x", VALUE_PATH, 0, "/u/..x" },
	{ "/u/x{query.dots}", VALUE_PATH, 0, "/u/x.." },
	{ "/u/{query.dots}{query.dots}", VALUE_PATH, 0, "/u/...." },
	{ "/u/{user.up}", VALUE_PATH, ERR_SYNTAX, "user.up" },
	{ "/u?d={query.dots}&e={user.up}", VALUE_PATH, 0, "/u?d=..&e=..%2Fadmin" },
	/* queries */
	{ "x={id}", VALUE_QUERY, 0, "x=a%20b%2Fc" },
	{ "{query.name}", VALUE_QUERY, 0, "J%C3%BCrgen%20D." },
	{ "{user.sub}", VALUE_QUERY, 0, "%7B%22a%22%3A1%7D" },
	/* fields: one line, whatever the value is */
	{ "v {id}", VALUE_FIELD, 0, "v a b/c" },
	{ "{query.name}", VALUE_FIELD, 0, "J\xC3\xBCrgen D." },
	{ "{query.crlf}", VALUE_FIELD, ERR_SYNTAX, "query.crlf" },
	{ "{id}{query.crlf}", VALUE_FIELD, ERR_SYNTAX, "query.crlf" },
	/* JSON: a value stays a value */
	{ "{\"a\": {id}, \"b\": \"<{id}>\"}", VALUE_JSON, 0,
	  "{\"a\": \"a b/c\", \"b\": \"<a b/c>\"}" },
	{ "[\"{query.quote}\",{query.quote}]", VALUE_JSON, 0, "[\"\\\"\\\\\",\"\\\"\\\\\"]" },
	{ "[\"\\\"{id}\",{user.no}]", VALUE_JSON, 0, "[\"\\\"a b/c\",null]" },
	{ "[{user.tags},{user.half},{user:status},{user.name}]", VALUE_JSON, 0,
	  "[[\"x\",{\"k\":12.50}],\"\\ud800\",201,\"A \\\"q\\\"\"]" },
	{ "[\"{user.tags}\"]", VALUE_JSON, 0, "[\"[\\\"x\\\",{\\\"k\\\":12.50}]\"]" },
	{ "{query.crlf}", VALUE_JSON, 0, "\"a\\r\\nb\"" },
};

START_TEST(values_are_written_as_their_place_asks)
{
	const struct value_case *v = &value_cases[_i];
	struct slice result = SLICE("unset");
	unsigned variable = 99;
	struct template *t;
	struct bench b;
	int error;

	bench_init(&b);
	t = must_compile(&b, slice_of(v->text), v->coding);
	error = template_eval(t, &scope, &b.arena, LIMIT, &result, &variable);
	ck_assert_int_eq(error, v->error);
	if (error)
		result = template_variable_name(t, variable);
	else if (v->coding == VALUE_JSON)
		ck_assert_int_eq(json_validate(result, JSON_DEPTH_MAX, NULL), 0);
	ck_assert_msg(slice_eq(result, slice_of(v->result)), "got %.*s", SLICE_PRINT(result));
	bench_fini(&b);
}
END_TEST

/* Values of {id}, decoded as the router gives them, and of {path...}, as in request.path. */
static const struct attack {
	const char *id, *rest;
	int error;
	const char *path; /* of "/a/{id}/b/{path}" */
} attacks[] = {
	{ "x", "y", 0, "/a/x/b/y" },
	{ "..", "y", ERR_SYNTAX, NULL },
	{ ".", "y", ERR_SYNTAX, NULL },
	{ "...", "y", 0, "/a/.../b/y" },
	{ "../..", "y", ERR_SYNTAX, NULL },
	{ "x/../../y", "y", ERR_SYNTAX, NULL },
	{ "..\\", "y", ERR_SYNTAX, NULL },
	{ "%2e%2e", "y", 0, "/a/%252e%252e/b/y" }, /* decoded twice it would be dots: once is not */
	{ "x?y#z", "y", 0, "/a/x%3Fy%23z/b/y" },
	{ "x y\r\nz", "y", 0, "/a/x%20y%0D%0Az/b/y" },
	{ "x", "../y", ERR_SYNTAX, NULL },
	{ "x", "y/..", ERR_SYNTAX, NULL },
	{ "x", "y/./z", ERR_SYNTAX, NULL },
	{ "x", "y/..%2Fz", ERR_SYNTAX, NULL },
	{ "x", "..\\y", ERR_SYNTAX, NULL },
	{ "x", "@scope%2Fname", 0, "/a/x/b/%40scope%2Fname" },
	{ "x", "100%25", 0, "/a/x/b/100%25" },
	{ "x", "%252F", 0, "/a/x/b/%252F" },
	{ "x", "%zz", 0, "/a/x/b/%25zz" },
	{ "x", "y?z", 0, "/a/x/b/y%3Fz" },
	{ "x", "//evil", 0, "/a/x/b///evil" },
	{ "x", "", 0, "/a/x/b/" },
};

START_TEST(no_value_leaves_its_place_in_a_path)
{
	const struct attack *attack = &attacks[_i];
	struct slice captures[] = { slice_of(attack->id), slice_of(attack->rest), SLICE("") };
	struct template_scope hostile = scope;
	struct slice result = SLICE("");
	unsigned variable;
	struct template *t;
	struct bench b;

	bench_init(&b);
	hostile.params = captures;
	hostile.rest = slice_of(attack->rest);
	t = must_compile(&b, SLICE("/a/{id}/b/{path}"), VALUE_PATH);
	ck_assert_int_eq(template_eval(t, &hostile, &b.arena, LIMIT, &result, &variable),
			 attack->error);
	if (attack->path)
		ck_assert_msg(slice_eq(result, slice_of(attack->path)), "got %.*s",
			      SLICE_PRINT(result));
	bench_fini(&b);
}
END_TEST

/* Without its form as sent, a rest is encoded once more rather than once less. */
START_TEST(a_rest_without_its_raw_form_is_encoded_whole)
{
	struct template_scope without = scope;
	struct slice result;
	unsigned variable;
	struct bench b;

	bench_init(&b);
	without.rest = slice_make(NULL, 0);
	ck_assert_int_eq(template_eval(must_compile(&b, SLICE("/{path}"), VALUE_PATH), &without,
				       &b.arena, LIMIT, &result, &variable),
			 0);
	ck_assert(slice_eq(result, SLICE("/x/y%20z%252F")));
	bench_fini(&b);
}
END_TEST

START_TEST(no_byte_breaks_a_field_or_a_query)
{
	for (unsigned c = 0; c < 256; c++) {
		char byte = (char)c;
		struct slice captures[] = { slice_make(&byte, 1), SLICE(""), SLICE("") };
		struct template_scope hostile = scope;
		bool is_control = (c < 0x20 && c != '\t') || c == 0x7F;
		struct slice result;
		unsigned variable;
		struct bench b;

		bench_init(&b);
		hostile.params = captures;
		ck_assert_int_eq(template_eval(must_compile(&b, SLICE("x{id}"), VALUE_FIELD),
					       &hostile, &b.arena, LIMIT, &result, &variable),
				 is_control ? ERR_SYNTAX : 0);
		ck_assert_int_eq(template_eval(must_compile(&b, SLICE("{id}"), VALUE_QUERY),
					       &hostile, &b.arena, LIMIT, &result, &variable),
				 0);
		for (size_t i = 0; i < result.len; i++)
			ck_assert(result.at[i] > 0x20 && result.at[i] < 0x7F &&
				  result.at[i] != '&');
		bench_fini(&b);
	}
}
END_TEST

START_TEST(a_raw_query_stays_raw_behind_the_question_mark_alone)
{
	struct request short_one = request;
	struct template_scope with = scope;
	struct slice result;
	unsigned variable;
	struct bench b;

	bench_init(&b);
	short_one.query = SLICE("a=b&c");
	with.request = &short_one;
	ck_assert_int_eq(template_eval(must_compile(&b, SLICE("/{query}?{query}"), VALUE_PATH),
				       &with, &b.arena, LIMIT, &result, &variable),
			 0);
	ck_assert(slice_eq(result, SLICE("/a%3Db%26c?a=b&c")));
	bench_fini(&b);
}
END_TEST

/* A raw query comes from a checked target; if it ever does not, it goes nowhere. */
START_TEST(a_raw_query_with_a_line_break_is_refused)
{
	struct request odd = request;
	struct template_scope hostile = scope;
	struct slice result;
	unsigned variable;
	struct bench b;

	bench_init(&b);
	odd.query = SLICE("a b\r\nc");
	hostile.request = &odd;
	ck_assert_int_eq(template_eval(must_compile(&b, SLICE("/?{query}"), VALUE_PATH), &hostile,
				       &b.arena, LIMIT, &result, &variable),
			 ERR_SYNTAX);
	bench_fini(&b);
}
END_TEST

START_TEST(lone_values_and_constants_are_not_copied)
{
	struct slice result, text;
	unsigned variable;
	struct template *t;
	struct bench b;

	bench_init(&b);
	t = must_compile(&b, SLICE("{orders:body}"), VALUE_RAW);
	ck_assert_int_eq(template_eval(t, &scope, &b.arena, LIMIT, &result, &variable), 0);
	ck_assert(result.at == orders.body.at && result.len == orders.body.len);
	/* It costs no memory, and has passed max_body or max_result. */
	ck_assert_int_eq(template_eval(t, &scope, &b.arena, 1, &result, &variable), 0);
	ck_assert(result.at == orders.body.at && result.len == orders.body.len);
	t = must_compile(&b, SLICE("constant"), VALUE_RAW);
	ck_assert(template_is_constant(t, &text));
	ck_assert_int_eq(template_eval(t, &scope, &b.arena, LIMIT, &result, &variable), 0);
	ck_assert(result.at == text.at && slice_eq(result, SLICE("constant")));
	bench_fini(&b);
}
END_TEST

static const struct bounded {
	const char *text;
	enum value_coding coding;
	size_t bytes; /* of the result */
} bounded[] = {
	{ "constant", VALUE_RAW, 8 },         { "{orders:body}!", VALUE_RAW, 8 },
	{ "/{id}", VALUE_PATH, 10 },          { "[\"{query.quote}\"]", VALUE_JSON, 8 },
	{ "[{query.quote}]", VALUE_JSON, 8 },
};

START_TEST(results_are_bounded)
{
	const struct bounded *c = &bounded[_i];
	struct slice result;
	unsigned variable;
	struct template *t;
	struct bench b;

	bench_init(&b);
	t = must_compile(&b, slice_of(c->text), c->coding);
	ck_assert_int_eq(template_eval(t, &scope, &b.arena, c->bytes, &result, &variable), 0);
	ck_assert_uint_eq(result.len, c->bytes);
	for (size_t limit = 0; limit < c->bytes; limit++)
		ck_assert_int_eq(template_eval(t, &scope, &b.arena, limit, &result, &variable),
				 ERR_TOO_LARGE);
	bench_fini(&b);
}
END_TEST

START_TEST(the_text_may_go_after_compiling)
{
	char text[] = "<{id}|{body.b.0}>";
	struct slice result;
	unsigned variable;
	struct template *t;
	struct bench b;

	bench_init(&b);
	t = must_compile(&b, slice_of(text), VALUE_RAW);
	memset(text, '#', sizeof(text));
	ck_assert_int_eq(template_eval(t, &scope, &b.arena, LIMIT, &result, &variable), 0);
	ck_assert(slice_eq(result, SLICE("<a b/c|true>")));
	ck_assert(slice_eq(template_variable_name(t, 1), SLICE("body.b.0")));
	bench_fini(&b);
}
END_TEST

/* An arena asks for memory a page at a time, so its limit is what runs out here. */
START_TEST(lack_of_memory_is_an_error_at_every_point)
{
	static char text[3 * STORE_PAGE_BYTES];
	unsigned failed_compile = 0, failed_eval = 0;

	memset(text, 'x', sizeof(text));
	memcpy(text, "{user.name}{query.name}", 23);
	for (unsigned long n = 1; n < 64; n++) {
		struct slice result;
		unsigned variable;
		struct template_error e;
		struct template *t;
		struct bench b;
		int error = 0;

		bench_init(&b);
		mem_fail_at(n, true);
		t = template_compile(&b.arena, slice_make(text, sizeof(text)), VALUE_RAW, &names,
				     &e);
		if (t)
			error = template_eval(t, &scope, &b.arena, SIZE_MAX, &result, &variable);
		mem_fail_at(0, false);
		failed_compile += !t;
		failed_eval += error != 0;
		ck_assert_int_eq(t ? ERR_MEMORY : e.err, ERR_MEMORY);
		ck_assert(error == 0 || error == ERR_MEMORY);
		bench_fini(&b);
		if (t && !error)
			break;
		ck_assert_uint_lt(n, 63);
	}
	ck_assert_uint_gt(failed_compile, 2);
	ck_assert_uint_gt(failed_eval, 0);
}
END_TEST

Suite *
suite_plan_template_eval(void)
{
	Suite *s = suite_create("plan/template_eval");
	TCase *t = tcase_create("eval");

	tcase_add_loop_test(t, values_are_written_as_their_place_asks, 0, COUNT(value_cases));
	tcase_add_loop_test(t, no_value_leaves_its_place_in_a_path, 0, COUNT(attacks));
	tcase_add_test(t, a_rest_without_its_raw_form_is_encoded_whole);
	tcase_add_test(t, no_byte_breaks_a_field_or_a_query);
	tcase_add_test(t, a_raw_query_stays_raw_behind_the_question_mark_alone);
	tcase_add_test(t, a_raw_query_with_a_line_break_is_refused);
	tcase_add_test(t, lone_values_and_constants_are_not_copied);
	tcase_add_loop_test(t, results_are_bounded, 0, COUNT(bounded));
	tcase_add_test(t, the_text_may_go_after_compiling);
	tcase_add_test(t, lack_of_memory_is_an_error_at_every_point);
	suite_add_tcase(s, t);
	return s;
}
