/*
 * How long what comes has waited for a loop, from the length of its turns:
 * whatever came during one turn waits for its end, and for those before it in
 * the next. A long turn now and then is a burst; when for a whole interval none
 * was short, the loop has more to do than it can.
 *
 * The clock is read once per turn anyway, when it begins. A turn in which the
 * loop slept looks long, too, so only behind such a one the end is looked at as
 * well: a busy loop with short turns pays for a comparison. No thread, no clock
 * of its own: loop.c calls it.
 */
#ifndef FOREBAY_NET_LAG_H
#define FOREBAY_NET_LAG_H

#include <stdbool.h>
#include <stdint.h>

enum { LAG_INTERVAL = 5 }; /* limits: how long no turn may be short */

struct lag {
	uint64_t limit_ns; /* shorter turns are short; CLOCK_NEVER: nobody wants to know */
	uint64_t began_ns; /* the turn before this one */
	uint64_t long_ns; /* since when none was short; 0: the last one was */
	bool is_near; /* the end of this turn is to be looked at */
	bool is_standing;
	uint64_t turn_ns; /* the last one that was long; 0: the last one was not */
	void (*on_look)(struct lag *l); /* after each look at an end; or NULL */
	void *owner; /* of on_look */
};

void lag_init(struct lag *l);
/* From now on all turns before are forgotten. */
void lag_watch(struct lag *l, uint64_t limit_ns);

/* A turn begins. */
static inline void
lag_begin(struct lag *l, uint64_t now_ns)
{
	if (now_ns - l->began_ns >= l->limit_ns)
		l->is_near = true;
	l->began_ns = now_ns;
}

/* The turn that began last has ended, and was near. */
void lag_end(struct lag *l, uint64_t now_ns);

#endif
