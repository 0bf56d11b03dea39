/*
 * Evaluating templates; see template.h. Worker thread; all memory is the exchange's arena.
 *
 *   scope --fetch--> values (borrowed, or decoded into the arena) --write, by form--> result
 *
 * The result's memory is what the values can come to at most, and no more than the limit; the
 * bounded writer keeps it honest.
 */
#include "base/json.h"
#include "base/mem.h"
#include "http/byte.h"
#include "http/uri.h"
#include "plan/scope.h"
#include "plan/template.h"
#include "plan/template_priv.h"

/* --- fetching ------------------------------------------------------------------------ */

/* What one byte of a text can become in a JSON string, and what stands around it. */
enum { JSON_GROWTH = 6, QUOTES = 2 };

struct fetch {
	const struct template_scope *scope;
	struct arena *arena;
};

typedef int (*fetch_fn)(const struct fetch *f, const struct template_segment *seg,
			struct slice *value);

static int
fetch_literal(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	(void)f;
	*value = seg->text;
	return 0;
}

static int
fetch_param(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	bool as_sent = seg->form == FORM_REST && f->scope->rest.at;

	*value = as_sent ? f->scope->rest : f->scope->params[seg->index];
	return 0;
}

static int
fetch_query(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	(void)seg;
	*value = f->scope->request->query;
	return 0;
}

static int
fetch_query_value(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	struct slice raw;
	char *memory;

	if (!uri_query_find(f->scope->request->query, seg->name, &raw))
		return ERR_MISSING;
	if (slice_find(raw, '%') == raw.len && slice_find(raw, '+') == raw.len) {
		*value = raw;
		return 0;
	}
	memory = arena_alloc(f->arena, raw.len);
	return memory ? uri_query_decode(raw, memory, value) : ERR_MEMORY;
}

static int
find_field(const struct fields *fields, struct slice name, struct slice *value)
{
	const struct field *field = fields ? fields_find_name(fields, name) : NULL;

	if (!field)
		return ERR_MISSING;
	*value = field->value;
	return 0;
}

static int
fetch_header(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	return find_field(&f->scope->request->fields, seg->name, value);
}

static int
fetch_body(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	(void)seg;
	*value = f->scope->body;
	return 0;
}

/* See VALUE_TYPED. */
static int
type_json(const struct fetch *f, struct slice raw, struct slice *value)
{
	struct writer w;
	char *memory;
	int error;

	*value = raw;
	if (json_kind(raw) != JSON_STRING)
		return 0;
	if (json_text_borrow(raw, value)) {
		*value = slice_make(raw.at, raw.len - 1);
		return 0;
	}
	memory = arena_alloc(f->arena, raw.len);
	if (!memory)
		return ERR_MEMORY;
	w = writer_over(memory, raw.len);
	writer_char(&w, '"');
	error = json_text(raw, &w);
	*value = writer_slice(&w);
	return error;
}

/* The value that the segment's path leads to: as JSON where it stays JSON, else as text. */
static int
find_json(const struct fetch *f, const struct template_segment *seg, struct slice json,
	  struct slice *value)
{
	struct writer w;
	struct slice raw;
	char *memory;
	int error;

	if (json.len == 0)
		return ERR_MISSING;
	error = json_find(json, seg->path, seg->path_count, &raw);
	if (error)
		return error;
	if (seg->form == FORM_JSON_VALUE) {
		*value = raw;
		return 0;
	}
	if (seg->form == FORM_TYPED)
		return type_json(f, raw, value);
	if (json_text_borrow(raw, value))
		return 0;
	memory = arena_alloc(f->arena, raw.len); /* unescaped it is never longer */
	if (!memory)
		return ERR_MEMORY;
	w = writer_over(memory, raw.len);
	error = json_text(raw, &w);
	*value = writer_slice(&w);
	return error;
}

static int
fetch_body_json(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	return find_json(f, seg, f->scope->body_json, value);
}

static int
fetch_request_id(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	(void)seg;
	*value = f->scope->request_id;
	if (value->len > 0 || !f->scope->exchange)
		return 0;
	*value = scope_request_id(f->scope->exchange);
	return value->at ? 0 : ERR_MEMORY;
}

