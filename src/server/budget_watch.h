/*
 * The watch over the CPU budget: control groups and cpusets change under a
 * running server, by systemctl set-property or a container that is resized.
 *
 *   monitor  looks every 10 s; other than before: says it in the log ==news==> main
 *   main     pools with threads = auto ==> builder: pool_resize ==mail==> main
 *   main     ==news==> monitor: taken, or not now (a reload runs): then again at the next look
 *
 * Pools that were set by hand stay as they are until the next reload, and so do
 * workers. Only the monitor reads files.
 */
#ifndef FOREBAY_SERVER_BUDGET_WATCH_H
#define FOREBAY_SERVER_BUDGET_WATCH_H

#include "net/timer.h"
#include "server/budget.h"
#include "thread/mailbox.h"
#include "thread/thread.h"

struct server;
struct budget_change;
struct pools_entry;

struct budget_watch {
	struct server *server; /* borrowed */

	/* The monitor's. */
	struct timer tick;
	struct budget seen; /* at the last look; what pages show */
	struct budget told; /* what the server was built by, or main has taken */
	bool is_out; /* news are on their way, and back */

	/* Of who has the mail. */
	struct mail mail;
	struct budget news;
	bool is_taken;

	/* Main's. */
	struct budget now; /* what auto means */
	struct budget_change *changes; /* owned; the builder's while it runs */
	unsigned change_count;
	struct thread thread; /* the builder */
	struct mail done; /* from it */
	bool is_stopping;
};

/* Before the monitor starts, and at each reload: main takes what the site was built by. */
void budget_watch_init(struct budget_watch *w, struct server *s);
void budget_watch_take(struct budget_watch *w, const struct budget *b);

/* On the monitor's thread: from its start to its end. */
void budget_watch_start(struct budget_watch *w);
void budget_watch_end(struct budget_watch *w);
/* A site is shown that was built by this budget. */
void budget_watch_show(struct budget_watch *w, const struct budget *b);
/* Now, as at each tick. */
void budget_watch_look(struct budget_watch *w);

/* Main: what auto means now for threads of a pool of the site that stay on these processors. */
unsigned budget_watch_threads(const struct budget_watch *w, const struct pools_entry *e,
			      const struct cpus *on);
/* Main: takes no more news, and waits for what is under way. Idempotent. */
void budget_watch_stop(struct budget_watch *w);

#endif
