/*
 * The acceptor: takes connections from the listeners in batches and hands them
 * to the workers in turn. It runs on the main thread's loop.
 *
 * It pauses when there are max_connections (workers are asked to close idle
 * ones first) and when descriptors run out, and goes on when there is room.
 *
 * Listeners change in two steps: what a new site asks for is opened beside those
 * that are there, of which it keeps the ones it names too; then it takes over.
 * Those that nobody names any more close over some turns, while all others go on.
 */
#ifndef FOREBAY_SERVER_ACCEPTOR_H
#define FOREBAY_SERVER_ACCEPTOR_H

#include "server/acceptor_listener.h"
#include "server/crew.h"

struct conf_errors;
struct site;

struct acceptor {
	struct loop *loop; /* borrowed: main's */
	struct crew *crew; /* borrowed */
	struct acceptor_listener *listeners; /* owned */
	unsigned next; /* worker whose turn it is */
	bool
	    is_least_active; /* [server] dispatch: the worker with the fewest conns, not the next */
	unsigned max_connections;
	struct counters *counters; /* borrowed: main's */
	struct deferred more; /* a batch was full: go on next turn */
	struct timer pause;
	struct timer tickets; /* new keys are due for those of TLS sessions */
	bool is_paused;
	struct timer closing; /* set while listeners are */
	uint64_t warn_after_ns; /* about a shortage: not at every look */
};

void acceptor_init(struct acceptor *a, struct loop *loop, struct crew *crew,
		   struct counters *counters);
/* Binds what the site asks for and is not there yet; accepts nothing on it so far. What fails is
 * added to errors, with what to do about it. ERR_SYSTEM or ERR_MEMORY: then acceptor_forget().
 * Waits, for milliseconds, for an address that is still being closed. */
int acceptor_prepare(struct acceptor *a, const struct site *site,
		     struct conf_errors *errors) MUST_CHECK;
/* Closes what was prepared. */
void acceptor_forget(struct acceptor *a);
/* Accepts on what was prepared too. ERR_SYSTEM: then acceptor_forget(). */
int acceptor_watch(struct acceptor *a) MUST_CHECK;
/* From now on the site's: what it does not name lets nobody begin to connect, and is closed when
 * all who had begun were taken. */
void acceptor_take_over(struct acceptor *a, const struct site *site);
/* Takes what has already come, waiting some milliseconds for it, then closes the listeners. */
void acceptor_drain(struct acceptor *a);
void acceptor_close(struct acceptor *a);
/* Connections open now: accepted and not yet closed. */
uint64_t acceptor_active(const struct acceptor *a);

#endif
