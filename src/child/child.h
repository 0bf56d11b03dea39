/*
 * A process that the spawner has started, as the thread sees it that asked for
 * it: what it is connected to, whether it runs, how it ended.
 */
#ifndef FOREBAY_CHILD_CHILD_H
#define FOREBAY_CHILD_CHILD_H

#include "base/err.h"
#include "base/writer.h"

#include <spawn.h>
#include <stdbool.h>
#include <sys/types.h>

enum child_state {
	CHILD_STARTING,
	CHILD_RUNNING,
	CHILD_FAILED, /* was not started */
	CHILD_ENDED,
	CHILD_LOST, /* the spawner is gone, and has taken it along */
};

enum child_plumbing {
	CHILD_PIPES, /* its standard input, output and error are pipes */
	CHILD_SOCKET, /* its standard input is one end of a socket; it writes to `errors` alone */
};

struct child {
	enum child_state state;
	pid_t pid; /* and its process group; 0: not known yet */
	int control; /* to the spawner */
	int input; /* its standard input, or the socket; as all of these non-blocking, -1: closed */
	int output; /* its standard output; -1 with CHILD_SOCKET */
	int errors; /* its standard error */
	/* As waitid() says, when it has ended; errno and enum word_step when it has FAILED. */
	int code, status;
};

/* For posix_spawn: no signal blocked or ignored, and a process group of its own, so that Ctrl-C is
 * not its end and it can be ended as a whole. */
void child_init_attributes(posix_spawnattr_t *a);
/* Takes in what the spawner says, without waiting. */
void child_hear(struct child *c);
static inline bool
child_is_over(const struct child *c)
{
	return c->state > CHILD_RUNNING;
}

/* Its whole group gets SIGTERM, or SIGKILL. */
void child_stop(struct child *c, bool politely);
/* Ended by exit(0). */
bool child_has_succeeded(const struct child *c);
/* What came of it, in a few words: "it exited with code 3". */
void child_explain(const struct child *c, struct writer *w);
/* Closes one of its descriptors; idempotent. */
void child_close_fd(int *fd);
/* Closes all: whatever still runs is killed. */
void child_close(struct child *c);

#endif
