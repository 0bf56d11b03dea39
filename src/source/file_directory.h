/*
 * Answers that are a directory's listing: when one is due, and how it is sent
 * once a job has written it. Worker; file_listing.h writes it.
 */
#ifndef FOREBAY_SOURCE_FILE_DIRECTORY_H
#define FOREBAY_SOURCE_FILE_DIRECTORY_H

#include "source/file_choice.h"
#include "source/file_job.h"

/* Whether the directory was asked for, its index is not there, and the part lists. */
bool file_directory_is_due(const struct subrequest *q, const struct file_choice *c);
/* Answers with what the job brought home; q is done. Takes the text. */
void file_directory_answer(struct subrequest *q, struct file_job *j);

#endif
