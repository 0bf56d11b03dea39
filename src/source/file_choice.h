/*
 * Which file answers a request: the one that it names, or a sibling of it in a
 * content coding that the client likes better (name.br, name.zst, name.gz). A
 * choice lives on the stack while all is known, else in the exchange's arena
 * between the jobs that look.
 */
#ifndef FOREBAY_SOURCE_FILE_CHOICE_H
#define FOREBAY_SOURCE_FILE_CHOICE_H

#include "source/file_cache.h"
#include "source/file_path.h"
#include "source/subrequest.h"

enum { FILE_NAME_ROOM = 8 }; /* for an extension and a NUL behind a name */

struct file_choice {
	/* Below the root; borrowed; FILE_NAME_ROOM bytes behind it are the choice's to write to. */
	char *name;
	size_t name_len;
	enum coding coding[CODING_COUNT]; /* to be tried: identity first, then by liking */
	unsigned count, next;
	struct file_entry *entry; /* counted: the best so far; NULL at first */
};

/* The name that q asks for, below the root, into memory of FILE_PATH_BYTES. ERR_NOT_FOUND: nothing
 * that could be there; ERR_MEMORY. */
int file_choice_name(const struct subrequest *q, char *memory, size_t *len) MUST_CHECK;
/* What may answer q, by that name. */
void file_choice_init(struct file_choice *c, const struct subrequest *q, char *name,
		      size_t name_len);
/* Looks at what is left: 0, and c->entry answers; ERR_BUSY: a job must look for
 * file_choice_wanted(); or an error of file_cache_look(). */
int file_choice_go(struct file_choice *c, struct file_cache *cache) MUST_CHECK;
/* The name at hand, with its NUL in place, and its coding. */
struct slice file_choice_wanted(struct file_choice *c, enum coding *coding);
/* Takes the reference: what stands under the name at hand. */
void file_choice_take(struct file_choice *c, struct file_entry *e);

#endif
