/*
 * A section back to text: conf_dump_section of key.h. What it writes is
 * accepted as input and dumps to itself.
 */
#include "config/key.h"

#include "config/conf_priv.h"
#include "config/expand.h"
#include "config/field.h"
#include "config/value.h"

/* Continued lines are indented again. */
static void
write_lines(struct writer *w, struct slice value)
{
	struct slice rest = value;

	writer_put(w, slice_cut(&rest, '\n'));
	while (rest.len > 0) {
		writer_text(w, "\n\t");
		writer_put(w, slice_cut(&rest, '\n'));
	}
}

static void
write_path(struct writer *w, struct slice path, const struct conf_file *f)
{
	size_t dir = strlen(f->dir);

	expand_write_escaped(w, slice_make(f->dir, dir));
	if (dir == 0 || f->dir[dir - 1] != '/')
		writer_char(w, '/');
	write_lines(w, path);
}

/* Behind a scheme that is written out; one that comes from ${...} stays as it is. */
static void
write_url(struct writer *w, struct slice raw, struct slice value, const struct conf_file *f)
{
	struct slice path = value, scheme = slice_cut(&path, ':');

	if (path.len == 0 || path.at[0] == '/' || raw.len <= scheme.len ||
	    !slice_has_prefix(raw, scheme) || raw.at[scheme.len] != ':') {
		write_lines(w, raw);
		return;
	}
	writer_put(w, scheme);
	writer_char(w, ':');
	write_path(w, slice_after(raw, scheme.len + 1), f);
}

/* As value_next, over raw text: a comma inside ${...} separates nothing. */
static bool
next_item(struct slice *rest, struct slice *item)
{
	bool is_inside = false;
	size_t at;

	if (rest->at == NULL || value_trim(*rest).len == 0)
		return false;
	for (at = 0; at < rest->len && (is_inside || rest->at[at] != ','); at++) {
		if (slice_has_prefix(slice_after(*rest, at), SLICE("${")))
			is_inside = true;
		else if (rest->at[at] == '}')
			is_inside = false;
	}
	*item = value_trim(slice_make(rest->at, at));
	*rest = at == rest->len ? slice_make(NULL, 0) : slice_after(*rest, at + 1);
	return true;
}

static void
write_list(struct writer *w, struct slice raw, const struct conf_file *f, bool is_paths)
{
	struct slice rest = raw, item;
	const char *comma = "";

	while (next_item(&rest, &item)) {
		writer_text(w, comma);
		if (is_paths && item.len > 0 && item.at[0] != '/' && item.at[0] != '$')
			write_path(w, item, f);
		else
			write_lines(w, item);
		comma = ", ";
	}
}

static void
write_value(struct writer *w, const struct conf_key *k, struct slice raw, struct slice value,
	    const struct conf_file *f)
{
	switch (k->type) {
	case CONF_PATH:
		if (value.len > 0 && value.at[0] != '/' && !field_is_word(k, value))
			write_path(w, raw, f);
		else
			write_lines(w, raw);
		break;
	case CONF_URL:
		write_url(w, raw, value, f);
		break;
	case CONF_LIST:
	case CONF_WORDS:
	case CONF_PATHS:
		write_list(w, raw, f, k->type == CONF_PATHS);
		break;
	default:
		write_lines(w, raw);
	}
}

static void
write_key(struct writer *w, const struct conf_section *s, const struct conf_key *k)
{
	const struct conf_entry *entry = conf_entry(s, k->name);
	struct slice def = slice_of(k->def);

	/* Without a default, empty is the same as left out. */
	if ((k->flags & CONF_NO_DUMP) || (def.len == 0 && (!entry || entry->raw.len == 0)))
		return;
	writer_text(w, k->name);
	writer_text(w, entry && entry->raw.len == 0 ? " =" : " = ");
	if (entry)
		write_value(w, k, entry->raw, entry->value, entry->file);
	else
		write_value(w, k, def, def, s->conf->files);
	writer_char(w, '\n');
}

static bool
is_known(const struct conf_table *tables, size_t count, struct slice name)
{
	for (size_t i = 0; i < count; i++) {
		if (conf_key_find(tables[i].keys, name))
			return true;
	}
	return false;
}

/* Keys with free names, after the others, in the order of the file. */
static void
write_rest(struct writer *w, const struct conf_section *s, const struct conf_table *tables,
	   size_t count)
{
	for (const struct conf_entry *entry = s->entries; entry; entry = entry->next) {
		if (!entry->is_used || is_known(tables, count, entry->key))
			continue;
		writer_put(w, entry->key);
		writer_text(w, entry->raw.len == 0 ? " =" : " = ");
		write_lines(w, entry->raw);
		writer_char(w, '\n');
	}
}

void
conf_dump_section(const struct conf_section *s, const struct conf_table *tables, size_t count,
		  struct writer *w)
{
	const struct conf_key *k;

	writer_char(w, '[');
	writer_put(w, s->kind);
	writer_text(w, s->name.len > 0 ? " " : "");
	writer_put(w, s->name);
	writer_text(w, "]\n");
	for (size_t i = 0; i < count; i++) {
		for (k = tables[i].keys; k && k->name; k++) {
			if (k->type != CONF_FAMILY && !is_known(tables, i, slice_of(k->name)))
				write_key(w, s, k);
		}
	}
	write_rest(w, s, tables, count);
	writer_char(w, '\n');
}
