/*
 * The nearest name; see suggest.h. Distance: Damerau, "A technique for computer
 * detection and correction of spelling errors" (1964), in its row-wise form
 * where no part is edited twice.
 */
#include "config/suggest.h"

#include "base/writer.h"

enum { CONTAINED_BYTES = 4 }; /* shorter pieces of a name are near to nothing */

static size_t
min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

static bool
is_same(char a, char b)
{
	return ascii_lower(a) == ascii_lower(b);
}

/* Both are at most SUGGEST_BYTES long. */
static size_t
measure(struct slice a, struct slice b)
{
	size_t rows[3][SUGGEST_BYTES + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2], *spare;

	for (size_t j = 0; j <= b.len; j++)
		before[j] = last[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t same = is_same(a.at[i - 1], b.at[j - 1]) ? 0 : 1;

			row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + same);
			if (i > 1 && j > 1 && is_same(a.at[i - 1], b.at[j - 2]) &&
			    is_same(a.at[i - 2], b.at[j - 1]) && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b.len];
}

static bool
is_inside(struct slice part, struct slice whole)
{
	for (size_t i = 0; i + part.len <= whole.len; i++) {
		if (slice_eq_nocase(part, slice_make(whole.at + i, part.len)))
			return true;
	}
	return false;
}

/* The distance up to which a name of this length is near. */
static size_t
allowed(size_t length)
{
	return length <= 2 ? 1 : length <= 5 ? 2 : 1 + length / 4;
}

void
suggest_init(struct suggest *g, struct slice written)
{
	*g = (struct suggest){ .written = written, .distance = SIZE_MAX };
}

void
suggest_offer(struct suggest *g, struct slice name)
{
	struct slice a = g->written;
	size_t near, distance;

	if (a.len == 0 || a.len > SUGGEST_BYTES || name.len == 0 || name.len > SUGGEST_BYTES ||
	    slice_eq(a, name))
		return;
	near = allowed(a.len > name.len ? a.len : name.len);
	distance = measure(a, name);
	if (distance > near && ((a.len >= CONTAINED_BYTES && is_inside(a, name)) ||
				(name.len >= CONTAINED_BYTES && is_inside(name, a))))
		distance = near;
	/* Nothing of the name is left when every letter is another one. */
	if (distance > near || distance >= a.len + (distance == 0) || distance >= g->distance)
		return;
	g->distance = distance;
	g->best = name;
}

void
suggest_offer_words(struct suggest *g, const char *const *words)
{
	for (; *words; words++)
		suggest_offer(g, slice_of(*words));
}

const char *
suggest_text(struct suggest *g)
{
	struct writer w = writer_over(g->text, sizeof(g->text) - 1);

	if (g->best.len > 0) {
		writer_text(&w, "; did you mean \"");
		writer_put(&w, g->best);
		writer_text(&w, "\"?");
	}
	g->text[w.len] = '\0';
	return g->text;
}
