/*
 * Fast numbers that need not be secret: jitter, sampling, request ids. One
 * state per thread; a test seeds it with a constant.
 * Source: Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators" (2021), xoshiro256**.
 */
#ifndef FOREBAY_BASE_RANDOM_H
#define FOREBAY_BASE_RANDOM_H

#include <stdint.h>

struct random {
	uint64_t state[4];
};

void random_init(struct random *r, uint64_t seed);
/* A seed from the kernel; falls back to clock and address when it has none. */
uint64_t random_seed(void);
uint64_t random_next(struct random *r);
/* Uniform in [0, below); below > 0. */
uint64_t random_below(struct random *r, uint64_t below);

#endif
