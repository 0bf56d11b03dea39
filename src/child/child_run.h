/*
 * One run of a program, from its order to its result, on a thread of a pool:
 * bytes go in, bytes come out or are left to who reads them, lines of its standard error go to the
 * log, and at the deadline, or when nobody waits any more, its process group is killed.
 */
#ifndef FOREBAY_CHILD_CHILD_RUN_H
#define FOREBAY_CHILD_CHILD_RUN_H

#include "base/buffer.h"
#include "child/spawner.h"

struct job;

struct child_run {
	struct spawner *spawner; /* borrowed */
	const struct job *job; /* who waits; its deadline */
	struct slice input; /* its standard input, from beginning to end */
	struct buffer *output; /* its standard output; one that is full ends the run */
	/* Or, unless NULL, who reads it: called once, when it has been started, with a pipe that
	 * does not block and is the receiver's from then on. */
	void (*give_output)(const struct child_run *r, int fd);
	void *output_argument; /* of give_output */
	uint64_t grace_ns; /* between SIGTERM and SIGKILL; 0: SIGKILL at once */
	const char *log_name; /* "program thumb": before each line in the log */
};

/* Blocks. 0: it exited with code 0, and has written its result. ERR_CANCELLED, ERR_TOO_LARGE,
 * ERR_MEMORY; ERR_FAILED and others, which are in the log. */
int child_run(const struct child_run *r, const struct order *o) MUST_CHECK;

#endif
