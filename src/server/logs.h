/*
 * The server's logs: which files they go to, changed as one with the
 * configuration. On reload:
 *
 *   logs_prepare (opens; may fail) -> ... publish ... -> logs_commit
 *                                  '-> logs_cancel
 *
 * Main thread.
 */
#ifndef FOREBAY_SERVER_LOGS_H
#define FOREBAY_SERVER_LOGS_H

#include "accesslog/access_writer.h"
#include "server/error_log.h"

struct site;

struct logs {
	struct error_log error;
	struct access_writer access;
	bool is_prepared; /* files are open that are not taken yet */
	bool is_stale; /* and have been renamed since */
};

/* Before anything is logged. ERR_SYSTEM. */
int logs_init(struct logs *l) MUST_CHECK;
/* After the last worker: writes what they have sent. */
void logs_fini(struct logs *l);

/* What logs_prepare would find wrong; makes no file. For -t, as the user who will serve. */
void logs_check(const struct site *site, struct conf_errors *e);
/* Opens what the site asks for, as the user who serves; nothing changes yet. ERR_SYNTAX: errors say
 * why, with file and line. ERR_MEMORY. */
int logs_prepare(struct logs *l, const struct site *site, struct conf_errors *e) MUST_CHECK;
/* Takes what was prepared; cannot fail. */
void logs_commit(struct logs *l);
/* Forgets what was prepared. */
void logs_cancel(struct logs *l);
/* SIGUSR1: opens the files anew, under their names; what is prepared too, when it is taken. */
void logs_reopen(struct logs *l);

#endif
