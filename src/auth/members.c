/*
 * Reading the members of an object; see members.h.
 */
#include "auth/members.h"

#include "base/json.h"

int
members_unescape(struct slice raw, struct arena *a, struct slice *text)
{
	struct writer w;
	char *memory;

	if (json_kind(raw) != JSON_STRING)
		return ERR_SYNTAX;
	if (json_text_borrow(raw, text))
		return 0;
	memory = arena_alloc(a, raw.len); /* unescaped it is never longer */
	if (!memory)
		return ERR_MEMORY;
	w = writer_over(memory, raw.len);
	if (json_text(raw, &w) != 0 || w.is_full)
		return ERR_SYNTAX;
	*text = writer_slice(&w);
	return 0;
}

bool
members_find(const struct members *m, struct slice name, struct slice *value)
{
	for (unsigned i = 0; i < m->count; i++) {
		if (slice_eq(m->name[i], name)) {
			*value = m->value[i];
			return true;
		}
	}
	return false;
}

int
members_read(struct members *m, struct slice json, struct arena *a)
{
	struct json_walk walk;
	struct slice object, name, value, other;
	int err;

	m->count = 0;
	if (json_validate(json, MEMBERS_DEPTH, NULL) != 0 ||
	    json_find(json, NULL, 0, &object) != 0 || json_kind(object) != JSON_OBJECT)
		return ERR_SYNTAX;
	walk = json_walk_over(object);
	while (json_walk_member(&walk, &name, &value)) {
		if (m->count == MEMBERS_MAX)
			return ERR_TOO_MANY;
		err = members_unescape(name, a, &name);
		if (err)
			return err;
		if (members_find(m, name, &other))
			return ERR_SYNTAX;
		m->name[m->count] = name;
		m->value[m->count++] = value;
	}
	return 0;
}

int
members_text(const struct members *m, struct slice name, struct arena *a, struct slice *text)
{
	struct slice raw;

	return members_find(m, name, &raw) ? members_unescape(raw, a, text) : ERR_MISSING;
}
