/*
 * What could never be admitted: parts that need more places of a pool at once than it has, which
 * would be refused each time. Builder thread, last of all checks.
 */
#include "plan/plan_priv.h"

/* The parts of a batch that need a place in this pool; *first: the first of them. */
static unsigned
count_places(const struct plan *p, uint64_t parts, const struct pool *pool, unsigned *first)
{
	unsigned i, count = 0;
	uint64_t keep;

	PLAN_EACH(i, keep, parts)
	{
		if (part_pool(&p->part[i].part) != pool)
			continue;
		if (count++ == 0)
			*first = i;
	}
	return count;
}

static unsigned
room_of(const struct source_build *b, const struct pool *pool)
{
	return b->pool_room ? b->pool_room(b->argument, pool) : pool_capacity(pool);
}

/* Where its max_queue is said: in its own section, or in that of its database. */
static struct conf_placed
place_of_queue(const struct conf *c, const struct pool *pool)
{
	struct slice name = slice_of(pool_name(pool)), rest = name;
	const struct conf_section *s = conf_find(c, SLICE("pool"), name);

	if (!s) {
		slice_cut(&rest, '.');
		if (slice_has_suffix(rest, SLICE(".writer")))
			rest.len -= strlen(".writer");
		s = conf_find(c, SLICE("database"), rest);
	}
	return s ? conf_place(s, "max_queue") : (struct conf_placed){ "its section" };
}

/* A batch is admitted as one, so that all of it must find room in an empty pool. */
static void
check_batch(const struct plan *p, const struct plan_build *build, const struct plan_batch *b)
{
	unsigned i, count, room, first = 0;
	uint64_t keep;

	PLAN_EACH(i, keep, b->parts)
	{
		const struct pool *pool = part_pool(&p->part[i].part);

		if (!pool)
			continue;
		count = count_places(p, b->parts, pool, &first);
		room = room_of(build->source, pool);
		if (i == first && count > room)
			conf_error_at(
			    plan_errors(build), p->section, NULL,
			    "%u %s parts need pool %s at once, which has room for %u jobs: "
			    "they would always be refused; give it more max_queue (%s)",
			    count, b->is_optional ? "optional" : "required", pool_name(pool), room,
			    place_of_queue(build->conf, pool).text);
	}
}

/* The first of a list's elements are admitted as one, too. */
static void
check_each(const struct plan_build *b, const struct plan_part *pp)
{
	const struct pool *pool = pp->each && pp->part.source ? part_pool(&pp->part) : NULL;

	if (pool && pp->conf.each_at_once > room_of(b->source, pool))
		conf_error_at(plan_errors(b), pp->part.section, "foreach_at_once",
			      "%u elements need pool %s at once, which has room for %u jobs: they "
			      "would always be refused; give it more max_queue (%s)",
			      pp->conf.each_at_once, pool_name(pool), room_of(b->source, pool),
			      place_of_queue(b->conf, pool).text);
}

void
room_check(const struct plan *p, const struct plan_build *b)
{
	/* A flow need not call all of them at once. */
	for (unsigned i = 0; i < p->batches && !p->flow; i++)
		check_batch(p, b, &p->batch[i]);
	for (unsigned i = 0; i < p->count; i++)
		check_each(b, &p->part[i]);
}
