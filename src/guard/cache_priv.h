/*
 * What the files of the guard kind `cache` share: cache.c (sections, routes, what becomes of a
 * request), cache_fill.c (a response on its way through, kept, or replaced by what is kept),
 * cache_answer.c (what is kept as an answer), cache_refresh.c (what is stale is asked about in the
 * background). On the worker that owns the exchange, but for the
 * building in cache.c.
 *
 *   request --> fresh? --yes--> answer
 *                 | no
 *                 |--> stale, and may be for now? --yes--> answer, and a request of our own:
 *                 |                                        cache_refresh.c
 *                 '--> another fills? --yes--> waits, asks again
 *                        | no
 *                        '--> plan --> head: 304, an error --> what is kept, in its place
 *                                      head, body, end     --> client, and a copy to the cache
 */
#ifndef FOREBAY_GUARD_CACHE_PRIV_H
#define FOREBAY_GUARD_CACHE_PRIV_H

#include "base/buffer.h"
#include "cache/cache.h"
#include "guard/cache.h"
#include "http/filter.h"

struct template;

enum { CACHE_FILLS = 64 }; /* buckets */

/* Of a route. */
struct cache_guard {
	struct guard guard; /* first */
	const struct cache *cache;
	struct template *key; /* NULL: GET and the URI */
	bool is_like_plain; /* the operator's text of key begins as keys of routes without one do */
	bool knows_user; /* the key does: what is one user's own may be kept */
};

/* Of a worker and a site. */
struct cache_desk {
	struct cache_visit *fill[CACHE_FILLS]; /* under way, by their keys */
};

/* One request at a cache; in the exchange's arena, and ends with it. */
struct cache_visit {
	struct filter filter; /* first */
	struct exchange_edits edits;
	struct exchange *x;
	struct guard_asked *asked;
	struct env *env;
	const struct cache_guard *guard;
	struct cache_desk *desk;
	struct slice key;
	struct fields fields; /* of the client's request, while others are sent */
	struct cache_entry *old; /* counted: what was found; NULL: nothing */
	struct cache_entry *used; /* counted: what is sent in the place of the response */
	int64_t asked_s;
	const char *why; /* for Cache-Status: why it was not answered from the cache */
	bool is_conditional; /* our own question whether old still holds */
	bool is_swapped; /* used is sent */
	bool is_unsafe; /* nothing is kept, what is there goes */
	bool goes_alone; /* it has waited enough */
	bool is_refresh; /* no client waits: what has no use for the cache is dropped */
	enum counter refreshed; /* of a refresh: how it ended, so far */
	struct slice text; /* of used: what is sent as the body */
	/* As one who fills. */
	struct cache_visit *next; /* in its bucket */
	struct list waiters; /* of seat */
	uint64_t since_ns; /* it fills; others have patience with it for so long */
	bool is_filling;
	bool stores;
	struct cache_place place;
	struct buffer body;
	uint64_t length; /* that the body must have; with has_length */
	bool has_length;
	/* As one who waits. */
	struct list seat;
	uint64_t until_ns; /* in all */
	struct timer timer;
	struct deferred later;
};

/* --- cache.c -------------------------------------------------------------------- */

/* When the arena of v->x ends: v lets go. */
void cache_end_visit(void *visit);

/* --- cache_refresh.c ------------------------------------------------------------ */

/*
 * v has found an answer that is stale and may be given, and nobody is at it: a request of our own
 * asks for a fresh one, beginning behind this call. True also if memory is too short for that; a
 * later request tries again. False: too many are at it, or what comes would be for this client
 * alone: let him ask for himself.
 */
bool cache_refresh(struct cache_visit *v);

/* --- cache_answer.c ------------------------------------------------------------- */

/* Makes x->response what the entry says to that request: 200, or 206, 304, 412, 416 by its
 * conditions and range. *body is of the entry. ERR_MEMORY. */
int cache_shape(struct exchange *x, const struct cache_entry *e, uint64_t now_ns,
		struct slice *body) MUST_CHECK;
/* Cache-Status, if it is told; the words stand behind our name. ERR_MEMORY. */
int cache_tell(struct cache_visit *v, const char *words) MUST_CHECK;
/* The whole answer from v->old, which ends the exchange. */
void cache_answer(struct cache_visit *v);

/* --- cache_fill.c --------------------------------------------------------------- */

/* The visit looks at the response that is to come. */
void cache_fill(struct cache_visit *v);
/* Somebody in this worker is about to have what v asks for; or NULL. Not who has been at it for
 * longer than anybody waits: the next one takes his place, so that a client that reads slowly keeps
 * nobody from what it asked for; and no refresh, which makes way for all. */
struct cache_visit *cache_find_fill(const struct cache_visit *v);
/* Whether an answer like the old one would be kept if this request had asked for it. */
bool cache_may_store_again(const struct cache_visit *v);
/* v fills no more; those who wait for it ask again. */
void cache_end_fill(struct cache_visit *v, bool is_vain);
/* A refresh in this worker is at it, for however long. */
bool cache_is_refreshing(const struct cache_visit *v);
/* Those of the request that go, by what they are. */
void cache_drop_fields(struct fields *f, bool (*goes)(enum field_id));

#endif
