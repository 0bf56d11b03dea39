/*
 * Keys of parts; see part_key.h.
 *
 * In bytes, so that no two different lists are one text:
 *
 *   KEY NUL *( count ":" *( length ":" value ) ) NUL length of KEY
 *
 * with, of what is kept, the section's name and a space before it, and behind the first NUL a
 * number that is another when the section says something else.
 */
#include "plan/part_key.h"

#include "plan/run_priv.h"
#include "plan/stash.h"
#include "plan/template.h"

enum {
	KEY_BYTES = 8 << 10, /* of what the operator's template makes */
	KEY_MORE_BYTES = 64 << 10, /* of what is added */
	NUMBER_BYTES = 24,
};

/* --- while a site is built ------------------------------------------------------------- */

static bool
is_element(struct slice variable)
{
	return slice_eq(variable, SLICE("item")) || slice_has_prefix(variable, SLICE("item."));
}

/* Makes an answer one client's own, or may. */
static bool
is_private(struct slice variable)
{
	return slice_has_prefix(variable, SLICE("header.")) ||
	       slice_has_prefix(variable, SLICE("flow.")) || is_element(variable) ||
	       slice_has_prefix(variable, SLICE("client.")) ||
	       slice_eq(variable, SLICE("request.user")) ||
	       slice_has_prefix(variable, SLICE("request.claim."));
}

/* Another in each request, and no matter to an answer. */
static bool
is_mark(struct slice variable)
{
	return slice_eq(variable, SLICE("request.id")) ||
	       slice_eq(variable, SLICE("request.trace"));
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
		ids += is_mark(name);
	}
	return coding == VALUE_FIELD && count > ids;
}

/* No matter who asks, it is the same. */
static bool
is_same(const struct template *t)
{
	unsigned count = template_variable_count(t);

	for (unsigned i = 0; i < count; i++) {
		if (!is_mark(template_variable_name(t, i)))
			return false;
	}
	return true;
}

uint32_t
part_key_all_values(const struct plan_part *pp)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < pp->part.values; i++) {
		if (pp->value[i] && !is_same(pp->value[i]))
			mask |= UINT32_C(1) << i;
	}
	return mask;
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

/* What is of the key beside its text: values, unless what stands there is all of the part. Returns
 * the bytes that it needs at most. */
static size_t
put_more(const struct run_part *p, uint32_t values, struct writer *w)
{
	const struct part *part = &p->plan->part;
	const struct source_ops *ops = part->source->ops;
	const struct conf_list *forwarded = ops->forwards ? ops->forwards(part) : NULL;
	size_t bytes = 0;

	if (ops->sends_host && ops->sends_host(part))
		put_value(w, &bytes, p->q.request->authority);
	for (unsigned i = 0; i < part->values; i++) {
		if (values >> i & 1)
			put_value(w, &bytes, p->q.value[i]);
	}
	for (size_t i = 0; forwarded && i < forwarded->count; i++) {
		if (!is_trace(forwarded->at[i]))
			put_field(p, forwarded->at[i], w, &bytes);
	}
	return bytes;
}

struct head {
	struct slice name; /* before the text; empty: none */
	struct slice text;
	uint64_t print;
};

static int
write_key(struct run_part *p, const struct head *h, uint32_t values, struct slice *key)
{
	struct writer w = writer_over(NULL, 0);
	size_t bytes = put_more(p, values, &w);
	char *memory;

	if (bytes > KEY_MORE_BYTES || h->text.len > KEY_BYTES)
		return ERR_TOO_LARGE;
	bytes += h->name.len + h->text.len + 3 * NUMBER_BYTES;
	memory = arena_alloc(p->q.arena, bytes);
	if (!memory)
		return ERR_MEMORY;
	w = writer_over(memory, bytes);
	if (h->name.len > 0) {
		writer_put(&w, h->name);
		writer_char(&w, ' ');
	}
	writer_put(&w, h->text);
	writer_char(&w, '\0');
	if (h->print)
		writer_hex(&w, h->print);
	put_more(p, values, &w);
	writer_char(&w, '\0');
	writer_u64(&w, h->text.len);
	*key = writer_slice(&w);
	return w.is_full ? ERR_TOO_LARGE : 0;
}

static int
evaluate(struct run_part *p, const struct template *t, struct slice *text)
{
	struct run_scope *scope = run_need_scope(p->run);
	unsigned variable;

	return scope ? template_eval(t, &scope->of, p->q.arena, KEY_BYTES, text, &variable)
		     : ERR_MEMORY;
}

int
part_key_make(struct run_part *p, const struct template *t, struct slice *key)
{
	struct head h = { .text = SLICE("") };
	int err = evaluate(p, t, &h.text);

	return err ? err : write_key(p, &h, p->plan->key_values, key);
}

static bool
asks_target(const struct run_part *p)
{
	const struct part *part = &p->plan->part;

	return part->source->ops->asks_target && part->source->ops->asks_target(part);
}

static int
join_target(const struct run_part *p, struct slice *target)
{
	const struct request *q = p->q.request;
	size_t cap = q->raw_path.len + q->query.len + 1;
	char *memory = arena_alloc(p->q.arena, cap);
	struct writer w = writer_over(memory, memory ? cap : 0);

	writer_put(&w, q->raw_path);
	if (q->has_query)
		writer_char(&w, '?');
	writer_put(&w, q->query);
	*target = writer_slice(&w);
	return memory ? 0 : ERR_MEMORY;
}

/* Of a key that nobody wrote. */
static int
find_text(struct run_part *p, struct slice *text)
{
	uint32_t of_all = p->plan->stash->values & ~p->plan->key_values;

	*text = SLICE("");
	if (asks_target(p))
		return join_target(p, text);
	if (of_all)
		*text = p->q.value[__builtin_ctz(of_all)];
	return 0;
}

int
part_key_make_kept(struct run_part *p, struct slice *key)
{
	const struct stash *s = p->plan->stash;
	struct head h = { .name = p->plan->part.section->name, .print = s->print };
	int err = s->key ? evaluate(p, s->key, &h.text) : find_text(p, &h.text);

	return err ? err : write_key(p, &h, s->values, key);
}
