/*
 * Trailer sections; see trailers.h.
 */
#include "wire/trailers.h"

#include "base/err.h"

enum { FIRST_FIELDS = 4, FIRST_BYTES = 256, LINE_BYTES = 4 /* ": ", CRLF */ };

int
trailers_take(struct trailers *t, struct arena *a, struct slice more)
{
	if (more.len > t->cap - t->len) {
		size_t cap = (t->len + more.len) * 2 + FIRST_BYTES;
		char *text = arena_alloc(a, cap);

		if (!text)
			return ERR_MEMORY;
		if (t->len)
			memcpy(text, t->text, t->len);
		t->text = text;
		t->cap = cap;
	}
	memcpy(t->text + t->len, more.at, more.len);
	t->len += more.len;
	return 0;
}

/* What has no meaning of ours, and so none that it could lose or gain behind the body. */
static bool
goes_on(struct slice name)
{
	return field_id_of(name) == FIELD_OTHER;
}

static int
append(struct fields *f, struct arena *a, struct slice name, struct slice value)
{
	int err = f->count < TRAILERS_MAX ? fields_make_room(f, a, FIRST_FIELDS) : ERR_TOO_LARGE;

	if (!err)
		f->at[f->count++] = (struct field){ .name = name, .value = value };
	return err;
}

int
trailers_end(const struct trailers *t, struct arena *a, struct fields *fields)
{
	struct slice rest = slice_make(t->text, t->len);
	int err = 0;

	*fields = (struct fields){ 0 };
	/* chunked_decode() has checked the form of every line. */
	while (!err && rest.len > 0 && rest.at[0] != '\r') {
		struct slice line = slice_cut(&rest, '\n'), name;

		name = slice_cut(&line, ':');
		line.len -= line.len > 0; /* its CR */
		if (goes_on(name))
			err = append(fields, a, name, slice_trim(line));
	}
	return err;
}

int
trailers_add(struct fields *fields, struct arena *a, struct slice name, struct slice value)
{
	if (!field_is_token(name) || !field_is_value(value))
		return ERR_PROTOCOL;
	if (!goes_on(name))
		return 0;
	name = arena_copy(a, name);
	value = arena_copy(a, value);
	if (!name.at || !value.at)
		return ERR_MEMORY;
	return append(fields, a, name, value);
}

size_t
trailers_bytes(const struct fields *fields)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < fields->count; i++)
		bytes += fields->at[i].name.len + fields->at[i].value.len + LINE_BYTES;
	return bytes;
}

void
trailers_write(const struct fields *fields, struct writer *w)
{
	for (unsigned i = 0; i < fields->count; i++)
		field_write_line(w, &fields->at[i]);
}
