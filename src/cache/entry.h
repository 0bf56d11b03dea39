/*
 * What a cache keeps under a key: a response, or a marker that says by which fields of a request
 * the responses of that key differ (vary.h). Immutable once it is in the vault, counted, read by
 * any thread. A response and its head are one piece of memory; its body is counted by itself, so
 * that a head that was brought up to date (304) shares it with the one before.
 */
#ifndef FOREBAY_CACHE_ENTRY_H
#define FOREBAY_CACHE_ENTRY_H

#include "base/err.h"
#include "cache/freshness.h"
#include "http/conditional.h"
#include "thread/vault.h"

struct cache_body {
	struct ref ref;
	char *memory; /* owned; NULL: it is empty */
	struct slice text;
};

struct cache_entry {
	struct vault_item item; /* first */
	bool is_marker;
	struct slice names; /* of a marker: of vary_read() */
	uint64_t tag; /* of a marker: of its variants */
	/* Of a response. */
	int status;
	struct fields fields; /* end-to-end ones, without Age and Content-Length, with Date */
	struct cache_body *body; /* counted; NULL until it is complete */
	struct validators validators;
	struct freshness freshness; /* as of stored_ns */
	uint64_t stored_ns; /* monotonic */
};

/* One user each. NULL without memory. */
struct cache_entry *cache_marker_new(struct slice key, struct slice names, uint64_t tag) MUST_CHECK;
/* Without a body so far. now_s is the time of day, now_ns that of the clock. */
struct cache_entry *cache_entry_new(struct slice key, const struct response *r,
				    const struct freshness *f, int64_t now_s,
				    uint64_t now_ns) MUST_CHECK;
/* Takes the memory. ERR_MEMORY: it is released. */
int cache_entry_complete(struct cache_entry *e, char *memory, size_t bytes) MUST_CHECK;
/* The same body as another's. */
void cache_entry_share(struct cache_entry *e, const struct cache_entry *other);
void cache_entry_unref(struct cache_entry **e);

/* Something of it can be asked about. */
static inline bool
cache_entry_has_validators(const struct cache_entry *e)
{
	return e->validators.etag.len > 0 || e->validators.has_modified;
}
/* Fields that ask whether it still holds (RFC 9111 4.3.1), at most so many. ERR_TOO_MANY. */
enum { CACHE_CONDITIONS = 2 };
int cache_entry_ask(const struct cache_entry *e, struct fields *to) MUST_CHECK;
/*
 * It holds: *r becomes its head, brought up to date by the fields of a 304 (RFC 9111 3.2); what
 * describes the body stays. Borrows from both. ERR_MEMORY.
 */
int cache_entry_update(const struct cache_entry *e, const struct fields *from, struct arena *a,
		       struct response *r) MUST_CHECK;

/* Seconds since it was made at its origin (RFC 9111 4.2.3). */
int64_t cache_entry_age(const struct cache_entry *e, uint64_t now_ns);
/* Seconds that it is fresh; negative: it is stale for so many. */
int64_t cache_entry_ttl(const struct cache_entry *e, uint64_t now_ns);
bool cache_entry_is_fresh(const struct cache_entry *e, uint64_t now_ns);

#endif
