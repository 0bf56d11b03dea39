/*
 * Answers about a name under which there is no file: a redirect to the
 * directory that it is, 404, 403, or 405 for a method that files do not know.
 */
#ifndef FOREBAY_SOURCE_FILE_MISSING_H
#define FOREBAY_SOURCE_FILE_MISSING_H

#include "source/file_entry.h"
#include "source/subrequest.h"

/* Answers; q is done. `name` is what was looked for. */
void file_answer_missing(struct subrequest *q, enum file_state state, struct slice name);
void file_answer_method(struct subrequest *q);

#endif
