/*
 * Opening and reading files below a root without ever leaving it, and, on a
 * worker, without ever waiting for a disk. The *_now functions answer from
 * the kernel's caches or say ERR_BUSY; the others may block and are for pool
 * threads. All are safe whatever the name says: the kernel resolves it beneath the
 * root (openat2, RESOLVE_BENEATH), so neither "..", nor an absolute name, nor a
 * symbolic link gets out, and links of /proc are not followed.
 */
#ifndef FOREBAY_SOURCE_FILE_OPEN_H
#define FOREBAY_SOURCE_FILE_OPEN_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the head of a response needs. */
struct file_facts {
	uint64_t size;
	int64_t modified_s; /* since 1970 */
	uint32_t modified_ns;
};

/* A directory to open files below; the descriptor or a negative enum err: ERR_NOT_FOUND,
 * ERR_FORBIDDEN, ERR_UNSUPPORTED (the kernel has no openat2: before 5.6, or it is filtered). */
int file_open_root(const char *path) MUST_CHECK;

/*
 * Opens a regular file for reading: its descriptor or a negative enum err.
 * ERR_NOT_FOUND: nothing there, not beneath the root, not a regular file;
 * ERR_FORBIDDEN: no permission; ERR_FULL: out of descriptors or memory; ERR_FAILED.
 */
int file_open(int root, const char *name, struct file_facts *facts) MUST_CHECK;
/* As above; ERR_BUSY: the name is not in the kernel's cache. */
int file_open_now(int root, const char *name, struct file_facts *facts) MUST_CHECK;

/* Bytes read, 0 at the end of the file, or ERR_FAILED. May read less than asked. */
long file_read(int fd, char *memory, size_t cap, uint64_t offset) MUST_CHECK;
/* As above; ERR_BUSY: not in the page cache, or the file system cannot say. */
long file_read_now(int fd, char *memory, size_t cap, uint64_t offset) MUST_CHECK;
/* Whether the whole range is known to be in the page cache, so that sendfile will not wait. */
bool file_is_cached(int fd, uint64_t offset, size_t len);

#endif