static int
fetch_request_trace(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	(void)seg;
	*value = f->scope->exchange ? scope_trace(f->scope->exchange) : SLICE("");
	return value->len > 0 ? 0 : ERR_MISSING;
}

static int
fetch_request_method(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	(void)seg;
	*value = f->scope->request->method_name;
	return 0;
}

static int
fetch_request_host(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	(void)seg;
	*value = uri_host(f->scope->request->authority);
	return value->len > 0 ? 0 : ERR_MISSING;
}

static int
fetch_request_scheme(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	(void)seg;
	*value = f->scope->exchange ? f->scope->exchange->scheme : SLICE("");
	return value->len > 0 ? 0 : ERR_MISSING;
}

static int
fetch_request_path(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	(void)seg;
	*value = f->scope->request->path;
	return value->len > 0 ? 0 : ERR_MISSING;
}

static int
fetch_request_user(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	(void)seg;
	*value = f->scope->user;
	return value->len ? 0 : ERR_MISSING;
}

static int
fetch_request_claim(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	return find_json(f, seg, f->scope->claims, value);
}

static int
fetch_client_address(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	(void)seg;
	*value = f->scope->client_address;
	if (value->len > 0 || !f->scope->exchange)
		return 0;
	*value = scope_client_address(f->scope->exchange);
	return value->at ? 0 : ERR_MEMORY;
}

static int
fetch_client_subject(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	struct exchange *x = f->scope->exchange;

	(void)seg;
	return x ? scope_client_subject(x, &x->arena, value) : ERR_MISSING;
}

static int
fetch_item(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	return find_json(f, seg, f->scope->item, value);
}

static int
fetch_flow(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	*value = f->scope->flow ? f->scope->flow[seg->index] : slice_make(NULL, 0);
	return value->at ? 0 : ERR_MISSING;
}

static const struct template_result *
result_of(const struct fetch *f, const struct template_segment *seg)
{
	return f->scope->results ? f->scope->results[seg->index] : NULL;
}

/* A result that is no JSON is a string. */
static int
type_result(const struct fetch *f, const struct template_result *result, struct slice *value)
{
	struct slice raw;
	struct writer w;
	char *memory;

	if (result->json.len)
		return json_find(result->json, NULL, 0, &raw) == 0 ? type_json(f, raw, value)
								   : ERR_MISSING;
	memory = arena_alloc(f->arena, result->body.len + 1);
	if (!memory)
		return ERR_MEMORY;
	w = writer_over(memory, result->body.len + 1);
	writer_char(&w, '"');
	writer_put(&w, result->body);
	*value = writer_slice(&w);
	return 0;
}

/* As JSON: a result that is none becomes a string. */
static int
fetch_part_whole(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	const struct template_result *result = result_of(f, seg);
	struct writer w;
	size_t cap;
	char *memory;

	if (!result)
		return ERR_MISSING;
	if (seg->form == FORM_TYPED)
		return type_result(f, result, value);
	*value = result->body;
	if (seg->form == FORM_JSON_STRING || result->json.len)
		return 0;
	if (!mem_multiply(result->body.len, JSON_GROWTH, &cap) || !mem_add(cap, QUOTES, &cap))
		return ERR_TOO_LARGE;
	memory = arena_alloc(f->arena, cap);
	if (!memory)
		return ERR_MEMORY;
	w = writer_over(memory, cap);
	json_write_string(&w, result->body);
	*value = writer_slice(&w);
	return 0;
}

static int
fetch_part_json(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	const struct template_result *result = result_of(f, seg);

	return result ? find_json(f, seg, result->json, value) : ERR_MISSING;
}

static int
fetch_part_status(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	enum { DIGITS_MAX = 11 };
	const struct template_result *result = result_of(f, seg);
	char *memory = result ? arena_alloc(f->arena, DIGITS_MAX) : NULL;
	struct writer w = writer_over(memory, memory ? DIGITS_MAX : 0);

	if (!memory)
		return result ? ERR_MEMORY : ERR_MISSING;
	writer_i64(&w, result->status);
	*value = writer_slice(&w);
	return 0;
}

static int
fetch_part_body(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	const struct template_result *result = result_of(f, seg);

	if (!result)
		return ERR_MISSING;
	*value = result->body;
	return 0;
}

static int
fetch_part_header(const struct fetch *f, const struct template_segment *seg, struct slice *value)
{
	const struct template_result *result = result_of(f, seg);

	return find_field(result ? result->fields : NULL, seg->name, value);
}

