/*
 * Applying edits to the head of a response; see edits.h. On the worker that owns the exchange; all
 * memory is its arena.
 */
#include "plan/edits_priv.h"

#include "base/log.h"
#include "net/lease.h"
#include "plan/scope.h"

enum { EDITS_VALUE_BYTES = 8192 }; /* longest value that a template may make */

/* What an exchange keeps when a value depends on it. */
struct held {
	struct exchange_edits of; /* the first */
	const struct edits *edits;
	const struct slice *captures;
	struct slice rest;
};

static bool
is_named(const struct field *f, const struct edits_name *n)
{
	return f->id == n->id && (f->id != FIELD_OTHER || slice_eq_nocase(f->name, n->name));
}

static bool
is_stripped(const struct edits *e, const struct field *f)
{
	for (unsigned i = 0; i < e->strips; i++) {
		if (is_named(f, &e->strip[i]))
			return true;
	}
	return false;
}

static bool
has_stripped(const struct edits *e, const struct fields *f)
{
	for (unsigned i = 0; i < f->count; i++) {
		if (is_stripped(e, &f->at[i]))
			return true;
	}
	return false;
}

/* The fields are the exchange's own. */
static void
strip(const struct edits *e, struct fields *f)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < f->count; i++) {
		if (!is_stripped(e, &f->at[i]))
			f->at[kept++] = f->at[i];
	}
	f->count = kept;
}

/* 0; ERR_MISSING: the field is left out; ERR_MEMORY. */
static int
find_value(const struct edits_field *f, const struct template_scope *scope, struct exchange *x,
	   struct slice *value)
{
	unsigned variable;
	int err;

	*value = f->value;
	if (!f->template)
		return 0;
	err = template_eval(f->template, scope, &x->arena, EDITS_VALUE_BYTES, value, &variable);
	if (err == ERR_MEMORY)
		return err;
	if (err && err != ERR_MISSING) {
		log_debug("%s: {%.*s}: %s", f->key,
			  SLICE_PRINT(template_variable_name(f->template, variable)),
			  err_text(err));
		count_add(x->lease->env->counters, COUNTER_EDIT_REFUSED, 1);
	}
	*value = slice_trim(*value);
	return err || value->len == 0 ? ERR_MISSING : 0;
}

static int
add_singles(const struct edits *e, const struct template_scope *scope, struct exchange *x)
{
	for (unsigned i = 0; i < e->singles; i++) {
		const struct edits_field *f = &e->single[i];
		struct slice value;
		int err = find_value(f, scope, x, &value);

		if (err == 0)
			err = fields_add_name(&x->response.fields, f->of.name, value);
		if (err && err != ERR_MISSING)
			return ERR_MEMORY;
	}
	return 0;
}

static int
apply(const struct edits *e, const struct template_scope *scope, struct exchange *x)
{
	bool loses = e->strips > 0 && has_stripped(e, &x->response.fields);

	x->hides_server = e->hides_server;
	if (e->block.fields.count > 0)
		x->extra = &e->block;
	if (!loses && e->singles == 0)
		return 0;
	if (exchange_own_fields(x, e->singles) != 0)
		return ERR_MEMORY;
	if (loses)
		strip(e, &x->response.fields);
	return add_singles(e, scope, x);
}

int
edits_apply_constant(const struct exchange_edits *of, struct exchange *x)
{
	return apply((const struct edits *)of, NULL, x);
}

void
edits_strip_constant(const struct exchange_edits *of, struct fields *f)
{
	strip((const struct edits *)of, f);
}

static void
strip_varying(const struct exchange_edits *of, struct fields *f)
{
	strip(((const struct held *)of)->edits, f);
}

static int
apply_varying(const struct exchange_edits *of, struct exchange *x)
{
	const struct held *h = (const struct held *)of;
	struct template_scope scope;

	scope_fill(&scope, x, h->captures, h->rest);
	return apply(h->edits, &scope, x);
}

int
edits_attach(const struct edits *e, struct exchange *x, const struct slice *captures,
	     unsigned count, struct slice rest)
{
	struct slice *copy;
	struct held *h;

	x->edits = e && !e->varies ? &e->constant : NULL;
	if (!e || !e->varies)
		return 0;
	h = arena_zalloc(&x->arena, 1, sizeof(*h));
	copy = arena_zalloc(&x->arena, count + 1, sizeof(*copy));
	if (!h || !copy)
		return ERR_MEMORY;
	if (count)
		memcpy(copy, captures, count * sizeof(*copy));
	*h = (struct held){
		.of = { .apply = apply_varying, .strip = strip_varying },
		.edits = e,
		.captures = copy,
		.rest = rest,
	};
	x->edits = &h->of;
	return 0;
}
