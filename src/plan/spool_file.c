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
	lease_give(j->lease);
	mem_free(&j);
}

/* A place in the pool. What has begun comes before what has not. */
static int
reserve(struct spool_job *j, struct spool_file *f, bool is_underway)
{
	struct gate_ask ask = {
		.priority = is_underway ? CLASS_CRITICAL : f->priority,
		.is_underway = is_underway,
		.now_ns = loop_now(&f->env->loop),
		.deadline_ns = CLOCK_NEVER,
	};

	j->job.priority = ask.priority;
	j->job.expected_ns = pool_ask_more(j->pool, &ask, NULL, 0, CLOCK_NEVER);
	return pool_reserve(j->pool, &ask, random_next(&f->env->random), &f->refusal);
}

static void
submit(struct spool_job *j, int (*run)(struct job *, struct pool_thread *),
       void (*home)(struct job *, void *))
{
	j->job.home = &j->lease->env->loop.mailbox;
	j->job.deadline_ns = CLOCK_NEVER;
	j->job.run = run;
	j->job.on_home = home;
	pool_submit(j->pool, &j->job);
}

/* A job with the file; it has a place, or there is none and the file is where it was. */
static struct spool_job *
make_job(struct spool_file *f, bool is_underway, int *err)
{
	struct spool_job *j = mem_zalloc(1, sizeof(*j));

	*err = ERR_MEMORY;
	if (!j)
		return NULL;
	j->lease = f->lease;
	lease_take(j->lease);
	j->pool = f->conf->pool;
	j->dir = f->conf->dir;
	j->fd = -1;
	*err = reserve(j, f, is_underway);
	if (*err) {
		free_job(j);
		return NULL;
	}
	j->fd = f->fd;
	f->fd = -1;
	return j;
}

static void
on_discarded(struct job *job, void *receiver)
{
	(void)receiver;
	free_job(CONTAINER_OF(job, struct spool_job, job));
}

static void
on_home(struct job *job, void *receiver)
{
	struct spool_job *j = CONTAINER_OF(job, struct spool_job, job);
	struct spool_file *f = j->file;
	int err = job->outcome;
	size_t len = j->len;
	char *memory;

	(void)receiver;
	if (!f) {
		free_job(j);
		return;
	}
	f->job = NULL;
	f->fd = j->fd;
	j->fd = -1;
	f->refusal = job->refusal;
	f->failure = j->failure;
	f->is_begun |= !err;
	memory = err && job->run == spool_job_read ? NULL : j->memory;
	if (memory)
		j->memory = NULL;
	free_job(j);
	f->done(f, err, memory, len);
}

static int
send(struct spool_file *f, int (*run)(struct job *, struct pool_thread *), char *memory, size_t len,
     uint64_t offset)
{
	struct spool_job *j;
	int err;

	ASSERT(!f->job);
	j = make_job(f, f->is_begun, &err);
	if (!j)
		return err;
	j->memory = memory;
	j->len = len;
	j->offset = offset;
	j->file = f;
	f->job = j;
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

/* Closes the file, with which it is gone; without a place in the pool here and now. */
static void
discard(struct spool_file *f)
{
	int err;
	struct spool_job *j = make_job(f, true, &err);

	if (j)
		submit(j, spool_job_discard, on_discarded);
	else
		close(f->fd);
	f->fd = -1;
}

void
spool_file_close(struct spool_file *f)
{
	if (f->job) {
		f->job->file = NULL;
		job_abandon(&f->job->job);
		f->job = NULL;
	}
	if (f->fd >= 0)
		discard(f);
}
