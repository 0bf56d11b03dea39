/*
 * Sockets that systemd opened and passed to this process: descriptors from 3 on,
 * with names (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES; sd_listen_fds(3)). They are
 * taken once, before any thread is started, and kept as long as the process
 * lives: a listener that a reload drops and a later one adds gets the same one.
 * Like the environment that they come with they belong to the process, so they
 * are a table of this file; it is only read after inherited_take().
 */
#ifndef FOREBAY_SERVER_INHERITED_H
#define FOREBAY_SERVER_INHERITED_H

#include "base/err.h"
#include "base/writer.h"

/* 0, also when there are none; ERR_MEMORY; ERR_ARGUMENT when what was passed makes
 * no sense, logged. The variables are gone after it: no child takes them for its own. */
int inherited_take(void) MUST_CHECK;
void inherited_close(void);

/* The socket of that name; -1 with the reason, and what might have been meant, in
 * `why`. It stays open whatever becomes of the listener. */
int inherited_find(struct slice name, struct writer *why) MUST_CHECK;
/* Logs those that nobody has asked for so far: an address was forgotten. */
void inherited_mention_unused(void);

#endif
