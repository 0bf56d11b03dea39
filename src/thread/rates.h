/*
 * How often somebody has asked, for many somebodies and all workers at once: a table of
 * bounded size, without locks, in which each key has one number, the time at which all
 * that it has asked for would be worked off at the allowed rate (GCRA, ITU-T I.371).
 *
 * A key that is as good as new needs no place: what is idle is replaced first, the longest
 * idle of its bucket. Where all are busy, who has asked least loses its place, and so its
 * past: never who presses most. Keys are hashes with a key of the table's own, so that
 * nobody can choose with whom to share a bucket.
 *
 * Any thread; counted, because a table outlives the site that made it.
 */
#ifndef FOREBAY_THREAD_RATES_H
#define FOREBAY_THREAD_RATES_H

#include "base/slice.h"

#include <stdint.h>

struct rates;

enum { RATES_ENTRIES_MAX = 1 << 24 };

struct rate_limit {
	uint64_t interval_ns; /* of one request, at least 1 */
	uint64_t burst; /* requests that may come at once, at least 1 */
};

enum rates_place { RATES_KNOWN, RATES_NEW, RATES_REPLACED_IDLE, RATES_REPLACED_BUSY };

struct rates_answer {
	uint64_t left; /* that may come at once now */
	uint64_t full_ns; /* from now on until that is `burst` again */
	uint64_t retry_ns; /* refused: until one may come */
	enum rates_place place; /* where the key was put */
	bool is_passed;
};

/* At least so many entries, 16 bytes each, with one user. NULL without memory. */
struct rates *rates_new(unsigned entries) __attribute__((warn_unused_result));
struct rates *rates_ref(struct rates *r);
/* NULL is allowed; sets *r to NULL. */
void rates_unref(struct rates **r);

/* One request of whoever the text names, at a time that all callers agree on within a little. */
void rates_take(struct rates *r, struct slice who, uint64_t now_ns, const struct rate_limit *limit,
		struct rates_answer *a);

#endif