static const fetch_fn fetchers[TEMPLATE_KINDS] = {
	[TEMPLATE_LITERAL] = fetch_literal,
	[TEMPLATE_PARAM] = fetch_param,
	[TEMPLATE_QUERY] = fetch_query,
	[TEMPLATE_QUERY_VALUE] = fetch_query_value,
	[TEMPLATE_HEADER] = fetch_header,
	[TEMPLATE_BODY] = fetch_body,
	[TEMPLATE_BODY_JSON] = fetch_body_json,
	[TEMPLATE_REQUEST_ID] = fetch_request_id,
	[TEMPLATE_REQUEST_TRACE] = fetch_request_trace,
	[TEMPLATE_REQUEST_METHOD] = fetch_request_method,
	[TEMPLATE_REQUEST_HOST] = fetch_request_host,
	[TEMPLATE_REQUEST_SCHEME] = fetch_request_scheme,
	[TEMPLATE_REQUEST_PATH] = fetch_request_path,
	[TEMPLATE_REQUEST_USER] = fetch_request_user,
	[TEMPLATE_REQUEST_CLAIM] = fetch_request_claim,
	[TEMPLATE_CLIENT_ADDRESS] = fetch_client_address,
	[TEMPLATE_CLIENT_SUBJECT] = fetch_client_subject,
	[TEMPLATE_ITEM] = fetch_item,
	[TEMPLATE_FLOW] = fetch_flow,
	[TEMPLATE_PART_WHOLE] = fetch_part_whole,
	[TEMPLATE_PART_JSON] = fetch_part_json,
	[TEMPLATE_PART_STATUS] = fetch_part_status,
	[TEMPLATE_PART_BODY] = fetch_part_body,
	[TEMPLATE_PART_HEADER] = fetch_part_header,
};

/* --- writing ------------------------------------------------------------------------- */

/* Bytes that one byte of a value can become, quotes not counted. */
static const size_t growth[] = {
	[FORM_AS_IS] = 1,
	[FORM_ENCODED] = 3,
	[FORM_REST] = 3,
	[FORM_RAW_QUERY] = 1,
	[FORM_RAW_HOST] = 1,
	[FORM_FIELD] = 1,
	[FORM_JSON_STRING] = JSON_GROWTH,
	[FORM_JSON_VALUE] = JSON_GROWTH,
	[FORM_TYPED] = 1,
};

/* In the form of request.path, where a "%" is always the client's own %2F or %25: those are
 * kept, so that upstream gets the very path that the client meant. */
static void
write_rest(struct writer *w, struct slice s)
{
	while (s.len) {
		size_t plain = slice_find(s, '%');

		uri_encode_path(w, slice_make(s.at, plain));
		s = slice_after(s, plain);
		if (slice_has_prefix(s, SLICE("%2F")) || slice_has_prefix(s, SLICE("%25"))) {
			writer_put(w, slice_make(s.at, 3));
			s = slice_after(s, 3);
		} else if (s.len) {
			uri_encode(w, slice_make(s.at, 1));
			s = slice_after(s, 1);
		}
	}
}

static bool
is_query(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!byte_is(s.at[i], BYTE_QUERY))
			return false;
	}
	return true;
}

static int
write_checked(struct writer *w, struct slice s, bool is_good)
{
	writer_put(w, s);
	return is_good ? 0 : ERR_SYNTAX;
}

/* Known by its place in memory. */
static const char absent[] = "null";

static void
write_json(const struct template_segment *seg, struct slice s, struct writer *w)
{
	switch (s.at == absent ? TEMPLATE_PART_JSON : seg->kind) {
	case TEMPLATE_BODY_JSON:
	case TEMPLATE_ITEM:
	case TEMPLATE_PART_WHOLE:
	case TEMPLATE_REQUEST_CLAIM:
	case TEMPLATE_PART_JSON:
	case TEMPLATE_PART_STATUS:
		writer_put(w, s);
		break;
	default:
		json_write_string(w, s);
	}
}

