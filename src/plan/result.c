/*
 * Results of parts that are joined: what a body is taken for, and how it
 * becomes JSON. A result that is JSON is checked once, then spliced byte for
 * byte, never written anew.
 */
#include "base/json.h"
#include "base/utf8.h"
#include "plan/run_priv.h"

/* One level is the response's own, so that whoever reads it with our limit can. */
enum { RESULT_DEPTH = JSON_DEPTH_MAX - 1 };

/* --- the head ---------------------------------------------------------------------- */

/* application/json, or a type of that syntax: application/problem+json (RFC 6839 3.1). */
static bool
is_json_type(struct slice type)
{
	struct slice essence = slice_trim(slice_cut(&type, ';'));
	size_t n = essence.len;

	if (slice_eq_nocase(essence, SLICE("application/json")))
		return true;
	return n > 5 && slice_eq_nocase(slice_after(essence, n - 5), SLICE("+json"));
}

static int
keep_fields(struct run_part *p)
{
	const struct plan_part *plan = p->plan;
	struct arena *a = p->q.arena;

	if (plan->headers == 0)
		return 0;
	p->head.kept.at = arena_zalloc(a, plan->headers, sizeof(*p->head.kept.at));
	if (!p->head.kept.at)
		return ERR_MEMORY;
	p->head.kept.cap = plan->headers;
	for (unsigned i = 0; i < plan->headers; i++) {
		const struct field *f = fields_find_name(&p->q.response.fields, plan->header[i]);
		struct slice value;
		int err;

		if (!f)
			continue;
		value = arena_copy(a, f->value);
		err =
		    value.at ? fields_add_name(&p->head.kept, plan->header[i], value) : ERR_MEMORY;
		if (err)
			return err;
	}
	return 0;
}

static int
keep_field(struct run_part *p, enum field_id id, struct slice *value)
{
	const struct field *f = fields_find(&p->q.response.fields, id);

	if (!f)
		return 0;
	*value = arena_copy(p->q.arena, f->value);
	return value->at ? 0 : ERR_MEMORY;
}

int
result_take_head(struct run_part *p)
{
	const struct response *response = &p->q.response;
	const struct field *type = fields_find(&response->fields, FIELD_CONTENT_TYPE);
	int err = 0;

	p->head.status = response->status;
	p->head.is_json = type && is_json_type(type->value);
	p->head.is_expected = plan_expects(&p->plan->expect, response->status);
	if (!p->head.is_expected) {
		/* RFC 9110 15.5.2: a 401 comes with a challenge. */
		err = keep_field(p, FIELD_WWW_AUTHENTICATE, &p->head.challenge);
		if (!err)
			err = keep_field(p, FIELD_RETRY_AFTER, &p->head.retry_after);
	}
	if (!err && p->run->plan->conf.join == PLAN_JOIN_FIRST)
		err = keep_field(p, FIELD_CONTENT_TYPE, &p->head.type);
	return err ? err : keep_fields(p);
}

/* --- the body ---------------------------------------------------------------------- */

static enum plan_as
form_of(const struct run_part *p, struct slice text)
{
	if (p->plan->conf.as != PLAN_AS_AUTO)
		return p->plan->conf.as;
	if (p->head.is_json || p->plan->pick)
		return PLAN_AS_JSON;
	return utf8_is_valid(text) ? PLAN_AS_TEXT : PLAN_AS_BASE64;
}

/* The members that go on take the place of the whole. */
static int
pick(struct run_part *p)
{
	struct buffer picked;
	int err;

	buffer_init(&picked, p->body.text.limit);
	pick_write(p->plan->pick, intake_text(&p->body), &picked);
	err = picked.err;
	if (!err)
		intake_replace(&p->body, &picked);
	buffer_fini(&picked);
	return err;
}

static int
take_json(struct run_part *p)
{
	/* Of an element of an array another level is the array's. */
	unsigned depth = p->plan->each ? RESULT_DEPTH - 1 : RESULT_DEPTH;
	int err = json_validate(intake_text(&p->body), depth, NULL);

	if (err)
		return ERR_SYNTAX;
	if (p->plan->pick)
		err = pick(p);
	if (err)
		return err;
	p->result.body = p->result.json = intake_text(&p->body);
	p->form = RESULT_JSON;
	return 0;
}

int
result_take(struct run_part *p)
{
	struct slice text = intake_text(&p->body);
	enum plan_as as = form_of(p, text);

	p->result = (struct template_result){ p->head.status, &p->head.kept, text, { NULL, 0 } };
	if (text.len == 0 && (p->head.status == 204 || p->head.status == 205)) {
		p->form = RESULT_NULL;
		return 0;
	}
	if (as == PLAN_AS_JSON)
		return take_json(p);
	p->form = as == PLAN_AS_TEXT ? RESULT_TEXT : RESULT_BASE64;
	return as == PLAN_AS_TEXT && !utf8_is_valid(text) ? ERR_SYNTAX : 0;
}

void
result_take_array(struct run_part *p)
{
	p->head.status = 200;
	p->head.type = SLICE("application/json");
	p->form = RESULT_JSON;
	p->result.status = p->head.status;
	p->result.body = p->result.json = intake_text(&p->body);
}

void
result_fall_back(struct run_part *p)
{
	struct slice json = p->plan->fallback;

	intake_clear(&p->body);
	p->form = p->plan->has_fallback ? RESULT_FALLBACK : RESULT_NULL;
	p->result = (struct template_result){ p->head.status, &p->head.kept, json, json };
}

void
result_write(struct run_part *p, struct buffer *b)
{
	struct slice text = intake_text(&p->body);

	switch (p->form) {
	case RESULT_JSON:
		buffer_put(b, text);
		return;
	case RESULT_TEXT:
		buffer_json_string(b, text);
		return;
	case RESULT_BASE64:
		buffer_char(b, '"');
		buffer_base64(b, text);
		buffer_char(b, '"');
		return;
	case RESULT_FALLBACK:
		buffer_put(b, p->plan->fallback);
		return;
	case RESULT_NULL:
		buffer_text(b, "null");
	}
}

static int
splice_encoded(struct run_part *p, struct chunks *out)
{
	struct slice encoded;
	struct buffer b;
	size_t len;
	int err;

	buffer_init(&b, SIZE_MAX / 2);
	result_write(p, &b);
	err = b.err;
	encoded = buffer_slice(&b);
	if (!err)
		err = chunks_add_heap(out, buffer_take(&b, &len), encoded);
	buffer_fini(&b);
	return err;
}

int
result_splice(struct run_part *p, struct chunks *out)
{
	switch (p->form) {
	case RESULT_JSON:
		/* The run keeps bodies until the exchange ends. */
		return chunks_add_arena(out, intake_text(&p->body));
	case RESULT_TEXT:
	case RESULT_BASE64:
		return splice_encoded(p, out);
	case RESULT_FALLBACK:
		return chunks_add_arena(out, p->plan->fallback);
	case RESULT_NULL:
		break;
	}
	return chunks_add_static(out, SLICE("null"));
}
