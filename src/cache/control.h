/*
 * Cache-Control (RFC 9111 5.2, RFC 5861) as numbers and flags. Pure; any thread.
 */
#ifndef FOREBAY_CACHE_CONTROL_H
#define FOREBAY_CACHE_CONTROL_H

#include "http/field.h"

enum { CACHE_UNSAID = -1 };

/* Seconds are CACHE_UNSAID where nothing is said, and 0 where what is said is no number. */
struct cache_control {
	bool no_store, no_cache, is_private, is_public, must_revalidate, proxy_revalidate;
	bool only_if_cached;
	int64_t max_age, s_maxage, stale_while_revalidate, stale_if_error;
};

/* Of all its lines together. Of a number that is said twice the smaller one counts; no-cache and
 * private with names of fields count as without, which is stricter and allowed. */
void cache_control_read(const struct fields *f, struct cache_control *c);

#endif
