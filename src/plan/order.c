/*
 * The order of parts: an order in which each comes after all that it waits
 * for, or the circles that make one impossible, spelled out.
 */
#include "base/assert.h"
#include "plan/plan_priv.h"

enum { CIRCLE_BYTES = 512 };

/* The key by which part i waits for part `need`. */
static const char *
edge_key(const struct plan *p, unsigned i, unsigned need)
{
	const struct plan_part *pp = &p->part[i];

	for (unsigned v = 0; v < pp->part.values; v++) {
		if (pp->value && pp->value[v] &&
		    (template_needs(pp->value[v]).parts & PLAN_BIT(need)))
			return pp->part.value[v].key;
	}
	for (unsigned v = 0; pp->when && when_variable(pp->when, v); v++) {
		if (template_needs(when_variable(pp->when, v)).parts & PLAN_BIT(need))
			return "when";
	}
	return "after";
}

/* `a -> b -> a`, and the line of each arrow. */
static void
tell_circle(const struct plan *p, struct conf_errors *e, const unsigned char *place, unsigned n)
{
	char names[CIRCLE_BYTES], lines[CIRCLE_BYTES];
	struct writer nw = writer_over(names, sizeof(names)),
		      lw = writer_over(lines, sizeof(lines));
	const struct conf_section *first = p->part[place[0]].part.section;

	for (unsigned i = 0; i < n; i++) {
		unsigned from = place[i], to = place[(i + 1) % n];
		const struct part *part = &p->part[from].part;
		const char *key = edge_key(p, from, to);

		writer_format(&nw, "%.*s -> ", SLICE_PRINT(part->name));
		writer_format(&lw, "%s%.*s waits at %s:%u", i ? ", " : "", SLICE_PRINT(part->name),
			      conf_file_name(part->section, key), conf_line(part->section, key));
	}
	writer_format(&nw, "%.*s", SLICE_PRINT(p->part[place[0]].part.name));
	conf_error_at(e, first, edge_key(p, place[0], place[1 % n]),
		      "parts that wait for each other: %.*s (%.*s)", SLICE_PRINT(writer_slice(&nw)),
		      SLICE_PRINT(writer_slice(&lw)));
}

/* Walks from a part that waits to what it waits for, until a part comes again.
 * Returns the parts of that circle. */
static uint64_t
find_circle(const struct plan *p, struct conf_errors *e, uint64_t left)
{
	unsigned char path[PLAN_PARTS_MAX + 1];
	unsigned at = (unsigned)__builtin_ctzll(left), n = 0, start = 0;
	uint64_t seen = 0, circle = 0;

	while (!(seen & PLAN_BIT(at))) {
		seen |= PLAN_BIT(at);
		path[n++] = (unsigned char)at;
		ASSERT((p->part[at].after & left) != 0);
		at = (unsigned)__builtin_ctzll(p->part[at].after & left);
	}
	while (path[start] != at)
		start++;
	for (unsigned i = start; i < n; i++)
		circle |= PLAN_BIT(path[i]);
	tell_circle(p, e, path + start, n - start);
	return circle;
}

int
order_parts(struct plan *p, struct conf_errors *e)
{
	uint64_t left = p->count == PLAN_PARTS_MAX ? ~UINT64_C(0) : PLAN_BIT(p->count) - 1;
	unsigned i, placed = 0;
	int err = 0;

	while (left) {
		uint64_t keep, ready = 0;

		PLAN_EACH(i, keep, left)
		ready |= (p->part[i].after & left) ? 0 : PLAN_BIT(i);
		if (!ready) {
			left &= ~find_circle(p, e, left);
			err = ERR_SYNTAX;
			continue;
		}
		PLAN_EACH(i, keep, ready)
		p->order[placed++] = (unsigned char)i;
		left &= ~ready;
	}
	for (i = 0; i < p->count; i++) {
		uint64_t keep;
		unsigned need;

		if (p->part[i].after == 0)
			p->first |= PLAN_BIT(i);
		PLAN_EACH(need, keep, p->part[i].after)
		p->part[need].followers |= PLAN_BIT(i);
	}
	return err;
}
