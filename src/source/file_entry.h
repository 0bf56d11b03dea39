/*
 * What a name below a root was found to be: a file that is open or in memory,
 * with the head of its answer; a directory; or nothing. Counted: exchanges
 * that send it and the cache that keeps it hold references. One worker's.
 */
#ifndef FOREBAY_SOURCE_FILE_ENTRY_H
#define FOREBAY_SOURCE_FILE_ENTRY_H

#include "base/chunk.h"
#include "base/list.h"
#include "source/file_conf.h"

enum {
	FILE_CONTENT_BYTES = STORE_BLOCK_BYTES, /* files up to this are kept in memory */
	FILE_FIELDS_MAX = 8,
};

enum file_state { FILE_THERE, FILE_DIRECTORY, FILE_ABSENT, FILE_FORBIDDEN };

/* The head of a whole answer. */
struct file_head {
	char *text; /* owned: what the slices are in */
	size_t cap;
	struct field field[FILE_FIELDS_MAX]; /* all but Content-Length */
	unsigned fields;
	struct slice etag;
	struct slice prepared; /* all lines, as HTTP/1 sends them */
	int64_t made_s; /* when; Expires is counted from there */
};

struct file_entry {
	uint32_t refs;
	uint32_t hash; /* from here on of the cache */
	struct file_cache *cache; /* which has it; NULL: none */
	struct file_entry *next; /* in its slot */
	struct list use; /* by the time of its last use */
	uint64_t checked_ns, used_ns;
	/* --- what was found, and when ------------------------------------------------- */
	uint64_t warm_ns; /* until when its pages are taken to be in the page cache */
	enum file_state state;
	enum coding coding; /* a sibling in that coding; of another's content it is the answer */
	/* Not touched for so long that its next change shows in its times: its entity tag is
	 * strong, and its content need not be read again while the facts are the same. */
	bool is_settled;
	struct file_facts facts;
	struct chunk_file *file; /* counted; NULL: all that there is is in memory */
	char *content; /* owned: the whole file; NULL */
	struct file_head head; /* of FILE_THERE */
	size_t name_len;
	char name[]; /* below the root, and a NUL */
};

/* What opening it gave; the same from the worker and from a job. */
struct file_found {
	int err; /* 0, or why there is no descriptor */
	int fd; /* owned; -1 */
	struct file_facts facts;
	char *content; /* owned: all bytes, when `got` is the size */
	size_t got;
};

/*
 * A new entry with one reference; `name` is followed by a NUL, and with a
 * coding it ends with that coding's extension. Takes the descriptor and the
 * content in any case. NULL without memory. found->err may be ERR_NOT_FOUND or ERR_FORBIDDEN.
 */
struct file_entry *file_entry_new(const struct file_conf *c, struct slice name, enum coding coding,
				  struct file_found *found) MUST_CHECK;
void file_entry_unref(struct file_entry *e);

static inline struct file_entry *
file_entry_ref(struct file_entry *e)
{
	e->refs++;
	return e;
}

/* Brings what in its head depends on the time up to date; nothing for most. */
void file_entry_renew(struct file_entry *e, const struct file_conf *c);

#endif
