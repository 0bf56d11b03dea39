/*
 * Reading the clock; see clock.h.
 */
#include "base/clock.h"

#include <time.h>

uint64_t
clock_monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * CLOCK_SEC + (uint64_t)t.tv_nsec;
}
