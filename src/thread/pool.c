/*
 * Pools: their life, their limits, admission and metrics; see pool.h for the
 * promises, pool_jobs.c for what happens to a job, pool_threads.c for threads.
 *
 *   reserve: the gate's atomic sums say yes, or pool_jobs.c looks again, or refuse
 *
 * The limits are relaxed atomics. Whoever reads an old one beside a new one,
 * while a pool is resized, admits as if it had come a moment earlier or later.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/writer.h"
#include "thread/pool_priv.h"

enum { RETRY_MAX_S = 3600 };

static const char *const shed_words[] = {
#define POOL_SHED(name, word) word,
	POOL_SHED_ALL
#undef POOL_SHED
};

/* --- life ------------------------------------------------------------------------ */

static int
copy_texts(struct pool *p, const struct pool_options *o)
{
	struct writer plain = writer_over(p->name, sizeof(p->name) - 1);

	writer_text(&plain, o->name);
	if (plain.is_full)
		return ERR_TOO_LARGE;
	for (unsigned i = 0; i < POOL_SHEDS; i++) {
		struct writer w = writer_over(p->limit[i], sizeof(p->limit[i]) - 1);
		writer_format(&w, "pool.%s.%s", o->name, shed_words[i]);
		if (w.is_full)
			return ERR_TOO_LARGE;
	}
	p->identity = mem_copy_text(o->identity ? o->identity : "");
	return p->identity ? 0 : ERR_MEMORY;
}

