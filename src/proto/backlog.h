/*
 * The backlog of a worker: conns that could be read, in the order in which
 * that was seen, when there are more than the worker can serve. While it is on
 * nothing that comes is read at once, so that
 *
 *   ready --> backlog_hold --> [ oldest ... newest ] --> its turn: served, or refused
 *
 * the wait of each request is known, clients are held back by their sockets,
 * and the loop's turns stay short. Requests that have waited longer than the
 * limit (half of it for sheddable ones) are refused, critical ones never. A
 * refusal is cheap only beside what it spares, and is read and written like any
 * answer: so refusals get a tenth of the worker's time. What that does not
 * reach is served late, as without a limit, instead of nothing being served.
 *
 * Where only a few wait it is the processor that is missing, which no refusal
 * brings: they are served.
 *
 * It goes on when turns have been long for an interval (net/lag.h), and off
 * when for an interval nobody had to wait long, and nobody does; or with its next
 * turn, when it is not wanted any more. In shadow mode it never goes on; what it
 * would refuse then is counted. One thread: the worker's.
 */
#ifndef FOREBAY_PROTO_BACKLOG_H
#define FOREBAY_PROTO_BACKLOG_H

#include "base/err.h"
#include "net/env.h"
#include "thread/gate.h"

struct conn;

enum { BACKLOG_CROWD = 8 }; /* conns: where fewer wait nobody is refused */

struct backlog_entry {
	struct conn *conn; /* borrowed; NULL: it has closed */
	uint64_t since_ns;
};

struct backlog {
	struct env *env; /* borrowed */
	bool is_on, is_shadow;
	uint64_t limit_ns; /* CLOCK_NEVER: none */
	uint64_t waited_ns; /* by what is served now; 0: it may not be refused */
	/* A ring: a place is a number that only grows, its entry at place & (size - 1). */
	struct backlog_entry *ring; /* owned; NULL before the first */
	uint32_t size, first, end;
	uint64_t worked_ns, refusing_ns; /* of late */
	uint64_t stopped_ns; /* when its last turn ended; 0: it was empty then */
	uint64_t late_ns; /* when somebody was last seen who had waited for half the limit */
	unsigned refused; /* in all */
	struct gauge behind_ns; /* how long who comes has to wait; 0 where that is short */
	struct deferred turn;
};

void backlog_init(struct backlog *b, struct env *env);
/* Empty. */
void backlog_fini(struct backlog *b);
/* limit_ns: 0: none. */
void backlog_set_limit(struct backlog *b, uint64_t limit_ns, bool is_shadow);

/* While it is on: the conn has something to be read. ERR_MEMORY: it is to be served at once. */
int backlog_hold(struct backlog *b, struct conn *c) MUST_CHECK;
/* A conn that it holds closes. */
void backlog_drop(struct backlog *b, struct conn *c);

/* Whether a request of that priority is to be refused, which is counted. */
bool backlog_refuses_late(struct backlog *b, enum gate_class priority) MUST_CHECK;
static inline bool
backlog_refuses(struct backlog *b, enum gate_class priority)
{
	return b->waited_ns && backlog_refuses_late(b, priority);
}

/* For tests: as a turn of the loop that ends at `now`, with a clock of the caller's. */
typedef uint64_t (*backlog_clock_fn)(void);
void backlog_serve(struct backlog *b, backlog_clock_fn clock);

#endif
