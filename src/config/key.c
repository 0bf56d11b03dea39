/*
 * Fills structs from a section by key tables; see key.h. What a single value
 * looks like is field.c's part.
 */
#include "config/key.h"

#include "base/address.h"
#include "base/assert.h"
#include "base/cpus.h"
#include "config/conf_priv.h"
#include "config/expand.h"
#include "config/field.h"
#include "config/suggest.h"

/* One call of conf_fill. */
struct filling {
	struct conf_section *section;
	const struct conf_table *tables;
	size_t count;
	struct conf_errors *errors;
};

/* Where a value goes that is checked but not wanted. */
union nowhere {
	struct address address;
	struct conf_family family;
	uint64_t number;
	struct cpus cpus;
};

const struct conf_key *
conf_key_find(const struct conf_key *keys, struct slice name)
{
	for (; keys && keys->name; keys++) {
		if (keys->type != CONF_FAMILY && slice_eq(name, slice_of(keys->name)))
			return keys;
	}
	return NULL;
}

static bool
is_known(const struct filling *f, struct slice name)
{
	for (size_t i = 0; i < f->count; i++) {
		if (conf_key_find(f->tables[i].keys, name))
			return true;
	}
	return false;
}

/* The family with the longest prefix that takes the name; NULL if none does. */
static const struct conf_key *
find_family(const struct filling *f, struct slice name)
{
	const struct conf_key *best = NULL, *k;

	for (size_t i = 0; i < f->count; i++) {
		for (k = f->tables[i].keys; k && k->name; k++) {
			struct slice prefix = slice_of(k->name);

			if (k->type != CONF_FAMILY || name.len <= prefix.len ||
			    !slice_has_prefix(name, prefix))
				continue;
			if (!best || prefix.len > strlen(best->name))
				best = k;
		}
	}
	return best;
}

/* --- one key ---------------------------------------------------------------------- */

/* Says what is wrong with the presence or absence of a value. */
static bool
is_presence_wrong(const struct filling *f, const struct conf_key *k, const struct conf_entry *entry)
{
	bool is_empty = !entry || (entry->value.len == 0 && !entry->is_bad);
	bool has_default = k->def && k->def[0];

	if (is_empty && (k->flags & CONF_REQUIRED))
		conf_error_at(f->errors, f->section, k->name,
			      entry ? "a value is missing" : "this key is required");
	else if (entry && is_empty && has_default && !field_takes_empty(k->type))
		conf_error_at(f->errors, f->section, k->name,
			      "a value is missing; without the key it is %s", k->def);
	else if (entry && !is_empty && (k->flags & CONF_SECRET) && expand_is_literal(entry->raw))
		conf_error_at(f->errors, f->section, k->name,
			      "a secret cannot stand in a configuration; take it from the "
			      "environment with ${NAME}");
	else
		return false;
	return true;
}

static int
use_default(struct field *field)
{
	const char *def = field->key->def;
	int err;

	if (!def || !def[0])
		return 0;
	field->file = field->conf->files;
	err = field_parse(field, slice_of(def));
	/* A default that does not parse is a mistake in the table. */
	ASSERT(err == 0 || err == ERR_MEMORY);
	return err;
}

static int
fill_key(const struct filling *f, const struct conf_key *k, void *into)
{
	struct conf_entry *entry = conf_entry(f->section, k->name);
	struct field field = { .key = k, .conf = f->section->conf, .at = into };
	int err;

	if (entry)
		entry->is_used = true;
	if (is_presence_wrong(f, k, entry) || !entry || entry->is_bad)
		return use_default(&field);
	if (entry->value.len == 0 && !field_takes_empty(k->type))
		return 0;
	field.file = entry->file;
	err = field_parse(&field, entry->value);
	if (err != ERR_SYNTAX)
		return err;
	conf_error_at(f->errors, f->section, k->name, "%s", field.why);
	return use_default(&field);
}

