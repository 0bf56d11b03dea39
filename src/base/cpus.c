/*
 * Sets of processors; see cpus.h.
 */
#include "base/cpus.h"

#include "base/assert.h"

/* --- members --------------------------------------------------------------------------- */

void
cpus_add(struct cpus *c, unsigned cpu)
{
	ASSERT(cpu < CPUS_MAX);
	c->word[cpu / CPUS_WORD_BITS] |= 1ul << cpu % CPUS_WORD_BITS;
}

bool
cpus_has(const struct cpus *c, unsigned cpu)
{
	return cpu < CPUS_MAX && (c->word[cpu / CPUS_WORD_BITS] >> cpu % CPUS_WORD_BITS & 1);
}

unsigned
cpus_count(const struct cpus *c)
{
	int count = 0;

	for (unsigned i = 0; i < CPUS_WORDS; i++)
		count += __builtin_popcountl(c->word[i]);
	return (unsigned)count;
}

bool
cpus_is_empty(const struct cpus *c)
{
	return cpus_count(c) == 0;
}

bool
cpus_eq(const struct cpus *a, const struct cpus *b)
{
	return memcmp(a->word, b->word, sizeof(a->word)) == 0;
}

unsigned
cpus_at(const struct cpus *c, unsigned n)
{
	unsigned cpu = 0;

	while (cpu < CPUS_MAX && (!cpus_has(c, cpu) || n-- > 0))
		cpu++;
	return cpu;
}

struct cpus
cpus_both(const struct cpus *a, const struct cpus *b)
{
	struct cpus both;

	for (unsigned i = 0; i < CPUS_WORDS; i++)
		both.word[i] = a->word[i] & b->word[i];
	return both;
}

struct cpus
cpus_without(const struct cpus *a, const struct cpus *b)
{
	struct cpus rest;

	for (unsigned i = 0; i < CPUS_WORDS; i++)
		rest.word[i] = a->word[i] & ~b->word[i];
	return rest;
}

struct cpus
cpus_share(const struct cpus *c, unsigned at, unsigned count)
{
	struct cpus own = { { 0 } };

	if (at >= count || count > cpus_count(c))
		return *c;
	cpus_add(&own, cpus_at(c, at));
	return own;
}

/* --- text ------------------------------------------------------------------------------ */

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* A value that goes on in a next line has line ends, too. */
static struct slice
trim(struct slice s)
{
	while (s.len > 0 && is_space(s.at[0]))
		s = slice_after(s, 1);
	while (s.len > 0 && is_space(s.at[s.len - 1]))
		s.len--;
	return s;
}

/* FIRST, FIRST-LAST or FIRST-LAST:STEP */
static int
parse_range(struct cpus *c, struct slice range)
{
	struct slice step = range, ends = slice_cut(&step, ':');
	struct slice last = ends, first = slice_cut(&last, '-');
	bool is_single = first.len == ends.len, has_step = ends.len < range.len;
	uint64_t from, to, by = 1;
	int err = slice_to_u64(first, &from);

	if (!err)
		err = is_single ? 0 : slice_to_u64(last, &to);
	if (!err && has_step)
		err = is_single ? ERR_SYNTAX : slice_to_u64(step, &by);
	if (err)
		return err;
	if (is_single)
		to = from;
	if (to < from || by == 0)
		return ERR_SYNTAX;
	if (to >= CPUS_MAX)
		return ERR_TOO_LARGE;
	for (; from <= to && by < CPUS_MAX; from += by)
		cpus_add(c, (unsigned)from);
	return by < CPUS_MAX ? 0 : ERR_TOO_LARGE;
}

int
cpus_parse(struct cpus *c, struct slice text)
{
	struct cpus found = { { 0 } };
	int err = ERR_SYNTAX;

	do {
		err = parse_range(&found, trim(slice_cut(&text, ',')));
	} while (!err && trim(text).len > 0);
	if (!err)
		*c = found;
	return err;
}

void
cpus_write(const struct cpus *c, struct writer *w)
{
	const char *comma = "";

	for (unsigned first = 0, end; first < CPUS_MAX; first = end) {
		end = first + 1;
		if (!cpus_has(c, first))
			continue;
		while (cpus_has(c, end))
			end++;
		writer_text(w, comma);
		writer_u64(w, first);
		if (end > first + 1) {
			writer_char(w, '-');
			writer_u64(w, end - 1);
		}
		comma = ",";
	}
}
