/*
 * A notice board: one value that one thread at a time replaces, and that others
 * take; each reader is told by mail that there is a new one.
 *
 *   board_post ---> [ value ] <--- board_take          any thread
 *       |
 *       '== mail ==> on_post, on the reader's thread, which takes it
 *
 * The value is immutable and counted: the board holds one user of it. Posts that
 * follow one another quickly may be told once. The lock is held for a few
 * instructions, or for ringing readers that sleep; none of them runs at a pool
 * thread's priority.
 */
#ifndef FOREBAY_THREAD_BOARD_H
#define FOREBAY_THREAD_BOARD_H

#include "base/list.h"
#include "thread/mailbox.h"

#include <pthread.h>

struct board_reader;

struct board {
	pthread_mutex_t lock;
	void *value; /* never NULL */
	void (*take)(void *value); /* one more user */
	void (*drop)(void *value); /* one user less */
	struct list readers;
};

/* Takes over one user of the value. */
void board_init(struct board *b, void *value, void (*take)(void *value), void (*drop)(void *value));
/* No reader may be left. */
void board_fini(struct board *b);
/* Takes over one user of the value, and tells every reader. */
void board_post(struct board *b, void *value);
/* The value, with a user that is the caller's. */
void *board_take(struct board *b) __attribute__((warn_unused_result));

/* From now on on_post runs on the thread of the mailbox after each post. NULL: no memory. */
struct board_reader *board_join(struct board *b, struct mailbox *mailbox,
				void (*on_post)(void *argument), void *argument)
    __attribute__((warn_unused_result));
/* On the reader's thread: on_post comes no more. Mail that is on its way frees itself: the mailbox
 * is to be drained once more. NULL is allowed. */
void board_leave(struct board_reader **reader);

#endif
