/*
 * What a thread with a loop gives to everything that runs on it: its loop, its
 * free lists, its counters, its randomness. Owned by the worker; borrowed by all
 * else; touched by one thread.
 */
#ifndef FOREBAY_NET_ENV_H
#define FOREBAY_NET_ENV_H

#include "base/random.h"
#include "base/store.h"
#include "metrics/counters.h"
#include "net/bytes.h"
#include "net/loop.h"

struct background;
struct stacks;

struct env {
	struct loop loop;
	struct store store;
	struct random random;
	struct counters *counters; /* owned by the worker, read by the monitor */
	struct stacks *stacks; /* of flows; owned by the worker; NULL where none run */
	struct background *background; /* what no client waits for, see there */
	unsigned backgrounds;
	unsigned worker; /* its number */
	struct bytes bytes; /* of all threads, as this one sees them */
};

#endif
