/*
 * Cells: processes in which the jobs of a module with isolate = process run, one
 * for each thread of a pool that runs them. A job that crashes, or does not end
 * when it should, costs itself and its cell, which is replaced.
 *
 *   pool thread: cell_run -- input, parameters --> cell_serve: run()
 *                         <-- output, fields ------
 */
#ifndef FOREBAY_MODULE_CELL_H
#define FOREBAY_MODULE_CELL_H

#include "source/jobs.h"

/* job_type.run of such a module's jobs. */
int cell_run(struct job_call *c);

/* What main() does for --serve-module; its exit code. */
int cell_serve(const char *file, const char *conf);

#endif
