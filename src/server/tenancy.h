/*
 * A tenancy: one worker's lease on one site, and the mail about it between main
 * and that worker. A worker has one; two while sites are exchanged, or more when
 * old exchanges take their time.
 *
 *   main                         worker
 *   tenancy_new
 *   tenancy_attach  ==mail==>    site_attach
 *   server_on_attached  <==mail==
 *   tenancy_switch  ==mail==>    new exchanges take it; the worker's last one is over
 *   server_on_switched  <==mail==
 *                                ... the last user of the old one leaves: site_detach
 *   server_on_released  <==mail==   (of the old one)
 *
 * The mail is part of it, so that after tenancy_new nothing can fail for lack of memory
 * but attaching itself.
 */
#ifndef FOREBAY_SERVER_TENANCY_H
#define FOREBAY_SERVER_TENANCY_H

#include "base/err.h"
#include "base/list.h"
#include "net/lease.h"

struct site;
struct worker;

struct tenancy {
	struct lease lease;
	struct worker *worker; /* borrowed */
	struct site *site; /* held: main counts it */
	struct list link; /* of the worker's tenancies; its thread's while that runs */
	struct mail mail;
	struct mail farewell; /* may follow `mail` before main has read that */
	struct deferred end;
	int outcome; /* of attaching */
	bool is_undecided; /* attached, and main will still say switch or forget; the worker's */
};

/* Main. The worker is number `place` of `count` that will serve the site. NULL without memory. */
struct tenancy *tenancy_new(struct worker *w, struct site *site, unsigned place,
			    unsigned count) MUST_CHECK;
/* Main: when the worker has no part in it. */
void tenancy_free(struct tenancy **t);
/* Main, for a worker whose thread has not started: attaches and switches at once. */
int tenancy_begin(struct tenancy *t) MUST_CHECK;
/* Main, for a worker that turns. Each is answered by one mail, see above. */
void tenancy_attach(struct tenancy *t);
void tenancy_switch(struct tenancy *t);
/* Instead of switching: answered by server_on_released. */
void tenancy_forget(struct tenancy *t);

/* The worker's thread, when its loop has ended, or main without one: detaches all. */
void tenancy_end_all(struct worker *w);
/* Main, after that. */
void tenancy_free_all(struct worker *w);
/* The worker's thread, when it has no conns and will get none: each tenancy ends when the last job
 * is home, and main has decided about it. Whether all have. */
bool tenancy_leave_all(struct worker *w);

#endif
