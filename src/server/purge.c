/*
 * Purging; see purge.h.
 */
#include "server/purge.h"

#include "cache/cache.h"
#include "config/suggest.h"
#include "guard/cache.h"
#include "server/server.h"

enum { KEY_BYTES = 16 << 10, KEYS_MAX = 3 };

/* The keys that a user's words stand for. */
struct wish {
	struct slice key[KEYS_MAX];
	unsigned keys;
	bool is_prefix; /* of all that begin so */
	bool is_uri; /* of a route: no part's key begins so */
	struct writer memory; /* of keys that were not said like that */
};

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

/* --- what is meant --------------------------------------------------------------------------- */

static void
add_key(struct wish *wish, const char *before, struct slice text)
{
	size_t at = wish->memory.len;

	writer_text(&wish->memory, before);
	writer_put(&wish->memory, text);
	if (!wish->memory.is_full)
		wish->key[wish->keys++] = slice_after(writer_slice(&wish->memory), at);
}

static bool
has_scheme(struct slice text)
{
	return slice_has_prefix(text, SLICE("http://")) ||
	       slice_has_prefix(text, SLICE("https://"));
}

/* A URI stands for what is kept of it, one without a scheme for both. What was said comes first:
 * a cache_key may be like it. */
static void
read_wish(struct wish *wish, struct slice text)
{
	struct slice get = SLICE("GET ");

	wish->is_prefix = text.len == 0 || text.at[text.len - 1] == '*';
	if (text.len > 0 && wish->is_prefix)
		text.len--;
	wish->is_uri = has_scheme(text) || slice_has_prefix(text, get);
	add_key(wish, "", text);
	if (has_scheme(text)) {
		add_key(wish, "GET ", text);
	} else if (wish->is_uri && !has_scheme(slice_after(text, get.len))) {
		add_key(wish, "GET http://", slice_after(text, get.len));
		add_key(wish, "GET https://", slice_after(text, get.len));
	}
}

/* --- taking out ------------------------------------------------------------------------------ */

/* With what else a trusted proxy said of it. */
static unsigned
remove_exactly(struct vault *v, struct slice key)
{
	char text[KEY_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	unsigned count = vault_remove(v, key);

	writer_put(&w, key);
	writer_char(&w, CACHE_KEY_MORE);
	return count + (!w.is_full && vault_remove(v, writer_slice(&w)));
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
take_out(struct vault *v, const struct wish *wish)
{
	unsigned count = 0;

	for (unsigned i = 0; i < wish->keys; i++) {
		if (wish->is_prefix)
			count += vault_remove_prefix(v, wish->key[i]);
		else
			count += remove_exactly(v, wish->key[i]);
	}
	if (count > 0 || wish->is_prefix || wish->is_uri)
		return count;
	return take_out_part(v, wish->key[0]);
}

void
purge_run(struct server *s, struct command *c)
{
	const struct cache *cache = guard_find_cache(s->site->guards, c->name);
	char memory[KEYS_MAX * KEY_BYTES];
	struct wish wish = { .memory = writer_over(memory, sizeof(memory)) };
	unsigned count;

	if (!cache) {
		refuse_name(s->site, c);
		return;
	}
	read_wish(&wish, c->value);
	count = take_out(cache->vault, &wish);
	count_add(&s->counters, COUNTER_CACHE_PURGED, count);
	command_answer(c, 200, "%u taken out of %s", count, conf_quote(c->name).text);
}
