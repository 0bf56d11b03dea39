/*
 * Pools: their life, their limits, admission and metrics; see pool.h for the
 * promises, pool_jobs.c for what happens to a job, pool_threads.c for threads.
 *
 *   reserve: admitted += n, or refuse            any thread, one atomic counter
 *
 * The limits are relaxed atomics. Whoever reads an old one beside a new one,
 * while a pool is resized, admits as if it had come a moment earlier or later.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/writer.h"
#include "thread/pool_priv.h"

enum { RETRY_MAX_S = 3600 };

/* --- life ------------------------------------------------------------------------ */

static int
copy_texts(struct pool *p, const struct pool_options *o)
{
	struct writer plain = writer_over(p->name, sizeof(p->name) - 1);
	struct writer queue = writer_over(p->limit_queue, sizeof(p->limit_queue));
	struct writer wait = writer_over(p->limit_wait, sizeof(p->limit_wait));

	writer_text(&plain, o->name);
	writer_format(&queue, "pool.%s.queue", o->name);
	writer_format(&wait, "pool.%s.wait", o->name);
	if (plain.is_full || queue.is_full || wait.is_full)
		return ERR_TOO_LARGE;
	p->identity = mem_copy_text(o->identity ? o->identity : "");
	return p->identity ? 0 : ERR_MEMORY;
}

static void
init_pool(struct pool *p, const struct pool_options *o)
{
	p->options = *o;
	atomic_init(&p->refs, 1);
	list_init(&p->waiting);
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->control, NULL);
	pthread_cond_init(&p->has_forgotten, NULL);
	pthread_cond_init(&p->has_come, NULL);
	sem_init(&p->work, 0, 0);
	sem_init(&p->ready, 0, 0);
}

struct pool *
pool_new(const struct pool_options *o, int *err)
{
	struct pool *p = mem_zalloc(1, sizeof(*p));

	*err = ERR_MEMORY;
	if (!p) {
		pool_options_free_argument(o);
		return NULL;
	}
	init_pool(p, o);
	*err = copy_texts(p, o);
	if (!*err)
		*err = pool_resize(p, &o->limits);
	if (*err)
		pool_unref(&p);
	return p;
}

static void
free_pool(struct pool *p)
{
	pool_stop(p);
	pool_free_threads(p);
	pool_options_free_argument(&p->options);
	sem_destroy(&p->ready);
	sem_destroy(&p->work);
	pthread_cond_destroy(&p->has_come);
	pthread_cond_destroy(&p->has_forgotten);
	pthread_mutex_destroy(&p->control);
	pthread_mutex_destroy(&p->lock);
	mem_free(&p->identity);
	mem_free(&p);
}

struct pool *
pool_ref(struct pool *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void
pool_unref(struct pool **pointer)
{
	struct pool *p = *pointer;

	*pointer = NULL;
	if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
		free_pool(p);
}

void
pool_stop(struct pool *p)
{
	pthread_mutex_lock(&p->control);
	pool_stop_threads(p);
	pool_send_rest_home(p);
	pthread_mutex_unlock(&p->control);
}

/* Threads first: they can fail, and then nothing has changed. */
static int
set_limits(struct pool *p, const struct pool_limits *l)
{
	int err = pool_set_threads(p, l->threads);

	if (err)
		return err;
	atomic_store_explicit(&p->max_queue, l->max_queue, memory_order_relaxed);
	atomic_store_explicit(&p->max_wait_ns, l->max_wait_ns, memory_order_relaxed);
	return 0;
}

int
pool_resize(struct pool *p, const struct pool_limits *l)
{
	int err;

	ASSERT(l->threads > 0 && l->threads <= POOL_THREADS_MAX);
	ASSERT(l->max_queue <= UINT32_MAX / 2);
	pthread_mutex_lock(&p->control);
	err = pool_is_stopping(p) ? ERR_SHUTDOWN : set_limits(p, l);
	pthread_mutex_unlock(&p->control);
	return err;
}

/* --- what it is ------------------------------------------------------------------ */

bool
pool_is_same(const struct pool *p, const struct pool_options *o)
{
	const char *identity = o->identity ? o->identity : "";

	return strcmp(p->name, o->name) == 0 && strcmp(p->identity, identity) == 0 &&
	       p->options.nice == o->nice && p->options.thread_init == o->thread_init &&
	       p->options.thread_fini == o->thread_fini;
}

void
pool_options_free_argument(const struct pool_options *o)
{
	if (o->argument_free)
		o->argument_free(o->argument);
}

const char *
pool_name(const struct pool *p)
{
	return p->name;
}

unsigned
pool_threads(const struct pool *p)
{
	return atomic_load_explicit(&p->threads, memory_order_relaxed);
}

struct pool_limits
pool_limits(const struct pool *p)
{
	return (struct pool_limits){
		.threads = pool_threads(p),
		.max_queue = atomic_load_explicit(&p->max_queue, memory_order_relaxed),
		.max_wait_ns = atomic_load_explicit(&p->max_wait_ns, memory_order_relaxed),
	};
}

unsigned
pool_capacity(const struct pool *p)
{
	return pool_threads(p) + atomic_load_explicit(&p->max_queue, memory_order_relaxed);
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
	return all / pool_threads(p);
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
	uint64_t max_wait = atomic_load_explicit(&p->max_wait_ns, memory_order_relaxed);
	unsigned threads = pool_threads(p);
	uint64_t wait;

	if (admitted < threads)
		return false;
	wait = time_to_end(p, admitted + n - threads);
	return wait > left_ns || (max_wait && wait > max_wait);
}

int
pool_reserve(struct pool *p, unsigned n, uint64_t now_ns, uint64_t deadline_ns, uint64_t jitter,
	     struct pool_refusal *refusal)
{
	unsigned admitted = atomic_load_explicit(&p->admitted, memory_order_relaxed);
	unsigned capacity = pool_capacity(p);
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;

	do {
		if (n > capacity || admitted > capacity - n)
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

/* --- metrics --------------------------------------------------------------------- */

void
pool_sample(struct pool *p, struct pool_sample *s)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_acquire);
	struct pool_limits limits = pool_limits(p);

	*s = (struct pool_sample){
		.name = p->name,
		.threads = limits.threads,
		.max_queue = limits.max_queue,
		.queued = atomic_load_explicit(&p->queued, memory_order_relaxed),
		.running = atomic_load_explicit(&p->running, memory_order_relaxed),
		.mean_run_ns = atomic_load_explicit(&p->mean_run_ns, memory_order_relaxed),
		.expired = atomic_load_explicit(&p->expired, memory_order_relaxed),
		.abandoned = atomic_load_explicit(&p->abandoned, memory_order_relaxed),
		.shed_queue = atomic_load_explicit(&p->shed_queue, memory_order_relaxed),
		.shed_wait = atomic_load_explicit(&p->shed_wait, memory_order_relaxed),
	};
	/* What threads measured stays in their places when they leave. */
	for (unsigned i = 0; i < places; i++) {
		const struct pool_thread *t = pool_thread_at(p, i);
		histogram_sum_add(&s->wait, &t->wait);
		histogram_sum_add(&s->run, &t->run);
	}
}
