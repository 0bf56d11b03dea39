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
 * is under way when it is closed comes home later and leaves nothing behind.
 */
#ifndef FOREBAY_PLAN_SPOOL_H
#define FOREBAY_PLAN_SPOOL_H

#include "base/buffer.h"
#include "base/chunk.h"
#include "plan/spool_file.h"

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
	struct spool_file file;
	bool is_reading; /* the puts are over */
	struct slice piece; /* read, and not taken: owned */
};

/* With conf, env, lease, priority, ready and owner set. */
void spool_open(struct spool *s);
/* Takes the list. 0; ERR_BUSY; ERR_MEMORY; ERR_SHED. ready() also says: ERR_FULL, the disk is;
 * ERR_FAILED. */
int spool_put(struct spool *s, struct chunks *list) MUST_CHECK;
/* After the last put: the next piece, added to the list. Errors as above. */
int spool_take(struct spool *s, struct chunks *list, bool *is_last) MUST_CHECK;
/* A put or a take is under way. */
static inline bool
spool_is_busy(const struct spool *s)
{
	return s->file.job != NULL;
}
/* Idempotent. ready() is not called any more. */
void spool_close(struct spool *s);

#endif
