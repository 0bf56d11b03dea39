/*
 * The parts of a spool that may wait for a disk, as jobs of the pool
 * `blocking`. A job owns the descriptor and the memory that it works with.
 * Made, sent and freed on the worker; run on a thread of the pool. One is made for
 * a file's first write and serves it to its end.
 */
#ifndef FOREBAY_PLAN_SPOOL_JOB_H
#define FOREBAY_PLAN_SPOOL_JOB_H

#include "net/lease.h"
#include "thread/pool.h"

struct spool_file;

struct spool_job {
	struct job job;
	struct spool_file *file; /* borrowed; NULL: nobody waits for it any more */
	struct lease *lease; /* keeps `dir` and the pool; taken while it is at the pool */
	struct pool *pool;
	const char *dir; /* of a site */
	int fd; /* owned; -1: a write opens one, or the file has it */
	uint64_t offset;
	char *memory; /* owned */
	size_t len;
	int failure; /* errno of what failed */
};

/* For job.run. 0; ERR_FULL: the disk is; ERR_FAILED; ERR_CANCELLED. */
int spool_job_write(struct job *j, struct pool_thread *t);
int spool_job_read(struct job *j, struct pool_thread *t);
/* Closes the descriptor, with which the file is gone. */
int spool_job_discard(struct job *j, struct pool_thread *t);

#endif
