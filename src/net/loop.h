/*
 * The loop of one thread: libevent's base, the mailbox, the clock, the timers,
 * and the turn, which is ours because libevent has no prepare and check
 * watchers:
 *
 *   wait -> read the clock -> dispatch -> mail -> timers -> soon -> last
 *     ^                                                              |
 *     '--------------------- turn number + 1 -----------------------'
 *
 * `soon` runs call-backs that must not run inside the caller (completions);
 * `last` runs at the end of the turn: flushing writes, freeing what ended.
 */
#ifndef FOREBAY_NET_LOOP_H
#define FOREBAY_NET_LOOP_H

#include "base/list.h"
#include "net/lag.h"
#include "net/timer.h"
#include "thread/mailbox.h"
#include "thread/stall.h"

struct event_base;
struct event;

struct deferred;
typedef void (*deferred_fn)(struct deferred *d);

/* Embedded in what is deferred; zeroed memory is a valid one that is not waiting. */
struct deferred {
	struct deferred *next;
	deferred_fn run;
	bool is_waiting;
};

struct deferred_queue {
	struct deferred *head, **tail;
};

struct loop {
	struct event_base *base;
	struct event *wake, *alarm;
	int alarm_fd; /* a timerfd: libevent's own timers would read the clock every turn */
	struct mailbox mailbox;
	void *receiver; /* handed to mail */
	struct timers timers;
	uint64_t alarm_ns; /* when alarm_fd will fire; CLOCK_NEVER: not set */
	uint64_t now_ns; /* of this turn; 0: not read yet */
	struct lag lag; /* of turns that read the clock */
	struct deferred_queue soon, last;
	struct stall_slot *stall; /* borrowed; where its turns are published */
	struct stall_slot own_stall; /* that nobody watches, unless it is said whose slot to take */
	bool is_stopping;
};

/* ERR_MEMORY or ERR_SYSTEM. */
int loop_init(struct loop *l, void *receiver) __attribute__((warn_unused_result));
/* Every event, timer and mail must be gone. */
void loop_fini(struct loop *l);
/* Turns until loop_stop(). */
void loop_run(struct loop *l);
/* One turn; waits for an event when `may_wait`. */
void loop_turn(struct loop *l, bool may_wait);
/* For tests: a turn without libevent, at a time of the caller's choice. */
void loop_turn_at(struct loop *l, uint64_t now_ns);
/* From the loop's own thread: the current turn is the last. */
void loop_stop(struct loop *l);

/* The version of the library below, for --version. */
const char *loop_library_version(void);

/* Monotonic nanoseconds, read once per turn. */
uint64_t loop_now_slow(struct loop *l);

static inline uint64_t
loop_now(struct loop *l)
{
	return l->now_ns ? l->now_ns : loop_now_slow(l);
}

/* Later in this turn, never inside the caller; once, however often asked. */
void loop_soon(struct loop *l, struct deferred *d);
/* At the end of this turn. */
void loop_last(struct loop *l, struct deferred *d);
/* Takes it back. O(waiting); for ends, not for the hot path. */
void loop_forget(struct loop *l, struct deferred *d);

/* ERR_MEMORY: not set. */
int loop_set_timer(struct loop *l, struct timer *t, uint64_t at_ns)
    __attribute__((warn_unused_result));
void loop_clear_timer(struct loop *l, struct timer *t);

#endif
