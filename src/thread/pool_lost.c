/*
 * Threads that are lost: whose job goes on long after its deadline, because it
 * asks nobody whether it should. Nothing can end it but the process, so its place
 * in the pool stays taken, it is told in the log what it is, and while there are
 * few of them another thread serves in its stead.
 *
 *   pool_watch   marks, tells, replaces          the job returns: alive again;
 *   (main, now and then)                         one thread too many leaves
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "thread/pool_priv.h"

/* --- on the thread ------------------------------------------------------------------- */

void
pool_show_job(struct pool_thread *t, struct job *j)
{
	pthread_mutex_lock(&t->look);
	t->job = j;
	t->task = (struct pool_task){ .what = NULL };
	pthread_mutex_unlock(&t->look);
}

void
pool_describe(struct pool_thread *t, const struct pool_task *task)
{
	pthread_mutex_lock(&t->look);
	t->task = *task;
	pthread_mutex_unlock(&t->look);
}

void
pool_hide_job(struct pool_thread *t)
{
	pthread_mutex_lock(&t->look);
	t->job = NULL;
	pthread_mutex_unlock(&t->look);
}

/* It has a thread in its stead, so that one is too many. */
void
pool_return(struct pool_thread *t)
{
	struct pool *p = t->pool;
	bool was_replaced;

	pthread_mutex_lock(&p->lock);
	was_replaced = t->is_replaced;
	p->alive += was_replaced;
	p->replaced -= was_replaced;
	gate_replace(&p->gate, -(unsigned)was_replaced);
	t->is_replaced = t->is_lost = false;
	pthread_mutex_unlock(&p->lock);
	if (was_replaced)
		sem_post(&p->work);
	log_notice("pool %s: thread %s has come back from the job that it was lost in", p->name,
		   t->thread.name);
}

/* --- who looks -------------------------------------------------------------------------- */

/* Who looks, and whom it tells. */
struct search {
	uint64_t now, after_ns;
	pool_loss_fn on_loss;
	void *argument;
};

static unsigned long long
ms(uint64_t ns)
{
	return (unsigned long long)(ns / CLOCK_MS);
}

/* While the task's texts are there: the job runs, and `look` is held. */
static void
tell(const struct pool_thread *t, const struct search *s)
{
	const struct pool_task *task = &t->task;
	const struct pool_loss loss = {
		.pool = t->pool->name,
		.thread = t->thread.name,
		.task = task,
		.ran_ns = s->now - t->job->started_ns,
		.late_ns = s->now - t->job->deadline_ns,
	};

	log_error("pool %s: thread %s is lost: it has run %s%s%s of [%.*s %.*s] for %llu ms, %llu "
		  "ms past "
		  "the deadline (request %s)",
		  t->pool->name, t->thread.name, task->what ? task->what : "a job",
		  task->owner ? " of " : "", task->owner ? task->owner : "",
		  SLICE_PRINT(task->kind), SLICE_PRINT(task->name), ms(loss.ran_ns),
		  ms(loss.late_ns), task->request && task->request[0] ? task->request : "unknown");
	if (s->on_loss)
		s->on_loss(&loss, s->argument);
}

/* Whether it is newly lost. */
static bool
look_at(struct pool_thread *t, const struct search *s)
{
	struct pool *p = t->pool;
	bool is_lost;

	pthread_mutex_lock(&t->look);
	is_lost = t->job && !t->is_told && t->job->deadline_ns != CLOCK_NEVER &&
		  s->now > clock_after(t->job->deadline_ns, s->after_ns);
	if (is_lost) {
		tell(t, s);
		t->is_told = true;
		gate_lose(&p->gate, &t->job->gate);
		pthread_mutex_lock(&p->lock);
		t->is_lost = true;
		/* Who waits for it to forget something does not any more. */
		pthread_cond_broadcast(&p->has_forgotten);
		pthread_mutex_unlock(&p->lock);
	}
	pthread_mutex_unlock(&t->look);
	return is_lost;
}

/* With `control`: takes its place in the count, if it is still lost. */
static bool
claim(struct pool_thread *t)
{
	struct pool *p = t->pool;
	unsigned most = atomic_load_explicit(&p->max_lost, memory_order_relaxed);
	bool is_claimed;

	pthread_mutex_lock(&p->lock);
	is_claimed = t->is_lost && !t->is_replaced && p->replaced < most;
	p->alive -= is_claimed;
	p->replaced += is_claimed;
	gate_replace(&p->gate, is_claimed);
	t->is_replaced |= is_claimed;
	pthread_mutex_unlock(&p->lock);
	return is_claimed;
}

static void
unclaim(struct pool_thread *t)
{
	struct pool *p = t->pool;

	pthread_mutex_lock(&p->lock);
	if (t->is_replaced) {
		p->alive++;
		p->replaced--;
		gate_replace(&p->gate, -1u);
		t->is_replaced = false;
	}
	pthread_mutex_unlock(&p->lock);
}

static void
replace(struct pool_thread *t)
{
	struct pool *p = t->pool;

	if (!claim(t))
		return;
	if (pool_add_thread(p) == 0) {
		log_notice("pool %s: another thread serves instead of %s", p->name, t->thread.name);
		return;
	}
	unclaim(t);
	log_error("pool %s: there is no other thread instead of %s", p->name, t->thread.name);
}

unsigned
pool_watch(struct pool *p, uint64_t now, pool_loss_fn on_loss, void *argument)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_acquire), found = 0;
	const struct search search = {
		.now = now,
		.after_ns = atomic_load_explicit(&p->lost_after_ns, memory_order_relaxed),
		.on_loss = on_loss,
		.argument = argument,
	};

	if (!search.after_ns)
		return 0;
	/* Who resizes the pool is not waited for: there is another look soon. */
	if (pthread_mutex_trylock(&p->control) != 0)
		return 0;
	for (unsigned i = 0; i < places && !pool_is_stopping(p); i++) {
		struct pool_thread *t = pool_thread_at(p, i);

		found += look_at(t, &search);
		/* Opening what a thread of a database has may take long. */
		if (!p->options.thread_init)
			replace(t);
	}
	pthread_mutex_unlock(&p->control);
	return found;
}
