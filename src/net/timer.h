/*
 * Deadlines of one thread: a 4-ary heap of timers embedded in what waits.
 * Setting and clearing a timer touches the heap alone; the loop keeps a single
 * kernel timer in front of it.
 */
#ifndef FOREBAY_NET_TIMER_H
#define FOREBAY_NET_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer;
typedef void (*timer_fn)(struct timer *t);

struct timer {
	uint64_t at_ns; /* absolute, monotonic */
	uint32_t place; /* in the heap, 1-based; 0: not set */
	timer_fn on_time;
};

struct timers {
	struct timer **heap;
	uint32_t count, cap;
};

void timers_init(struct timers *h);
void timers_fini(struct timers *h); /* no timer may be set */

static inline void
timer_init(struct timer *t, timer_fn on_time)
{
	*t = (struct timer){ .on_time = on_time };
}

static inline bool
timer_is_set(const struct timer *t)
{
	return t->place != 0;
}

/* Sets or moves a timer. ERR_MEMORY: it is not set. */
int timers_set(struct timers *h, struct timer *t, uint64_t at_ns)
    __attribute__((warn_unused_result));
/* Idempotent. */
void timers_clear(struct timers *h, struct timer *t);
/* The earliest, or NULL. */
struct timer *timers_first(const struct timers *h);
/* Takes out and calls every timer that is due; returns how many. A call-back may set and clear any
 * timer. */
unsigned timers_run(struct timers *h, uint64_t now_ns);

#endif