int
conf_key_check_default(const struct conf_key *k, struct conf *c, struct writer *why)
{
	union nowhere nowhere;
	struct field field = { .key = k, .conf = c, .file = c->files, .at = &nowhere };
	int err = 0;

	memset(&nowhere, 0, sizeof(nowhere));
	if (k->def && k->def[0])
		err = field_parse(&field, slice_of(k->def));
	if (err == ERR_SYNTAX)
		writer_text(why, field.why);
	return err;
}

/* --- families --------------------------------------------------------------------- */

static bool
is_of_family(const struct filling *f, const struct conf_entry *entry, const struct conf_key *family)
{
	const struct conf_key *found;

	if (is_known(f, entry->key))
		return false;
	found = find_family(f, entry->key);
	return found && strcmp(found->name, family->name) == 0;
}

static int
fill_family(const struct filling *f, const struct conf_key *k, void *into)
{
	struct arena *a = &f->section->conf->arena;
	struct conf_named *items = arena_zalloc(a, f->section->count + 1, sizeof(*items));
	struct conf_family family = { .at = items };
	size_t prefix = strlen(k->name);

	if (!items)
		return ERR_MEMORY;
	for (struct conf_entry *entry = f->section->entries; entry; entry = entry->next) {
		if (!is_of_family(f, entry, k))
			continue;
		entry->is_used = true;
		/* The key's own NUL ends the name too. */
		items[family.count++] =
		    (struct conf_named){ slice_after(entry->key, prefix), entry->value, entry };
		if ((k->flags & CONF_SECRET) && expand_is_literal(entry->raw))
			conf_error_at(f->errors, f->section, entry->key.at,
				      "a secret cannot stand in a configuration; take it from the "
				      "environment with ${NAME}");
	}
	memcpy(into, &family, sizeof(family));
	return 0;
}

/* --- the section ------------------------------------------------------------------ */

static int
fill_table(const struct filling *f, const struct conf_table *t)
{
	union nowhere nowhere;
	const struct conf_key *k;
	void *into;
	int err = 0;

	for (k = t->keys; k && k->name && err == 0; k++) {
		field_check(k);
		ASSERT(k->width <= sizeof(nowhere));
		into = t->into ? (char *)t->into + k->offset : (void *)&nowhere;
		memset(into, 0, k->width);
		err = k->type == CONF_FAMILY ? fill_family(f, k, into) : fill_key(f, k, into);
	}
	return err;
}

/* Offers the names that all tables have: those of families, or the others. */
static void
offer_names(const struct filling *f, struct suggest *near, bool is_family)
{
	const struct conf_key *k;

	for (size_t i = 0; i < f->count; i++) {
		for (k = f->tables[i].keys; k && k->name; k++) {
			if ((k->type == CONF_FAMILY) == is_family)
				suggest_offer(near, slice_of(k->name));
		}
	}
}

static void
report_unknown(const struct filling *f, const struct conf_entry *entry)
{
	size_t dot = slice_find(entry->key, '.');
	struct suggest near;

	suggest_init(&near, entry->key);
	offer_names(f, &near, false);
	if (near.best.len == 0) {
		/* A family is known by what stands before the free part of the name. */
		suggest_init(&near,
			     slice_make(entry->key.at, dot < entry->key.len ? dot + 1 : dot));
		offer_names(f, &near, true);
	}
	conf_error_at(f->errors, f->section, entry->key.at, "unknown key%s", suggest_text(&near));
}

int
conf_fill(struct conf_section *s, const struct conf_table *tables, size_t count,
	  struct conf_errors *e)
{
	struct filling f = { .section = s, .tables = tables, .count = count, .errors = e };
	unsigned before = e->errors;
	int err = 0;

	for (size_t i = 0; i < count && err == 0; i++)
		err = fill_table(&f, &tables[i]);
	if (err)
		return err;
	for (const struct conf_entry *entry = s->entries; entry; entry = entry->next) {
		if (!is_known(&f, entry->key) && !find_family(&f, entry->key))
			report_unknown(&f, entry);
	}
	return e->errors > before ? ERR_SYNTAX : 0;
}
