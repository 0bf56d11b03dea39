/*
 * A module is tried in a process of its own before it comes into ours: loaded,
 * checked, initialised and ended there, in a clean copy of this program, within
 * a time limit. Whatever it does to that process is an error of the
 * configuration, and nothing else.
 *
 *   trial_run    builder thread: starts  /proc/self/exe --try-module FILE -c CONF
 *   trial_serve  that process: the section on standard input, the verdict on
 *                standard output; what the module writes there goes to standard error
 */
#ifndef FOREBAY_MODULE_TRIAL_H
#define FOREBAY_MODULE_TRIAL_H

#include "config/conf.h"
#include "module/image.h"

/* 0, or `why` says what is wrong with it. Blocks for as long as limit_ns. */
int trial_run(const struct image *i, const struct conf_section *s, uint64_t limit_ns,
	      struct writer *why) MUST_CHECK;
/* What main() does for --try-module; its exit code. Errors of the section's values are not
 * judged here: whoever loads the module says them with their lines. */
int trial_serve(const char *file, const char *conf);

#endif
