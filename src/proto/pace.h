/*
 * How long a slow client is waited for: a time that waiting uses up and bytes
 * give back, at a rate, up to a grace. So many bytes per second are asked of it,
 * averaged over that grace; and nothing while nobody waits for it. Pure: time is
 * handed in.
 */
#ifndef FOREBAY_PROTO_PACE_H
#define FOREBAY_PROTO_PACE_H

#include "base/clock.h"

#include <stdbool.h>

struct pace {
	uint64_t left_ns; /* that it may still be waited for, at `since_ns` */
	uint64_t since_ns;
	uint64_t bytes; /* that have moved since then */
};

/* rate: bytes per second; 0: none is asked for. */
struct pace_limit {
	uint64_t rate, grace_ns;
};

static inline void
pace_start(struct pace *p, const struct pace_limit *l, uint64_t now_ns)
{
	*p = (struct pace){ .left_ns = l->grace_ns, .since_ns = now_ns };
}

/* Bytes have moved; counted at the next look. */
static inline void
pace_move(struct pace *p, uint64_t bytes)
{
	p->bytes += bytes;
}

/*
 * A look at it: whether it was waited for since the last one. When its time is
 * over, if nothing moves and it is waited for from now on; or CLOCK_NEVER.
 */
static inline uint64_t
pace_look(struct pace *p, const struct pace_limit *l, bool was_waiting, uint64_t now_ns)
{
	uint64_t waited = was_waiting ? now_ns - p->since_ns : 0, earned = l->grace_ns;

	if (l->rate == 0)
		return CLOCK_NEVER;
	if (p->bytes / l->rate <= l->grace_ns / CLOCK_SEC) /* or the product could overflow */
		earned = p->bytes / l->rate * CLOCK_SEC + p->bytes % l->rate * CLOCK_SEC / l->rate;
	p->left_ns = p->left_ns > waited ? p->left_ns - waited : 0;
	p->left_ns = earned < l->grace_ns - p->left_ns ? p->left_ns + earned : l->grace_ns;
	p->since_ns = now_ns;
	p->bytes = 0;
	return clock_after(now_ns, p->left_ns);
}

#endif
