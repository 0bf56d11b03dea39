/*
 * A request's body in memory and in a file; see spool.h.
 */
#include "plan/spool.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/env.h"
#include "plan/spool_job.h"

#include <unistd.h>

enum {
	PIECE_BYTES = 64 << 10, /* that are read at once */
	FEED_BYTES_MAX = 16 << 20, /* most that one put can bring beyond the buffer */
};

/* --- jobs ------------------------------------------------------------------------------ */

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
reserve(struct spool_job *j, struct env *env, enum gate_class priority, bool is_underway,
	struct pool_refusal *refusal)
{
	struct gate_ask ask = {
		.priority = is_underway ? CLASS_CRITICAL : priority,
		.is_underway = is_underway,
		.now_ns = loop_now(&env->loop),
		.deadline_ns = CLOCK_NEVER,
	};

	j->job.priority = ask.priority;
	j->job.expected_ns = pool_ask_more(j->pool, &ask, NULL, 0, CLOCK_NEVER);
	return pool_reserve(j->pool, &ask, random_next(&env->random), refusal);
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

static struct spool_job *
make_job(struct lease *lease, const struct spool_conf *conf, int fd)
{
	struct spool_job *j = mem_zalloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->lease = lease;
	lease_take(lease);
	j->pool = conf->pool;
	j->dir = conf->dir;
	j->fd = fd;
	return j;
}

static void
on_discarded(struct job *job, void *receiver)
{
	(void)receiver;
	free_job(CONTAINER_OF(job, struct spool_job, job));
}

/* Closes the file, with which it is gone; without a place in the pool here and now. */
static void
discard(struct spool *s)
{
	struct spool_job *j = make_job(s->lease, s->conf, s->fd);
	struct pool_refusal refusal;

	if (!j)
		close(s->fd);
	else if (reserve(j, s->env, CLASS_NORMAL, true, &refusal) != 0)
		free_job(j);
	else
		submit(j, spool_job_discard, on_discarded);
	s->fd = -1;
}

static void
count_error(struct spool *s, int err)
{
	enum counter c = err == ERR_FULL ? COUNTER_SPOOL_FULL : COUNTER_SPOOL_FAILED;

	if (err && err != ERR_SHUTDOWN)
		count_add(s->env->counters, c, 1);
}

static void
on_home(struct job *job, void *receiver)
{
	struct spool_job *j = CONTAINER_OF(job, struct spool_job, job);
	struct spool *s = j->spool;
	int err = job->outcome;

	(void)receiver;
	if (!s) {
		free_job(j);
		return;
	}
	s->job = NULL;
	s->fd = j->fd;
	j->fd = -1;
	s->refusal = job->refusal;
	if (!err && job->run == spool_job_read) {
		s->piece = slice_make(j->memory, j->len);
		j->memory = NULL;
	} else if (!err) {
		s->written += j->len;
	}
	free_job(j);
	count_error(s, err);
	s->ready(s, err);
}

/* Sends memory to be written or filled; takes it. */
static int
send(struct spool *s, int (*run)(struct job *, struct pool_thread *), char *memory, size_t len,
     uint64_t offset)
{
	struct spool_job *j = make_job(s->lease, s->conf, s->fd);
	int err = ERR_MEMORY;

	if (j) {
		j->memory = memory;
		j->len = len;
		j->offset = offset;
		err = reserve(j, s->env, s->priority, s->written > 0, &s->refusal);
	}
	if (err) {
		if (j) {
			j->fd = -1; /* the spool's still */
			free_job(j);
		} else {
			mem_free(&memory);
		}
		return err;
	}
	s->fd = -1;
	j->spool = s;
	s->job = j;
	submit(j, run, on_home);
	return ERR_BUSY;
}

/* --- the spool -------------------------------------------------------------------------- */

void
spool_open(struct spool *s)
{
	s->fd = -1;
	buffer_init(&s->tail, s->conf->buffer + FEED_BYTES_MAX);
}

int
spool_put(struct spool *s, struct chunks *list)
{
	char *memory;
	size_t len;
	int err;

	ASSERT(!s->job);
	for (const struct chunk *c = list->head; c; c = c->next)
		buffer_put(&s->tail, slice_make(c->at, c->len));
	s->bytes += list->bytes;
	chunks_clear(list);
	if (s->tail.err)
		return s->tail.err;
	if (s->tail.len <= s->conf->buffer)
		return 0;
	if (s->written == 0)
		count_add(s->env->counters, COUNTER_SPOOLED, 1);
	memory = buffer_take(&s->tail, &len);
	err = send(s, spool_job_write, memory, len, s->written);
	if (err == ERR_SHED)
		count_add(s->env->counters, COUNTER_SPOOL_REFUSED, 1);
	return err;
}

/* What is in the file comes first; then the rest, from memory. */
int
spool_take(struct spool *s, struct chunks *list, bool *is_last)
{
	uint64_t left = s->written - s->taken;
	size_t len = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
	struct slice piece = s->piece;
	char *memory;

	ASSERT(!s->job);
	if (piece.at || left == 0) {
		if (!piece.at)
			piece.at = buffer_take(&s->tail, &piece.len);
		s->piece = slice_make(NULL, 0);
		s->taken += piece.len;
		*is_last = s->taken == s->bytes;
		return chunks_add_heap(list, (void *)(uintptr_t)piece.at, piece);
	}
	memory = mem_alloc(len);
	return memory ? send(s, spool_job_read, memory, len, s->taken) : ERR_MEMORY;
}

void
spool_close(struct spool *s)
{
	char *piece = (char *)(uintptr_t)s->piece.at;

	if (s->job) {
		s->job->spool = NULL;
		job_abandon(&s->job->job);
		s->job = NULL;
	}
	mem_free(&piece);
	s->piece = slice_make(NULL, 0);
	buffer_fini(&s->tail);
	if (s->fd >= 0)
		discard(s);
}
