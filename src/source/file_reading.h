/*
 * A file being read for one subrequest: opened, its head told, its content sent
 * piece by piece. The run-time half of source `file`; file.c has the other.
 */
#ifndef FOREBAY_SOURCE_FILE_READING_H
#define FOREBAY_SOURCE_FILE_READING_H

#include "source/subrequest.h"

/* Of a part. */
struct file_conf {
	struct slice root, path, index, type;
	/* Below: not keys. */
	int root_fd; /* owned; -1 */
	int path_value; /* in q->value; -1: the request's path */
	struct pool *pool; /* borrowed */
	bool is_cold; /* set by tests: as if the kernel had nothing in its caches */
};

/* What source_ops promise under the same names. */
int file_answer(struct subrequest *q);
void file_start(struct subrequest *q);
void file_resume(struct subrequest *q);
void file_cancel(struct subrequest *q);

#endif
