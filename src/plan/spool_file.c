/*
 * The worker's side of a file of a spool; see spool_file.h.
 */
#include "plan/spool_file.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/env.h"
#include "plan/spool_job.h"

#include <unistd.h>

static void
free_job(struct spool_job *j)
{
	if (j->fd >= 0)
		close(j->fd);
	mem_free(&j->memory);
	mem_free(&j);
}

/* --- at the pool ------------------------------------------------------------------------ */

static int
reserve(struct spool_job *j, struct gate_ask *ask, struct pool_refusal *refusal)
{
	struct env *env = j->lease->env;

	ask->now_ns = loop_now(&env->loop);
	ask->deadline_ns = CLOCK_NEVER;
	j->job = (struct job){ .priority = ask->priority };
	j->job.expected_ns = pool_ask_more(j->pool, ask, NULL, 0, CLOCK_NEVER);
	return pool_reserve(j->pool, ask, random_next(&env->random), refusal);
}

static void
submit(struct spool_job *j, int (*run)(struct job *, struct pool_thread *),
       void (*home)(struct job *, void *))
{
	j->job.home = &j->lease->env->loop.mailbox;
	j->job.deadline_ns = CLOCK_NEVER;
	j->job.run = run;
	j->job.on_home = home;
	lease_take(j->lease);
	pool_submit(j->pool, &j->job);
}

static void
on_discarded(struct job *job, void *receiver)
{
	struct spool_job *j = CONTAINER_OF(job, struct spool_job, job);
	struct lease *lease = j->lease;

	(void)receiver;
	free_job(j);
	lease_give(lease);
}

/* Nobody waits for it any more: the file, with which it is gone, is closed on a thread, however
 * full the pool is. There is one such job for each file that was let in. */
static void
discard(struct spool_job *j)
{
	struct gate_ask ask = { .priority = CLASS_CRITICAL,
				.is_underway = true,
				.is_giving_back = true };
	struct pool_refusal refusal;
	int err;

	j->file = NULL;
	mem_free(&j->memory);
	if (j->fd < 0) {
		free_job(j);
		return;
	}
	err = reserve(j, &ask, &refusal);
	ASSERT(!err);
	submit(j, spool_job_discard, on_discarded);
}

static void
on_home(struct job *job, void *receiver)
{
	struct spool_job *j = CONTAINER_OF(job, struct spool_job, job);
	struct spool_file *f = j->file;
	struct lease *lease = j->lease;
	int err = job->outcome;
	char *memory = err && job->run == spool_job_read ? NULL : j->memory;

	(void)receiver;
	if (!f) {
		discard(j);
		lease_give(lease);
		return;
	}
	f->job = NULL;
	f->spare = j;
	f->fd = j->fd;
	j->fd = -1;
	f->refusal = job->refusal;
	f->failure = j->failure;
	f->is_begun |= !err;
	if (memory)
		j->memory = NULL;
	else
		mem_free(&j->memory);
	lease_give(lease);
	f->done(f, err, memory, j->len);
}

/* --- the file --------------------------------------------------------------------------- */

static struct spool_job *
job_new(const struct spool_file *f)
{
	struct spool_job *j = mem_zalloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->lease = f->lease;
	j->pool = f->conf->pool;
	j->dir = f->conf->dir;
	j->fd = -1;
	return j;
}

/* A place in the pool. What has begun comes before what has not. */
static int
find_place(struct spool_file *f)
{
	struct gate_ask ask = { .priority = f->is_begun ? CLASS_CRITICAL : f->priority,
				.is_underway = f->is_begun };

	ASSERT(!f->job);
	if (!f->spare)
		f->spare = job_new(f);
	return f->spare ? reserve(f->spare, &ask, &f->refusal) : ERR_MEMORY;
}

static int
send(struct spool_file *f, int (*run)(struct job *, struct pool_thread *), char *memory, size_t len,
     uint64_t offset)
{
	int err = find_place(f);
	struct spool_job *j = f->spare;

	if (err)
		return err;
	f->spare = NULL;
	f->job = j;
	j->file = f;
	j->fd = f->fd;
	f->fd = -1;
	j->memory = memory;
	j->len = len;
	j->offset = offset;
	j->failure = 0;
	submit(j, run, on_home);
	return ERR_BUSY;
}

int
spool_file_write(struct spool_file *f, char *memory, size_t len, uint64_t offset)
{
	return send(f, spool_job_write, memory, len, offset);
}

int
spool_file_read(struct spool_file *f, size_t len, uint64_t offset)
{
	char *memory = mem_alloc(len);
	int err = memory ? send(f, spool_job_read, memory, len, offset) : ERR_MEMORY;

	if (err != ERR_BUSY)
		mem_free(&memory);
	return err;
}

void
spool_file_close(struct spool_file *f)
{
	if (f->job) {
		f->job->file = NULL;
		job_abandon(&f->job->job);
		f->job = NULL;
	}
	if (f->spare) {
		f->spare->fd = f->fd;
		f->fd = -1;
		discard(f->spare);
		f->spare = NULL;
	}
}
