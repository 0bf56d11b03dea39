/*
 * Reload: exchanging the site of a running server. All or nothing, and nobody
 * waits for it but who asked.
 *
 *   builder   BUILDING   reads the file and builds the new site aside
 *   main      ATTACHING  opens new listeners, starts new workers; every worker attaches
 *   builder   RESIZING   pools get their new sizes
 *   main      SWITCHING  publishes: every worker and the monitor take the new site
 *
 * What fails before SWITCHING is undone, and the old site serves on as if nobody had
 * asked; after it nothing can fail. The old site ends when its last exchange and job have.
 * A reload that is asked for while one runs begins after it: the file may have
 * changed meanwhile. All functions: main thread.
 */
#ifndef FOREBAY_SERVER_RELOAD_H
#define FOREBAY_SERVER_RELOAD_H

#include "config/errors.h"
#include "server/crew.h"
#include "server/site.h"
#include "thread/flag.h"

struct command;
struct tenancy;

enum reload_step {
	RELOAD_IDLE,
	RELOAD_BUILDING,
	RELOAD_ATTACHING,
	RELOAD_RESIZING,
	RELOAD_SWITCHING
};

struct reload {
	struct server *server; /* borrowed */
	const char *path; /* borrowed */
	enum reload_step step;
	struct thread thread; /* the builder: BUILDING, RESIZING */
	struct mail mail; /* from it */
	struct flag stop; /* to it */
	struct site *prior; /* borrowed: what was published when it began */
	struct site *site; /* what is being built; published: the server's */
	struct conf_errors errors;
	int outcome; /* of the step */
	struct tenancy *tenancy[CREW_MAX]; /* borrowed: of the workers that attach */
	unsigned tenancies;
	unsigned awaited; /* answers of this step */
	uint64_t began_ns;
	struct mail *askers; /* commands that this one answers */
	struct mail *next_askers; /* that the next one answers */
	bool is_asked_again;
	bool is_stopping;
	struct timer patience; /* a worker that does not turn holds up no asker */
	bool is_overdue;
};

void reload_init(struct reload *r, struct server *s, const char *path);
/* Reads the file again and takes what it says, if all of it can be. `c` (NULL: a signal) is
 * answered when it is done. */
void reload_ask(struct reload *r, struct command *c);
/* For another change that must not meet a reload: true, and no reload begins before
 * reload_end_turn(); or false, one is under way. */
bool reload_take_turn(struct reload *r);
void reload_end_turn(struct reload *r);
/* The server ends: what is under way is waited for and dropped. Idempotent. */
void reload_stop(struct reload *r);

/* A worker, or the monitor, holds the site no more. */
void reload_release(struct reload *r, struct site *site);

#endif
