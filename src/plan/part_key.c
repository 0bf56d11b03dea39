/*
 * Keys of parts; see part_key.h.
 *
 * In bytes, so that no two different lists are one text:
 *
 *   KEY NUL *( count ":" *( length ":" value ) ) NUL length of KEY
 */
#include "plan/part_key.h"

#include "plan/run_priv.h"
#include "plan/template.h"

enum {
	KEY_BYTES = 8 << 10, /* of what the operator's template makes */
	KEY_MORE_BYTES = 64 << 10, /* of what is added */
	NUMBER_BYTES = 24,
};

/* --- while a site is built ------------------------------------------------------------- */

/* Makes an answer one client's own. */
static bool
is_private(struct slice variable)
{
	return slice_has_prefix(variable, SLICE("header.")) ||
	       slice_has_prefix(variable, SLICE("client.")) ||
	       slice_eq(variable, SLICE("request.user")) ||
	       slice_has_prefix(variable, SLICE("request.claim."));
}

static bool
belongs(const struct template *t, enum value_coding coding)
{
	unsigned count = template_variable_count(t), ids = 0;

	if (template_needs(t).parts)
		return true;
	for (unsigned i = 0; i < count; i++) {
		struct slice name = template_variable_name(t, i);

		if (is_private(name))
			return true;
		ids +=
		    slice_eq(name, SLICE("request.id")) || slice_eq(name, SLICE("request.trace"));
	}
	return coding == VALUE_FIELD && count > ids;
}

uint32_t
part_key_values(const struct plan_part *pp)
{
	uint32_t mask = 0;

	_Static_assert(PART_VALUES_MAX <= 32, "a bit for each value");
	for (unsigned i = 0; i < pp->part.values; i++) {
		/* One that is wrong has been told. */
		if (pp->value[i] && belongs(pp->value[i], pp->part.value[i].coding))
			mask |= UINT32_C(1) << i;
	}
	return mask;
}

/* --- on a worker ------------------------------------------------------------------------ */

/* Both passes below: the first with a writer of no room counts. */
static void
put_value(struct writer *w, size_t *bytes, struct slice value)
{
	*bytes += value.len + NUMBER_BYTES;
	writer_u64(w, value.len);
	writer_char(w, ':');
	writer_put(w, value);
}

static void
put_field(const struct run_part *p, struct slice name, struct writer *w, size_t *bytes)
{
	const struct fields *f = &p->q.request->fields;
	unsigned count = 0;

	for (unsigned i = 0; i < f->count; i++)
		count += slice_eq_nocase(f->at[i].name, name);
	writer_u64(w, count);
	writer_char(w, ':');
	*bytes += NUMBER_BYTES;
	for (unsigned i = 0; i < f->count; i++) {
		if (slice_eq_nocase(f->at[i].name, name))
			put_value(w, bytes, f->at[i].value);
	}
}

/* Each request's own, and no matter to an answer. */
static bool
is_trace(struct slice name)
{
	enum field_id id = field_id_of(name);

	return id == FIELD_TRACEPARENT || id == FIELD_TRACESTATE || id == FIELD_X_REQUEST_ID;
}

/* Returns the bytes that it needs at most. */
static size_t
put_more(const struct run_part *p, struct writer *w)
{
	const struct part *part = &p->plan->part;
	const struct source_ops *ops = part->source->ops;
	const struct conf_list *forwarded = ops->forwards ? ops->forwards(part) : NULL;
	size_t bytes = 0;

	if (ops->sends_host && ops->sends_host(part))
		put_value(w, &bytes, p->q.request->authority);
	for (unsigned i = 0; i < part->values; i++) {
		if (p->plan->key_values >> i & 1)
			put_value(w, &bytes, p->q.value[i]);
	}
	for (size_t i = 0; forwarded && i < forwarded->count; i++) {
		if (!is_trace(forwarded->at[i]))
			put_field(p, forwarded->at[i], w, &bytes);
	}
	return bytes;
}

int
part_key_make(struct run_part *p, const struct template *t, struct slice *key)
{
	struct run_scope *scope = run_need_scope(p->run);
	struct writer w = writer_over(NULL, 0);
	struct slice text;
	unsigned variable;
	size_t bytes;
	char *memory;
	int err;

	if (!scope)
		return ERR_MEMORY;
	err = template_eval(t, &scope->of, p->q.arena, KEY_BYTES, &text, &variable);
	if (err)
		return err;
	bytes = put_more(p, &w);
	if (bytes > KEY_MORE_BYTES || text.len > KEY_BYTES)
		return ERR_TOO_LARGE;
	bytes += text.len + NUMBER_BYTES;
	memory = arena_alloc(p->q.arena, bytes);
	if (!memory)
		return ERR_MEMORY;
	w = writer_over(memory, bytes);
	writer_put(&w, text);
	writer_char(&w, '\0');
	put_more(p, &w);
	writer_char(&w, '\0');
	writer_u64(&w, text.len);
	*key = writer_slice(&w);
	return w.is_full ? ERR_TOO_LARGE : 0;
}
