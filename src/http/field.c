/*
 * Header fields; see field.h. A name is looked up among those of its length
 * (fields.def is grouped so), compared eight bytes at a time.
 */
#include "http/field.h"

#include "base/err.h"
#include "http/byte.h"

static const struct slice names[FIELD_COUNT] = {
#define FIELD(id, name, flags) [FIELD_##id] = SLICE_INIT(name),
#include "http/fields.def"
#undef FIELD
};

const uint8_t field_flag_bytes[FIELD_COUNT] = {
#define FIELD(id, name, flags) [FIELD_##id] = flags,
#include "http/fields.def"
#undef FIELD
};

/* FIRST_n is the id of the first name of n bytes. */
enum first_of_length {
	FIRST_NONE = FIELD_OTHER,
#define FIELD(id, name, flags) POSITION_##id,
#define FIELD_LENGTH(n)        FIRST_##n, BEFORE_##n = FIRST_##n - 1,
#include "http/fields.def"
#undef FIELD
};

enum { LONGEST = 64 };

static const uint8_t first_of_length[LONGEST] = {
#define FIELD(id, name, flags)
#define FIELD_LENGTH(n) [n] = FIRST_##n,
#include "http/fields.def"
#undef FIELD
};

enum field_id
field_id_of(struct slice name)
{
	unsigned id = name.len < LONGEST ? first_of_length[name.len] : FIELD_OTHER;
	char first;

	if (id == FIELD_OTHER)
		return FIELD_OTHER;
	first = ascii_lower(name.at[0]);
	for (; id < FIELD_COUNT && names[id].len == name.len; id++) {
		if (names[id].at[0] == first && slice_eq_lower(name, names[id]))
			return (enum field_id)id;
	}
	return FIELD_OTHER;
}

struct slice
field_name(enum field_id id)
{
	return id > FIELD_OTHER && id < FIELD_COUNT ? names[id] : SLICE("");
}

const struct field *
fields_find(const struct fields *f, enum field_id id)
{
	for (unsigned i = 0; i < f->count; i++) {
		if (f->at[i].id == id)
			return &f->at[i];
	}
	return NULL;
}

const struct field *
fields_find_name(const struct fields *f, struct slice name)
{
	enum field_id id = field_id_of(name);

	if (id != FIELD_OTHER)
		return fields_find(f, id);
	for (unsigned i = 0; i < f->count; i++) {
		if (f->at[i].id == FIELD_OTHER && slice_eq_nocase(f->at[i].name, name))
			return &f->at[i];
	}
	return NULL;
}

static int
append(struct fields *f, struct field field)
{
	if (f->count >= f->cap)
		return ERR_TOO_MANY;
	f->at[f->count++] = field;
	return 0;
}

int
fields_make_room(struct fields *f, struct arena *a, unsigned first)
{
	unsigned cap = f->cap ? f->cap * 2 : first;
	struct field *at;

	if (f->count < f->cap)
		return 0;
	at = arena_zalloc(a, cap, sizeof(*at));
	if (!at)
		return ERR_MEMORY;
	if (f->count)
		memcpy(at, f->at, f->count * sizeof(*at));
	f->at = at;
	f->cap = cap;
	return 0;
}

int
fields_add(struct fields *f, enum field_id id, struct slice value)
{
	return append(f, (struct field){ .name = field_name(id), .value = value, .id = id });
}

int
fields_add_name(struct fields *f, struct slice name, struct slice value)
{
	return append(f, (struct field){ .name = name, .value = value, .id = field_id_of(name) });
}

bool
field_list_has(struct slice list, struct slice token)
{
	while (list.len) {
		if (slice_eq_nocase(slice_trim(slice_cut(&list, ',')), token))
			return true;
	}
	return false;
}

bool
fields_has_token(const struct fields *f, enum field_id id, struct slice token)
{
	for (unsigned i = 0; i < f->count; i++) {
		if (f->at[i].id == id && field_list_has(f->at[i].value, token))
			return true;
	}
	return false;
}

static char
variable_char(char c)
{
	return c == '_' ? '-' : ascii_lower(c);
}

bool
field_is_like(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (variable_char(a.at[i]) != variable_char(b.at[i]))
			return false;
	}
	return true;
}

enum field_id
field_id_like(struct slice name)
{
	char text[LONGEST];

	if (name.len >= LONGEST || slice_find(name, '_') == name.len)
		return field_id_of(name);
	for (size_t i = 0; i < name.len; i++)
		text[i] = variable_char(name.at[i]);
	return field_id_of(slice_make(text, name.len));
}

bool
field_is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!byte_is(s.at[i], BYTE_TOKEN))
			return false;
	}
	return s.len > 0;
}

bool
field_is_value(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!byte_is(s.at[i], BYTE_VALUE))
			return false;
	}
	return true;
}

/* Names of our own are kept in lower case, as HTTP/2 wants them. */
static void
write_titled(struct writer *w, enum field_id id, struct slice name)
{
	bool is_start = true;

	if (id == FIELD_ETAG) {
		writer_put(w, SLICE("ETag"));
		return;
	}
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];

		writer_char(w, is_start && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
		is_start = c == '-';
	}
}

void
field_write_line(struct writer *w, const struct field *f)
{
	if (f->id != FIELD_OTHER && f->name.at == field_name(f->id).at)
		write_titled(w, f->id, f->name);
	else
		writer_put(w, f->name);
	writer_put(w, SLICE(": "));
	writer_put(w, f->value);
	writer_put(w, SLICE("\r\n"));
}
