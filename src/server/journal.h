/*
 * Lines for the journal of systemd. Where libsystemd is not built in there is
 * no journal.
 */
#ifndef FOREBAY_SERVER_JOURNAL_H
#define FOREBAY_SERVER_JOURNAL_H

#include "base/log.h"

/* Whether lines can be sent there; else *why says what is missing. */
bool journal_is_there(const char **why);
/* Whether standard error is a stream of the journal's, which takes "<4>" before a line. */
bool journal_is_stderr(void);
/* For log_to_sender(): PRIORITY, MESSAGE, FOREBAY_THREAD. Any thread. 0 or ERR_FAILED. */
int journal_send(enum log_level level, const char *thread, struct slice message);

#endif
