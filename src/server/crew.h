/*
 * The crew: all workers of a server. Main's; the monitor reads the places.
 *
 * A worker has a place, whose number is its name in metrics. A place stays when
 * its worker has ended, with what it has counted, and is taken again by the next.
 * Those that serve get connections; when there are too many, the last ones leave:
 * they drain, then end.
 *
 *   place     0 serving   1 serving   2 leaving   3 free   4 serving
 *   serving   [0] 0       [1] 1       [2] 4
 */
#ifndef FOREBAY_SERVER_CREW_H
#define FOREBAY_SERVER_CREW_H

#include "server/worker.h"

enum { CREW_MAX = 256 }; /* places; what [server] workers may be */

struct crew {
	struct server *server; /* borrowed */
	struct worker *place[CREW_MAX]; /* owned, each alone: no cache line is shared */
	struct gauge places; /* how many were ever taken */
	struct worker *serving[CREW_MAX]; /* in the order of their places in the site */
	unsigned serving_count;
	unsigned recruits; /* behind the serving: started, but not yet given connections */
};

void crew_init(struct crew *c, struct server *server);
/* Starts what the site wants beyond those that serve. 0; ERR_FULL: no place is free; or why not.
 * Those that were started stay, as recruits. */
int crew_recruit(struct crew *c, struct site *site) MUST_CHECK;
/* They have had no connections: ended at once. */
void crew_dismiss_recruits(struct crew *c);
/* As many as the site wants serve; the others leave. */
void crew_settle(struct crew *c, const struct site *site);
/* After a worker that leaves has reported, or later: tells it to end. Nothing waits for that: its
 * last lines of the log may. Nothing while the server drains. */
void crew_end_left(struct crew *c);
/* Its thread has ended. */
void crew_bury(struct crew *c, struct worker *w);
/* Its place among those that serve; for others, behind them. */
unsigned crew_place(const struct crew *c, const struct worker *w);
/* The first at or after `from` that reads its mail, recruits not counted; NULL: no more. */
struct worker *crew_next(const struct crew *c, unsigned *from);

/* The end, in this order, with the pools stopped in between. */
void crew_close(struct crew *c);
void crew_stop(struct crew *c);
void crew_fini(struct crew *c);

#endif
