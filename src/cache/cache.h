/*
 * A cache as an operator declares it: [cache NAME], a vault with limits and habits. One for all
 * workers, and kept over reloads that leave its size as it is.
 *
 *   key --> response, or marker --> key of the variant (vary.h) --> response
 *
 * Purging a key takes its marker away, and no variant is found any more.
 */
#ifndef FOREBAY_CACHE_CACHE_H
#define FOREBAY_CACHE_CACHE_H

#include "cache/entry.h"
#include "config/key.h"

struct cache_conf {
	uint64_t size, max_entry, cache_for, stale_if_error, stale_while_revalidate, wait;
	bool status;
};

struct cache {
	struct cache *next; /* of the site */
	struct slice name;
	struct cache_conf conf;
	struct vault *vault; /* counted */
};

extern const struct conf_key cache_keys[];

/* The response of that key for the request, counted; NULL: there is none. */
struct cache_entry *cache_find(const struct cache *c, struct slice key,
			       const struct request *request, struct arena *a) MUST_CHECK;

/*
 * The tag of the marker that stands under that key, and is put there, with a random one, where none
 * is: keys that hold it are found no more when this one is purged. *evicted: how many others went.
 * ERR_CONFLICT: something else stands there; ERR_MEMORY.
 */
int cache_tag(const struct cache *c, struct slice key, uint64_t random, uint64_t *tag,
	      unsigned *evicted) MUST_CHECK;

/* What is about to be kept. */
struct cache_place {
	struct cache_entry *entry; /* owned; NULL: nothing */
	struct cache_entry *marker; /* owned; NULL: none is needed */
};

/*
 * Makes an entry of a head, whose body is to follow. `tag` is a random number. 0 also where there
 * is no entry, because the response may not be kept or is too large; ERR_MEMORY.
 */
int cache_open(const struct cache *c, struct slice key, const struct freshness_question *q,
	       uint64_t now_ns, uint64_t tag, struct arena *a,
	       struct cache_place *place) MUST_CHECK;
/* Keeps it; it has its body. Returns how many others went. */
unsigned cache_keep(const struct cache *c, struct cache_place *place);
/* Forgets it. */
void cache_drop(struct cache_place *place);

#endif
