/*
 * A job's way through a pool; see pool.h for the promises.
 *
 *   submit:  push to the inbox, post `work`      any thread, no lock
 *   take:    lock; file the inbox; the gate's next; unlock
 *   home:    the place is free, mail
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

/* --- home ------------------------------------------------------------------------ */

static void
deliver_home(struct mail *m, void *receiver)
{
	struct job *j = CONTAINER_OF(m, struct job, mail);

	j->on_home(j, receiver);
}

/* The last touch: from here on the job belongs to its home. Its place is free already. */
static void
mail_home(struct job *j, int outcome)
{
	j->outcome = outcome;
	j->mail.deliver = deliver_home;
	mailbox_send(j->home, &j->mail);
}

static void
send_home(struct pool *p, struct job *j, int outcome)
{
	gate_leave(&p->gate);
	mail_home(j, outcome);
}

/* --- the queue, under the lock --------------------------------------------------- */

/* The newest is first in the inbox, and must be filed last. */
static void
file_inbox(struct pool *p)
{
	struct mail *m, *oldest = NULL, *next;

	if (!atomic_load_explicit(&p->inbox, memory_order_relaxed))
		return;
	m = atomic_exchange_explicit(&p->inbox, NULL, memory_order_acquire);
	for (; m; m = next) {
		next = m->next;
		m->next = oldest;
		oldest = m;
	}
	for (; oldest; oldest = next) {
		struct job *j = CONTAINER_OF(oldest, struct job, mail);
		next = oldest->next;
		gate_file(&p->gate, &j->gate);
	}
}

static struct job *
job_of(struct gate_job *g)
{
	return g ? CONTAINER_OF(g, struct job, gate) : NULL;
}

static void
remove_job(struct pool *p, struct job *j)
{
	gate_remove(&p->gate, &j->gate);
	atomic_store_explicit(&j->is_waiting, false, memory_order_relaxed);
}

/* The lock is held. */
struct job *
pool_take_job(struct pool *p)
{
	struct job *j;

	file_inbox(p);
	j = job_of(gate_take(&p->gate));
	if (j)
		atomic_store_explicit(&j->is_waiting, false, memory_order_relaxed);
	return j;
}

/*
 * Whoever was to run it need not wake any more; if he has, he finds nothing.
 * The lock is held: he has not looked yet, then, so that if the post is that of
 * a job which came meanwhile, he finds that one. Later he may have looked and
 * gone to sleep, and that job would wait for ever.
 */
static void
take_back_post(struct pool *p)
{
	if (sem_trywait(&p->work) != 0)
		ASSERT(errno == EAGAIN);
}

/* --- asking twice ---------------------------------------------------------------- */

/* Jobs that make room for one of a higher class, linked by their mail. */
static struct mail *
evict(struct pool *p, enum gate_class priority, unsigned count)
{
	struct mail *evicted = NULL;

	while (count-- > 0) {
		struct job *j = job_of(gate_spare(&p->gate.queue, priority));
		ASSERT(j);
		remove_job(p, j);
		take_back_post(p);
		gate_leave(&p->gate);
		j->mail.next = evicted;
		evicted = &j->mail;
	}
	return evicted;
}

static void
send_evicted_home(struct pool *p, struct mail *evicted, uint64_t jitter)
{
	struct mail *next;

	for (; evicted; evicted = next) {
		struct job *j = CONTAINER_OF(evicted, struct job, mail);
		next = evicted->next;
		pool_refuse(p, POOL_SHED_PRIORITY, jitter, &j->refusal);
		mail_home(j, ERR_SHED);
	}
}

enum gate_verdict
pool_ask_exactly(struct pool *p, const struct gate_ask *a, enum gate_verdict said, uint64_t jitter)
{
	struct gate_ask again = *a;
	struct mail *evicted = NULL;
	enum gate_verdict verdict;
	unsigned excess;

	if (pthread_mutex_trylock(&p->lock) != 0)
		return said;
	file_inbox(p);
	again.is_again = true;
	if (said == GATE_FULL && gate_could_evict(&p->gate, &again, &excess))
		evicted = evict(p, a->priority, excess);
	verdict = gate_reserve(&p->gate, &again, true);
	pthread_mutex_unlock(&p->lock);
	send_evicted_home(p, evicted, jitter);
	return verdict;
}

