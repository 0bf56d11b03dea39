/*
 * The threads of a pool: how many there are, and what each does next.
 *
 *   resize --> place[i] --start--> thread_init --ready--> wait for `go`
 *                                                            |
 *      .-------------------------- sleep on `work` <---------'
 *      v                                ^
 *   lock, choose, unlock: run a job ----+      too many: end the locals, leave;
 *                         forget a key -'      place[i] is joined when it is taken again
 *
 * Posts of `work` are at least the jobs that wait, the threads that are to
 * leave and those that are called to forget, less the threads that are awake
 * and have not chosen yet. Each choice uses up one of them, so nothing is left
 * lying while all sleep; a post too many wakes a thread that finds nothing.
 * Whoever takes a job out of the queue unrun takes a post back under the same lock.
 */
#include "base/assert.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/writer.h"
#include "thread/pool_priv.h"

#include <errno.h>

enum task { TASK_NONE, TASK_RUN, TASK_FORGET, TASK_LEAVE };

static void
wait_for(sem_t *s)
{
	while (sem_wait(s) != 0)
		ASSERT(errno == EINTR);
}

/* --- on the thread ------------------------------------------------------------------- */

/* The lock is held. */
static enum task
choose_task(struct pool_thread *t, struct job **j)
{
	struct pool *p = t->pool;

	if (pool_has_to_forget(t))
		return TASK_FORGET;
	if (pool_is_stopping(p) || p->alive > pool_threads(p)) {
		p->alive--;
		atomic_store_explicit(&t->is_gone, true, memory_order_relaxed);
		return TASK_LEAVE;
	}
	*j = pool_take_job(p);
	if (*j) {
		atomic_store_explicit(&t->is_busy, true, memory_order_relaxed);
		return TASK_RUN;
	}
	if (p->called > 0)
		pool_step_aside(t);
	return TASK_NONE;
}

static enum task
await_task(struct pool_thread *t, struct job **j)
{
	struct pool *p = t->pool;
	enum task task;

	wait_for(&p->work);
	pthread_mutex_lock(&p->lock);
	task = choose_task(t, j);
	pthread_mutex_unlock(&p->lock);
	return task;
}

/* Either this thread sees that there is something to forget, or whoever asks
 * for it sees that this thread is not busy, and calls it: both stores come
 * before both loads. */
static void
run(struct pool_thread *t, struct job *j)
{
	bool was_lost;

	pool_run_job(t, j);
	pthread_mutex_lock(&t->look);
	was_lost = t->is_told;
	t->is_told = false;
	pthread_mutex_unlock(&t->look);
	if (was_lost)
		pool_return(t);
	atomic_store_explicit(&t->is_busy, false, memory_order_seq_cst);
	if (pool_has_to_forget(t))
		pool_forget(t);
}

static void
serve(struct pool_thread *t)
{
	struct job *j = NULL;
	enum task task;

	do {
		task = await_task(t, &j);
		if (task == TASK_RUN)
			run(t, j);
		else if (task == TASK_FORGET)
			pool_forget(t);
	} while (task != TASK_LEAVE);
}

static void
enter(void *argument)
{
	struct pool_thread *t = argument;
	const struct pool_options *o = &t->pool->options;

	t->init_outcome = o->thread_init ? o->thread_init(t, o->argument) : 0;
	sem_post(&t->pool->ready);
	wait_for(&t->go);
	if (!t->is_dismissed)
		serve(t);
	pool_end_locals(t);
	if (o->thread_fini && t->init_outcome == 0)
		o->thread_fini(t, o->argument);
}

/* --- places -------------------------------------------------------------------------- */

static struct pool_thread *
add_place(struct pool *p)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_relaxed);
	struct pool_thread *t;

	if (places == POOL_THREADS_MAX)
		return NULL;
	t = mem_zalloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->pool = p;
	t->index = places;
	sem_init(&t->go, 0, 0);
	pthread_mutex_init(&t->look, NULL);
	atomic_init(&t->is_gone, true);
	atomic_store_explicit(&p->place[places], t, memory_order_relaxed);
	atomic_store_explicit(&p->places, places + 1, memory_order_release);
	return t;
}

