/*
 * What is in a directory, as a page or as JSON. Reads it, so it runs on a pool
 * thread; bounded in entries and bytes. Names are escaped, and whoever put a file
 * there decides nothing but its name, size and time.
 */
#ifndef FOREBAY_SOURCE_FILE_LISTING_H
#define FOREBAY_SOURCE_FILE_LISTING_H

#include "base/buffer.h"
#include "source/file_open.h"
#include "thread/pool.h"

enum {
	LISTING_ENTRIES_MAX = 2000, /* what is beyond is not shown, and that is said */
	LISTING_BYTES_MAX = 8 << 20,
};

struct file_listing {
	const struct file_root *root; /* borrowed */
	const char *name; /* of the directory below root: empty, or ends with a slash */
	struct slice title; /* the path as the client knows it */
	bool is_json, has_hidden;
	struct job *job; /* asked whether it was cancelled; NULL: no */
};

/* Appends to `out`, which the caller owns. 0; ERR_NOT_FOUND, ERR_FORBIDDEN, ERR_CANCELLED,
 * ERR_MEMORY, ERR_TOO_LARGE. */
int file_listing_write(const struct file_listing *l, struct buffer *out) MUST_CHECK;

#endif
