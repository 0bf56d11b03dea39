/*
 * xoshiro256**, seeded by splitmix64; see random.h.
 */
#include "base/random.h"

#include "base/clock.h"

#include <sys/random.h>

static uint64_t
splitmix(uint64_t *x)
{
	uint64_t z = (*x += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t
rotate(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

void
random_init(struct random *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->state[i] = splitmix(&seed);
}

uint64_t
random_seed(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (long)sizeof(seed))
		seed = clock_monotonic() ^ (uint64_t)(uintptr_t)&seed;
	return seed;
}

uint64_t
random_next(struct random *r)
{
	uint64_t *s = r->state;
	uint64_t result = rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

uint64_t
random_below(struct random *r, uint64_t below)
{
	return (uint64_t)(((unsigned __int128)random_next(r) * below) >> 64);
}
