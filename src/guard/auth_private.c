/*
 * What caches are told of answers to whom a cookie has let in; see auth_priv.h. Authorization keeps
 * an answer out of shared caches by itself (RFC 9111 3.5), a cookie does not. On the worker.
 */
#include "guard/auth_priv.h"

enum { FIELDS_ADDED = 2, PRIVATE_BYTES = 16 };

/* In the place of the exchange's other edits, which come first: none of them can take it back. */
struct private_edits {
	struct exchange_edits of; /* the first */
	const struct exchange_edits *others;
};

/* All directives but public, which says the contrary; and private. */
static int
write_private(struct exchange *x, struct slice *value)
{
	struct fields *f = &x->response.fields;
	size_t room = PRIVATE_BYTES;
	struct writer w;
	char *memory;

	for (unsigned i = 0; i < f->count; i++) {
		if (f->at[i].id == FIELD_CACHE_CONTROL)
			room += 2 * f->at[i].value.len + 2;
	}
	memory = arena_alloc(&x->arena, room);
	w = writer_over(memory, memory ? room : 0);
	for (unsigned i = 0; i < f->count; i++) {
		struct slice rest = f->at[i].value;

		while (f->at[i].id == FIELD_CACHE_CONTROL && rest.len > 0) {
			struct slice directive = slice_trim(slice_cut(&rest, ','));

			if (directive.len == 0 || slice_eq_nocase(directive, SLICE("public")))
				continue;
			writer_put(&w, directive);
			writer_text(&w, ", ");
		}
	}
	writer_text(&w, "private");
	*value = writer_slice(&w);
	return memory && !w.is_full ? 0 : ERR_MEMORY;
}

static int
add_private(struct exchange *x)
{
	struct fields *f = &x->response.fields;
	struct slice value;
	unsigned kept = 0;
	int err;

	if (fields_has_token(f, FIELD_CACHE_CONTROL, SLICE("private")) ||
	    fields_has_token(f, FIELD_CACHE_CONTROL, SLICE("no-store")))
		return 0;
	err = write_private(x, &value);
	if (err)
		return err;
	for (unsigned i = 0; i < f->count; i++) {
		if (f->at[i].id != FIELD_CACHE_CONTROL)
			f->at[kept++] = f->at[i];
	}
	f->count = kept;
	return exchange_add_field(x, FIELD_CACHE_CONTROL, value);
}

/* Caches of the browser: who signs out, or in as another, must not see the old answer. */
static int
add_vary(struct exchange *x)
{
	const struct fields *f = &x->response.fields;

	if (fields_has_token(f, FIELD_VARY, SLICE("*")) ||
	    fields_has_token(f, FIELD_VARY, SLICE("cookie")))
		return 0;
	return exchange_add_field(x, FIELD_VARY, SLICE("Cookie"));
}

static int
apply(const struct exchange_edits *of, struct exchange *x)
{
	const struct private_edits *p = (const struct private_edits *)of;
	int err = 0;

	for (const struct exchange_edits *e = p->others; e && !err; e = e->next)
		err = e->apply(e, x);
	if (!err)
		err = exchange_own_fields(x, FIELDS_ADDED);
	if (!err)
		err = add_private(x);
	if (!err)
		err = add_vary(x);
	return err ? ERR_MEMORY : 0;
}

int
auth_keep_private(struct exchange *x)
{
	struct private_edits *p = arena_zalloc(&x->arena, 1, sizeof(*p));

	if (!p)
		return ERR_MEMORY;
	*p = (struct private_edits){ .of.apply = apply, .others = x->edits };
	x->edits = &p->of;
	return 0;
}
