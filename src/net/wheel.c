/*
 * Coarse time-outs; see wheel.h. The loop's timer is set for the next slot that
 * holds anything, so an idle server sleeps.
 */
#include "net/wheel.h"

#include "base/assert.h"
#include "base/clock.h"

static const uint64_t TICK_NS = WHEEL_TICK_MS * CLOCK_MS;

static void
arm(struct wheel *w)
{
	uint64_t tick = w->tick;

	if (w->count == 0 || timer_is_set(&w->timer))
		return;
	while (list_is_empty(&w->slot[tick % WHEEL_SLOTS]))
		tick++;
	if (loop_set_timer(w->loop, &w->timer, tick * TICK_NS) != 0) {
		/* Without memory for a timer: tried again with every wheel_set(). */
	}
}

/* The first tick at which ns has passed, not before the next sweep, and not a
 * whole turn of the wheel away. */
static uint64_t
tick_of(const struct wheel *w, uint64_t ns)
{
	uint64_t tick = ns / TICK_NS + 1;

	if (tick < w->tick)
		return w->tick;
	if (tick >= w->tick + WHEEL_SLOTS)
		return w->tick + WHEEL_SLOTS - 1;
	return tick;
}

static void
file_entry(struct wheel *w, struct wheel_entry *e)
{
	e->filed_tick = tick_of(w, e->expires_ns);
	list_append(&w->slot[e->filed_tick % WHEEL_SLOTS], &e->link);
}

static void
sweep_slot(struct wheel *w, uint64_t now)
{
	struct list due;
	struct list *link;
	uint64_t tick = w->tick++;

	list_init(&due);
	while ((link = list_take(&w->slot[tick % WHEEL_SLOTS])) != NULL)
		list_append(&due, link);
	while ((link = list_take(&due)) != NULL) {
		struct wheel_entry *e = CONTAINER_OF(link, struct wheel_entry, link);

		if (e->expires_ns > now) {
			file_entry(w, e);
		} else {
			w->count--;
			w->on_expired(e);
		}
	}
}

static void
on_tick(struct timer *t)
{
	struct wheel *w = CONTAINER_OF(t, struct wheel, timer);
	uint64_t now = loop_now(w->loop);
	uint64_t until = now / TICK_NS;

	if (until >= w->tick + WHEEL_SLOTS)
		w->tick = until - WHEEL_SLOTS + 1; /* slept for long: each slot once */
	while (w->tick <= until)
		sweep_slot(w, now);
	arm(w);
}

void
wheel_init(struct wheel *w, struct loop *l, wheel_fn on_expired)
{
	*w = (struct wheel){ .loop = l, .on_expired = on_expired };
	timer_init(&w->timer, on_tick);
	w->tick = loop_now(l) / TICK_NS;
	for (unsigned i = 0; i < WHEEL_SLOTS; i++)
		list_init(&w->slot[i]);
}

void
wheel_fini(struct wheel *w)
{
	ASSERT(w->count == 0);
	loop_clear_timer(w->loop, &w->timer);
}

void
wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t expires_ns)
{
	e->expires_ns = expires_ns;
	if (wheel_has(e)) {
		if (expires_ns / TICK_NS + 1 >= e->filed_tick && timer_is_set(&w->timer))
			return; /* the sweep will file it anew */
		list_remove(&e->link);
	} else {
		/* An empty wheel has not been swept: its hand moves for free. */
		if (w->count++ == 0 && !timer_is_set(&w->timer))
			w->tick = loop_now(w->loop) / TICK_NS;
	}
	file_entry(w, e);
	if (timer_is_set(&w->timer) && w->timer.at_ns > e->filed_tick * TICK_NS)
		loop_clear_timer(w->loop, &w->timer);
	arm(w);
}

void
wheel_clear(struct wheel *w, struct wheel_entry *e)
{
	if (!wheel_has(e))
		return;
	list_remove(&e->link);
	w->count--;
}

void
wheel_each(struct wheel *w, void (*fn)(struct wheel_entry *e, void *argument), void *argument)
{
	struct list all;
	struct list *link, *keep;
	uint64_t first = w->tick;

	/* Gathered first, so that an entry that moves is not met twice. */
	list_init(&all);
	for (unsigned i = 0; i < WHEEL_SLOTS; i++) {
		LIST_EACH(link, keep, &w->slot[(first + i) % WHEEL_SLOTS]) {
			list_remove(link);
			list_append(&all, link);
		}
	}
	while ((link = list_take(&all)) != NULL) {
		struct wheel_entry *e = CONTAINER_OF(link, struct wheel_entry, link);

		file_entry(w, e);
		fn(e, argument);
	}
}
