/*
 * Who asks too much of a pool: max-min shares among keys, such as the addresses
 * of clients. When all keys together ask for more than the threads can do, none
 * gets more than the level at which what they may have adds up to 0.95 of the
 * threads; whoever asks for less than that gets all of it.
 *
 * Demand is estimated and asks are refused by chance, as in Stoica, Shenker and
 * Zhang, "Core-stateless fair queueing" (SIGCOMM 1998): no queue and no entry per
 * key. Keys are hashed into a bounded table, twice with different keys of the
 * hash; of both demands the smaller counts, so that one who shares a place with an
 * abuser in one row is not taken for him. Secret keys of the hash keep places from being chosen.
 *
 * Decisions only, like the gate: time and chance are handed in. Any thread, no
 * lock; the one that comes first after a tick does the sums (some microseconds).
 */
#ifndef FOREBAY_THREAD_SHARES_H
#define FOREBAY_THREAD_SHARES_H

#include "base/siphash.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SHARES_ROWS = 2, SHARES_PLACES = 256 };

struct shares_place {
	_Atomic uint64_t asked_ns; /* work since the last tick */
	_Atomic uint64_t demand; /* moving average, in millionths of a thread */
};

struct shares {
	struct siphash_key key;
	_Atomic uint64_t tick_ns; /* when the next one is due */
	_Atomic uint64_t level; /* as demand; UINT64_MAX: there is enough for all */
	struct shares_place place[SHARES_ROWS][SHARES_PLACES];
};

/* seeds: two random numbers. */
void shares_init(struct shares *s, const uint64_t seeds[2]);
/* Notes that the key asks for so much work; false: it is more than its share. chance: random. */
bool shares_allow(struct shares *s, struct slice key, uint64_t work_ns, uint64_t now_ns,
		  unsigned threads, uint64_t chance) __attribute__((warn_unused_result));

#endif
