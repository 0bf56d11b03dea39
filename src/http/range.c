/*
 * Ranges of bytes; see range.h.
 */
#include "http/range.h"

/* Decimal digits; what does not fit is UINT64_MAX, which lies behind every end. */
static bool
read_number(struct slice s, uint64_t *value)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_digit(s.at[i]))
			return false;
	}
	if (slice_to_u64(s, value) != 0)
		*value = UINT64_MAX;
	return s.len > 0;
}

/* suffix-range: the last bytes. */
static bool
read_suffix(struct slice s, uint64_t size, struct range *r)
{
	uint64_t length;

	if (!read_number(s, &length))
		return false;
	*r = (struct range){ .from = length < size ? size - length : 0, .end = size };
	return true;
}

/* One range-spec, cut to the size; from >= end when nothing is left of it. False: not one. */
static bool
read_spec(struct slice s, uint64_t size, struct range *r)
{
	uint64_t first, last = UINT64_MAX;
	struct slice rest = s;
	struct slice start = slice_cut(&rest, '-');

	if (start.len == s.len)
		return false; /* no '-' */
	if (start.len == 0)
		return read_suffix(rest, size, r);
	if (!read_number(start, &first) || (rest.len > 0 && !read_number(rest, &last)))
		return false;
	/* RFC 9110 14.1.1: invalid if it ends before it begins. */
	if (rest.len > 0 && last < first)
		return false;
	*r = (struct range){ .from = first, .end = last < size ? last + 1 : size };
	return true;
}

static bool
touches(const struct range *a, const struct range *b)
{
	uint64_t low = a->from > b->from ? a->from : b->from;
	uint64_t high = a->end < b->end ? a->end : b->end;

	return low <= high || low - high < RANGE_GAP_BYTES;
}

static void
widen(struct range *a, const struct range *b)
{
	a->from = a->from < b->from ? a->from : b->from;
	a->end = a->end > b->end ? a->end : b->end;
}

/* The place of the first one from `i` on that r touches, or count. */
static unsigned
find_touching(const struct ranges *s, unsigned i, const struct range *r)
{
	while (i < s->count && !touches(&s->at[i], r))
		i++;
	return i;
}

/* Adds r; those that it joins become one, in the place of the first. False: too many. */
static bool
add(struct ranges *s, struct range r)
{
	unsigned into = find_touching(s, 0, &r), other;

	if (into == s->count) {
		if (s->count == RANGES_MAX)
			return false;
		s->at[s->count++] = r;
		return true;
	}
	widen(&s->at[into], &r);
	/* Grown, it may touch others, on either side of it in the list. */
	for (;;) {
		other = find_touching(s, 0, &s->at[into]);
		if (other == into)
			other = find_touching(s, into + 1, &s->at[into]);
		if (other == s->count)
			return true;
		if (other < into) {
			unsigned swap = other;

			other = into;
			into = swap;
		}
		widen(&s->at[into], &s->at[other]);
		s->count--;
		memmove(&s->at[other], &s->at[other + 1], (s->count - other) * sizeof(s->at[0]));
	}
}

enum range_verdict
range_read(struct slice value, uint64_t size, struct ranges *ranges)
{
	struct slice unit = slice_cut(&value, '=');
	unsigned specs = 0;

	ranges->count = 0;
	if (size == 0 || !slice_eq_nocase(unit, SLICE("bytes")))
		return RANGE_WHOLE;
	while (value.len > 0) {
		struct slice spec = slice_trim(slice_cut(&value, ','));
		struct range r;

		if (spec.len == 0)
			continue; /* RFC 9110 5.6.1: empty elements of a list */
		if (++specs > RANGE_SPECS_MAX || !read_spec(spec, size, &r))
			return RANGE_WHOLE;
		if (r.from < r.end && !add(ranges, r))
			return RANGE_WHOLE;
	}
	if (specs == 0)
		return RANGE_WHOLE;
	return ranges->count > 0 ? RANGE_SOME : RANGE_NONE;
}
