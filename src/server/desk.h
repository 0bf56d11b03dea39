/*
 * The desk: where commands come in, as POST requests to the admin listener,
 * and where their clients wait for the answer. Monitor thread.
 *
 * Commands are taken over the unix socket alone, from processes of root and
 * of the users whom the server was started by and runs as: the kernel says whose
 * process it is. A web page that makes a browser send a POST to a loopback
 * address, or that gives its own name that address, gets as far as the TCP
 * listener, and that takes no command from anybody.
 */
#ifndef FOREBAY_SERVER_DESK_H
#define FOREBAY_SERVER_DESK_H

#include "http/exchange.h"
#include "server/command.h"

enum { DESK_MAX = 4 }; /* commands on their way at a time, awaited or not; 503 above */

/* What became of a command, for metrics. */
enum desk_outcome {
	DESK_DONE, /* or begun */
	DESK_REFUSED, /* the configuration has mistakes, not now, no memory */
	DESK_FORBIDDEN, /* who asks may not, or not there */
	DESK_BUSY, /* too many were waiting already */
	DESK_OUTCOMES
};

struct desk {
	struct loop *loop; /* borrowed: the monitor's */
	uint32_t started_as; /* user */
	struct command *out[DESK_MAX]; /* that have not come home; owned by main meanwhile */
	uint64_t counts[COMMAND_KINDS][DESK_OUTCOMES];
};

/* The word of an outcome. */
const char *desk_outcome_text(enum desk_outcome o);

void desk_init(struct desk *d, struct loop *loop);
/* Takes a request whose path is that of a command, and answers it, at once or later. False, and
 * nothing is done, for any other path. */
bool desk_take(struct desk *d, struct server *s, struct exchange *x);
/* The client has gone: its command goes on, unwatched. */
void desk_cancel(struct desk *d, const struct exchange *x);

#endif
