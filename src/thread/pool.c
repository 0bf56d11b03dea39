/*
 * Pools; see pool.h for the promises.
 *
 *   reserve: admitted += n, or refuse            any thread, one atomic counter
 *   submit:  push to the inbox, post `work`      any thread, no lock
 *   take:    wait for `work`; lock; file the inbox; first of the queue; unlock
 *   home:    admitted -= 1, mail
 *
 * Each post of `work` stands for one job that waits, so a thread that took one
 * finds a job, unless its submitter abandoned it at that moment. sem_post never
 * blocks; pthread_cond_signal can, on the internal lock of the condition.
 */
#include "thread/pool.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/writer.h"

#include <errno.h>
#include <semaphore.h>

enum {
	NAME_BYTES = 160,
	RETRY_MAX_S = 3600,
	AVERAGE_OVER = 64, /* jobs that the moving average remembers */
};

struct pool {
	char name[NAME_BYTES];
	char limit_queue[NAME_BYTES + 16], limit_wait[NAME_BYTES + 16];
	struct pool_options options;
	unsigned capacity; /* jobs in all, running ones included */
	sem_t work, ready;
	atomic_bool is_stopping;

	/* Written by any thread. */
	atomic_uint admitted; /* reserved, waiting and running */
	atomic_uint queued, running;
	_Atomic(struct mail *) inbox; /* submitted, newest first */
	_Atomic uint64_t mean_run_ns; /* 0: nothing has run yet */
	atomic_uint runs; /* in the mean, up to AVERAGE_OVER */
	_Atomic uint64_t expired, abandoned, shed_queue, shed_wait;

	pthread_mutex_t lock; /* workers only ever try it */
	struct list waiting; /* under the lock: oldest first */
	struct pool_thread thread[];
};

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

/* Locks. NULL when the job that was announced has been abandoned meanwhile. */
static struct job *
take_job(struct pool *p)
{
	struct job *j = NULL;

	pthread_mutex_lock(&p->lock);
	file_inbox(p);
	if (!list_is_empty(&p->waiting)) {
		j = CONTAINER_OF(p->waiting.next, struct job, link);
		unlink_job(p, j);
	}
	pthread_mutex_unlock(&p->lock);
	return j;
}

/* --- pool threads ---------------------------------------------------------------- */

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

static void
run_job(struct pool_thread *t, struct job *j)
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

static void
wait_for(sem_t *s)
{
	while (sem_wait(s) != 0)
		ASSERT(errno == EINTR);
}

static bool
is_stopping(const struct pool *p)
{
	return atomic_load_explicit(&p->is_stopping, memory_order_acquire);
}

static void
serve(void *argument)
{
	struct pool_thread *t = argument;
	struct pool *p = t->pool;

	if (p->options.thread_init)
		t->init_outcome = p->options.thread_init(t, p->options.argument);
	sem_post(&p->ready);
	for (;;) {
		struct job *j;

		wait_for(&p->work);
		if (is_stopping(p))
			break;
		j = take_job(p);
		if (j)
			run_job(t, j);
	}
	if (p->options.thread_fini && t->init_outcome == 0)
		p->options.thread_fini(t, p->options.argument);
}

/* --- making and ending ----------------------------------------------------------- */

static int
write_names(struct pool *p, const char *name)
{
	struct writer plain = writer_over(p->name, sizeof(p->name) - 1);
	struct writer queue = writer_over(p->limit_queue, sizeof(p->limit_queue));
	struct writer wait = writer_over(p->limit_wait, sizeof(p->limit_wait));

	writer_text(&plain, name);
	writer_format(&queue, "pool.%s.queue", name);
	writer_format(&wait, "pool.%s.wait", name);
	return plain.is_full || queue.is_full || wait.is_full ? ERR_TOO_LARGE : 0;
}

static int
start_thread(struct pool *p, unsigned index)
{
	struct pool_thread *t = &p->thread[index];
	struct writer w = writer_over(t->thread.name, sizeof(t->thread.name));

	t->pool = p;
	t->index = index;
	/* The number must be seen, whatever the kernel's 15 bytes cut off. */
	writer_format(&w, "%.11s/%u", p->name, index);
	t->thread.role = THREAD_POOL;
	t->thread.nice = p->options.nice;
	t->thread.batch = true;
	t->thread.run = serve;
	t->thread.argument = t;
	return thread_start(&t->thread);
}

static int
start_threads(struct pool *p)
{
	unsigned started = 0;
	int err = 0;

	while (started < p->options.threads && !err) {
		err = start_thread(p, started);
		started += err == 0;
	}
	for (unsigned i = 0; i < started; i++)
		wait_for(&p->ready);
	for (unsigned i = 0; i < started && !err; i++)
		err = p->thread[i].init_outcome;
	return err;
}

static void
stop_threads(struct pool *p)
{
	atomic_store_explicit(&p->is_stopping, true, memory_order_release);
	for (unsigned i = 0; i < p->options.threads; i++)
		sem_post(&p->work);
	for (unsigned i = 0; i < p->options.threads; i++)
		thread_join(&p->thread[i].thread);
}

