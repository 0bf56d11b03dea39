/*
 * Looks for threads of pools that are lost in a job (thread/pool_lost.c), twice a
 * second. Main thread, which may start others.
 */
#ifndef FOREBAY_SERVER_LOST_WATCH_H
#define FOREBAY_SERVER_LOST_WATCH_H

#include "net/timer.h"

struct server;

struct lost_watch {
	struct server *server; /* borrowed */
	struct timer tick;
};

/* 0 or ERR_MEMORY. */
int lost_watch_start(struct lost_watch *w, struct server *server)
    __attribute__((warn_unused_result));
/* Idempotent, and on zeroed memory. */
void lost_watch_stop(struct lost_watch *w);

#endif