static int
write_value(const struct template_segment *seg, const struct template_scope *scope, struct slice s,
	    struct writer *w)
{
	switch (seg->form) {
	case FORM_AS_IS:
	case FORM_TYPED:
		writer_put(w, s);
		return 0;
	case FORM_ENCODED:
		uri_encode(w, s);
		return 0;
	case FORM_REST:
		if (scope->rest.at)
			write_rest(w, s);
		else
			uri_encode_path(w, s);
		return 0;
	case FORM_RAW_HOST:
		return write_checked(w, s, uri_is_host(s));
	case FORM_RAW_QUERY:
		return write_checked(w, s, is_query(s));
	case FORM_FIELD:
		return write_checked(w, s, field_is_value(s));
	case FORM_JSON_STRING:
		if (json_write_some(w, s).len)
			w->is_full = true;
		return 0;
	case FORM_JSON_VALUE:
		write_json(seg, s, w);
		return 0;
	}
	return ERR_UNSUPPORTED;
}

/* --- the whole ----------------------------------------------------------------------- */

/* What stands for a value that is absent, where that is no failure. */
static struct slice
absent_value(const struct template_segment *seg)
{
	return slice_make(absent, seg->form == FORM_JSON_VALUE ? sizeof(absent) - 1 : 0);
}

/* Fills values[], one for each segment, and *bound, which the result cannot pass. */
static int
fetch_all(const struct template *t, const struct fetch *f, struct slice *values, size_t *bound,
	  unsigned *variable)
{
	*bound = 0;
	for (unsigned i = 0; i < t->segment_count; i++) {
		const struct template_segment *seg = &t->segments[i];
		size_t bytes;
		int error = fetchers[seg->kind](f, seg, &values[i]);

		if (error == ERR_MISSING && f->scope->absent_is_null) {
			values[i] = absent_value(seg);
			error = 0;
		}
		if (error) {
			*variable = seg->variable;
			return error;
		}
		if (!mem_multiply(values[i].len, growth[seg->form], &bytes) ||
		    !mem_add(bytes, QUOTES, &bytes) || !mem_add(*bound, bytes, bound))
			*bound = SIZE_MAX;
	}
	return 0;
}

static int
write_all(const struct template *t, const struct template_scope *scope, const struct slice *values,
	  struct writer *w, unsigned *variable)
{
	for (unsigned i = 0; i < t->segment_count; i++) {
		const struct template_segment *seg = &t->segments[i];
		int error = 0;

		if (seg->kind == TEMPLATE_LITERAL)
			writer_put(w, values[i]);
		else
			error = write_value(seg, scope, values[i], w);
		if (error) {
			*variable = seg->variable;
			return error;
		}
	}
	return 0;
}

static int
build(const struct template *t, const struct fetch *f, const struct slice *values, size_t cap,
      struct slice *result, unsigned *variable)
{
	char *memory = arena_alloc(f->arena, cap + 1);
	struct writer w = writer_over(memory, memory ? cap : 0);
	int error;

	if (!memory)
		return ERR_MEMORY;
	error = write_all(t, f->scope, values, &w, variable);
	if (error)
		return error;
	if (w.is_full)
		return ERR_TOO_LARGE;
	if (t->coding == VALUE_PATH && !template_path_is_safe(writer_slice(&w))) {
		*variable = 0;
		return ERR_SYNTAX;
	}
	*result = writer_slice(&w);
	return 0;
}

/* The one value that is the whole result, if it may stay where it is. */
static bool
stands_alone(const struct template *t)
{
	return t->segment_count == 1 &&
	       (t->segments[0].form == FORM_AS_IS || t->segments[0].form == FORM_TYPED);
}

int
template_eval(const struct template *t, const struct template_scope *scope, struct arena *a,
	      size_t limit, struct slice *result, unsigned *variable)
{
	struct fetch f = { .scope = scope, .arena = a };
	struct slice constant;
	struct slice *values;
	size_t bound;
	int error;

	*variable = 0;
	if (template_is_constant(t, &constant)) {
		*result = constant;
		return constant.len > limit ? ERR_TOO_LARGE : 0;
	}
	values = arena_zalloc(a, t->segment_count, sizeof(*values));
	if (!values)
		return ERR_MEMORY;
	error = fetch_all(t, &f, values, &bound, variable);
	if (error)
		return error;
	if (stands_alone(t)) {
		*result = values[0];
		return 0;
	}
	return build(t, &f, values, bound < limit ? bound : limit, result, variable);
}