/* --- on a pool thread ------------------------------------------------------------ */

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
	if (!gate_is_hopeless(&p->gate, &j->gate, now) || pool_lets_pass(p, POOL_SHED_DEADLINE))
		return 0;
	return ERR_SHED;
}

static void
drop(struct pool *p, struct job *j, int outcome)
{
	if (outcome == ERR_SHED)
		pool_refuse(p, POOL_SHED_DEADLINE, j->submitted_ns, &j->refusal);
	send_home(p, j, outcome);
}

/* With their sum, their count and that of their squares, the spread of times is known exactly. */
static void
measure_run(struct pool_thread *t, uint64_t ns)
{
	double square = (double)ns * (double)ns / 1e9 + t->run_squares_rest;
	uint64_t whole = (uint64_t)square;

	histogram_add(&t->run, ns);
	count_word(&t->run_squares, whole);
	t->run_squares_rest = square - (double)whole;
}

static enum cost_run
how_it_ran(const struct job *j, int outcome)
{
	if (outcome == ERR_CANCELLED || outcome == ERR_DEADLINE || outcome == ERR_TIMEOUT)
		return COST_CUT;
	return outcome || j->has_failed ? COST_FAILED : COST_WHOLE;
}

static int
run_timed(struct pool_thread *t, struct job *j)
{
	struct pool_gate *g = &t->pool->gate;
	uint64_t took;
	int outcome;

	gate_start(g, &j->gate);
	atomic_fetch_add_explicit(&t->pool->running, 1, memory_order_relaxed);
	pool_show_job(t, j);
	t->aside_ns = 0;
	outcome = j->run(j, t);
	pool_hide_job(t);
	j->ended_ns = clock_monotonic();
	took = j->ended_ns - j->started_ns;
	measure_run(t, took);
	gate_end(g, &j->gate, j->ended_ns, took > t->aside_ns ? took - t->aside_ns : 1,
		 how_it_ran(j, outcome));
	return outcome;
}

void
pool_set_aside(struct pool_thread *t, uint64_t ns)
{
	t->aside_ns += ns;
}

void
pool_run_job(struct pool_thread *t, struct job *j)
{
	uint64_t now = clock_monotonic();
	int outcome = why_not_run(t->pool, j, now);

	if (outcome != ERR_CANCELLED)
		histogram_add(&t->wait, now - j->submitted_ns);
	if (outcome) {
		drop(t->pool, j, outcome);
		return;
	}
	j->started_ns = now;
	outcome = run_timed(t, j);
	gate_leave(&t->pool->gate);
	/* Who sees that nothing runs finds a place that is free. */
	atomic_fetch_sub_explicit(&t->pool->running, 1, memory_order_release);
	mail_home(j, outcome);
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
	j->has_failed = false;
	j->gate = (struct gate_job){
		.node.work_ns = j->expected_ns,
		.priority = j->priority,
		.cost = j->cost,
		.units = j->units,
		.deadline_ns = j->deadline_ns,
		.submitted_ns = j->submitted_ns,
	};
	atomic_init(&j->is_abandoned, false);
	atomic_init(&j->is_waiting, true);
	gate_submitted(&p->gate, &j->gate);
	do {
		j->mail.next = newest;
	} while (!atomic_compare_exchange_weak_explicit(
	    &p->inbox, &newest, &j->mail, memory_order_release, memory_order_relaxed));
	sem_post(&p->work);
	/* Nobody else will look for it; at the end a worker may wait for the lock. */
	if (pool_is_stopping(p))
		pool_send_rest_home(p);
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
	if (was_waiting) {
		remove_job(p, j);
		take_back_post(p);
	}
	pthread_mutex_unlock(&p->lock);
	if (!was_waiting)
		return;
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