/* A place that nobody holds, its last holder joined: he may still be ending what he keeps. */
static struct pool_thread *
take_place(struct pool *p)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_relaxed);

	for (unsigned i = 0; i < places; i++) {
		struct pool_thread *t = pool_thread_at(p, i);
		if (!atomic_load_explicit(&t->is_gone, memory_order_relaxed))
			continue;
		thread_join(&t->thread);
		return t;
	}
	return add_place(p);
}

/* --- more and fewer -------------------------------------------------------------------- */

static void
name_thread(struct pool_thread *t)
{
	struct writer w = writer_over(t->thread.name, sizeof(t->thread.name) - 1);

	/* The number must be seen, whatever the kernel's 15 bytes cut off. */
	writer_format(&w, "%.*s/%u", t->index < 1000 ? 11 : 10, t->pool->name, t->index);
}

static int
start_thread(struct pool *p, struct pool_thread **list)
{
	struct pool_thread *t = take_place(p);
	int err;

	if (!t)
		return ERR_MEMORY;
	t->state = NULL;
	t->is_dismissed = false;
	t->thread = (struct thread){
		.role = THREAD_POOL,
		.nice = p->options.nice,
		.batch = true,
		.cpus = pool_cpus(p),
		.run = enter,
		.argument = t,
	};
	name_thread(t);
	err = thread_start(&t->thread);
	if (err)
		return err;
	atomic_store_explicit(&t->is_gone, false, memory_order_relaxed);
	t->next_new = *list;
	*list = t;
	return 0;
}

/* Ends those that started with one that could not. */
static void
dismiss(struct pool_thread *list)
{
	for (struct pool_thread *t = list; t; t = t->next_new) {
		t->is_dismissed = true;
		sem_post(&t->go);
	}
	for (struct pool_thread *t = list; t; t = t->next_new) {
		thread_join(&t->thread);
		atomic_store_explicit(&t->is_gone, true, memory_order_relaxed);
	}
}

/* One that was lost may have come back meanwhile, and its post have found as many as there should
 * be: so there is another for each that is too many now. */
static void
welcome(struct pool *p, struct pool_thread *list, unsigned count, unsigned wanted)
{
	unsigned surplus;

	pthread_mutex_lock(&p->lock);
	p->alive += count;
	surplus = p->alive > wanted ? p->alive - wanted : 0;
	atomic_store_explicit(&p->gate.threads, wanted, memory_order_relaxed);
	pthread_mutex_unlock(&p->lock);
	pool_post(&p->work, surplus);
	for (struct pool_thread *t = list, *next; t; t = next) {
		next = t->next_new;
		sem_post(&t->go);
	}
}

static int
add_threads(struct pool *p, unsigned count, unsigned wanted)
{
	struct pool_thread *list = NULL;
	unsigned started = 0;
	int err = 0;

	while (started < count && !err) {
		err = start_thread(p, &list);
		started += err == 0;
	}
	for (unsigned i = 0; i < started; i++)
		wait_for(&p->ready);
	for (struct pool_thread *t = list; t && !err; t = t->next_new)
		err = t->init_outcome;
	if (err)
		dismiss(list);
	else
		welcome(p, list, count, wanted);
	return err;
}

int
pool_add_thread(struct pool *p)
{
	return add_threads(p, 1, pool_threads(p));
}

/* Those that were to leave and have not yet may stay, up to `wanted`. How many are missing then. */
static unsigned
keep_leavers(struct pool *p, unsigned wanted)
{
	unsigned keep, missing;

	pthread_mutex_lock(&p->lock);
	keep = p->alive < wanted ? p->alive : wanted;
	missing = wanted - keep;
	if (keep > pool_threads(p))
		atomic_store_explicit(&p->gate.threads, keep, memory_order_relaxed);
	pthread_mutex_unlock(&p->lock);
	return missing;
}

