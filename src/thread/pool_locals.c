/*
 * Locals: what the threads of a pool keep for kinds of jobs, and how those that
 * keep something under a key are brought to forget it.
 *
 * A state is ended by the thread that made it, and is in its list until then, so
 * that whoever waits sees under the pool's lock who still has one. A thread that
 * sleeps must be woken, and cannot be told from the others: so each that is called
 * gets a post, and one that takes another's post puts it back and steps aside
 * until all have come. A thread that runs a job is not called: it looks when it
 * is done. One that is lost in its job is not waited for.
 */
#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "thread/pool_priv.h"

/* What a thread keeps under a key. The list is changed by the thread alone, under the lock: it may
 * read it without, others with it. */
struct pool_local {
	struct pool_local *next; /* kept before it */
	const void *key;
	void *state;
	void (*fini)(void *state);
	bool is_unwanted; /* under the lock: to be forgotten */
};

/* --- keeping ------------------------------------------------------------------------ */

static struct pool_local *
find_local(const struct pool_thread *t, const void *key)
{
	struct pool_local *l = t->locals;

	while (l && l->key != key)
		l = l->next;
	return l;
}

static void
unlink_local(struct pool_thread *t, const struct pool_local *l)
{
	struct pool_local **at = &t->locals;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
}

/* It is seen until it has ended. */
static void
end_local(struct pool_thread *t, struct pool_local *l)
{
	struct pool *p = t->pool;

	l->fini(l->state);
	pthread_mutex_lock(&p->lock);
	unlink_local(t, l);
	if (l->is_unwanted)
		pthread_cond_broadcast(&p->has_forgotten);
	pthread_mutex_unlock(&p->lock);
	mem_free(&l);
}

void *
pool_local(struct pool_thread *t, const void *key)
{
	const struct pool_local *l = find_local(t, key);

	return l ? l->state : NULL;
}

int
pool_keep_local(struct pool_thread *t, const void *key, void *state, void (*fini)(void *state))
{
	struct pool_local *l = mem_alloc(sizeof(*l));

	ASSERT(!find_local(t, key));
	if (!l)
		return ERR_MEMORY;
	*l = (struct pool_local){ t->locals, key, state, fini, false };
	pthread_mutex_lock(&t->pool->lock);
	t->locals = l;
	pthread_mutex_unlock(&t->pool->lock);
	return 0;
}

void
pool_end_locals(struct pool_thread *t)
{
	while (t->locals)
		end_local(t, t->locals);
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

/* The lock is held. */
static struct pool_local *
find_unwanted(const struct pool_thread *t)
{
	struct pool_local *l = t->locals;

	while (l && !l->is_unwanted)
		l = l->next;
	return l;
}

/* Who is called again meanwhile has come already, and its post is one too many. */
void
pool_forget(struct pool_thread *t)
{
	struct pool *p = t->pool;
	struct pool_local *l;

	do {
		pthread_mutex_lock(&p->lock);
		note_coming(t);
		l = find_unwanted(t);
		if (!l)
			atomic_store_explicit(&t->must_forget, false, memory_order_relaxed);
		pthread_mutex_unlock(&p->lock);
		if (l)
			end_local(t, l);
	} while (l);
}

bool
pool_has_to_forget(const struct pool_thread *t)
{
	return atomic_load_explicit(&t->must_forget, memory_order_seq_cst);
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

/* The lock is held. Whether it needs a post. One that leaves ends all that it keeps anyway. */
static bool
call_thread(struct pool_thread *t)
{
	if (atomic_load_explicit(&t->is_gone, memory_order_relaxed))
		return false;
	atomic_store_explicit(&t->must_forget, true, memory_order_seq_cst);
	if (t->is_called || atomic_load_explicit(&t->is_busy, memory_order_seq_cst))
		return false;
	t->is_called = true;
	t->pool->called++;
	return true;
}

/* The lock is held. How many posts that takes. */
static unsigned
call_holders(struct pool *p, const void *key)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_acquire), posts = 0;

	for (unsigned i = 0; i < places; i++) {
		struct pool_thread *t = pool_thread_at(p, i);
		struct pool_local *l = find_local(t, key);

		if (!l)
			continue;
		l->is_unwanted = true;
		posts += call_thread(t);
	}
	return posts;
}

/* The lock is held. */
static unsigned
count_holders(const struct pool *p, const void *key, bool are_lost)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_acquire), count = 0;

	for (unsigned i = 0; i < places; i++) {
		const struct pool_thread *t = pool_thread_at(p, i);

		count += t->is_lost == are_lost && find_local(t, key);
	}
	return count;
}

unsigned
pool_forget_local(struct pool *p, const void *key)
{
	unsigned lost;

	pthread_mutex_lock(&p->lock);
	pool_post(&p->work, call_holders(p, key));
	while (count_holders(p, key, false) > 0)
		pthread_cond_wait(&p->has_forgotten, &p->lock);
	lost = count_holders(p, key, true);
	pthread_mutex_unlock(&p->lock);
	return lost;
}
