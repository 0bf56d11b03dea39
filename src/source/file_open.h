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

/* What the head of a response needs, and what tells one state of a file from another. */
struct file_facts {
	uint64_t size;
	int64_t modified_s; /* since 1970 */
	uint32_t modified_ns;
	uint32_t changed_ns; /* of the inode: nobody can set it back */
	int64_t changed_s;
	uint64_t device, inode;
	bool is_directory; /* then it was not opened: ERR_NOT_FOUND */
};

/* A directory that files are below. */
struct file_root {
	int fd; /* whoever made it closes it; -1 */
	bool has_links; /* symbolic links that stay below it are followed */
};

/* A directory to open files below; the descriptor or a negative enum err: ERR_NOT_FOUND,
 * ERR_FORBIDDEN, ERR_UNSUPPORTED (the kernel has no openat2: before 5.6, or it is filtered). */
int file_open_root(const char *path) MUST_CHECK;

/*
 * Opens a regular file for reading: its descriptor or a negative enum err.
 * ERR_NOT_FOUND: nothing there, not beneath the root, not a regular file;
 * ERR_FORBIDDEN: no permission; ERR_FULL: out of descriptors or memory; ERR_FAILED.
 */
int file_open(const struct file_root *root, const char *name, struct file_facts *facts) MUST_CHECK;
/* As above; ERR_BUSY: the name is not in the kernel's cache. */
int file_open_now(const struct file_root *root, const char *name,
		  struct file_facts *facts) MUST_CHECK;
/* A directory to read, for a pool thread: its descriptor or a negative enum err. An empty name is
 * the root itself. */
int file_open_directory(const struct file_root *root, const char *name) MUST_CHECK;
/* The facts of what is there, without opening it for reading; for a pool thread. 0 or an error. */
int file_look(const struct file_root *root, const char *name, struct file_facts *facts) MUST_CHECK;

/* The facts of an open file, as they are now. 0 or ERR_FAILED. */
int file_facts_of(int fd, struct file_facts *facts) MUST_CHECK;

static inline bool
file_facts_eq(const struct file_facts *a, const struct file_facts *b)
{
	return a->size == b->size && a->modified_s == b->modified_s &&
	       a->modified_ns == b->modified_ns && a->changed_s == b->changed_s &&
	       a->changed_ns == b->changed_ns && a->inode == b->inode && a->device == b->device;
}

/* Bytes read, 0 at the end of the file, or ERR_FAILED. May read less than asked. */
long file_read(int fd, char *memory, size_t cap, uint64_t offset) MUST_CHECK;
/* As above; ERR_BUSY: not in the page cache, or the file system cannot say. */
long file_read_now(int fd, char *memory, size_t cap, uint64_t offset) MUST_CHECK;
/* Whether the whole range is known to be in the page cache, so that sendfile will not wait. */
bool file_is_cached(int fd, uint64_t offset, size_t len);

#endif
