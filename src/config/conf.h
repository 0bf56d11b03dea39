/*
 * A configuration as a tree: sections with their entries, in the order of the
 * files, drop-ins after the file that includes them. It knows no keys: what
 * they mean is said by key tables (config/key.h).
 *
 * The tree owns every text; what is filled from it borrows, so a site keeps
 * its tree for as long as it lives. One thread builds it; then it is only read,
 * by any thread, and freed as a whole.
 */
#ifndef FOREBAY_CONFIG_CONF_H
#define FOREBAY_CONFIG_CONF_H

#include "base/arena.h"
#include "base/err.h"
#include "config/errors.h"

enum {
	CONF_FILE_BYTES = 1 << 20, /* largest file */
	CONF_MAX_BYTES = 64 << 20, /* memory of one configuration */
	CONF_MAX_FILES = 1024, /* in one configuration */
	CONF_MAX_SECTIONS = 65536, /* in one configuration */
	CONF_MAX_ENTRIES = 1024, /* in one section */
	CONF_BUCKETS = 1024,
};

struct conf_file {
	struct conf_file *next;
	const char *name; /* as it was given, for messages */
	const char *dir; /* absolute: what relative paths in this file are relative to */
	uint64_t device, inode; /* 0 for text that is no file */
};

struct conf_entry {
	struct conf_entry *next;
	struct slice key;
	struct slice raw; /* as written: ${...} unexpanded, continued lines joined */
	struct slice value; /* expanded; a NUL follows, as in all texts of a tree */
	const struct conf_file *file;
	unsigned line;
	bool is_used; /* some table knew the key */
	bool is_bad; /* could not be expanded, which was reported */
};

struct conf_section {
	struct conf_section *next;
	struct conf_section *same_hash;
	struct conf *conf; /* up */
	struct slice kind, name; /* [kind name]; the name may be empty */
	const struct conf_file *file;
	unsigned line; /* 0: not written in any file, made by conf_need */
	unsigned count;
	struct conf_entry *entries, **tail;
};

/* Read by anyone; changed in src/config alone. */
struct conf {
	struct store store;
	struct arena arena; /* everything below lives here */
	struct conf_file *files, **files_tail; /* the first is the main file */
	struct conf_section *sections, **tail;
	unsigned section_count, file_count;
	struct conf_section *buckets[CONF_BUCKETS];
};

/* The entry whose value is a comma-separated list of files to include,
 * relative to the file that holds it; patterns (* ? []) are sorted bytewise and
 * may match nothing; one level. */
struct conf_include {
	const char *kind, *key; /* "server", "include" */
};

/* Reads a file and what it includes (`include` may be NULL: nothing). Always
 * goes on after errors and adds each to e, so that the tree is there to find
 * more; whoever asks looks at e->errors before using it. NULL only without
 * memory or when the main file cannot be read, which e says too. */
struct conf *conf_load(const char *path, const struct conf_include *include,
		       struct conf_errors *e) MUST_CHECK;
/* The same from text; `name` stands for the file in messages and paths. */
struct conf *conf_read(struct slice text, const char *name, struct conf_errors *e) MUST_CHECK;
/* NULL is allowed. Prefer conf_free(&c). */
void conf_release(struct conf *c);
#define conf_free(pointer) (conf_release(*(pointer)), (void)(*(pointer) = NULL))

/* NULL if there is none. The name may be "". */
struct conf_section *conf_find(const struct conf *c, struct slice kind, struct slice name);
/* The section, made empty at the end of the tree if no file has it, so that
 * it gets its defaults and its place in the dump. NULL without memory. */
struct conf_section *conf_need(struct conf *c, const char *kind, const char *name) MUST_CHECK;
/* Walks the sections of one kind: start with NULL; NULL at the end. */
struct conf_section *conf_next(const struct conf *c, const char *kind,
			       const struct conf_section *after);

/* NULL if the key is not written there. */
struct conf_entry *conf_entry(const struct conf_section *s, const char *key);
/* Written, and not empty. */
bool conf_is_set(const struct conf_section *s, const char *key);
/* Where the key stands, or the section if the key is not written (or NULL). */
unsigned conf_line(const struct conf_section *s, const char *key);
const char *conf_file_name(const struct conf_section *s, const char *key);
/* An absolute path for `path` as file `f` means it; at is NULL without memory. */
struct slice conf_resolve(struct conf *c, const struct conf_file *f, struct slice path);

/* Kinds of sections, for the check that no other is there and that names
 * stand where they belong. The list ends with a NULL name. */
struct conf_kind {
	const char *name;
	bool is_named; /* [name x], else [name] alone */
};
void conf_check_kinds(const struct conf *c, const struct conf_kind *kinds, struct conf_errors *e);

#endif
