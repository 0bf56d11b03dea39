/*
 * Templates: what is a variable and what is text, errors, values in every coding, and what
 * hostile values may not do.
 */
#include "base/json.h"
#include "base/mem.h"
#include "plan/template.h"

#include <check.h>

#define COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))

enum { ARENA_BYTES = 1 << 20, LIMIT = 4096 };

Suite *suite_plan_template(void);

/* --- a request and results ----------------------------------------------------------- */

static const struct slice params[] = { SLICE_INIT("id"), SLICE_INIT("path"),
				       SLICE_INIT("odd-1_x") };
static const struct slice parts[] = { SLICE_INIT("user"), SLICE_INIT("orders"),
				      SLICE_INIT("gone") };

static const struct template_names names = {
	.params = params,
	.param_count = 3,
	.rest = 1,
	.parts = parts,
	.part_count = 3,
};

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
	.body = SLICE_INIT(" {\"b\":[true,\"t\"]}"),
	.body_json = SLICE_INIT(" {\"b\":[true,\"t\"]}"),
	.results = results,
};

struct bench {
	struct store store;
	struct arena arena;
};

static void
bench_init(struct bench *b)
{
	store_init(&b->store);
	arena_init(&b->arena, &b->store, ARENA_BYTES);
}

static void
bench_fini(struct bench *b)
{
	arena_fini(&b->arena);
	ck_assert_uint_eq(b->store.out, 0);
	store_fini(&b->store);
}

static struct template *
must_compile(struct bench *b, struct slice text, enum value_coding coding)
{
	struct template_error e;
	struct template *t = template_compile(&b->arena, text, coding, &names, &e);

	ck_assert_msg(t != NULL, "%.*s: %s", SLICE_PRINT(text), e.text);
	return t;
}

/* --- what is a variable -------------------------------------------------------------- */

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

START_TEST(part_headers_are_listed)
{
	unsigned part = 9;
	struct slice name;
	struct template *t;
	struct bench b;

	bench_init(&b);
	t = must_compile(&b, SLICE("{id}{orders:header.ETag}"), VALUE_RAW);
	ck_assert(!template_part_header(t, 0, &part, &name));
	ck_assert(template_part_header(t, 1, &part, &name));
	ck_assert(part == 1 && slice_eq(name, SLICE("ETag")));
	ck_assert(!template_part_header(t, 2, &part, &name));
	bench_fini(&b);
}
END_TEST

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
	{ "constant", VALUE_RAW, 8 },
	{ "{orders:body}", VALUE_RAW, 7 },
	{ "{orders:body}!", VALUE_RAW, 8 },
	{ "/{id}", VALUE_PATH, 10 },
	{ "[\"{query.quote}\"]", VALUE_JSON, 8 },
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

static TCase *
compile_case(void)
{
	TCase *t = tcase_create("compile");

	tcase_add_loop_test(t, braces_are_variables_only_before_a_name_and_a_brace, 0,
			    COUNT(readings));
	tcase_add_loop_test(t, mistakes_are_named_with_the_nearest_name, 0, COUNT(mistakes));
	tcase_add_test(t, a_long_name_is_cut_in_its_error);
	tcase_add_test(t, needs_are_the_parts_and_bodies_that_are_named);
	tcase_add_test(t, part_headers_are_listed);
	tcase_add_test(t, the_text_may_go_after_compiling);
	tcase_add_test(t, lack_of_memory_is_an_error_at_every_point);
	return t;
}

static TCase *
eval_case(void)
{
	TCase *t = tcase_create("eval");

	tcase_add_loop_test(t, values_are_written_as_their_place_asks, 0, COUNT(value_cases));
	tcase_add_loop_test(t, no_value_leaves_its_place_in_a_path, 0, COUNT(attacks));
	tcase_add_test(t, a_rest_without_its_raw_form_is_encoded_whole);
	tcase_add_test(t, no_byte_breaks_a_field_or_a_query);
	tcase_add_test(t, a_raw_query_with_a_line_break_is_refused);
	tcase_add_test(t, lone_values_and_constants_are_not_copied);
	tcase_add_loop_test(t, results_are_bounded, 0, COUNT(bounded));
	return t;
}

Suite *
suite_plan_template(void)
{
	Suite *s = suite_create("plan/template");

	suite_add_tcase(s, compile_case());
	suite_add_tcase(s, eval_case());
	return s;
}
