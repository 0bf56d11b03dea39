/*
 * Accept; see accept.h.
 */
#include "http/accept.h"

#include "http/weight.h"

enum closeness { FARTHEST, ANY, ANY_OF_TYPE, NAMED };

/* How much a media type is wanted: the closest range that covers it says so. */
struct rank {
	enum closeness closeness;
	int weight;
};

static enum closeness
closeness_of(struct slice range, struct slice type)
{
	struct slice major = type;

	major = slice_cut(&type, '/');
	if (slice_eq(range, SLICE("*/*")))
		return ANY;
	if (!slice_eq_nocase(slice_cut(&range, '/'), major))
		return FARTHEST;
	if (slice_eq(range, SLICE("*")))
		return ANY_OF_TYPE;
	return slice_eq_nocase(range, type) ? NAMED : FARTHEST;
}

static void
take_element(struct slice element, struct slice type, struct rank *r)
{
	struct slice range = slice_trim(slice_cut(&element, ';'));
	enum closeness closeness = closeness_of(range, type);
	int weight = weight_among(element);

	if (weight >= 0 && closeness > r->closeness)
		*r = (struct rank){ closeness, weight };
}

static struct rank
rank_of(const struct fields *request, struct slice type)
{
	struct rank r = { FARTHEST, 0 };

	for (unsigned i = 0; i < request->count; i++) {
		struct slice list = request->at[i].value;

		if (request->at[i].id != FIELD_ACCEPT)
			continue;
		while (list.len > 0)
			take_element(slice_cut(&list, ','), type, &r);
	}
	return r;
}

bool
accept_prefers(const struct fields *request, struct slice type, struct slice other)
{
	struct rank a = rank_of(request, type), b = rank_of(request, other);

	return a.weight > b.weight ||
	       (a.weight == b.weight && a.weight > 0 && a.closeness > b.closeness);
}
