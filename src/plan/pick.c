/*
 * Members of results; see pick.h. Compiled by the builder, written by workers.
 */
#include "plan/pick.h"

#include "base/json.h"

struct pick_member {
	struct slice lead; /* its name as JSON, and a colon */
	struct slice *path;
	unsigned steps;
};

struct pick {
	struct pick_member member[PICK_MAX];
	unsigned members;
};

/* --- reading --------------------------------------------------------------------- */

struct reading {
	struct arena *arena;
	const struct conf_section *section;
	struct conf_errors *errors;
	struct pick *pick;
};

static struct slice
lead_of(struct arena *a, struct slice name)
{
	size_t cap = name.len * 6 + 3; /* each byte may become \u00XX */
	char *memory = arena_alloc(a, cap);
	struct writer w = writer_over(memory, memory ? cap : 0);

	json_write_string(&w, name);
	writer_char(&w, ':');
	return writer_slice(&w);
}

static int
set_path(struct reading *r, struct pick_member *m, struct slice path)
{
	for (size_t i = 0; i < path.len; i++)
		m->steps += path.at[i] == '.';
	m->path = arena_zalloc(r->arena, ++m->steps, sizeof(*m->path));
	if (!m->path)
		return ERR_MEMORY;
	for (unsigned i = 0; i < m->steps; i++) {
		m->path[i] = slice_cut(&path, '.');
		if (m->path[i].len == 0)
			return ERR_SYNTAX;
	}
	return 0;
}

static struct slice
last_of(const struct pick_member *m)
{
	return m->path[m->steps - 1];
}

static int
add_member(struct reading *r, struct slice item)
{
	struct pick_member *m = &r->pick->member[r->pick->members];
	bool is_named = slice_find(item, '=') < item.len;
	struct slice path = item, name = SLICE("");
	int err;

	if (is_named)
		name = slice_trim(slice_cut(&path, '='));
	err = set_path(r, m, slice_trim(path));
	if (err == ERR_SYNTAX || (is_named && name.len == 0)) {
		conf_error_at(r->errors, r->section, "pick",
			      "%s is no member: write id, address.city, or city = address.city",
			      conf_quote(item).text);
		return 0;
	}
	if (err)
		return err;
	m->lead = lead_of(r->arena, is_named ? name : last_of(m));
	for (unsigned i = 0; i < r->pick->members; i++) {
		if (slice_eq(r->pick->member[i].lead, m->lead))
			conf_error_at(r->errors, r->section, "pick",
				      "two members would be %.*s give one another name, as in "
				      "city = address.city",
				      SLICE_PRINT(m->lead));
	}
	r->pick->members++;
	return m->lead.len ? 0 : ERR_MEMORY;
}

const struct pick *
pick_compile(struct arena *a, const struct conf_list *list, const struct conf_section *section,
	     struct conf_errors *errors, int *err)
{
	struct reading r = { a, section, errors, NULL };

	*err = 0;
	if (list->count == 0)
		return NULL;
	if (list->count > PICK_MAX) {
		conf_error_at(errors, section, "pick", "%zu members; at most %d can be picked",
			      list->count, PICK_MAX);
		return NULL;
	}
	r.pick = arena_zalloc(a, 1, sizeof(*r.pick));
	*err = r.pick ? 0 : ERR_MEMORY;
	for (size_t i = 0; i < list->count && !*err; i++)
		*err = add_member(&r, list->at[i]);
	return *err ? NULL : r.pick;
}

/* --- writing ----------------------------------------------------------------------- */

static void
write_object(const struct pick *p, struct slice object, struct buffer *out)
{
	bool is_first = true;

	buffer_char(out, '{');
	for (unsigned i = 0; i < p->members; i++) {
		const struct pick_member *m = &p->member[i];
		struct slice value;

		if (json_find(object, m->path, m->steps, &value) != 0)
			continue;
		if (!is_first)
			buffer_char(out, ',');
		is_first = false;
		buffer_put(out, m->lead);
		buffer_put(out, value);
	}
	buffer_char(out, '}');
}

static void
write_element(const struct pick *p, struct slice value, struct buffer *out)
{
	if (json_kind(value) == JSON_OBJECT)
		write_object(p, value, out);
	else
		buffer_put(out, value);
}

void
pick_write(const struct pick *p, struct slice json, struct buffer *out)
{
	struct slice whole, value;
	struct json_walk walk;
	bool is_first = true;

	if (json_find(json, NULL, 0, &whole) != 0)
		return;
	if (json_kind(whole) != JSON_ARRAY) {
		write_element(p, whole, out);
		return;
	}
	buffer_char(out, '[');
	walk = json_walk_over(whole);
	while (json_walk_element(&walk, &value)) {
		if (!is_first)
			buffer_char(out, ',');
		is_first = false;
		write_element(p, value, out);
	}
	buffer_char(out, ']');
}
