/*
 * plan/template.h: the first byte chooses the coding, the text goes up to the first newline,
 * the rest is every value. What compiles evaluates to something that its place may hold: a
 * path without dot segments and stray bytes, a query, a field value, JSON; never over the limit.
 */
#include "base/json.h"
#include "fuzz.h"
#include "http/byte.h"
#include "plan/template.h"

enum { ARENA_BYTES = 4 << 20, LIMIT = 1 << 16 };

static const struct slice params[] = { SLICE_INIT("id"), SLICE_INIT("path") };
static const struct slice parts[] = { SLICE_INIT("a"), SLICE_INIT("b") };

static const struct template_names names = {
	.params = params,
	.param_count = 2,
	.rest = 1,
	.parts = parts,
	.part_count = 2,
};

static const enum value_coding codings[] = { VALUE_RAW,   VALUE_PATH, VALUE_QUERY,
					     VALUE_FIELD, VALUE_JSON, VALUE_TYPED };

enum { CODINGS = sizeof(codings) / sizeof(codings[0]) };

static bool
has_only(struct slice s, enum byte_class wanted)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!byte_is(s.at[i], wanted))
			return false;
	}
	return true;
}

static bool
has_dot_segment(struct slice path)
{
	while (path.len) {
		struct slice segment = slice_cut(&path, '/');

		if (slice_eq(segment, SLICE(".")) || slice_eq(segment, SLICE("..")))
			return true;
	}
	return false;
}

static void
check_result(struct slice result, enum value_coding coding)
{
	struct slice path = slice_make(result.at, slice_find(result, '?'));

	FUZZ_CHECK(result.len <= LIMIT);
	if (coding == VALUE_PATH) {
		FUZZ_CHECK(has_only(path, BYTE_PATH));
		FUZZ_CHECK(has_only(slice_after(result, path.len), BYTE_QUERY));
		FUZZ_CHECK(!has_dot_segment(path));
	}
	FUZZ_CHECK(coding != VALUE_QUERY || has_only(result, BYTE_QUERY));
	FUZZ_CHECK(coding != VALUE_FIELD || field_is_value(result));
}

static void
evaluate(const struct template *t, enum value_coding coding, struct slice value, struct arena *a)
{
	bool is_json = json_validate(value, JSON_DEPTH_MAX, NULL) == 0;
	struct slice values[] = { value, value };
	struct field fields[] = { { SLICE_INIT("x"), value, FIELD_OTHER } };
	const struct fields all = { fields, 1, 1 };
	const struct request request = { .method_name = value, .query = value, .fields = all };
	const struct template_result result = {
		.status = 200, .fields = &all, .body = value, .json = is_json ? value : SLICE("")
	};
	const struct template_result *const results[] = { &result, NULL };
	const struct template_scope scope = {
		.params = values,
		.rest = value,
		.request = &request,
		.request_id = value,
		.client_address = value,
		.user = value,
		.body = value,
		.body_json = result.json,
		.results = results,
	};
	struct slice text;
	unsigned variable = 0;

	if (template_eval(t, &scope, a, LIMIT, &text, &variable) == 0)
		check_result(text, coding);
	else
		FUZZ_CHECK(variable < template_variable_count(t) || template_is_constant(t, &text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice rest = slice_make((const char *)bytes, len);
	enum value_coding coding = len ? codings[bytes[0] % CODINGS] : VALUE_RAW;
	struct slice text;
	struct template_error e;
	struct template *t;
	struct store store;
	struct arena arena;

	rest = slice_after(rest, 1);
	text = slice_cut(&rest, '\n');
	store_init(&store);
	arena_init(&arena, &store, ARENA_BYTES);
	t = template_compile(&arena, text, coding, &names, &e);
	if (t)
		evaluate(t, coding, rest, &arena);
	else
		FUZZ_CHECK(e.err != 0 && e.text[0] && e.offset <= text.len);
	arena_fini(&arena);
	FUZZ_CHECK(store.out == 0);
	store_fini(&store);
	return 0;
}
