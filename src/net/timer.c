/*
 * The heap of deadlines; see timer.h. 4-ary: half the depth of a binary heap,
 * and the four children of a node share a cache line.
 */
#include "net/timer.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

enum { ARITY = 4, FIRST_CAP = 64 };

void
timers_init(struct timers *h)
{
	*h = (struct timers){ 0 };
}

void
timers_fini(struct timers *h)
{
	ASSERT(h->count == 0);
	mem_free(&h->heap);
	h->cap = 0;
}

static void
put(struct timers *h, uint32_t i, struct timer *t)
{
	h->heap[i] = t;
	t->place = i + 1;
}

static void
sift_up(struct timers *h, uint32_t i, struct timer *t)
{
	while (i > 0) {
		uint32_t parent = (i - 1) / ARITY;

		if (h->heap[parent]->at_ns <= t->at_ns)
			break;
		put(h, i, h->heap[parent]);
		i = parent;
	}
	put(h, i, t);
}

/* The earliest child of i, or 0 when it has none. */
static uint32_t
earliest_child(const struct timers *h, uint32_t i)
{
	uint32_t first = i * ARITY + 1, best = 0;

	for (uint32_t child = first; child < first + ARITY && child < h->count; child++) {
		if (best == 0 || h->heap[child]->at_ns < h->heap[best]->at_ns)
			best = child;
	}
	return best;
}

static void
sift_down(struct timers *h, uint32_t i, struct timer *t)
{
	uint32_t child = earliest_child(h, i);

	while (child != 0 && h->heap[child]->at_ns < t->at_ns) {
		put(h, i, h->heap[child]);
		i = child;
		child = earliest_child(h, i);
	}
	put(h, i, t);
}

static int
grow(struct timers *h)
{
	uint32_t cap = h->cap ? h->cap * 2 : FIRST_CAP;
	struct timer **heap = mem_grow(h->heap, cap * sizeof(struct timer *));

	if (!heap)
		return ERR_MEMORY;
	h->heap = heap;
	h->cap = cap;
	return 0;
}

int
timers_set(struct timers *h, struct timer *t, uint64_t at_ns)
{
	uint64_t old = t->at_ns;

	if (!timer_is_set(t)) {
		if (h->count == h->cap && grow(h) != 0)
			return ERR_MEMORY;
		t->at_ns = at_ns;
		sift_up(h, h->count++, t);
		return 0;
	}
	t->at_ns = at_ns;
	if (at_ns < old)
		sift_up(h, t->place - 1, t);
	else
		sift_down(h, t->place - 1, t);
	return 0;
}

void
timers_clear(struct timers *h, struct timer *t)
{
	uint32_t i = t->place;
	struct timer *moved;

	if (i == 0)
		return;
	t->place = 0;
	i--;
	moved = h->heap[--h->count];
	if (moved == t)
		return;
	if (i > 0 && h->heap[(i - 1) / ARITY]->at_ns > moved->at_ns)
		sift_up(h, i, moved);
	else
		sift_down(h, i, moved);
}

struct timer *
timers_first(const struct timers *h)
{
	return h->count ? h->heap[0] : NULL;
}

unsigned
timers_run(struct timers *h, uint64_t now_ns)
{
	unsigned run = 0;

	while (h->count && h->heap[0]->at_ns <= now_ns) {
		struct timer *t = h->heap[0];

		timers_clear(h, t);
		t->on_time(t);
		run++;
	}
	return run;
}
