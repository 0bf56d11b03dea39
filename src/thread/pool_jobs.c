/*
 * A job's way through a pool; see pool.h for the promises.
 *
 *   submit:  push to the inbox, post `work`      any thread, no lock
 *   take:    lock; file the inbox; first of the queue; unlock
 *   home:    admitted -= 1, mail
 *
 * Each job that waits has a post of `work`, so that a thread which took one
 * finds a job, unless its submitter abandoned it at that moment. sem_post never
 * blocks; pthread_cond_signal can, on the internal lock of the condition.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/err.h"
#include "thread/pool_priv.h"

#include <errno.h>

enum { AVERAGE_OVER = 64 }; /* jobs that the moving average remembers */

/* --- home ------------------------------------------------------------------------ */

static void
deliver_home(struct mail *m, void *receiver)
{
	struct job *j = CONTAINER_OF(m, struct job, mail);

	j->on_home(j, receiver);
}

/* The last touch: from here on the job belongs to its home. */
static void
send_home(struct pool *p, struct job *j, int outcome)
{
	j->outcome = outcome;
	j->mail.deliver = deliver_home;
	atomic_fetch_sub_explicit(&p->admitted, 1, memory_order_release);
	mailbox_send(j->home, &j->mail);
}

/* --- the queue, under the lock --------------------------------------------------- */

static void
file_inbox(struct pool *p)
{
	struct mail *m = atomic_exchange_explicit(&p->inbox, NULL, memory_order_acquire);
	struct list *after = p->waiting.prev; /* the last of the older ones */

	/* Newest first: each goes before those that were filed already. */
	while (m) {
		struct job *j = CONTAINER_OF(m, struct job, mail);
		m = m->next;
		list_prepend(after, &j->link);
	}
}

static void
unlink_job(struct pool *p, struct job *j)
{
	list_remove(&j->link);
	atomic_store_explicit(&j->is_waiting, false, memory_order_relaxed);
	atomic_fetch_sub_explicit(&p->queued, 1, memory_order_relaxed);
}

/* The lock is held. */
struct job *
pool_take_job(struct pool *p)
{
	struct job *j;

	file_inbox(p);
	if (list_is_empty(&p->waiting))
		return NULL;
	j = CONTAINER_OF(p->waiting.next, struct job, link);
	unlink_job(p, j);
	return j;
}

/* --- on a pool thread ------------------------------------------------------------ */

/*
 * A moving average with gain 1/n at first, 1/64 later. Two threads that end at
 * once may lose one of two samples: no harm. A job that was cut short says only
 * that it would have taken longer, so it counts when it is above the average.
 */
static void
learn_run_time(struct pool *p, uint64_t took, int outcome)
{
	uint64_t mean = atomic_load_explicit(&p->mean_run_ns, memory_order_relaxed);
	unsigned n = atomic_load_explicit(&p->runs, memory_order_relaxed);
	bool was_cut =
	    outcome == ERR_CANCELLED || outcome == ERR_DEADLINE || outcome == ERR_TIMEOUT;

	if (was_cut && took <= mean)
		return;
	if (n < AVERAGE_OVER)
		atomic_store_explicit(&p->runs, ++n, memory_order_relaxed);
	if (took >= mean)
		mean += (took - mean) / n;
	else
		mean -= (mean - took) / n;
	atomic_store_explicit(&p->mean_run_ns, mean ? mean : 1, memory_order_relaxed);
}

/* Why a job that is about to run must not; 0 if it may. */
static int
why_not_run(struct pool *p, const struct job *j, uint64_t now)
{
	if (atomic_load_explicit(&j->is_abandoned, memory_order_relaxed)) {
		atomic_fetch_add_explicit(&p->abandoned, 1, memory_order_relaxed);
		return ERR_CANCELLED;
	}
	if (now >= j->deadline_ns) {
		atomic_fetch_add_explicit(&p->expired, 1, memory_order_relaxed);
		return ERR_DEADLINE;
	}
	return 0;
}

void
pool_run_job(struct pool_thread *t, struct job *j)
{
	struct pool *p = t->pool;
	uint64_t now = clock_monotonic();
	int outcome = why_not_run(p, j, now);

	if (outcome != ERR_CANCELLED)
		histogram_add(&t->wait, now - j->submitted_ns);
	if (outcome) {
		send_home(p, j, outcome);
		return;
	}
	j->started_ns = now;
	atomic_fetch_add_explicit(&p->running, 1, memory_order_relaxed);
	outcome = j->run(j, t);
	atomic_fetch_sub_explicit(&p->running, 1, memory_order_relaxed);
	j->ended_ns = clock_monotonic();
	histogram_add(&t->run, j->ended_ns - j->started_ns);
	learn_run_time(p, j->ended_ns - j->started_ns, outcome);
	send_home(p, j, outcome);
}

/* Submitters may abandon meanwhile: each job is taken by one of both. */
void
pool_send_rest_home(struct pool *p)
{
	struct job *j;

	do {
		pthread_mutex_lock(&p->lock);
		j = pool_take_job(p);
		pthread_mutex_unlock(&p->lock);
		if (j) {
			bool was_abandoned =
			    atomic_load_explicit(&j->is_abandoned, memory_order_relaxed);
			send_home(p, j, was_abandoned ? ERR_CANCELLED : ERR_SHUTDOWN);
		}
	} while (j);
}

/* --- jobs ------------------------------------------------------------------------ */

void
pool_submit(struct pool *p, struct job *j)
{
	struct mail *newest = atomic_load_explicit(&p->inbox, memory_order_relaxed);

	j->pool = p;
	j->submitted_ns = clock_monotonic();
	j->started_ns = j->ended_ns = 0;
	j->outcome = 0;
	atomic_init(&j->is_abandoned, false);
	atomic_init(&j->is_waiting, true);
	atomic_fetch_add_explicit(&p->queued, 1, memory_order_relaxed);
	do {
		j->mail.next = newest;
	} while (!atomic_compare_exchange_weak_explicit(
	    &p->inbox, &newest, &j->mail, memory_order_release, memory_order_relaxed));
	sem_post(&p->work);
}

/* Its place in the queue is free at once, not when its turn comes. */
static void
withdraw(struct pool *p, struct job *j)
{
	bool was_waiting;

	if (pthread_mutex_trylock(&p->lock) != 0)
		return;
	file_inbox(p);
	was_waiting = atomic_load_explicit(&j->is_waiting, memory_order_relaxed);
	if (was_waiting)
		unlink_job(p, j);
	pthread_mutex_unlock(&p->lock);
	if (!was_waiting)
		return;
	/* Nobody needs to wake for it any more; if somebody has, he finds nothing. */
	if (sem_trywait(&p->work) != 0)
		ASSERT(errno == EAGAIN);
	atomic_fetch_add_explicit(&p->abandoned, 1, memory_order_relaxed);
	send_home(p, j, ERR_CANCELLED);
}

void
job_abandon(struct job *j)
{
	if (atomic_exchange_explicit(&j->is_abandoned, true, memory_order_relaxed))
		return;
	if (atomic_load_explicit(&j->is_waiting, memory_order_relaxed))
		withdraw(j->pool, j);
}

bool
job_is_cancelled(const struct job *j)
{
	return atomic_load_explicit(&j->is_abandoned, memory_order_relaxed) ||
	       pool_is_stopping(j->pool) || clock_monotonic() >= j->deadline_ns;
}
