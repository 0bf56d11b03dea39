/*
 * A lease: what one worker holds of one site - its share of every source, its
 * pages of the ledgers, and how many exchanges and jobs still need the site.
 * While a site is replaced a worker has two: new exchanges take the new one, and
 * the old one ends when its last user has left. Of one thread; no user touches
 * a line that threads share.
 */
#ifndef FOREBAY_NET_LEASE_H
#define FOREBAY_NET_LEASE_H

#include "base/assert.h"
#include "metrics/series.h"
#include "net/env.h"

struct flight;
struct site;

enum { LEASE_FLIGHTS = 64 }; /* buckets */

struct lease {
	struct env *env; /* borrowed: of the worker */
	const struct site *site; /* borrowed: there until the lease has been given up */
	unsigned generation; /* of the site */
	unsigned worker, workers; /* which one of those that serve the site, and how many */
	struct route_series **routes; /* owned array; by route index */
	struct part_series **parts; /* owned array; by part index */
	struct shed_series *
	    *sheds; /* owned array; by source index, of its limits; NULL: not counted */
	void **attached; /* owned array; by source index: what attach() left */
	void **guards; /* the same, by kind of guard */
	struct flight *flights[LEASE_FLIGHTS]; /* of plan/: parts that are shared, by their key */
	uint64_t
	    spool_told_ns; /* when the log was last told that bodies cannot be kept; 0: never */
	unsigned users; /* exchanges, and jobs on their way */
	/* Borrowed, while sources attach: the worker's lease on the site that is replaced; NULL: it
	 * has none. */
	const struct lease *prior;
	bool is_over; /* takes no new exchanges */
	void (*on_unused)(struct lease *l); /* over, and the last user has left: may come late */
};

static inline void
lease_take(struct lease *l)
{
	l->users++;
}

/* What this worker has of a total of all; at least one where there is any. */
static inline unsigned
lease_part(const struct lease *l, unsigned total)
{
	unsigned part = total / l->workers + (l->worker < total % l->workers);

	return part == 0 && total > 0 ? 1 : part;
}

/* The same where a worker that leaves with a reload has no part: the others have it all. For what
 * it still has to answer there is one. */
static inline unsigned
lease_part_kept(const struct lease *l, unsigned total)
{
	return l->worker < l->workers ? lease_part(l, total) : 1;
}

/* May call on_unused, which frees nothing before the end of the turn. */
static inline void
lease_give(struct lease *l)
{
	ASSERT(l->users > 0);
	l->users--;
	if (l->users == 0 && l->is_over)
		l->on_unused(l);
}

#endif
