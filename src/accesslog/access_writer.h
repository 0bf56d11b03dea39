/*
 * The log writer: one thread that writes the workers' buffers to the access
 * log. It alone waits for the disk. What cannot be written (no space, no
 * permission, an error of the disk, a pipe that nobody reads) is dropped and
 * counted, told of once per shortage, and it goes on when that has ended.
 *
 *   workers ==buffers==>  mailbox -> write ==buffers==> workers
 *   main    ==orders===>     '-> open again, take another file, stop
 *
 * Main thread but for access_writer_send. Orders and buffers are served in the order
 * in which they come.
 */
#ifndef FOREBAY_ACCESSLOG_ACCESS_WRITER_H
#define FOREBAY_ACCESSLOG_ACCESS_WRITER_H

#include "base/err.h"
#include "base/slice.h"
#include "thread/mailbox.h"
#include "thread/thread.h"

struct access_buffer;
struct access_order;

struct access_writer {
	struct mailbox mailbox;
	struct thread thread;
	bool has_mailbox;
	struct access_order *prepared; /* owned; main's */
	struct mail stop;
	/* The thread's own. */
	int fd; /* owned unless it is a standard stream; -1: none yet */
	char *path; /* owned */
	bool is_over; /* told to stop */
	bool is_unwanted; /* there is no log any more; kept for the last lines */
	bool is_torn; /* half a line was written */
	bool is_short; /* the last write failed */
	uint64_t lost; /* lines, in this shortage */
};

/* ERR_SYSTEM. */
int access_writer_init(struct access_writer *w) MUST_CHECK;
/* Stops first, after all that was sent before is written. No worker may be left. */
void access_writer_fini(struct access_writer *w);

/* Whether `path` could be written to, without making a file: ERR_SYSTEM with errno. An empty path
 * is no log. */
int access_writer_check(struct slice path) MUST_CHECK;
/* Opens the file, or nothing for an empty path, and starts the thread if it is the first; nothing
 * changes yet. `path` is NUL-terminated. ERR_SYSTEM with errno, ERR_MEMORY. */
int access_writer_prepare(struct access_writer *w, struct slice path) MUST_CHECK;
/* What was prepared takes the place of the old file; cannot fail. Before the first buffer is sent
 * that is meant for it. */
void access_writer_commit(struct access_writer *w);
void access_writer_cancel(struct access_writer *w);
/* Opens the file anew under its name; when it cannot, says so and goes on with the old one. */
void access_writer_reopen(struct access_writer *w);

/* From a worker: the buffer is the writer's until it comes home. */
void access_writer_send(struct mailbox *writer, struct access_buffer *b);

#endif
