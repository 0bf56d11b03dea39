/*
 * Between reload.c, the steps, and reload_outcome.c, the ends. Main thread.
 */
#ifndef FOREBAY_SERVER_RELOAD_PRIV_H
#define FOREBAY_SERVER_RELOAD_PRIV_H

#include "server/reload.h"

/* reload.c: the first step, for those in next_askers. */
void reload_begin(struct reload *r);

/* reload_outcome.c. The server ends: there is nothing to reload for. */
bool reload_is_given_up(const struct reload *r);
/* To all who asked, those who asked last too. */
void reload_answer_all(struct reload *r, int status, const char *message);
/* What runs is over: the next begins, if it was asked for. */
void reload_begin_next(struct reload *r);
/* An error that stands in no file. */
void reload_on_shortage(struct reload *r, int err);
/* Undoes it and says why; nothing has changed. */
void reload_refuse(struct reload *r);
/* All of it serves. */
void reload_succeed(struct reload *r);

#endif
