/*
 * A file without a name that keeps bytes of a body, and the one job of the pool
 * `blocking` that is at it: who owns it never waits for a disk. On the worker
 * that owns the exchange.
 *
 *   spool_file_write, spool_file_read --job--> pool --home--> done()
 *
 * One call at a time: after ERR_BUSY the next one waits for done(). Whatever is
 * under way when it is closed comes home later and leaves nothing behind. Giving
 * back the blocks of a large file may take a disk's time, so that is a job, too, which
 * is neither refused nor in want of memory: it is made with the first write. What comes
 * home with the file to nobody is sent back to close it.
 */
#ifndef FOREBAY_PLAN_SPOOL_FILE_H
#define FOREBAY_PLAN_SPOOL_FILE_H

#include "base/err.h"
#include "net/lease.h"
#include "thread/pool.h"

struct spool_job;

/* Of a site. */
struct spool_conf {
	struct pool *pool; /* borrowed */
	const char *dir; /* where the files are */
	size_t buffer; /* bytes of a request's body in memory */
};

struct spool_file {
	const struct spool_conf *conf;
	struct env *env;
	struct lease *lease;
	enum gate_class priority; /* of the route; until something is in the file */
	/* What was ERR_BUSY is done. The memory is what was to be written, whatever came of that,
	 * or what was read, else NULL; it is the callee's. From the worker's loop. */
	void (*done)(struct spool_file *f, int err, char *memory, size_t len);
	struct pool_refusal refusal; /* after ERR_SHED */
	int failure; /* errno, after ERR_FULL and ERR_FAILED */
	/* Private. */
	int fd; /* -1: none, or a job has it */
	bool is_begun; /* something is in it */
	struct spool_job *job; /* at the pool */
	struct spool_job *spare; /* owned: the same when it is not; NULL: nothing was written */
};

/* With conf, env, lease, priority and done set. */
static inline void
spool_file_open(struct spool_file *f)
{
	f->fd = -1;
}

/* ERR_BUSY: the memory is taken. ERR_MEMORY, ERR_SHED: it is still the caller's. done() also says:
 * ERR_FULL, the disk is; ERR_FAILED. */
int spool_file_write(struct spool_file *f, char *memory, size_t len, uint64_t offset) MUST_CHECK;
/* The same; all of it must have been written. */
int spool_file_read(struct spool_file *f, size_t len, uint64_t offset) MUST_CHECK;
/* Idempotent. done() is not called any more. */
void spool_file_close(struct spool_file *f);

#endif
