/*
 * Jobs that open and read files; see file_job.h.
 */
#include "source/file_job.h"

#include "base/mem.h"
#include "source/file_listing.h"

#include <unistd.h>

/* Reads up to j->want bytes; fewer only at the end of the file. */
static int
read_piece(struct file_job *j, int fd, size_t want)
{
	if (want == 0)
		return 0;
	j->found.content = mem_alloc(want);
	if (!j->found.content)
		return ERR_MEMORY;
	while (j->found.got < want) {
		long n = job_is_cancelled(&j->job)
			     ? ERR_CANCELLED
			     : file_read(fd, j->found.content + j->found.got, want - j->found.got,
					 j->offset + j->found.got);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		j->found.got += (size_t)n;
	}
	return 0;
}

static int
run_open(struct job *job, struct pool_thread *t)
{
	struct file_job *j = CONTAINER_OF(job, struct file_job, job);

	(void)t;
	j->found.fd = file_open(&j->root, j->name, &j->found.facts);
	if (j->found.fd < 0)
		return j->found.err = j->found.fd;
	if (j->found.facts.size > FILE_CONTENT_BYTES)
		return 0;
	return read_piece(j, j->found.fd, (size_t)j->found.facts.size);
}

static int
run_read(struct job *job, struct pool_thread *t)
{
	struct file_job *j = CONTAINER_OF(job, struct file_job, job);

	(void)t;
	return read_piece(j, j->file->fd, j->want);
}

struct file_job *
file_job_open(const struct file_root *root, struct slice name, enum coding coding)
{
	struct file_job *j = mem_zalloc(1, sizeof(*j) + name.len + 1);

	if (!j)
		return NULL;
	j->job.run = run_open;
	j->found.fd = -1;
	j->coding = coding;
	j->name_len = name.len;
	memcpy(j->name, name.at, name.len);
	j->root = *root;
	return j;
}

static int
run_list(struct job *job, struct pool_thread *t)
{
	struct file_job *j = CONTAINER_OF(job, struct file_job, job);
	struct file_listing l = { .root = &j->root,
				  .name = j->name,
				  .title = slice_of(j->title),
				  .is_json = j->is_json,
				  .has_hidden = j->has_hidden,
				  .job = job };
	struct buffer out;
	int err;

	(void)t;
	buffer_init(&out, LISTING_BYTES_MAX);
	err = file_listing_write(&l, &out);
	if (!err)
		j->found.content = buffer_take(&out, &j->found.got);
	buffer_fini(&out);
	return err;
}

struct file_job *
file_job_list(const struct file_root *root, struct slice name, struct slice title)
{
	struct file_job *j = mem_zalloc(1, sizeof(*j) + name.len + title.len + 2);

	if (!j)
		return NULL;
	j->job.run = run_list;
	j->found.fd = -1;
	j->root = *root;
	j->name_len = name.len;
	memcpy(j->name, name.at, name.len);
	memcpy(j->name + name.len + 1, title.at, title.len);
	j->title = j->name + name.len + 1;
	return j;
}

struct file_job *
file_job_read(struct chunk_file *file, uint64_t offset, size_t want)
{
	struct file_job *j = mem_zalloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->job.run = run_read;
	j->found.fd = -1;
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
	if (j->found.fd >= 0)
		close(j->found.fd);
	if (j->file)
		chunk_file_unref(j->file);
	mem_free(&j->found.content);
	if (j->lease)
		lease_give(j->lease);
	mem_free(&j);
}
