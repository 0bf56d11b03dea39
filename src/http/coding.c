/*
 * Content codings; see coding.h.
 */
#include "http/coding.h"

static const struct {
	struct slice name, extension;
} codings[CODING_COUNT] = {
	[CODING_IDENTITY] = { SLICE_INIT("identity"), SLICE_INIT("") },
	[CODING_GZIP] = { SLICE_INIT("gzip"), SLICE_INIT(".gz") },
	[CODING_BR] = { SLICE_INIT("br"), SLICE_INIT(".br") },
	[CODING_ZSTD] = { SLICE_INIT("zstd"), SLICE_INIT(".zst") },
};

struct slice
coding_name(enum coding c)
{
	return codings[c].name;
}

struct slice
coding_extension(enum coding c)
{
	return codings[c].extension;
}

enum coding
coding_of(struct slice name)
{
	for (unsigned i = 0; i < CODING_COUNT; i++) {
		if (slice_eq_nocase(name, codings[i].name))
			return (enum coding)i;
	}
	return slice_eq_nocase(name, SLICE("x-gzip")) ? CODING_GZIP : CODING_COUNT;
}

/* --- what the client takes --------------------------------------------------------- */

enum { UNSET = -1, OTHERS = CODING_COUNT, PLACES };

static void
take_element(struct slice element, int at[PLACES])
{
	struct slice name = slice_trim(slice_cut(&element, ';'));
	bool is_others = slice_eq(name, SLICE("*"));
	enum coding c = is_others ? CODING_COUNT : coding_of(name);
	int weight;

	if (c == CODING_COUNT && !is_others)
		return;
	weight = weight_among(element);
	if (at[c] == UNSET)
		at[c] = weight; /* UNSET if it breaks the grammar */
}

struct coding_weights
coding_weights_of(const struct fields *request)
{
	int at[PLACES] = { UNSET, UNSET, UNSET, UNSET, UNSET };
	struct coding_weights w = { .has_identity = false };

	for (unsigned i = 0; i < request->count; i++) {
		struct slice list = request->at[i].value;

		if (request->at[i].id != FIELD_ACCEPT_ENCODING)
			continue;
		while (list.len > 0)
			take_element(slice_cut(&list, ','), at);
	}
	w.has_identity = at[CODING_IDENTITY] != UNSET;
	for (unsigned i = 0; i < CODING_COUNT; i++) {
		int weight = at[i] != UNSET ? at[i] : at[OTHERS];

		w.at[i] = weight > 0 ? (uint16_t)weight : 0;
	}
	return w;
}

unsigned
coding_rank(const struct coding_weights *w, const enum coding *offered, unsigned n,
	    enum coding *ranked)
{
	unsigned least = w->has_identity ? w->at[CODING_IDENTITY] : 0, count = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned weight = w->at[offered[i]], place = count;

		if (weight == 0 || weight < least)
			continue;
		for (; place > 0 && w->at[ranked[place - 1]] < weight; place--)
			ranked[place] = ranked[place - 1];
		ranked[place] = offered[i];
		count++;
	}
	return count;
}
