/*
 * The acceptor: takes connections from the listeners in batches and hands them
 * to the workers in turn. It runs on the main thread's loop.
 *
 * It pauses when there are max_connections (workers are asked to close idle
 * ones first) and when descriptors run out, and goes on when there is room.
 */
#ifndef FOREBAY_SERVER_ACCEPTOR_H
#define FOREBAY_SERVER_ACCEPTOR_H

#include "net/io.h"
#include "net/listener.h"
#include "server/worker.h"

struct server;

/* One listener at work. */
struct gate {
	struct io io;
	struct listener listener;
	struct acceptor *acceptor; /* borrowed */
	uint32_t conn_flags;
	bool is_ready; /* connections may wait */
};

struct acceptor {
	struct loop *loop; /* borrowed: main's */
	struct worker **workers; /* borrowed */
	unsigned worker_count;
	struct gate *gates; /* owned */
	unsigned gate_count;
	struct handover **pending; /* owned, one for each worker; NULL: none */
	unsigned next; /* worker whose turn it is */
	uint64_t *given; /* owned, one for each worker: conns handed over */
	bool
	    is_least_active; /* [server] dispatch: the worker with the fewest conns, not the next */
	unsigned max_connections;
	struct counters *counters; /* borrowed: main's */
	struct deferred more; /* a batch was full: go on next turn */
	struct timer pause;
	bool is_paused;
	uint64_t warn_after_ns; /* about a shortage: not at every look */
};

struct site;

/* Binds the site's listeners; accepts nothing yet. Errors are logged with the
 * key to change; ERR_SYSTEM or ERR_MEMORY. */
int acceptor_open(struct acceptor *a, struct loop *loop, const struct site *site,
		  struct counters *counters) MUST_CHECK;
/* Begins to accept, for these workers. */
int acceptor_start(struct acceptor *a, struct worker **workers, unsigned count) MUST_CHECK;
/* Takes what has already come, then closes the listeners. */
void acceptor_drain(struct acceptor *a);
void acceptor_close(struct acceptor *a);
/* Connections open now: accepted and not yet closed. */
uint64_t acceptor_active(const struct acceptor *a);

#endif
