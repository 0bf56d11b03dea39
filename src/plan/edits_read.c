/*
 * Edits from the keys of [headers] and [route NAME]; see edits.h. Builder thread.
 */
#include "plan/edits_priv.h"

enum { LINE_EXTRA = 4 }; /* ": " and CRLF */

const struct conf_key edits_keys[] = {
	{ "set_header.", CONF_FAMILY, CONF_FIELD(struct edits_conf, set),
	  .help = "a field that every response has, in the place of any other of its name; none "
		  "where the value is absent" },
	{ "add_header.", CONF_FAMILY, CONF_FIELD(struct edits_conf, add),
	  .help = "a field that every response has, beside others of its name" },
	{ "remove_header", CONF_LIST, CONF_FIELD(struct edits_conf, remove),
	  .help = "names of fields that no response has; they are removed before others are set" },
	CONF_KEYS_END
};

struct reading {
	const struct conf_section *section;
	const struct template_names *names;
	struct arena *arena;
	struct conf_errors *errors;
	struct edits_name *strip; /* with room for all */
	struct edits_field *add;
	struct edits *edits;
};

/* --- what may stand there --------------------------------------------------------- */

static bool
check_name(struct reading *r, struct slice name, const char *key)
{
	if (!field_is_token(name))
		conf_error_at(r->errors, r->section, key, "%s is no name of a header field",
			      conf_quote(name).text);
	else if (field_is_of_message(field_id_of(name)))
		conf_error_at(r->errors, r->section, key,
			      "%s is written by the server alone: it belongs to the connection or "
			      "to the message as a whole",
			      conf_quote(name).text);
	else
		return true;
	return false;
}

/* The template, or NULL and the constant; or an error. */
static int
compile(struct reading *r, const struct conf_named *from, struct edits_field *f)
{
	const char *key = from->entry->key.at;
	struct template_error error;
	struct template *t;

	if (from->value.len == 0) {
		conf_error_at(r->errors, r->section, key,
			      "a field without a value: to take one away there is remove_header");
		return ERR_SYNTAX;
	}
	t = template_compile(r->arena, from->value, VALUE_FIELD, r->names, &error);
	if (!t && error.err == ERR_MEMORY)
		return ERR_MEMORY;
	if (!t) {
		conf_error_at(r->errors, r->section, key, "%s", error.text);
		return ERR_SYNTAX;
	}
	if (template_needs(t).has_body) {
		conf_error_at(r->errors, r->section, key,
			      "the request's body is not kept for header fields");
		return ERR_SYNTAX;
	}
	f->template = template_is_constant(t, &f->value) ? NULL : t;
	return 0;
}

/* --- the one form that all come to --------------------------------------------------- */

static bool
is_same(const struct edits_name *a, const struct edits_name *b)
{
	return a->id == b->id && (a->id != FIELD_OTHER || slice_eq_nocase(a->name, b->name));
}

static struct edits_name
name_of(struct slice name)
{
	return (struct edits_name){ .name = name, .id = field_id_of(name) };
}

/* A response loses it, and so do those that come before. */
static void
take_away(struct reading *r, struct slice text)
{
	struct edits_name name = name_of(text);
	struct edits *e = r->edits;
	unsigned kept = 0;
	bool is_there = false;

	for (unsigned i = 0; i < e->adds; i++) {
		if (!is_same(&r->add[i].of, &name))
			r->add[kept++] = r->add[i];
	}
	e->adds = kept;
	for (unsigned i = 0; i < e->strips; i++)
		is_there |= is_same(&r->strip[i], &name);
	if (!is_there)
		r->strip[e->strips++] = name;
}

static int
add_one(struct reading *r, const struct conf_named *from, bool sets)
{
	struct edits_field f = { .of = name_of(from->name), .key = from->entry->key.at };
	int err;

	if (!check_name(r, from->name, f.key))
		return 0;
	err = compile(r, from, &f);
	if (err)
		return err == ERR_MEMORY ? err : 0;
	if (sets)
		take_away(r, from->name);
	r->add[r->edits->adds++] = f;
	return 0;
}

static int
add_family(struct reading *r, const struct conf_family *family, bool sets)
{
	for (size_t i = 0; i < family->count; i++) {
		if (add_one(r, &family->at[i], sets) != 0)
			return ERR_MEMORY;
	}
	return 0;
}

