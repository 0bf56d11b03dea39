/*
 * A file being read for one subrequest: chosen, its head told, its content sent
 * piece by piece. The run-time half of source `file`; file.c has the other.
 */
#ifndef FOREBAY_SOURCE_FILE_READING_H
#define FOREBAY_SOURCE_FILE_READING_H

#include "source/file_conf.h"
#include "source/subrequest.h"

/* What source_ops promise under the same names. */
int file_answer(struct subrequest *q);
void file_start(struct subrequest *q);
void file_resume(struct subrequest *q);
void file_cancel(struct subrequest *q);

#endif
