/*
 * One question to the admin listener over HTTP, for forebayctl: blocking, with
 * one deadline for all of it, and strict about the answer. A process of its
 * own, never the server's threads.
 */
#ifndef FOREBAY_CTL_CLIENT_H
#define FOREBAY_CTL_CLIENT_H

#include "base/address.h"
#include "base/buffer.h"

struct client_answer {
	struct buffer memory; /* owned: head and body */
	int status;
	struct slice body; /* borrowed from memory */
};

/* All texts are the caller's. */
struct client_question {
	const char *method; /* GET, or POST without a body */
	const char *target, *accept;
	uint64_t timeout_ns; /* for the whole answer */
};

/*
 * Sends the question and takes the whole answer. 0 with *a
 * filled; ERR_CONNECT with errno; ERR_TIMEOUT; ERR_CLOSED: it ended early;
 * ERR_PROTOCOL: it is no HTTP; ERR_TOO_LARGE; ERR_MEMORY. Release *a
 * either way.
 */
int client_ask(const struct address *to, const struct client_question *q,
	       struct client_answer *a) MUST_CHECK;
void client_release(struct client_answer *a);

#endif
