/*
 * What a module in a process of its own may still ask of the kernel, once it is
 * loaded: memory, threads, time, and the descriptors that it has. Nothing is
 * opened, connected, executed or signalled; such calls fail with EPERM.
 */
#ifndef FOREBAY_MODULE_SANDBOX_H
#define FOREBAY_MODULE_SANDBOX_H

#include "base/err.h"

#include <stdbool.h>

/* For the whole process, for good. 0; ERR_UNSUPPORTED: built without libseccomp, or with a
 * sanitizer, which needs more; ERR_SYSTEM. */
int sandbox_enter(void) MUST_CHECK;
/* False with a sanitizer, whose own memory is more than any limit. */
bool sandbox_can_bound_memory(void);
/* For --version: the library's version, or "no". */
const char *sandbox_library_version(void);

#endif
