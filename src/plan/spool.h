/*
 * A spool: one request's body, kept until a source may have it. What is above
 * the buffer goes to a file without a name, by jobs of the pool `blocking`: a
 * worker never waits for a disk, and a slow upload costs no memory beyond the
 * buffer. On the worker that owns the exchange.
 *
 *   spool_put, put, ...    --write jobs-->  file, and a tail in memory
 *   spool_take, take, ...  <--read jobs---  the same bytes, piece by piece
 *
 * One call at a time: after ERR_BUSY the next one waits for ready(). Whatever
 * is under way when it is closed comes home later and leaves nothing behind;
 * giving back the blocks of a large file may take a disk's time, so that is a job, too.
 */
#ifndef FOREBAY_PLAN_SPOOL_H
#define FOREBAY_PLAN_SPOOL_H

#include "base/buffer.h"
#include "base/chunk.h"
#include "net/lease.h"
#include "thread/pool.h"

struct spool_job;

/* Of a site. */
struct spool_conf {
	struct pool *pool; /* borrowed */
	const char *dir; /* where the files are */
	size_t buffer; /* bytes in memory */
};

struct spool {
	const struct spool_conf *conf;
	struct env *env;
	struct lease *lease;
	enum gate_class priority; /* of the route */
	/* What was ERR_BUSY is done: of a put, the next may come; of a take, it is to be repeated.
	 * From the worker's loop. */
	void (*ready)(struct spool *s, int err);
	void *owner;
	struct pool_refusal refusal; /* after ERR_SHED */
	/* Private. */
	struct buffer tail; /* what is not in the file */
	uint64_t bytes; /* all that was put: may be read */
	uint64_t written, taken; /* to the file; from the front */
	int fd; /* -1: none, or a job has it */
	struct spool_job *job; /* at the pool */
	struct slice piece; /* read, and not taken: owned */
};

/* With conf, env, lease, priority, ready and owner set. */
void spool_open(struct spool *s);
/* Takes the list. 0; ERR_BUSY; ERR_MEMORY; ERR_SHED. ready() also says: ERR_FULL, the disk is;
 * ERR_FAILED. */
int spool_put(struct spool *s, struct chunks *list) MUST_CHECK;
/* After the last put: the next piece, added to the list. Errors as above. */
int spool_take(struct spool *s, struct chunks *list, bool *is_last) MUST_CHECK;
/* Idempotent. ready() is not called any more. */
void spool_close(struct spool *s);

#endif
