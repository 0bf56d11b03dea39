/*
 * The outlook of a plan: what a run of it can come to at worst, from its
 * declaration alone. Computed for a reader (explain.c) on the builder's thread,
 * never for a run.
 *
 *   step 1   user   orders     parts that wait for nothing
 *              |
 *   step 2   badge             parts that can start when those have ended
 */
#ifndef FOREBAY_PLAN_OUTLOOK_H
#define FOREBAY_PLAN_OUTLOOK_H

#include "plan/plan.h"

struct outlook {
	unsigned steps;
	unsigned char step[PLAN_PARTS_MAX]; /* of each part, from 1 */
	uint64_t limit_ns[PLAN_PARTS_MAX]; /* its timeout, else the deadline; never above it; 0: it
					    never waits */
	unsigned char chain[PLAN_PARTS_MAX]; /* the parts that take longest one after the other */
	unsigned chained;
	uint64_t chain_ns; /* their limits together; of a flow the deadline */
	uint64_t worst_ns; /* of the whole: never above the deadline */
	unsigned width; /* most parts that can be under way at the same time */
	uint64_t result_bytes; /* most that the results can be together */
	uint64_t body_bytes; /* of the request's body, where it is kept */
	uint64_t join_bytes; /* most that is written anew to make JSON of results; not the
				punctuation between them; of a flow, all that it answers */
	uint64_t kept_bytes; /* of a response, while its client is slow */
	uint64_t memory_bytes; /* all four */
};

/* A part whose source answers from what it has, without ever waiting. */
bool outlook_is_instant(const struct plan_part *pp);
/* Of a compiled plan; max_body is that of its route. */
void outlook_of(struct outlook *o, const struct plan *p, uint64_t max_body);

#endif
