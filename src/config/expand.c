/*
 * ${NAME} in values; see expand.h.
 */
#include "config/expand.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>

enum { NAME_BYTES = 128 };

/* One ${...} of a value. */
struct variable {
	struct slice text; /* from $ to } */
	struct slice name;
	struct slice standby; /* what stands after :- */
	bool has_standby;
};

static bool
is_at(struct slice s, size_t at, struct slice what)
{
	return slice_has_prefix(slice_after(s, at), what);
}

/* Where the next ${ or $${ begins, or s.len. */
static size_t
find_next(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (is_at(s, i, SLICE("${")) || is_at(s, i, SLICE("$${")))
			return i;
	}
	return s.len;
}

static bool
is_name(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char lower = ascii_lower(s.at[i]);

		if (!(lower >= 'a' && lower <= 'z') && lower != '_' &&
		    !(i > 0 && ascii_is_digit(lower)))
			return false;
	}
	return s.len > 0 && s.len < NAME_BYTES;
}

/* `s` begins with ${. */
static int
parse(struct slice s, struct variable *v, struct expand_fault *fault)
{
	struct slice rest = slice_after(s, 2), inside = slice_cut(&rest, '}');
	size_t colon = slice_find(inside, ':');

	*v = (struct variable){ .text = s, .name = slice_make(inside.at, colon) };
	fault->text = s;
	fault->what = "${ has no closing }";
	if (inside.len + 2 >= s.len)
		return ERR_SYNTAX;
	v->text.len = inside.len + 3;
	fault->text = v->text;
	fault->what = "this is neither ${NAME} nor ${NAME:-default}; a literal ${ is written $${";
	if (!is_name(v->name))
		return ERR_SYNTAX;
	if (colon == inside.len)
		return 0;
	v->has_standby = true;
	v->standby = slice_after(inside, colon + 2);
	if (!is_at(inside, colon, SLICE(":-")) || find_next(v->standby) < v->standby.len)
		return ERR_SYNTAX;
	return 0;
}

static int
put_variable(struct writer *w, const struct variable *v, struct expand_fault *fault)
{
	char name[NAME_BYTES];
	struct slice found;

	memcpy(name, v->name.at, v->name.len);
	name[v->name.len] = '\0';
	found = slice_of(getenv(name));
	fault->text = v->text;
	if (!found.at && !v->has_standby) {
		fault->what = "this environment variable is not set, and has no default";
		return ERR_MISSING;
	}
	if (!utf8_is_valid(found)) {
		fault->what = "the value of this environment variable is not UTF-8";
		return ERR_SYNTAX;
	}
	writer_put(w, found.len > 0 || !v->has_standby ? found : v->standby);
	return 0;
}

static int
expand_into(struct writer *w, struct slice rest, struct expand_fault *fault)
{
	struct variable v;
	size_t at;
	int err;

	while (rest.len > 0) {
		at = find_next(rest);
		writer_put(w, slice_make(rest.at, at));
		rest = slice_after(rest, at);
		if (rest.len == 0)
			break;
		if (is_at(rest, 0, SLICE("$${"))) {
			writer_text(w, "${");
			rest = slice_after(rest, 3);
			continue;
		}
		err = parse(rest, &v, fault);
		if (!err)
			err = put_variable(w, &v, fault);
		if (err)
			return err;
		rest = slice_after(rest, v.text.len);
	}
	return 0;
}

int
expand(struct arena *a, struct slice raw, struct slice *value, struct expand_fault *fault)
{
	char *memory = mem_alloc(EXPAND_BYTES);
	struct writer w = writer_over(memory, EXPAND_BYTES);
	struct slice copy;
	int err;

	if (!memory)
		return ERR_MEMORY;
	err = expand_into(&w, raw, fault);
	if (!err && w.is_full) {
		*fault = (struct expand_fault){ "the value is too long once expanded", raw };
		err = ERR_TOO_LARGE;
	}
	if (!err) {
		copy = arena_copy(a, writer_slice(&w));
		if (copy.at)
			*value = copy;
		else
			err = ERR_MEMORY;
	}
	mem_free(&memory);
	return err;
}

bool
expand_is_needed(struct slice raw)
{
	return find_next(raw) < raw.len;
}

bool
expand_is_literal(struct slice raw)
{
	struct expand_fault fault;
	struct variable v;
	bool is_found = false;
	size_t at;

	while ((at = find_next(raw)) < raw.len) {
		raw = slice_after(raw, at);
		if (is_at(raw, 0, SLICE("$${")) || parse(raw, &v, &fault) != 0 || v.standby.len > 0)
			return true;
		raw = slice_after(raw, v.text.len);
		is_found = true;
	}
	return !is_found;
}

bool
expand_next_name(struct slice *rest, struct slice *name)
{
	struct expand_fault fault;
	struct variable v;

	for (*rest = slice_after(*rest, find_next(*rest)); rest->len > 0;
	     *rest = slice_after(*rest, find_next(*rest))) {
		if (is_at(*rest, 0, SLICE("$${"))) {
			*rest = slice_after(*rest, 3);
			continue;
		}
		if (parse(*rest, &v, &fault) != 0)
			return false;
		*rest = slice_after(*rest, v.text.len);
		*name = v.name;
		return true;
	}
	return false;
}

void
expand_write_escaped(struct writer *w, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (is_at(text, i, SLICE("${")))
			writer_char(w, '$');
		writer_char(w, text.at[i]);
	}
}
