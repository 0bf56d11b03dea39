/*
 * What has crashed a module, and how often: inputs that did it twice are not
 * tried again for a while, and a module that crashes over and over is not run at
 * all. Of one module; threads of pools.
 */
#ifndef FOREBAY_MODULE_QUARANTINE_H
#define FOREBAY_MODULE_QUARANTINE_H

#include "base/clock.h"
#include "base/siphash.h"
#include "thread/lock.h"

#include <stdbool.h>

enum {
	QUARANTINE_ENTRIES = 64, /* the oldest gives way */
	QUARANTINE_REPEATS = 2, /* crashes by one input */
	BREAKER_CRASHES = 10, /* within BREAKER_WINDOW_NS */
};
#define QUARANTINE_NS     (60 * CLOCK_SEC)
#define BREAKER_WINDOW_NS (10 * CLOCK_SEC)
#define BREAKER_OPEN_NS   (10 * CLOCK_SEC)

enum quarantine_verdict { QUARANTINE_FREE, QUARANTINE_INPUT, QUARANTINE_MODULE };

struct quarantine {
	struct siphash_key key; /* for digests: nobody can aim at another's input */
	struct lock lock; /* over all below */
	struct quarantine_entry {
		uint64_t digest, last_ns;
		unsigned crashes; /* 0: the place is free */
	} entry[QUARANTINE_ENTRIES];
	unsigned count, next; /* places that were ever taken; the next one to take */
	uint64_t window_ns; /* when the window began */
	unsigned crashes; /* in it */
	uint64_t open_until_ns;
};

void quarantine_init(struct quarantine *q, const uint64_t seed[2]);
void quarantine_fini(struct quarantine *q);
/* Whether a digest need be made at all. */
bool quarantine_is_empty(struct quarantine *q);
enum quarantine_verdict quarantine_ask(struct quarantine *q, uint64_t digest, uint64_t now_ns);
/* True: from now on, and for a while, the module is not run. */
bool quarantine_note(struct quarantine *q, uint64_t digest, uint64_t now_ns);

#endif