struct pool *
pool_new(const struct pool_options *o, int *err)
{
	struct pool *p;
	size_t bytes;

	ASSERT(o->threads > 0 && o->threads <= UINT32_MAX / 2 && o->max_queue <= UINT32_MAX / 2);
	*err = ERR_MEMORY;
	if (!mem_multiply(o->threads, sizeof(struct pool_thread), &bytes) ||
	    !mem_add(bytes, sizeof(*p), &bytes))
		return NULL;
	p = mem_zalloc(1, bytes);
	if (!p)
		return NULL;
	p->options = *o;
	p->options.name = p->name;
	p->capacity = o->threads + o->max_queue;
	list_init(&p->waiting);
	pthread_mutex_init(&p->lock, NULL);
	sem_init(&p->work, 0, 0);
	sem_init(&p->ready, 0, 0);
	*err = write_names(p, o->name);
	if (!*err)
		*err = start_threads(p);
	if (*err)
		pool_free(&p);
	return p;
}

static void
send_rest_home(struct pool *p)
{
	struct list *link;

	file_inbox(p);
	while ((link = list_take(&p->waiting))) {
		struct job *j = CONTAINER_OF(link, struct job, link);
		bool was_abandoned = atomic_load_explicit(&j->is_abandoned, memory_order_relaxed);
		unlink_job(p, j);
		send_home(p, j, was_abandoned ? ERR_CANCELLED : ERR_SHUTDOWN);
	}
}

void
pool_free(struct pool **pointer)
{
	struct pool *p = *pointer;

	if (!p)
		return;
	stop_threads(p);
	send_rest_home(p);
	sem_destroy(&p->ready);
	sem_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	mem_free(pointer);
}

const char *
pool_name(const struct pool *p)
{
	return p->name;
}

unsigned
pool_capacity(const struct pool *p)
{
	return p->capacity;
}

/* --- admission ------------------------------------------------------------------- */

/* How long until `excess` of the jobs in the pool have ended, if each takes the mean. */
static uint64_t
time_to_end(const struct pool *p, unsigned excess)
{
	uint64_t mean = atomic_load_explicit(&p->mean_run_ns, memory_order_relaxed);
	uint64_t all;

	if (__builtin_mul_overflow(mean, excess, &all))
		return CLOCK_NEVER;
	return all / p->options.threads;
}

/* Between the drain time and twice that, so that those who were refused together do not come back
 * together. */
static unsigned
retry_after(const struct pool *p, unsigned admitted, uint64_t jitter)
{
	uint64_t drain_s = time_to_end(p, admitted) / CLOCK_SEC + 1;
	uint64_t after_s = drain_s + jitter % (drain_s + 1);

	return (unsigned)(after_s < RETRY_MAX_S ? after_s : RETRY_MAX_S);
}

static int
refuse(struct pool *p, const char *limit, unsigned admitted, uint64_t jitter,
       struct pool_refusal *refusal)
{
	_Atomic uint64_t *counter = limit == p->limit_queue ? &p->shed_queue : &p->shed_wait;

	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
	*refusal = (struct pool_refusal){
		.limit = limit,
		.retry_after_s = retry_after(p, admitted, jitter),
	};
	return ERR_SHED;
}

/* Whether n more jobs behind `admitted` would wait longer than they may. The last of them starts
 * when all but `threads` of those before it have ended.
 *
 * Nobody is refused while a thread has nothing to do: the mean moves only by jobs that run, so
 * that a batch which a high mean kept out of an idle pool would be kept out for ever. */
static bool
waits_too_long(const struct pool *p, unsigned admitted, unsigned n, uint64_t left_ns)
{
	unsigned threads = p->options.threads;
	uint64_t wait;

	if (admitted < threads)
		return false;
	wait = time_to_end(p, admitted + n - threads);
	return wait > left_ns || (p->options.max_wait_ns && wait > p->options.max_wait_ns);
}

int
pool_reserve(struct pool *p, unsigned n, uint64_t now_ns, uint64_t deadline_ns, uint64_t jitter,
	     struct pool_refusal *refusal)
{
	unsigned admitted = atomic_load_explicit(&p->admitted, memory_order_relaxed);
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;

	do {
		if (n > p->capacity || admitted > p->capacity - n)
			return refuse(p, p->limit_queue, admitted, jitter, refusal);
		if (waits_too_long(p, admitted, n, left_ns))
			return refuse(p, p->limit_wait, admitted, jitter, refusal);
	} while (!atomic_compare_exchange_weak_explicit(
	    &p->admitted, &admitted, admitted + n, memory_order_acquire, memory_order_relaxed));
	return 0;
}

void
pool_release(struct pool *p, unsigned n)
{
	unsigned before = atomic_fetch_sub_explicit(&p->admitted, n, memory_order_relaxed);

	ASSERT(before >= n);
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
	       is_stopping(j->pool) || clock_monotonic() >= j->deadline_ns;
}

/* --- metrics --------------------------------------------------------------------- */

void
pool_sample(struct pool *p, struct pool_sample *s)
{
	*s = (struct pool_sample){
		.name = p->name,
		.threads = p->options.threads,
		.max_queue = p->options.max_queue,
		.queued = atomic_load_explicit(&p->queued, memory_order_relaxed),
		.running = atomic_load_explicit(&p->running, memory_order_relaxed),
		.mean_run_ns = atomic_load_explicit(&p->mean_run_ns, memory_order_relaxed),
		.expired = atomic_load_explicit(&p->expired, memory_order_relaxed),
		.abandoned = atomic_load_explicit(&p->abandoned, memory_order_relaxed),
		.shed_queue = atomic_load_explicit(&p->shed_queue, memory_order_relaxed),
		.shed_wait = atomic_load_explicit(&p->shed_wait, memory_order_relaxed),
	};
	for (unsigned i = 0; i < p->options.threads; i++) {
		histogram_sum_add(&s->wait, &p->thread[i].wait);
		histogram_sum_add(&s->run, &p->thread[i].run);
	}
}
