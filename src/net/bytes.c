/*
 * Who waits for memory; see bytes.h.
 */
#include "net/bytes.h"

#include "base/assert.h"
#include "base/clock.h"

enum { LOOK_MS = 10, TIGHT = 80, SHORT = 90, PERCENT = 100 };

enum bytes_level
bytes_level_of(uint64_t used, uint64_t limit)
{
	uint64_t percent = limit / PERCENT ? used / (limit / PERCENT) : 0;

	if (percent < TIGHT)
		return BYTES_FREE;
	if (percent < SHORT)
		return BYTES_TIGHT;
	return percent < PERCENT ? BYTES_SHORT : BYTES_GONE;
}

static void
go_on(struct bytes *b)
{
	struct bytes_waiter *w = CONTAINER_OF(b->waiters.next, struct bytes_waiter, link);

	list_remove(&w->link);
	w->go_on(w);
}

/* One at a time even if nothing becomes free, or all who wait for what the others hold would wait
 * for ever. */
static void
on_look(struct timer *t)
{
	struct bytes *b = CONTAINER_OF(t, struct bytes, timer);

	list_append(&b->waiters, &b->mark); /* who comes back meanwhile stands behind it */
	if (b->waiters.next != &b->mark)
		go_on(b);
	while (b->waiters.next != &b->mark && bytes_level(b) == BYTES_FREE)
		go_on(b);
	list_remove(&b->mark);
	/* It has just been taken out of the heap, so that there is room. */
	if (!list_is_empty(&b->waiters) && !timer_is_set(t) &&
	    loop_set_timer(b->loop, t, clock_after(loop_now(b->loop), LOOK_MS * CLOCK_MS)) != 0)
		ASSERT(0);
}

void
bytes_init(struct bytes *b, struct loop *l)
{
	*b = (struct bytes){ .loop = l };
	list_init(&b->waiters);
	timer_init(&b->timer, on_look);
}

void
bytes_fini(struct bytes *b)
{
	ASSERT(list_is_empty(&b->waiters));
	if (timer_is_set(&b->timer))
		loop_clear_timer(b->loop, &b->timer);
}

void
bytes_set_limit(struct bytes *b, uint64_t limit, bool is_shadow)
{
	b->limit = limit;
	b->is_shadow = is_shadow;
}

bool
bytes_wait(struct bytes *b, struct bytes_waiter *w)
{
	if (b->is_shadow || bytes_level(b) == BYTES_FREE)
		return false;
	if (!timer_is_set(&b->timer) &&
	    loop_set_timer(b->loop, &b->timer,
			   clock_after(loop_now(b->loop), LOOK_MS * CLOCK_MS)) != 0)
		return false;
	list_append(&b->waiters, &w->link);
	return true;
}

void
bytes_forget(struct bytes_waiter *w)
{
	if (w->link.next)
		list_remove(&w->link);
}
