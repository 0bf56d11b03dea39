/*
 * The guard kind `cache`, for who is no guard: the caches of a site by their names.
 */
#ifndef FOREBAY_GUARD_CACHE_H
#define FOREBAY_GUARD_CACHE_H

#include "guard/guard.h"

struct cache;

extern const struct guard_kind guard_cache;

/* Behind the key of a URI: the marker of what else a trusted proxy has said of it. No URI has it.
 */
#define CACHE_KEY_MORE '\1'

/* The first of the caches of a site; each leads to the next. NULL: there is none. `guards` is what
 * open() left of each kind. */
const struct cache *guard_caches(void *const *guards);
/* The one of that name; NULL: there is none. */
const struct cache *guard_find_cache(void *const *guards, struct slice name);

#endif
