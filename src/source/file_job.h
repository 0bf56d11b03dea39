/*
 * The parts of reading a file that may wait for a disk, as jobs of the pool
 * `blocking`: opening - what is small is read, too -, reading one piece, and listing. A job
 * owns what it touches - a reference to the file, the memory it reads into - and
 * its lease keeps the root open. Made, sent and freed on the worker; run on a pool thread.
 */
#ifndef FOREBAY_SOURCE_FILE_JOB_H
#define FOREBAY_SOURCE_FILE_JOB_H

#include "base/chunk.h"
#include "net/lease.h"
#include "source/file_entry.h"
#include "thread/pool.h"

struct file_reading;

struct file_job {
	struct job job;
	struct file_reading *reading; /* borrowed, of file.c; NULL: nobody waits for it any more */
	struct lease *lease; /* taken when it is sent */
	struct file_root root; /* of an opening: borrowed from the site */
	struct file_found found; /* what was opened, or what was read; owned until taken */
	struct chunk_file *file; /* of a reading: counted */
	uint64_t offset;
	size_t want; /* most bytes to read */
	enum coding coding; /* of the name */
	bool is_json, has_hidden; /* of a listing */
	const char *title; /* of a listing: behind the name */
	size_t name_len;
	char name[]; /* below the root */
};

/* A small file is read, too. NULL without memory. */
struct file_job *file_job_open(const struct file_root *root, struct slice name,
			       enum coding coding) MUST_CHECK;
/* Takes a reference of its own to the file. */
struct file_job *file_job_read(struct chunk_file *file, uint64_t offset, size_t want) MUST_CHECK;
/* A directory is listed (file_listing.h): the text is found.content. NULL without memory. */
struct file_job *file_job_list(const struct file_root *root, struct slice name,
			       struct slice title) MUST_CHECK;
/* On the worker; NULL is allowed. */
void file_job_release(struct file_job *j);
#define file_job_free(pointer) (file_job_release(*(pointer)), (void)(*(pointer) = NULL))

#endif
