/*
 * Reads the text of one configuration file, item by item:
 *
 *   # a comment, or ; a comment, on lines of their own
 *   [kind name]             or [kind]
 *   key = value
 *       continues here      indented lines are joined by newlines
 *
 * A pure function of its text: no files, no keys, no heap. After an error it
 * goes on with the next line, so that one run reports everything. Keys below
 * a broken section head are checked but not given. Blank and comment lines
 * inside a continued value belong to no value; each line of it is trimmed.
 * Lines may end in CR LF; a byte order mark at the start is passed over.
 *
 *   struct ini r;
 *   struct ini_item item;
 *   ini_init(&r, text, memory);
 *   while (ini_next(&r, &item) != INI_END) ...
 */
#ifndef FOREBAY_CONFIG_INI_H
#define FOREBAY_CONFIG_INI_H

#include "base/writer.h"

enum ini_kind { INI_SECTION, INI_ENTRY, INI_ERROR, INI_END };

enum { INI_NAME_BYTES = 128 }; /* longest section name or key */

/* All slices are borrowed from the text, or, for a continued value, from the
 * memory given to ini_init; the latter until the next ini_next. */
struct ini_item {
	enum ini_kind kind;
	unsigned line; /* from 1; of a continued value its first */
	struct slice section_kind, section_name; /* INI_SECTION; the name may be empty */
	struct slice key, value; /* INI_ENTRY; the value may be empty */
	const char *what; /* INI_ERROR: what is wrong; constant */
	struct slice text; /* INI_ERROR: the offending text, for quoting; may be empty */
};

/* The fields are the reader's own. */
struct ini {
	struct slice rest; /* not read yet */
	unsigned line; /* lines read */
	char *memory; /* borrowed */
	size_t memory_bytes;
	int section; /* none yet, broken, good */
	bool is_skipping; /* indented lines belong to something already reported */
};

/* `memory` has text.len bytes (it may be NULL if that is 0); both outlive the reader. */
void ini_init(struct ini *r, struct slice text, char *memory);
/* Gives the next item; returns its kind. After INI_END only INI_END comes. */
enum ini_kind ini_next(struct ini *r, struct ini_item *item);

#endif
