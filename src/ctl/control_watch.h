/*
 * Counting what comes to the pools of a running server while `forebayctl advise`
 * watches, reading by reading. Pools are known by their names: a reload may take
 * some away meanwhile, and add others.
 */
#ifndef FOREBAY_CTL_CONTROL_WATCH_H
#define FOREBAY_CTL_CONTROL_WATCH_H

#include "ctl/pool_reading.h"
#include "planner/moments.h"

#include <stdint.h>

enum { CONTROL_WATCH_TICK_MS = 250 }; /* between readings */

/* Of one pool. */
struct control_tally {
	char name[POOL_READING_NAME];
	double at_first,
	    before; /* arrivals: when it was first seen, at the last tick that counts */
	double arrived; /* since it was first seen */
	struct moments_counts counts; /* of arrivals per tick */
	double max_queue, max_wait_us; /* as /status says; 0: not told */
};

/* Begins as zeros; the caller fills in the readings and when they were made. */
struct control_watch {
	struct pool_readings first, last;
	uint64_t began_ns, ended_ns;
	uint64_t before_ns;
	struct control_tally tally[POOL_READINGS];
	unsigned count;
};

/* `first` was read, at began_ns. */
void control_watch_begin(struct control_watch *w);
/* `last` was read, at ended_ns. */
void control_watch_tick(struct control_watch *w);
/* NULL: no pool of that name was seen. */
struct control_tally *control_watch_find(struct control_watch *w, struct slice name);

#endif
