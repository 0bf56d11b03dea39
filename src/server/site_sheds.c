/*
 * What sources refuse by limits of their own, such as upstreams for which too
 * many wait: a ledger for each that has such limits, with a series for each of
 * them. Like all that is counted, it goes on when a site is replaced.
 */
#include "base/mem.h"
#include "server/site_priv.h"
#include "source/source.h"

static struct ledger *
find_prior(const struct site *prior, const struct source *s)
{
	for (unsigned i = 0; prior && i < prior->source_count; i++) {
		const struct source *other = prior->sources[i];

		if (other->ops == s->ops && slice_eq(other->name, s->name) &&
		    other->limits == s->limits)
			return prior->shed_ledgers[i];
	}
	return NULL;
}

int
site_open_sheds(struct site *s, const struct site *prior)
{
	s->shed_ledgers = arena_zalloc(&s->arena, s->source_count + 1, sizeof(struct ledger *));
	if (!s->shed_ledgers)
		return ERR_MEMORY;
	for (unsigned i = 0; i < s->source_count; i++) {
		size_t bytes = s->sources[i]->limits * sizeof(struct shed_series);
		struct ledger *old = find_prior(prior, s->sources[i]);

		if (bytes == 0)
			continue;
		s->shed_ledgers[i] = old ? ledger_ref(old) : ledger_new(bytes);
		if (!s->shed_ledgers[i])
			return ERR_MEMORY;
	}
	return 0;
}

void
site_close_sheds(struct site *s)
{
	for (unsigned i = 0; s->shed_ledgers && i < s->source_count; i++)
		ledger_unref(&s->shed_ledgers[i]);
}

int
site_lease_sheds(const struct site *s, struct lease *l)
{
	l->sheds = mem_zalloc(s->source_count, sizeof(*l->sheds));
	if (!l->sheds)
		return ERR_MEMORY;
	for (unsigned i = 0; i < s->source_count; i++) {
		if (!s->shed_ledgers[i])
			continue;
		l->sheds[i] = ledger_series(s->shed_ledgers[i], l->env->worker);
		if (!l->sheds[i])
			return ERR_MEMORY;
	}
	return 0;
}
