/*
 * Waiting for another thread, once; see latch.h.
 */
#include "thread/latch.h"

void
latch_init(struct latch *l)
{
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->opened, NULL);
	l->is_open = false;
}

void
latch_fini(struct latch *l)
{
	pthread_cond_destroy(&l->opened);
	pthread_mutex_destroy(&l->lock);
}

void
latch_open(struct latch *l)
{
	pthread_mutex_lock(&l->lock);
	l->is_open = true;
	pthread_cond_broadcast(&l->opened);
	pthread_mutex_unlock(&l->lock);
}

void
latch_wait(struct latch *l)
{
	pthread_mutex_lock(&l->lock);
	while (!l->is_open)
		pthread_cond_wait(&l->opened, &l->lock);
	pthread_mutex_unlock(&l->lock);
}
