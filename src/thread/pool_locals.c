/*
 * Locals: what the threads of a pool keep for kinds of jobs, and how all of them
 * are brought to forget a key.
 *
 * A state is ended by the thread that made it. A thread that sleeps must be
 * woken for that, and cannot be told from the others: so all that sleep are
 * called with a post each, and one that has been there and takes another's
 * post puts it back and steps aside until all have come. A thread that runs a
 * job is not called: it looks when it is done.
 */
#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "thread/pool_priv.h"

/* What a thread keeps under a key. */
struct pool_local {
	struct pool_local *next; /* kept before it */
	const void *key;
	void *state;
	void (*fini)(void *state);
};

/* --- keeping ------------------------------------------------------------------------ */

static struct pool_local **
find_local(struct pool_thread *t, const void *key)
{
	struct pool_local **at = &t->locals;

	while (*at && (*at)->key != key)
		at = &(*at)->next;
	return at;
}

static void
end_local(struct pool_local **at)
{
	struct pool_local *l = *at;

	*at = l->next;
	l->fini(l->state);
	mem_free(&l);
}

void *
pool_local(struct pool_thread *t, const void *key)
{
	const struct pool_local *l = *find_local(t, key);

	return l ? l->state : NULL;
}

int
pool_keep_local(struct pool_thread *t, const void *key, void *state, void (*fini)(void *state))
{
	struct pool_local *l = mem_alloc(sizeof(*l));

	ASSERT(!*find_local(t, key));
	if (!l)
		return ERR_MEMORY;
	*l = (struct pool_local){ t->locals, key, state, fini };
	t->locals = l;
	return 0;
}

void
pool_end_locals(struct pool_thread *t)
{
	while (t->locals)
		end_local(&t->locals);
}

/* --- forgetting: the threads ------------------------------------------------------- */

/* Of those that sleep: t has come, and those who stepped aside for the last may go on. */
static void
note_coming(struct pool_thread *t)
{
	struct pool *p = t->pool;

	if (!t->is_called)
		return;
	t->is_called = false;
	if (--p->called == 0)
		pthread_cond_broadcast(&p->has_come);
}

void
pool_forget(struct pool_thread *t)
{
	struct pool *p = t->pool;
	struct pool_local **at;

	pthread_mutex_lock(&p->lock);
	note_coming(t);
	t->forgets = atomic_load_explicit(&p->forgets, memory_order_relaxed);
	at = find_local(t, p->forgotten);
	pthread_mutex_unlock(&p->lock);
	if (*at)
		end_local(at);
	pthread_mutex_lock(&p->lock);
	if (--p->forgetting == 0)
		pthread_cond_signal(&p->has_forgotten);
	pthread_mutex_unlock(&p->lock);
}

bool
pool_has_to_forget(const struct pool_thread *t)
{
	return atomic_load_explicit(&t->pool->forgets, memory_order_seq_cst) != t->forgets;
}

/* A post was for another that sleeps. It gets it, and time to take it; unless t is called anew. */
void
pool_step_aside(struct pool_thread *t)
{
	struct pool *p = t->pool;

	sem_post(&p->work);
	while (p->called > 0 && !t->is_called)
		pthread_cond_wait(&p->has_come, &p->lock);
}

/* --- forgetting: whoever asks ------------------------------------------------------ */

static void
join_gone(struct pool *p)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_relaxed);

	for (unsigned i = 0; i < places; i++) {
		struct pool_thread *t = pool_thread_at(p, i);
		if (atomic_load_explicit(&t->is_gone, memory_order_relaxed))
			thread_join(&t->thread);
	}
}

/* How many are called. */
static unsigned
call_threads(struct pool *p, const void *key)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_relaxed);
	unsigned forgets = atomic_load_explicit(&p->forgets, memory_order_relaxed);
	unsigned called;

	pthread_mutex_lock(&p->lock);
	p->forgotten = key;
	atomic_store_explicit(&p->forgets, forgets + 1, memory_order_seq_cst);
	for (unsigned i = 0; i < places; i++) {
		struct pool_thread *t = pool_thread_at(p, i);
		if (atomic_load_explicit(&t->is_gone, memory_order_relaxed))
			continue;
		p->forgetting++;
		t->is_called = !atomic_load_explicit(&t->is_busy, memory_order_seq_cst);
		p->called += t->is_called;
	}
	called = p->called;
	pthread_mutex_unlock(&p->lock);
	return called;
}

void
pool_forget_local(struct pool *p, const void *key)
{
	pthread_mutex_lock(&p->control);
	if (!pool_is_stopping(p))
		pool_post(&p->work, call_threads(p, key));
	/* Those that leave just now keep it to their end. */
	join_gone(p);
	pthread_mutex_lock(&p->lock);
	while (p->forgetting > 0)
		pthread_cond_wait(&p->has_forgotten, &p->lock);
	pthread_mutex_unlock(&p->lock);
	pthread_mutex_unlock(&p->control);
}
