/*
 * The service manager's watchdog: it is fed only when every loop of this process
 * has turned. Main thread, which owns the other threads' lives: so nobody is
 * asked who is ending.
 *
 *   main ==ping==> each worker, the monitor ==the same mail==> main
 *   all are home: WATCHDOG=1. One is not: nothing, and in time the manager acts.
 *
 * Pools are never part of it: a long job is no fault.
 */
#ifndef FOREBAY_SERVER_WATCHDOG_H
#define FOREBAY_SERVER_WATCHDOG_H

#include "server/crew.h"

struct server;
struct watchdog;

/* One mail that goes to a thread and comes home. Pings are a part of the watchdog, not of whom they
 * go to: a worker may end, and another be made in its place, with a ping on its way home. */
struct ping {
	struct mail mail;
	struct watchdog *watchdog; /* borrowed */
	char name[16]; /* of the thread, for the log */
	bool is_out;
	bool may_wedge; /* goes to a worker: see FOREBAY_TEST_WEDGE */
};

enum { WATCHDOG_PINGS = CREW_MAX + 1 }; /* all workers that there can be, and the monitor */

struct watchdog {
	struct server *server; /* borrowed */
	uint64_t period_ns; /* between two feeds at most; 0: nobody waits for it */
	uint64_t asked_ns; /* when this round began */
	struct timer tick;
	unsigned out; /* pings that are not home */
	bool has_warned; /* in this round */
	const char *wedge; /* FOREBAY_TEST_WEDGE; NULL: not set, as in every real life */
	struct ping ping[WATCHDOG_PINGS];
};

/* Begins to ask, if the manager waits for it. 0 or ERR_MEMORY. */
int watchdog_start(struct watchdog *w, struct server *server) __attribute__((warn_unused_result));
/* Asks no more; pings still out come home. Idempotent, and on zeroed memory. */
void watchdog_stop(struct watchdog *w);

#endif
