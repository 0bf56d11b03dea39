/*
 * Files that hold keys, secrets or users: read whole into the memory of a site, bounded, regular
 * files only. Builder thread; blocking.
 */
#ifndef FOREBAY_AUTH_SECRET_H
#define FOREBAY_AUTH_SECRET_H

#include "base/arena.h"
#include "base/err.h"

/* *text has a NUL behind it. 0; ERR_MEMORY; ERR_FAILED with *why half a sentence: static, or as of
 * strerror. */
int secret_read(const char *path, size_t limit, struct arena *a, struct slice *text,
		const char **why) MUST_CHECK;

#endif
