/*
 * A module's file in memory: copied first, then loaded through a path that no
 * other load has or had. So a file that is replaced on disk is really loaded
 * anew (dlopen knows files by their name and by their device and inode), and
 * one that is overwritten in place cannot change code that runs. Builder thread.
 */
#ifndef FOREBAY_MODULE_IMAGE_H
#define FOREBAY_MODULE_IMAGE_H

#include "base/err.h"
#include "base/writer.h"

enum { IMAGE_PATH_BYTES = 4096, IMAGE_MAX_BYTES = 1 << 28 };

struct image {
	int fd; /* the copy, sealed; open as long as it is loaded, or -1 */
	void *handle; /* of dlopen, or NULL */
	char path[IMAGE_PATH_BYTES]; /* what it is loaded through */
};

/* All of these say in `why` what is wrong, in a few words, when they fail. */

/* Copies the file. image_close() either way. */
int image_copy(struct image *i, const char *file, struct writer *why) MUST_CHECK;
/* For a file that is a copy already, or need not be one. */
void image_over(struct image *i, const char *path);
/* Loads it, and runs its constructors. */
int image_load(struct image *i, struct writer *why) MUST_CHECK;
/* The address of what it exports under that name; NULL if it does not. */
const void *image_find(const struct image *i, const char *symbol);
/* Idempotent. Nothing of the image may be used any more. */
void image_close(struct image *i);

#endif
