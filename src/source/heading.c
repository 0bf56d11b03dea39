/*
 * Header fields of an answer that a job makes; see heading.h.
 */
#include "source/heading.h"

#include "base/mem.h"

/* The slices are in text[]. */
struct heading {
	struct field at[HEADING_FIELDS_MAX];
	struct fields fields; /* over at[] */
	struct writer text;
	char memory[HEADING_BYTES];
};

/* Those that the connection writes, or that say something about this server. */
static bool
is_ours(struct slice name)
{
	enum field_id id = field_id_of(name);

	return (field_flags(id) & FIELD_HOP) || id == FIELD_CONTENT_LENGTH || id == FIELD_DATE ||
	       id == FIELD_SERVER ||
	       (name.len > 8 && slice_eq_nocase(slice_make(name.at, 8), SLICE("forebay-")));
}

static struct slice
keep(struct heading *r, struct slice s)
{
	size_t from = r->text.len;

	writer_put(&r->text, s);
	return slice_make(r->memory + from, r->text.len - from);
}

static struct heading *
make(void)
{
	struct heading *r = mem_alloc(sizeof(*r));

	if (!r)
		return NULL;
	r->fields = (struct fields){ .at = r->at, .cap = HEADING_FIELDS_MAX - 1 };
	r->text = writer_over(r->memory, sizeof(r->memory));
	return r;
}

static struct field *
find(struct heading *r, struct slice name)
{
	for (unsigned i = 0; i < r->fields.count; i++) {
		if (slice_eq_nocase(r->at[i].name, name))
			return &r->at[i];
	}
	return NULL;
}

int
heading_set(struct heading **heading, struct slice name, struct slice value)
{
	struct heading *r = *heading;
	struct field *old;

	if (!field_is_token(name) || !field_is_value(value) || is_ours(name))
		return ERR_ARGUMENT;
	if (!r)
		r = *heading = make();
	if (!r)
		return ERR_MEMORY;
	old = find(r, name);
	if (name.len + value.len > r->text.cap - r->text.len)
		return ERR_TOO_LARGE;
	if (!old)
		return fields_add_name(&r->fields, keep(r, name), keep(r, value));
	old->value = keep(r, value);
	return 0;
}

bool
heading_at(const struct heading *r, unsigned i, struct slice *name, struct slice *value)
{
	if (!r || i >= r->fields.count)
		return false;
	*name = r->at[i].name;
	*value = r->at[i].value;
	return true;
}

/* From the heading's memory to its copy. */
static struct slice
rebase(const struct heading *r, const char *copy, struct slice s)
{
	return slice_make(copy + (s.at - r->memory), s.len);
}

int
heading_copy(const struct heading *r, struct slice type, struct arena *a, struct fields *fields)
{
	struct slice copy = arena_copy(a, writer_slice(&r->text));
	int err = 0;

	fields->at = arena_zalloc(a, r->fields.count + 1, sizeof(*fields->at));
	if (!copy.at || !fields->at)
		return ERR_MEMORY;
	fields->count = 0;
	fields->cap = r->fields.count + 1;
	for (unsigned i = 0; i < r->fields.count && !err; i++)
		err = fields_add_name(fields, rebase(r, copy.at, r->at[i].name),
				      rebase(r, copy.at, r->at[i].value));
	if (!err && type.len > 0 && !fields_find(fields, FIELD_CONTENT_TYPE))
		err = fields_add(fields, FIELD_CONTENT_TYPE, type);
	return err;
}
