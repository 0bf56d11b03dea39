/*
 * Arrivals by pool and tick; see control_watch.h.
 */
#include "ctl/control_watch.h"

#include "base/clock.h"

#include <string.h>

struct control_tally *
control_watch_find(struct control_watch *w, struct slice name)
{
	for (unsigned i = 0; i < w->count; i++) {
		if (slice_eq(slice_of(w->tally[i].name), name))
			return &w->tally[i];
	}
	return NULL;
}

/* NULL: there were too many. */
static struct control_tally *
find_or_add(struct control_watch *w, const struct pool_reading *p)
{
	struct control_tally *t = control_watch_find(w, slice_of(p->name));

	if (t || w->count == POOL_READINGS)
		return t;
	t = &w->tally[w->count++];
	memcpy(t->name, p->name, sizeof(t->name));
	t->at_first = t->before = pool_reading_arrived(p);
	return t;
}

void
control_watch_begin(struct control_watch *w)
{
	w->last = w->first;
	w->ended_ns = w->before_ns = w->began_ns;
	for (unsigned i = 0; i < w->first.count; i++)
		(void)find_or_add(w, &w->first.pool[i]);
}

/* One that follows a late one too soon tells little: it is added to the next. */
void
control_watch_tick(struct control_watch *w)
{
	uint64_t took = w->ended_ns - w->before_ns;
	bool counts = took >= CONTROL_WATCH_TICK_MS * CLOCK_MS / 2;

	for (unsigned i = 0; i < w->last.count; i++) {
		double now = pool_reading_arrived(&w->last.pool[i]);
		struct control_tally *t = find_or_add(w, &w->last.pool[i]);

		if (!t)
			continue;
		t->arrived = now - t->at_first;
		if (!counts)
			continue;
		moments_count(&t->counts, now - t->before, (double)took / (double)CLOCK_SEC);
		t->before = now;
	}
	if (counts)
		w->before_ns = w->ended_ns;
}