static void
let_leave(struct pool *p, unsigned wanted)
{
	unsigned before;

	pthread_mutex_lock(&p->lock);
	before = pool_threads(p);
	atomic_store_explicit(&p->gate.threads, wanted, memory_order_relaxed);
	pthread_mutex_unlock(&p->lock);
	pool_post(&p->work, before > wanted ? before - wanted : 0);
}

int
pool_set_threads(struct pool *p, unsigned wanted)
{
	unsigned before = pool_threads(p);
	unsigned missing = keep_leavers(p, wanted);
	int err = missing > 0 ? add_threads(p, missing, wanted) : 0;

	let_leave(p, err ? before : wanted);
	return err;
}

/* --- where they run ---------------------------------------------------------------------- */

void
pool_set_cpus(struct pool *p, const struct cpus *c)
{
	for (unsigned i = 0; i < CPUS_WORDS; i++)
		atomic_store_explicit(&p->cpus[i], c->word[i], memory_order_relaxed);
}

struct cpus
pool_cpus(const struct pool *p)
{
	struct cpus c;

	for (unsigned i = 0; i < CPUS_WORDS; i++)
		c.word[i] = atomic_load_explicit(&p->cpus[i], memory_order_relaxed);
	return c;
}

/* Who is not gone under the lock has not ended, and can be named to the kernel. */
void
pool_move_threads(struct pool *p)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_relaxed);
	struct cpus c = pool_cpus(p);

	for (unsigned i = 0; i < places; i++) {
		struct pool_thread *t = pool_thread_at(p, i);

		pthread_mutex_lock(&p->lock);
		if (!atomic_load_explicit(&t->is_gone, memory_order_relaxed))
			thread_set_cpus(&t->thread, &c);
		pthread_mutex_unlock(&p->lock);
	}
}

/* Who is not gone has come to its run(): it was waited for. */
void
pool_tell_priority(struct pool *p)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_acquire);
	char who[POOL_NAME_BYTES + 32];
	struct writer w = writer_over(who, sizeof(who) - 1);

	writer_format(&w, "threads of pool %s", p->name);
	who[w.len] = '\0';
	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < places; i++) {
		const struct pool_thread *t = pool_thread_at(p, i);
		if (atomic_load_explicit(&t->is_gone, memory_order_relaxed))
			continue;
		thread_tell_priority(&t->thread, who);
		break;
	}
	pthread_mutex_unlock(&p->lock);
}

/* --- all of them ------------------------------------------------------------------------ */

/* So that the log has the name of what is waited for. */
static void
tell_of_lost(struct pool *p)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_relaxed);

	for (unsigned i = 0; i < places; i++) {
		const struct pool_thread *t = pool_thread_at(p, i);
		bool is_lost;

		pthread_mutex_lock(&p->lock);
		is_lost = t->is_lost;
		pthread_mutex_unlock(&p->lock);
		if (is_lost)
			log_warning("pool %s: thread %s has not come back from the job that it is "
				    "lost in",
				    p->name, t->thread.name);
	}
}

void
pool_stop_threads(struct pool *p)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_relaxed);

	atomic_store_explicit(&p->is_stopping, true, memory_order_release);
	pool_post(&p->work, places);
	tell_of_lost(p);
	for (unsigned i = 0; i < places; i++)
		thread_join(&pool_thread_at(p, i)->thread);
}

void
pool_free_threads(struct pool *p)
{
	unsigned places = atomic_load_explicit(&p->places, memory_order_relaxed);

	for (unsigned i = 0; i < places; i++) {
		struct pool_thread *t = pool_thread_at(p, i);
		sem_destroy(&t->go);
		pthread_mutex_destroy(&t->look);
		mem_free(&t);
	}
}
