/*
 * The lookout: the monitor's hand in the stall watch - its timer, what it asks
 * the kernel, names of routes, lines in the log, and what main has found.
 */
#ifndef FOREBAY_SERVER_LOOKOUT_H
#define FOREBAY_SERVER_LOOKOUT_H

#include "net/loop.h"
#include "server/stall_watch.h"

struct pool_loss;
struct server;
struct stall_page;

struct lookout {
	struct stall_watch watch;
	struct stall_senses senses;
	const struct server *server; /* borrowed */
	struct loop *loop; /* borrowed: the monitor's */
	struct timer tick;
	uint64_t said_ns; /* the last line in the log */
	unsigned unsaid; /* stalls since then without a line */
};

/* On the monitor's thread. 0 or ERR_MEMORY: nobody looks. */
int lookout_start(struct lookout *l, const struct server *s, struct loop *loop)
    __attribute__((warn_unused_result));
void lookout_stop(struct lookout *l);
/* The monitor's thread, before something of it is shown: looks now. */
void lookout_refresh(struct lookout *l);
/* What is to be shown. */
void lookout_describe(const struct lookout *l, struct stall_page *p);
/* Main thread: a job that is lost goes on record; nothing where there is no monitor. */
void lookout_report(struct server *s, const struct pool_loss *loss, uint64_t now_ns);

#endif
