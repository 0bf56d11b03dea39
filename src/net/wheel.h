/*
 * Coarse time-outs of many connections: a wheel of lists. Moving a time-out
 * later only stores it; the sweep files survivors anew. Moving it earlier than
 * where it is filed takes one list operation. Exact to one tick.
 */
#ifndef FOREBAY_NET_WHEEL_H
#define FOREBAY_NET_WHEEL_H

#include "base/list.h"
#include "net/loop.h"

enum { WHEEL_SLOTS = 256, WHEEL_TICK_MS = 50 };

struct wheel_entry {
	struct list link;
	uint64_t expires_ns;
	uint64_t filed_tick; /* of the slot it is in */
};

struct wheel;
typedef void (*wheel_fn)(struct wheel_entry *e);

struct wheel {
	struct loop *loop; /* borrowed */
	struct timer timer;
	struct list slot[WHEEL_SLOTS];
	uint64_t tick; /* the next one to sweep */
	unsigned count;
	wheel_fn on_expired; /* the entry is out of the wheel */
};

void wheel_init(struct wheel *w, struct loop *l, wheel_fn on_expired);
/* Every entry must be out. */
void wheel_fini(struct wheel *w);
/* Puts an entry in, or moves it. */
void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t expires_ns);
/* Takes it out. Idempotent; a zeroed entry is one that is not in. */
void wheel_clear(struct wheel *w, struct wheel_entry *e);

/* Calls fn for every entry that is in now, those that expire first first; fn may take out or
 * move its own entry, no other. */
void wheel_each(struct wheel *w, void (*fn)(struct wheel_entry *e, void *argument), void *argument);

static inline bool
wheel_has(const struct wheel_entry *e)
{
	return e->link.next != NULL && e->link.next != &e->link;
}

#endif
