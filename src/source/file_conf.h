/*
 * What a part with source `file` says: its keys, and what loading makes of them.
 * Made by file.c on the builder thread, read by the workers.
 */
#ifndef FOREBAY_SOURCE_FILE_CONF_H
#define FOREBAY_SOURCE_FILE_CONF_H

#include "config/key.h"
#include "http/coding.h"
#include "source/file_open.h"

/* What is said to caches about a file. */
struct file_rule {
	struct slice which; /* an extension, or the first word of a media type; empty: all others */
	struct slice cache_control; /* empty: nothing */
	uint64_t expires_s; /* 0: nothing */
};

struct file_conf {
	struct slice root, path, index, type, cache_control;
	struct conf_family cache_controls, expirations;
	uint64_t expires_ns;
	unsigned precompressed; /* a set of words */
	unsigned open_files; /* entries of each worker's cache; 0: none */
	uint64_t check_ns; /* how long an entry is believed */
	bool has_links, has_hidden, has_listing;
	/* Below: not keys. */
	struct file_root beneath; /* owned; -1 */
	int path_value; /* in q->value; -1: the request's path */
	unsigned number; /* among the file parts of its site: which cache is its own */
	enum coding coding[CODING_COUNT]; /* of siblings, in the order of the server's liking */
	unsigned codings;
	const struct file_rule *rule; /* the last one is for all */
	unsigned rules;
	struct pool *pool; /* borrowed */
	bool is_cold; /* set by tests: as if the kernel had nothing in its caches */
};

/* The rule for a file of that name and type; never NULL. */
const struct file_rule *file_rule_of(const struct file_conf *c, struct slice name,
				     struct slice type);

#endif
