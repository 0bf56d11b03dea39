/*
 * Purging; see purge.h.
 */
#include "server/purge.h"

#include "cache/cache.h"
#include "config/suggest.h"
#include "guard/cache.h"
#include "server/server.h"

enum { KEY_BYTES = 16 << 10 };

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

/* Of parts: behind the key that the operator knows stands what is of it unasked (plan/part_key.c).
 */
static unsigned
take_out_part(struct vault *v, struct slice key)
{
	char text[KEY_BYTES];
	struct writer w = writer_over(text, sizeof(text));

	writer_put(&w, key);
	writer_char(&w, '\0');
	return w.is_full ? 0 : vault_remove_prefix(v, writer_slice(&w));
}

static unsigned
take_out(struct vault *v, struct slice key)
{
	if (key.len == 0)
		return vault_remove_prefix(v, SLICE(""));
	if (key.at[key.len - 1] == '*')
		return vault_remove_prefix(v, slice_make(key.at, key.len - 1));
	return vault_remove(v, key) ? 1 : take_out_part(v, key);
}

void
purge_run(struct server *s, struct command *c)
{
	const struct cache *cache = guard_find_cache(s->site->guards, c->name);
	unsigned count;

	if (!cache) {
		refuse_name(s->site, c);
		return;
	}
	count = take_out(cache->vault, c->value);
	count_add(&s->counters, COUNTER_CACHE_PURGED, count);
	command_answer(c, 200, "%u taken out of %s", count, conf_quote(c->name).text);
}
