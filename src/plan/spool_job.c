/*
 * Writing, reading and giving up the file of a spool; see spool_job.h.
 */
#include "plan/spool_job.h"

#include "base/err.h"
#include "base/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static struct spool_job *
job_of(struct job *job)
{
	return CONTAINER_OF(job, struct spool_job, job);
}

/* Where the file system knows no files without a name: one whose name is taken away at once. */
static int
open_named(const char *dir)
{
	char path[PATH_MAX];
	struct writer w = writer_over(path, sizeof(path) - 1);
	int fd;

	writer_text(&w, dir);
	writer_text(&w, "/forebay.XXXXXX");
	if (w.is_full)
		return -1;
	path[w.len] = '\0';
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int
open_file(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
		fd = open_named(dir);
	return fd;
}

static int
explain(struct spool_job *j)
{
	j->failure = errno;
	switch (j->failure) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_FULL;
	default:
		return ERR_FAILED;
	}
}

/* Nobody waits for it: the file is given up here, and not by a worker. */
static int
give_up(struct spool_job *j)
{
	close(j->fd);
	j->fd = -1;
	return ERR_CANCELLED;
}

int
spool_job_write(struct job *job, struct pool_thread *t)
{
	struct spool_job *j = job_of(job);
	size_t at = 0;

	(void)t;
	if (j->fd < 0)
		j->fd = open_file(j->dir);
	if (j->fd < 0)
		return explain(j);
	while (at < j->len) {
		ssize_t n;

		if (job_is_cancelled(job))
			return give_up(j);
		n = pwrite(j->fd, j->memory + at, j->len - at, (off_t)(j->offset + at));
		if (n < 0 && errno != EINTR)
			return explain(j);
		at += n > 0 ? (size_t)n : 0;
	}
	return job_is_cancelled(job) ? give_up(j) : 0;
}

int
spool_job_read(struct job *job, struct pool_thread *t)
{
	struct spool_job *j = job_of(job);
	size_t at = 0;

	(void)t;
	while (at < j->len) {
		ssize_t n;

		if (job_is_cancelled(job))
			return give_up(j);
		n = pread(j->fd, j->memory + at, j->len - at, (off_t)(j->offset + at));
		if (n == 0) /* somebody has cut it */
			return ERR_FAILED;
		if (n < 0 && errno != EINTR)
			return explain(j);
		at += n > 0 ? (size_t)n : 0;
	}
	return job_is_cancelled(job) ? give_up(j) : 0;
}

int
spool_job_discard(struct job *job, struct pool_thread *t)
{
	struct spool_job *j = job_of(job);

	(void)t;
	close(j->fd);
	j->fd = -1;
	return 0;
}
