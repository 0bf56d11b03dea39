/*
 * Jobs that open and read files; see file_job.h.
 */
#include "source/file_job.h"

#include "base/mem.h"

#include <unistd.h>

/* Reads up to j->want bytes; fewer only at the end of the file. */
static int
read_piece(struct file_job *j, int fd, size_t want)
{
	if (want == 0)
		return 0;
	j->memory = mem_alloc(want);
	if (!j->memory)
		return ERR_MEMORY;
	while (j->got < want) {
		long n = job_is_cancelled(&j->job)
			     ? ERR_CANCELLED
			     : file_read(fd, j->memory + j->got, want - j->got, j->offset + j->got);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		j->got += (size_t)n;
	}
	return 0;
}

static int
run_open(struct job *job, struct pool_thread *t)
{
	struct file_job *j = CONTAINER_OF(job, struct file_job, job);

	(void)t;
	j->fd = file_open(j->root, j->name, &j->facts);
	if (j->fd < 0)
		return j->fd;
	return read_piece(j, j->fd, j->facts.size < j->want ? (size_t)j->facts.size : j->want);
}

static int
run_read(struct job *job, struct pool_thread *t)
{
	struct file_job *j = CONTAINER_OF(job, struct file_job, job);

	(void)t;
	return read_piece(j, j->file->fd, j->want);
}

struct file_job *
file_job_open(int root, struct slice name, size_t want)
{
	struct file_job *j = mem_zalloc(1, sizeof(*j) + name.len + 1);

	if (!j)
		return NULL;
	j->job.run = run_open;
	j->fd = -1;
	j->want = want;
	memcpy(j->name, name.at, name.len);
	j->root = root;
	return j;
}

struct file_job *
file_job_read(struct chunk_file *file, uint64_t offset, size_t want)
{
	struct file_job *j = mem_zalloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->job.run = run_read;
	j->root = j->fd = -1;
	j->file = file;
	file->refs++;
	j->offset = offset;
	j->want = want;
	return j;
}

void
file_job_release(struct file_job *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	if (j->file)
		chunk_file_unref(j->file);
	mem_free(&j->memory);
	if (j->lease)
		lease_give(j->lease);
	mem_free(&j);
}
