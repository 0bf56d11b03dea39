/*
 * Vary (RFC 9111 4.1): which fields of a request choose among several responses of one key, and the
 * key of the one that was chosen. Pure; any thread.
 */
#ifndef FOREBAY_CACHE_VARY_H
#define FOREBAY_CACHE_VARY_H

#include "base/err.h"
#include "http/request.h"

enum { VARY_NAMES_BYTES = 512 };

/* The names in lower case, each behind a comma, in the arena; empty: the response does not vary.
 * ERR_UNSUPPORTED: by what no field tells (*); ERR_TOO_LARGE, ERR_MEMORY. */
int vary_read(const struct fields *response, struct arena *a, struct slice *names) MUST_CHECK;
/*
 * The key of the variant for that request: the plain key, the tag that its list of names has, and
 * the values of these fields. The list may change, and with it the tag: then no variant of before
 * is found any more. ERR_TOO_LARGE, ERR_MEMORY.
 */
int vary_key(struct slice key, uint64_t tag, struct slice names, const struct request *request,
	     struct arena *a, struct slice *variant) MUST_CHECK;

#endif
