/*
 * What routes and parts count, in pages that each worker writes alone: a route
 * or a part that has the name of one before counts on where that one was.
 */
#include "server/site_priv.h"

/* The route's, or a part's, in the prior site: the same name is the same thing to who reads the
 * metrics. */
static struct ledger *
find_route_ledger(const struct site *prior, struct slice name)
{
	for (unsigned i = 0; prior && i < prior->route_count; i++) {
		if (slice_eq(prior->routes[i].name, name))
			return prior->route_ledgers[prior->routes[i].index];
	}
	return NULL;
}

static struct ledger *
find_part_ledger(const struct site *prior, const struct plan_part *part)
{
	const struct conf_section *section = part->part.section;

	for (unsigned i = 0; prior && i < prior->part_count; i++) {
		const struct conf_section *other = prior->parts[i]->part.section;

		if (slice_eq(other->kind, section->kind) && slice_eq(other->name, section->name))
			return prior->part_ledgers[i];
	}
	return NULL;
}

static struct ledger *
keep_ledger(struct ledger *prior, size_t series_bytes)
{
	return prior ? ledger_ref(prior) : ledger_new(series_bytes);
}

int
site_open_ledgers(struct site *s, const struct site *prior)
{
	size_t bytes = sizeof(struct route_series);

	s->route_ledgers = arena_zalloc(&s->arena, s->route_count + 1, sizeof(struct ledger *));
	s->part_ledgers = arena_zalloc(&s->arena, s->part_count + 1, sizeof(struct ledger *));
	if (!s->route_ledgers || !s->part_ledgers)
		return ERR_MEMORY;
	s->route_ledgers[0] = keep_ledger(prior ? prior->route_ledgers[0] : NULL, bytes);
	if (!s->route_ledgers[0])
		return ERR_MEMORY;
	for (unsigned i = 1; i <= s->route_count; i++) {
		struct slice name = s->routes[i - 1].name;

		s->route_ledgers[i] = keep_ledger(find_route_ledger(prior, name), bytes);
		if (!s->route_ledgers[i])
			return ERR_MEMORY;
	}
	for (unsigned i = 0; i < s->part_count; i++) {
		s->part_ledgers[i] =
		    keep_ledger(find_part_ledger(prior, s->parts[i]), sizeof(struct part_series));
		if (!s->part_ledgers[i])
			return ERR_MEMORY;
	}
	return 0;
}

void
site_close_ledgers(struct site *s)
{
	for (unsigned i = 0; s->route_ledgers && i <= s->route_count; i++)
		ledger_unref(&s->route_ledgers[i]);
	for (unsigned i = 0; s->part_ledgers && i < s->part_count; i++)
		ledger_unref(&s->part_ledgers[i]);
}

int
site_lease_ledgers(const struct site *s, struct lease *l)
{
	for (unsigned i = 0; i <= s->route_count; i++) {
		l->routes[i] = ledger_series(s->route_ledgers[i], l->env->worker);
		if (!l->routes[i])
			return ERR_MEMORY;
	}
	for (unsigned i = 0; i < s->part_count; i++) {
		l->parts[i] = ledger_series(s->part_ledgers[i], l->env->worker);
		if (!l->parts[i])
			return ERR_MEMORY;
	}
	return 0;
}
