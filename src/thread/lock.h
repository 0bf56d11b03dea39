/*
 * A lock, for what threads of pools share beside their queue and no worker ever
 * waits for: whoever holds it may block, or be preempted.
 */
#ifndef FOREBAY_THREAD_LOCK_H
#define FOREBAY_THREAD_LOCK_H

#include <pthread.h>

struct lock {
	pthread_mutex_t mutex;
};

static inline void
lock_init(struct lock *l)
{
	pthread_mutex_init(&l->mutex, NULL);
}

static inline void
lock_fini(struct lock *l)
{
	pthread_mutex_destroy(&l->mutex);
}

static inline void
lock_take(struct lock *l)
{
	pthread_mutex_lock(&l->mutex);
}

static inline void
lock_give(struct lock *l)
{
	pthread_mutex_unlock(&l->mutex);
}

#endif
