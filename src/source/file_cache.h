/*
 * The files that a worker has open below one root, and the names under which
 * there are none: found again without a system call. An entry is believed for
 * the part's open_files_check, then compared with what its name stands for now.
 * Bounded by number: files, and apart from them names without one, so that
 * whoever asks for nonsense displaces nonsense alone. What is not used for a while
 * is closed. Each worker has its own, of each part that serves files.
 */
#ifndef FOREBAY_SOURCE_FILE_CACHE_H
#define FOREBAY_SOURCE_FILE_CACHE_H

#include "net/lease.h"
#include "source/file_entry.h"

struct file_cache;
struct source;

/* Made at the first use. NULL without memory. */
struct file_cache *file_cache_of(const struct lease *l, unsigned source,
				 const struct file_conf *c) MUST_CHECK;

/*
 * What stands under a name: 0, and in *entry a reference for the caller; ERR_BUSY:
 * a job must look, and file_cache_take() what it found; or why it cannot be known: ERR_FULL (out
 * of descriptors), ERR_FAILED, ERR_MEMORY. `name` is as of file_entry_new().
 */
int file_cache_look(struct file_cache *cache, struct slice name, enum coding coding,
		    struct file_entry **entry) MUST_CHECK;
/* Takes what was found in any case; NULL without memory. The caller gets a reference. */
struct file_entry *file_cache_take(struct file_cache *cache, struct slice name, enum coding coding,
				   struct file_found *found) MUST_CHECK;
/* Descriptors have run out: closes what was not used for the longest; false: there is nothing. */
bool file_cache_give_way(struct file_cache *cache);
/* Something is wrong with it: the next one asks the file system. */
void file_cache_drop(struct file_entry *e);

/* For source_ops. */
int file_attach(struct source *s, struct lease *l);
void file_detach(struct source *s, struct lease *l);

#endif
