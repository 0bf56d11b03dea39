/*
 * The reaper: frees sites that nobody holds any more, on a thread of its own,
 * because that may wait - for the last job of a pool that is gone, for a library
 * to be closed. Main's; the thread lives only while there is something to free.
 */
#ifndef FOREBAY_SERVER_REAPER_H
#define FOREBAY_SERVER_REAPER_H

#include "thread/mailbox.h"
#include "thread/thread.h"

struct mailbox;
struct site;

struct reaper {
	struct mailbox *home; /* borrowed: main's */
	struct thread thread;
	struct mail done;
	struct site *dead; /* owned: waiting for the thread */
	struct site *dying; /* owned: the thread's while it runs */
};

void reaper_init(struct reaper *r, struct mailbox *home);
/* Takes the site, which is in no list any more. */
void reaper_take(struct reaper *r, struct site *site);
/* Returns when all is freed. Idempotent, also on zeroed memory. */
void reaper_stop(struct reaper *r);

#endif
