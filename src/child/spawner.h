/*
 * The spawner: a process of one thread that starts programs for the server, so
 * that the server, with its many threads, never forks. It is this program again,
 * with nothing of the server's in its memory.
 *
 *   pool thread                          spawner                     child
 *   spawner_start == order, descriptors ==> fork ------------------> execve
 *   child_hear  <== runs ================'                             |
 *   child_stop  === T, K ==============> kill(group)                   |
 *   child_hear  <== ended ============== waitid <----------------------'
 *
 * Whoever's socket ends is taken to be gone: the children of a server that is
 * gone are killed by the spawner, which then ends; those of a spawner that is
 * gone die by the kernel's hand (PR_SET_PDEATHSIG) and, as groups, by the server.
 * A spawner that is gone is started anew with the next order, once a second.
 * Any thread but workers: orders may wait, for a fork.
 */
#ifndef FOREBAY_CHILD_SPAWNER_H
#define FOREBAY_CHILD_SPAWNER_H

#include "child/child.h"

struct order;
struct spawner;

/* With one reference; starts nothing. NULL without memory. */
struct spawner *spawner_new(void) MUST_CHECK;
struct spawner *spawner_ref(struct spawner *s);
/* NULL is allowed. The last one ends the process, and whatever it still has. */
void spawner_unref(struct spawner **s);

/* Sources and modules that will give it orders say so while they are loaded. */
void spawner_want(struct spawner *s);
/* Starts it, if it is wanted, before the first order does. Failing is said in the log. */
void spawner_warm(struct spawner *s);

/* Has a child started, which is the caller's (child_close). 0: the order was given, and
 * child_hear() will say what came of it; or ERR_SYSTEM, ERR_TIMEOUT, logged, or the order's own
 * error. */
int spawner_start(struct spawner *s, const struct order *o, enum child_plumbing plumbing,
		  struct child *c) MUST_CHECK;

/* With one more descriptor, borrowed, which the child has as its number 3; -1: none. */
int spawner_start_with(struct spawner *s, const struct order *o, enum child_plumbing plumbing,
		       int more, struct child *c) MUST_CHECK;

/* What main() does for --spawner; its exit code. */
int spawner_serve(void);

#endif