static void
init_pool(struct pool *p, const struct pool_options *o)
{
	p->options = *o;
	atomic_init(&p->refs, 1);
	gate_init(&p->gate, o->order);
	shares_init(&p->shares, (const uint64_t[]){ random_seed(), random_seed() });
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
	while (p->costs) {
		struct pool_cost *first = p->costs;
		p->costs = first->next;
		mem_free(&first);
	}
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

/* Threads first: they can fail, and then nothing has changed. New ones start where they are to
 * run. */
static int
set_limits(struct pool *p, const struct pool_limits *l)
{
	struct cpus before = pool_cpus(p);
	int err;

	pool_set_cpus(p, &l->cpus);
	err = pool_set_threads(p, l->threads);
	if (err) {
		pool_set_cpus(p, &before);
		return err;
	}
	if (!cpus_eq(&before, &l->cpus))
		pool_move_threads(p);
	atomic_store_explicit(&p->gate.max_queue, l->max_queue, memory_order_relaxed);
	atomic_store_explicit(&p->gate.max_wait_ns, l->max_wait_ns, memory_order_relaxed);
	atomic_store_explicit(&p->is_shadow, l->is_shadow, memory_order_relaxed);
	atomic_store_explicit(&p->lost_after_ns, l->lost_after_ns, memory_order_relaxed);
	atomic_store_explicit(&p->max_lost, l->max_lost, memory_order_relaxed);
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

void
pool_pin(struct pool *p)
{
	struct cpus c = pool_cpus(p);

	if (cpus_is_empty(&c))
		return;
	pthread_mutex_lock(&p->control);
	if (!pool_is_stopping(p))
		pool_move_threads(p);
	pthread_mutex_unlock(&p->control);
}

/* --- what it is ------------------------------------------------------------------ */

bool
pool_is_same(const struct pool *p, const struct pool_options *o)
{
	const char *identity = o->identity ? o->identity : "";

	return strcmp(p->name, o->name) == 0 && strcmp(p->identity, identity) == 0 &&
	       p->options.order == o->order && p->options.nice == o->nice &&
	       p->options.thread_init == o->thread_init && p->options.thread_fini == o->thread_fini;
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

int
pool_nice(const struct pool *p)
{
	return p->options.nice;
}

unsigned
pool_threads(const struct pool *p)
{
	return atomic_load_explicit(&p->gate.threads, memory_order_relaxed);
}

struct pool_limits
pool_limits(const struct pool *p)
{
	return (struct pool_limits){
		.threads = pool_threads(p),
		.max_queue = atomic_load_explicit(&p->gate.max_queue, memory_order_relaxed),
		.max_wait_ns = atomic_load_explicit(&p->gate.max_wait_ns, memory_order_relaxed),
		.is_shadow = atomic_load_explicit(&p->is_shadow, memory_order_relaxed),
		.lost_after_ns = atomic_load_explicit(&p->lost_after_ns, memory_order_relaxed),
		.max_lost = atomic_load_explicit(&p->max_lost, memory_order_relaxed),
		.cpus = pool_cpus(p),
	};
}

unsigned
pool_capacity(const struct pool *p)
{
	return pool_threads(p) + atomic_load_explicit(&p->gate.max_queue, memory_order_relaxed);
}

/* --- admission ------------------------------------------------------------------- */

static struct pool_cost *
find_cost(const struct pool *p, struct slice name)
{
	struct pool_cost *c = p->costs;

	while (c && !slice_eq(slice_make(c->name, c->len), name))
		c = c->next;
	return c;
}

static struct pool_cost *
add_cost(struct pool *p, struct slice name, uint64_t prior_ns)
{
	struct pool_cost *c;

	if (p->cost_count == POOL_COSTS_MAX)
		return NULL;
	c = mem_alloc(sizeof(*c) + name.len);
	if (!c)
		return NULL;
	cost_init(&c->cost, prior_ns);
	c->len = name.len;
	if (name.len > 0)
		memcpy(c->name, name.at, name.len);
	c->next = p->costs;
	p->costs = c;
	p->cost_count++;
	return c;
}

struct cost *
pool_cost(struct pool *p, struct slice name, uint64_t prior_ns)
{
	struct pool_cost *c;

	pthread_mutex_lock(&p->control);
	c = find_cost(p, name);
	if (!c)
		c = add_cost(p, name, prior_ns);
	pthread_mutex_unlock(&p->control);
	return c ? &c->cost : NULL;
}

/* Between the drain time and twice that, so that those who were refused together do not come back
 * together. */
static unsigned
retry_after(const struct pool *p, uint64_t jitter)
{
	uint64_t drain_s = gate_drain_ns(&p->gate) / CLOCK_SEC + 1;
	uint64_t after_s = drain_s + jitter % (drain_s + 1);

	return (unsigned)(after_s < RETRY_MAX_S ? after_s : RETRY_MAX_S);
}

void
pool_refuse(struct pool *p, enum pool_shed limit, uint64_t jitter, struct pool_refusal *refusal)
{
	atomic_fetch_add_explicit(&p->shed[limit], 1, memory_order_relaxed);
	*refusal = (struct pool_refusal){
		.limit = p->limit[limit],
		.status = limit == POOL_SHED_SHARE ? 429 : 503,
		.retry_after_s = retry_after(p, jitter),
	};
}

bool
pool_lets_pass(struct pool *p, enum pool_shed limit)
{
	if (!atomic_load_explicit(&p->is_shadow, memory_order_relaxed))
		return false;
	atomic_fetch_add_explicit(&p->shadowed[limit], 1, memory_order_relaxed);
	return true;
}

uint64_t
pool_ask_more(const struct pool *p, struct gate_ask *a, const struct cost *c, uint64_t units,
	      uint64_t deadline_ns)
{
	return gate_ask_more(&p->gate, a, c, units, deadline_ns);
}

uint64_t
pool_ask_later(const struct pool *p, struct gate_ask *a, const struct cost *c, uint64_t units,
	       uint64_t deadline_ns, struct gate_promise *promise)
{
	return gate_ask_later(&p->gate, a, c, units, deadline_ns, promise);
}

uint64_t
pool_expect(const struct pool *p, const struct cost *c, uint64_t units)
{
	return gate_expect(&p->gate, c, units);
}

void
pool_redeem(struct pool *p, enum gate_class priority, struct gate_promise *promise, struct cost *c,
	    uint64_t now_ns, uint64_t expected_ns)
{
	gate_redeem(&p->gate, priority, promise, c, now_ns, expected_ns);
}

void
pool_lapse(struct pool *p, enum gate_class priority, struct gate_promise *promise, struct cost *c)
{
	gate_lapse(&p->gate, priority, promise, c);
}

/* What refuses the ask; POOL_SHEDS: nothing, and the places are taken. */
static enum pool_shed
find_limit(struct pool *p, const struct gate_ask *a, uint64_t chance)
{
	static const enum pool_shed limits[] = {
		[GATE_OPEN] = POOL_SHEDS,
		[GATE_FULL] = POOL_SHED_QUEUE,
		[GATE_WAIT] = POOL_SHED_WAIT,
		[GATE_STANDING] = POOL_SHED_STANDING,
	};
	enum gate_verdict verdict;

	if (a->share.at &&
	    !shares_allow(&p->shares, a->share, a->work_ns, a->now_ns, pool_threads(p), chance) &&
	    !a->is_underway)
		return POOL_SHED_SHARE;
	verdict = gate_reserve(&p->gate, a, false);
	if (verdict != GATE_OPEN && !a->is_later && p->gate.order == ORDER_ADAPTIVE)
		verdict = pool_ask_exactly(p, a, verdict, chance);
	return limits[verdict];
}

int
pool_reserve(struct pool *p, const struct gate_ask *a, uint64_t jitter,
	     struct pool_refusal *refusal)
{
	enum pool_shed limit = find_limit(p, a, jitter);

	if (limit != POOL_SHEDS && limit != POOL_SHED_QUEUE && pool_lets_pass(p, limit)) {
		struct gate_ask again = *a;
		again.is_again = again.is_underway = true;
		limit = gate_reserve(&p->gate, &again, false) == GATE_OPEN ? POOL_SHEDS
									   : POOL_SHED_QUEUE;
	}
	if (limit == POOL_SHEDS)
		return 0;
	pool_refuse(p, limit, jitter, refusal);
	return ERR_SHED;
}

void
pool_release(struct pool *p, enum gate_class priority, unsigned n, uint64_t expected_ns)
{
	gate_release(&p->gate, priority, n, expected_ns);
}

/* --- metrics --------------------------------------------------------------------- */

const char *
pool_shed_word(enum pool_shed limit)
{
	return shed_words[limit];
}

void
pool_sample(struct pool *p, struct pool_sample *s)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_acquire);
	struct pool_limits limits = pool_limits(p);

	*s = (struct pool_sample){
		.name = p->name,
		.threads = limits.threads,
		.max_queue = limits.max_queue,
		.cpus = limits.cpus,
		.max_wait_ns = limits.max_wait_ns,
		.queued = atomic_load_explicit(&p->gate.waiting, memory_order_relaxed),
		.running = atomic_load_explicit(&p->running, memory_order_acquire),
		.mean_run_ns = cost_mean(&p->gate.mix),
		.drain_ns = gate_drain_ns(&p->gate),
		.expired = atomic_load_explicit(&p->expired, memory_order_relaxed),
		.abandoned = atomic_load_explicit(&p->abandoned, memory_order_relaxed),
	};
	for (unsigned i = 0; i < POOL_SHEDS; i++) {
		s->shed[i] = atomic_load_explicit(&p->shed[i], memory_order_relaxed);
		s->shadowed[i] = atomic_load_explicit(&p->shadowed[i], memory_order_relaxed);
	}
	/* What threads measured stays in their places when they leave. */
	for (unsigned i = 0; i < places; i++) {
		const struct pool_thread *t = pool_thread_at(p, i);
		histogram_sum_add(&s->wait, &t->wait);
		histogram_sum_add(&s->run, &t->run);
		s->run_squares += count_read_word(&t->run_squares);
	}
}
