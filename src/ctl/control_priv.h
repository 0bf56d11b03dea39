/*
 * Shared by the commands of forebayctl (control.c, control_plan.c,
 * control_advise.c) and control_server.c: what the command line says, the server
 * it is about, and how a command ends.
 */
#ifndef FOREBAY_CTL_CONTROL_PRIV_H
#define FOREBAY_CTL_CONTROL_PRIV_H

#include "ctl/client.h"
#include "ctl/control.h"

#define CONTROL_SOCKET "/run/forebay/admin.sock"

enum { CONTROL_WHERE_BYTES = 256, CONTROL_ADDRESSES = 4 };

struct control {
	const char *socket, *address; /* as given; at most one */
	bool is_json;
	bool waits; /* until the server has gone */
	uint64_t timeout_ns; /* 0: the command's own */
	struct address
	    to[CONTROL_ADDRESSES]; /* of one server, in the order in which they are tried */
	unsigned to_count;
	char where[CONTROL_WHERE_BYTES]; /* the address, for messages */
};

/* Commands with options of their own: the whole command line, of which the first word that is
 * no option is theirs. */
enum control_exit control_plan(int argc, char **argv);
enum control_exit control_advise(int argc, char **argv);

/* On standard error, in one line: what is wrong with the command line. */
enum control_exit control_complain(const char *what, const char *word, const char *more);

/* After the last that is printed: `code`, unless it could not be written, which is said. */
enum control_exit control_end(enum control_exit code);

/* Finds the addresses of the server; what is wrong is said. */
enum control_exit control_server_find(struct control *c);
/* As client_ask, at the first address where somebody answers. */
int control_server_ask(const struct control *c, const struct client_question *q,
		       struct client_answer *a) MUST_CHECK;
/* Says why there was no answer. */
enum control_exit control_server_blame(const struct control *c, int err);
/* Waits until nobody answers there any more, or somebody who does not drain. ERR_TIMEOUT. */
int control_server_wait(const struct control *c, uint64_t timeout_ns) MUST_CHECK;

#endif
