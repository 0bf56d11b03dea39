/*
 * Caches; see cache.h.
 */
#include "cache/cache.h"

#include "cache/vary.h"

#define FIELD_OF(field) CONF_FIELD(struct cache_conf, field)

const struct conf_key cache_keys[] = {
	{ "size", CONF_SIZE, FIELD_OF(size), .def = "64m", .min = 1 << 20,
	  .help = "of all that is kept, in memory, for all workers together" },
	{ "max_entry", CONF_SIZE, FIELD_OF(max_entry), .def = "1m", .min = 1, .max = 1 << 30,
	  .help = "largest body that is kept; at most a quarter of size" },
	{ "cache_for", CONF_DURATION, FIELD_OF(cache_for), .def = "0",
	  .help = "how long answers are fresh that do not say it; not those to requests with "
		  "Authorization or Cookie. 0: they are not kept" },
	{ "stale_if_error", CONF_DURATION, FIELD_OF(stale_if_error), .def = "0",
	  .help = "how much longer an answer that does not say it stands in for 500, 502, 503 and "
		  "504" },
	{ "stale_while_revalidate", CONF_DURATION, FIELD_OF(stale_while_revalidate), .def = "0",
	  .help = "how much longer an answer that does not say it is given out while a request in "
		  "the background asks for a fresh one" },
	{ "wait", CONF_DURATION, FIELD_OF(wait), .def = "5s",
	  .help = "longest time that a request waits for another in its worker that asks for the "
		  "same, and that this one may take before nobody waits for it; 0: not at all" },
	{ "cache_status", CONF_BOOL, FIELD_OF(status), .def = "yes",
	  .help = "whether Cache-Status (RFC 9211) tells how an answer came about" },
	CONF_KEYS_END
};

static struct cache_entry *
find(const struct cache *c, struct slice key)
{
	struct vault_item *item = vault_find(c->vault, key);

	return item ? CONTAINER_OF(item, struct cache_entry, item) : NULL;
}

struct cache_entry *
cache_find(const struct cache *c, struct slice key, const struct request *request, struct arena *a)
{
	struct cache_entry *e = find(c, key), *marker;
	struct slice variant;
	int err;

	if (!e || !e->is_marker)
		return e;
	marker = e;
	err = vary_key(key, marker->tag, marker->names, request, a, &variant);
	e = err ? NULL : find(c, variant);
	cache_entry_unref(&marker);
	return e;
}

int
cache_tag(const struct cache *c, struct slice key, uint64_t random, uint64_t *tag,
	  unsigned *evicted)
{
	struct cache_entry *marker = find(c, key);
	int err = 0;

	*evicted = 0;
	if (!marker) {
		marker = cache_marker_new(key, SLICE(""), random);
		if (!marker)
			return ERR_MEMORY;
		*evicted = vault_put(c->vault, &marker->item);
	} else if (!marker->is_marker) {
		err = ERR_CONFLICT;
	}
	*tag = marker->tag;
	cache_entry_unref(&marker);
	return err;
}

/* The key under which the response goes, and a marker where there is none of the same names yet. */
static int
choose_key(const struct cache *c, struct slice *key, const struct freshness_question *q,
	   uint64_t tag, struct arena *a, struct cache_place *place)
{
	struct slice names;
	struct cache_entry *marker;
	int err = vary_read(&q->response->fields, a, &names);

	if (err || names.len == 0)
		return err;
	marker = find(c, *key);
	if (marker && marker->is_marker && slice_eq(marker->names, names)) {
		tag = marker->tag;
	} else {
		place->marker = cache_marker_new(*key, names, tag);
		err = place->marker ? 0 : ERR_MEMORY;
	}
	cache_entry_unref(&marker);
	return err ? err : vary_key(*key, tag, names, q->request, a, key);
}

int
cache_open(const struct cache *c, struct slice key, const struct freshness_question *q,
	   uint64_t now_ns, uint64_t tag, struct arena *a, struct cache_place *place)
{
	struct freshness f;
	int err;

	*place = (struct cache_place){ 0 };
	freshness_read(q, &f);
	if (!f.may_store || (q->response->framing == BODY_LENGTH &&
			     q->response->content_length > c->conf.max_entry))
		return 0;
	err = choose_key(c, &key, q, tag, a, place);
	if (!err) {
		place->entry = cache_entry_new(key, q->response, &f, q->now_s, now_ns);
		err = place->entry ? 0 : ERR_MEMORY;
	}
	if (err)
		cache_drop(place);
	return err == ERR_MEMORY ? err : 0;
}

unsigned
cache_keep(const struct cache *c, struct cache_place *place)
{
	unsigned evicted = 0;

	if (place->marker)
		evicted += vault_put(c->vault, &place->marker->item);
	evicted += vault_put(c->vault, &place->entry->item);
	cache_drop(place);
	return evicted;
}

void
cache_drop(struct cache_place *place)
{
	cache_entry_unref(&place->marker);
	cache_entry_unref(&place->entry);
}
