/*
 * Keys of variants; see vary.h.
 */
#include "cache/vary.h"

#include "base/writer.h"

enum { VARIANT_BYTES = 8192, NUMBER_BYTES = 24 };

static int
put_names(struct writer *w, struct slice list)
{
	while (list.len > 0) {
		struct slice name = slice_trim(slice_cut(&list, ','));

		if (slice_eq(name, SLICE("*")))
			return ERR_UNSUPPORTED;
		if (name.len == 0)
			continue;
		writer_char(w, ',');
		for (size_t i = 0; i < name.len; i++)
			writer_char(w, ascii_lower(name.at[i]));
	}
	return w->is_full ? ERR_TOO_LARGE : 0;
}

int
vary_read(const struct fields *response, struct arena *a, struct slice *names)
{
	struct writer w = writer_over(NULL, 0);
	int err = 0;

	*names = SLICE("");
	for (unsigned i = 0; i < response->count && !err; i++) {
		if (response->at[i].id != FIELD_VARY)
			continue;
		if (w.cap == 0) {
			char *memory = arena_alloc(a, VARY_NAMES_BYTES);

			if (!memory)
				return ERR_MEMORY;
			w = writer_over(memory, VARY_NAMES_BYTES);
		}
		err = put_names(&w, response->at[i].value);
	}
	if (!err && w.len > 0)
		*names = writer_slice(&w);
	return err;
}

/* How many lines there are, and each behind its length: no two requests come to the same text. */
static void
put_values(struct writer *w, const struct fields *f, struct slice name)
{
	unsigned count = 0;

	for (unsigned i = 0; i < f->count; i++)
		count += slice_eq_nocase(f->at[i].name, name);
	writer_u64(w, count);
	writer_char(w, ';');
	for (unsigned i = 0; i < f->count; i++) {
		if (!slice_eq_nocase(f->at[i].name, name))
			continue;
		writer_u64(w, f->at[i].value.len);
		writer_char(w, ':');
		writer_put(w, f->at[i].value);
	}
}

int
vary_key(struct slice key, uint64_t tag, struct slice names, const struct request *request,
	 struct arena *a, struct slice *variant)
{
	size_t cap = key.len + VARIANT_BYTES + NUMBER_BYTES;
	char *memory = arena_alloc(a, cap);
	struct writer w = writer_over(memory, memory ? cap : 0);

	if (!memory)
		return ERR_MEMORY;
	writer_put(&w, key);
	writer_char(&w, '\0');
	writer_hex(&w, tag);
	while (names.len > 0) {
		struct slice name = slice_cut(&names, ',');

		if (name.len > 0)
			put_values(&w, &request->fields, name);
	}
	*variant = writer_slice(&w);
	return w.is_full ? ERR_TOO_LARGE : 0;
}
