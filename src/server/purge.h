/*
 * Purging: what a cache keeps is taken out of a running server, by command. A key or a URI is
 * found at once; where all keys have to be looked at, which may be a million, and their memory
 * given back, a thread does it, one command after the other:
 *
 *   main: purge_ask --key--> answers
 *             '-- list ==> builder thread: vault_remove_prefix ==mail==> main: answers, the next
 */
#ifndef FOREBAY_SERVER_PURGE_H
#define FOREBAY_SERVER_PURGE_H

#include "base/list.h"
#include "thread/mailbox.h"
#include "thread/thread.h"

struct command;
struct server;
struct sweep;

enum { PURGE_SWEEPS_MAX = 64 }; /* that wait; then commands are told to come again */

struct purge {
	struct server *server; /* borrowed */
	struct list sweeps; /* that wait */
	unsigned waiting;
	struct sweep *sweep; /* owned: under way; NULL: none is */
	struct thread thread;
	struct mail mail; /* from it */
	bool is_stopping;
};

void purge_init(struct purge *p, struct server *s);
/* c->name is a cache; c->value a key or a URI, the beginning of some with a * behind it, or empty:
 * all. Of a URI with no scheme it is both. A key takes all its variants along. Main thread; answers
 * c, at once or later. */
void purge_ask(struct purge *p, struct command *c);
/* Waits for what is under way, and refuses what waits. Idempotent. */
void purge_stop(struct purge *p);

#endif
