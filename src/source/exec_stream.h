/*
 * What a program writes, on its way to the client: of a part that is passed
 * through, the worker itself reads the pipe that is the program's standard
 * output. Who reads slowly fills that pipe, and then the program waits. In memory is
 * what whoever is above has taken and not let go of before it paused, in blocks that are
 * filled, however little comes at once; and at most one block that is not full yet.
 *
 *   pool thread                         worker
 *   child_run: started ===mail, fd===>  reads: head with the first byte, body...
 *              ended   ====job=======>  what is in the pipe now, done
 *
 * Whatever happens first - the pipe's end, the job's, the client's - the answer ends with both
 * ends of the program: its output's and its own. What got away from the program and holds its
 * output open is not waited for, even if it goes on writing. A program that fails behind its first
 * byte cuts the answer.
 */
#ifndef FOREBAY_SOURCE_EXEC_STREAM_H
#define FOREBAY_SOURCE_EXEC_STREAM_H

#include "net/io.h"
#include "source/offload.h"

struct exec_stream {
	struct offload *offload; /* borrowed: the run that this is of */
	uint64_t limit; /* bytes it may be; 0: any */
	/* --- of the worker --- */
	struct mail mail;
	struct io io;
	struct deferred work;
	struct block *block; /* counted: where is read to; NULL: none */
	uint64_t taken;
	size_t left; /* once the job is home: bytes that are still read */
	int fd; /* on its way to the worker; then io's */
	bool is_here; /* the worker has got it */
	bool is_over; /* nothing more will be read */
	bool is_paused;
};

void exec_stream_init(struct exec_stream *s, struct offload *o, uint64_t limit);
/* Pool thread, once, while the job runs: takes the descriptor, which does not block. */
void exec_stream_give(struct exec_stream *s, int fd);
/* As of struct offload_ops; home() says no where no program was started. Worker. */
bool exec_stream_home(struct exec_stream *s);
void exec_stream_resume(struct exec_stream *s);
/* Reads no more. Idempotent. Worker. */
void exec_stream_close(struct exec_stream *s);

#endif
