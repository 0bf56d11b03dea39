/*
 * The three clocks; see clock.h.
 */
#include "base/clock.h"

#include <time.h>

static uint64_t
read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * CLOCK_SEC + (uint64_t)t.tv_nsec;
}

uint64_t
clock_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t
clock_wall(void)
{
	return (int64_t)time(NULL);
}

uint64_t
clock_thread_cpu(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}
