/*
 * A quota: so many places for all threads together, such as connections to a
 * database, and a gate (gate.h) for the work that may wait for one, each thread
 * with a queue of its own. A thread that needs a place is a
 * member; it takes a free one, or wants one and is told when there may be. What
 * stands in a place is a token (a connection that is open), and moves with it:
 *
 *   member A: quota_take -> a token is made -> ... -> quota_pass ==mail==> member B: on_arrival
 *   member B: quota_take says no: it wants one ---'
 *
 * A free place goes to who has wanted one for longest. Places that are in use
 * go round, too: a member without any gets one after whatever runs now has ended,
 * so nobody starves, with fewer places than members and however busy they are.
 *
 * Each quota has a lock, for when places change hands; work that finds a place
 * with its own thread, and nobody else wanting one, costs two atomic loads.
 */
#ifndef FOREBAY_THREAD_QUOTA_H
#define FOREBAY_THREAD_QUOTA_H

#include "thread/gate.h"
#include "thread/mailbox.h"

struct quota;
struct quota_member;

struct quota_limits {
	unsigned places, queue;
	uint64_t max_wait_ns; /* 0: any */
};

/* Embedded in what stands in a place; whose it is, is its owner's affair but while it is passed. */
struct quota_token {
	struct mail mail;
	struct quota_member *to; /* counted, on the way */
	/* On the thread that it has been passed to: the place is that member's. owner is NULL when
	 * that has left: quota_give(t->to) when the token is gone. */
	void (*on_arrival)(struct quota_token *t, void *owner);
};

/* NULL without memory. Counted: any thread. */
struct quota *quota_new(const struct quota_limits *limits, enum gate_order order)
    __attribute__((warn_unused_result));
struct quota *quota_ref(struct quota *q);
void quota_unref(struct quota **q);
/* Places above a lower limit stay in use until quota_is_over() has been heeded. */
void quota_set(struct quota *q, const struct quota_limits *limits);

/* Who is let in. Lives as long as the quota. */
struct pool_gate *quota_gate(struct quota *q);

/* A member, of the calling thread; the rest is for that thread alone. on_look(owner): there may be
 * a place to take, or others want what is idle. NULL without memory. */
struct quota_member *quota_join(struct quota *q, struct mailbox *home, void *owner,
				void (*on_look)(void *owner)) __attribute__((warn_unused_result));
/* Its places have been given back; on_look is not called any more. */
void quota_part(struct quota_member **m);
/* A place; false: there is none, and the member wants one until it gets it or is calm. */
bool quota_take(struct quota_member *m) __attribute__((warn_unused_result));
/* Wants none any more. */
void quota_calm(struct quota_member *m);
/* A place of the member is empty. */
void quota_give(struct quota_member *m);
/* How many of its tokens are idle, so that others know whom to ask. */
void quota_set_idle(struct quota_member *m, unsigned idle);
/* Somebody wants a place: worth a quota_pass(). */
bool quota_is_wanted(const struct quota_member *m);
/* More places are in use than there are: a token that is idle should end. */
bool quota_is_over(const struct quota_member *m);
/* Passes a token on. It must be ready to leave the thread: true, it has. False: nobody wants it, or
 * nobody more than its owner, who has work for it (`is_needed`). */
bool quota_pass(struct quota_member *m, struct quota_token *t, bool is_needed)
    __attribute__((warn_unused_result));

#endif
