/*
 * What clients do wrong, in the log: a line at debug level with who it was and what.
 * Whoever refuses something counts it too; the table of all faults, their
 * answers and counters is in forebayd(8), FAULTS.
 */
#ifndef FOREBAY_HTTP_FAULT_H
#define FOREBAY_HTTP_FAULT_H

#include "base/address.h"
#include "base/log.h"

/* The slow half of fault_log. */
void fault_write(const struct address *client, int status, const char *what);

/* status: of the answer; 0: none, or not one of HTTP's. */
static inline void
fault_log(const struct address *client, int status, const char *what)
{
	if (log_is_on(LOG_LEVEL_DEBUG))
		fault_write(client, status, what);
}

#endif