static int
add_all(struct reading *r, const struct edits_conf *conf)
{
	for (size_t i = 0; i < conf->remove.count; i++) {
		if (check_name(r, conf->remove.at[i], "remove_header"))
			take_away(r, conf->remove.at[i]);
	}
	if (add_family(r, &conf->set, true) != 0)
		return ERR_MEMORY;
	return add_family(r, &conf->add, false);
}

/* Room for all, and a copy of the defaults in it. */
static int
begin(struct reading *r, const struct edits_conf *conf, const struct edits *defaults)
{
	size_t adds = conf->set.count + conf->add.count + (defaults ? defaults->adds : 0);
	size_t strips = conf->set.count + conf->remove.count + (defaults ? defaults->strips : 0);

	r->edits = arena_zalloc(r->arena, 1, sizeof(*r->edits));
	r->add = arena_zalloc(r->arena, adds + 1, sizeof(*r->add));
	r->strip = arena_zalloc(r->arena, strips + 1, sizeof(*r->strip));
	if (!r->edits || !r->add || !r->strip)
		return ERR_MEMORY;
	if (defaults) {
		memcpy(r->add, defaults->add, defaults->adds * sizeof(*r->add));
		memcpy(r->strip, defaults->strip, defaults->strips * sizeof(*r->strip));
		r->edits->adds = defaults->adds;
		r->edits->strips = defaults->strips;
	}
	r->edits->add = r->add;
	r->edits->strip = r->strip;
	r->edits->constant.apply = edits_apply_constant;
	r->edits->constant.strip = edits_strip_constant;
	return 0;
}

/* --- ready-made -------------------------------------------------------------------------- */

/* Whether nobody but the client looks at it. */
static bool
is_for_block(const struct edits_field *f)
{
	return !f->template && f->of.id == FIELD_OTHER;
}

static int
write_block(struct reading *r, size_t bytes)
{
	struct field_block *block = &r->edits->block;
	char *memory = arena_alloc(r->arena, bytes + 1);
	struct writer w = writer_over(memory, memory ? bytes : 0);

	if (!memory)
		return ERR_MEMORY;
	for (unsigned i = 0; i < block->fields.count; i++)
		field_write_line(&w, &block->fields.at[i]);
	block->lines = writer_slice(&w);
	return w.is_full ? ERR_MEMORY : 0;
}

/* Sorts them: into the block, and those that are added one by one. */
static int
finish(struct reading *r)
{
	struct edits *e = r->edits;
	struct fields *f = &e->block.fields;
	struct edits_field *single = arena_zalloc(r->arena, e->adds + 1, sizeof(*single));
	size_t bytes = 0;

	f->at = arena_zalloc(r->arena, e->adds + 1, sizeof(*f->at));
	f->cap = e->adds;
	if (!single || !f->at)
		return ERR_MEMORY;
	for (unsigned i = 0; i < e->adds; i++) {
		const struct edits_field *from = &r->add[i];

		e->varies |= from->template != NULL;
		if (!is_for_block(from))
			single[e->singles++] = *from;
		else if (fields_add_name(f, from->of.name, from->value) == 0)
			bytes += from->of.name.len + from->value.len + LINE_EXTRA;
	}
	e->single = single;
	return write_block(r, bytes);
}

/* Without Server altogether: not an upstream's, and not ours. */
static bool
loses_server(const struct edits *e)
{
	bool is_stripped = false;

	for (unsigned i = 0; i < e->strips; i++)
		is_stripped |= e->strip[i].id == FIELD_SERVER;
	for (unsigned i = 0; i < e->adds; i++)
		is_stripped &= e->add[i].of.id != FIELD_SERVER;
	return is_stripped;
}

int
edits_read(const struct edits **edits, const struct edits_conf *conf,
	   const struct conf_section *section, const struct edits *defaults,
	   const struct template_names *names, struct arena *a, struct conf_errors *errors)
{
	struct reading r = { .section = section, .names = names, .arena = a, .errors = errors };
	unsigned before = errors->errors;

	*edits = defaults;
	if (conf->set.count == 0 && conf->add.count == 0 && conf->remove.count == 0)
		return 0;
	if (begin(&r, conf, defaults) != 0 || add_all(&r, conf) != 0 || finish(&r) != 0)
		return ERR_MEMORY;
	r.edits->hides_server = loses_server(r.edits);
	*edits = r.edits;
	return errors->errors > before ? ERR_SYNTAX : 0;
}
