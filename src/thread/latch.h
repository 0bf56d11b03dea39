/*
 * A latch: one thread waits until another has opened it. For start-up and the
 * end, never on a worker's way.
 */
#ifndef FOREBAY_THREAD_LATCH_H
#define FOREBAY_THREAD_LATCH_H

#include <pthread.h>
#include <stdbool.h>

struct latch {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool is_open;
};

void latch_init(struct latch *l);
void latch_fini(struct latch *l);
void latch_open(struct latch *l);
/* Returns when it is open. */
void latch_wait(struct latch *l);

#endif
