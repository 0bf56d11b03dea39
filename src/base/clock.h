/*
 * Time. Deadlines are absolute, in nanoseconds of the monotonic clock, computed
 * once and passed down. On a worker use loop_now(), which reads the clock once
 * per turn; a test hands in a time of its own.
 */
#ifndef FOREBAY_BASE_CLOCK_H
#define FOREBAY_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_US    UINT64_C(1000)
#define CLOCK_MS    UINT64_C(1000000)
#define CLOCK_SEC   UINT64_C(1000000000)
#define CLOCK_NEVER UINT64_MAX

/* Monotonic nanoseconds. */
uint64_t clock_monotonic(void);

/* now + duration, without wrapping round. */
static inline uint64_t
clock_after(uint64_t now, uint64_t duration_ns)
{
	return duration_ns > CLOCK_NEVER - now ? CLOCK_NEVER : now + duration_ns;
}

static inline uint64_t
clock_sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
