/*
 * The stall slot of a thread: what it is at, in a few words that it writes as it
 * turns, and that whoever watches it reads without asking. A turn number that
 * does not change while the thread is awake is a stall.
 *
 *   its thread   stall_phase, stall_mark, stall_clock ... stall_turn_over
 *   the watch    stall_look: turn, since when, at what        (any thread)
 *
 * Plain relaxed stores, no clock of its own, no pointer that could dangle: what
 * is named by a mark may be gone when it is read. Reports are for what the thread
 * has measured itself, and are bounded: those that find no room are counted.
 */
#ifndef FOREBAY_THREAD_STALL_H
#define FOREBAY_THREAD_STALL_H

#include "base/slice.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* STALL_AT(NAME, word): what a thread can be at. */
#define STALL_AT_ALL                                                                               \
	STALL_AT(NOTHING, "events") /* it sleeps, or began with what no mark is for */             \
	STALL_AT(MAIL, "mail") /* of other threads: jobs that come home, connections */            \
	STALL_AT(TIMERS, "timers")                                                                 \
	STALL_AT(LATER, "deferred calls")                                                          \
	STALL_AT(FLUSH, "the end of the turn") /* writes, and what ended */                        \
	STALL_AT(REQUEST, "a request") /* its start: the route is found, its plan begins */        \
	STALL_AT(PART, "a part") /* its start, or what to do with its result */                    \
	STALL_AT(FLOW, "a flow") /* code of a module */

enum stall_at {
#define STALL_AT(name, word) STALL_AT_##name,
	STALL_AT_ALL
#undef STALL_AT
	    STALL_ATS
};

const char *stall_at_word(enum stall_at at);

/* What a mark says, in one word: at what, and which route and part of which site. */
struct stall_where {
	enum stall_at at;
	unsigned generation; /* of the site; its lowest 16 bits */
	unsigned route; /* its index for metrics; 0: none */
	unsigned part; /* its place in the plan, and 1; 0: none */
};

enum { STALL_REPORTS = 8, STALL_NAME_BYTES = 48 };

/* What the thread itself found too long. */
struct stall_report {
	uint64_t turn, began_ns, lasted_ns, mark, request;
	char name[STALL_NAME_BYTES]; /* of the flow */
};

struct stall_slot {
	_Atomic uint64_t turn; /* how many are over */
	_Atomic uint64_t began_ns; /* when the clock was first read in this one; 0: it was not */
	_Atomic uint64_t mark, request; /* mark 0: none in this turn */
	_Atomic uint32_t thread; /* as the kernel names it; 0: none has begun */
	_Atomic int clock; /* of the CPU time of that thread */
	_Atomic uint64_t reported, taken, lost; /* reports: ever made, taken; without room */
	struct stall_report report[STALL_REPORTS];
};

/* A look at a slot. */
struct stall_look {
	uint64_t turn, began_ns, mark, request;
	bool is_awake;
};

/* --- its thread ---------------------------------------------------------------------- */

/* The calling thread is the one that the slot is of, until stall_end(); outside of these nobody is
 * awake. */
void stall_begin(struct stall_slot *s);
void stall_end(struct stall_slot *s);

static inline uint64_t
stall_mark_of(struct stall_where w)
{
	return (uint64_t)w.route << 40 | (uint64_t)(w.generation & 0xffff) << 24 |
	       (uint64_t)(w.part & 0xffff) << 8 | (uint64_t)w.at;
}

static inline void
stall_mark(struct stall_slot *s, uint64_t mark, uint64_t request)
{
	atomic_store_explicit(&s->mark, mark, memory_order_relaxed);
	atomic_store_explicit(&s->request, request, memory_order_relaxed);
}

/* A mark without a request. */
static inline void
stall_phase(struct stall_slot *s, enum stall_at at)
{
	atomic_store_explicit(&s->mark, (uint64_t)at, memory_order_relaxed);
}

/* The clock has been read in this turn. */
static inline void
stall_clock(struct stall_slot *s, uint64_t now_ns)
{
	atomic_store_explicit(&s->began_ns, now_ns, memory_order_relaxed);
}

/* The turn is over: it may sleep. */
static inline void
stall_turn_over(struct stall_slot *s)
{
	atomic_store_explicit(&s->began_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&s->mark, 0, memory_order_relaxed);
	atomic_store_explicit(&s->turn, atomic_load_explicit(&s->turn, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/* Tells of something that took too long: its turn, mark and request are filled in, as they are now.
 */
void stall_tell(struct stall_slot *s, const struct stall_report *r);

/* --- the watch ----------------------------------------------------------------------- */

void stall_look(const struct stall_slot *s, struct stall_look *look);
struct stall_where stall_where(uint64_t mark);
/* The oldest report that was not taken. One thread takes. */
bool stall_take(struct stall_slot *s, struct stall_report *r);
/* How many reports have found no room, ever. */
uint64_t stall_lost(const struct stall_slot *s);
/* The thread as the kernel names it; 0: there is none now. */
uint32_t stall_thread(const struct stall_slot *s);
/* CPU time that the thread has used, in ns; 0 when nobody knows. */
uint64_t stall_cpu_ns(const struct stall_slot *s);

#endif
