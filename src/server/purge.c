/*
 * Purging; see purge.h.
 */
#include "server/purge.h"

#include "cache/cache.h"
#include "config/suggest.h"
#include "guard/cache.h"
#include "server/server.h"

static const struct cache *
find_cache(const struct site *site, struct slice name)
{
	const struct cache *c = guard_caches(site->guards);

	while (c && !slice_eq(c->name, name))
		c = c->next;
	return c;
}

static void
refuse_name(const struct site *site, struct command *c)
{
	struct suggest near;

	suggest_init(&near, c->name);
	for (const struct cache *k = guard_caches(site->guards); k; k = k->next)
		suggest_offer(&near, k->name);
	command_answer(c, 422, "there is no cache %s%s", conf_quote(c->name).text,
		       suggest_text(&near));
}

static unsigned
take_out(struct vault *v, struct slice key)
{
	if (key.len == 0)
		return vault_remove_prefix(v, SLICE(""));
	if (key.at[key.len - 1] == '*')
		return vault_remove_prefix(v, slice_make(key.at, key.len - 1));
	return vault_remove(v, key);
}

void
purge_run(struct server *s, struct command *c)
{
	const struct cache *cache = find_cache(s->site, c->name);
	unsigned count;

	if (!cache) {
		refuse_name(s->site, c);
		return;
	}
	count = take_out(cache->vault, c->value);
	count_add(&s->counters, COUNTER_CACHE_PURGED, count);
	command_answer(c, 200, "%u taken out of %s", count, conf_quote(c->name).text);
}
