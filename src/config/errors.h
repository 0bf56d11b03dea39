/*
 * What is wrong with a configuration: all of it, collected in one run, then
 * printed sorted by file and line, each as
 *
 *   FILE:LINE: [section] key: what is wrong; did you mean "nearest"?
 *   FILE:LINE: warning: [section] key: what is odd
 *
 * Line 0 is the file as a whole. Whoever builds something from a
 * configuration adds to the same list, and goes on. Used on one thread while a
 * site is built. Owns its texts, so it may outlive the configuration.
 */
#ifndef FOREBAY_CONFIG_ERRORS_H
#define FOREBAY_CONFIG_ERRORS_H

#include "base/writer.h"

#include <stdbool.h>

struct conf_section;

enum {
	CONF_ERRORS_MAX = 200, /* kept; the rest is counted */
	CONF_ERROR_BYTES = 768, /* longest message, its place not counted */
};

struct conf_message {
	char *file; /* owned */
	unsigned line;
	unsigned order; /* of arrival */
	char *text; /* owned; the whole line as printed, without newline */
	size_t message; /* where in it the message begins: behind place and severity */
	bool is_warning;
};

/* To be read by anyone, changed by errors.c. */
struct conf_errors {
	struct conf_message *list; /* owned */
	size_t count, cap;
	unsigned errors, warnings; /* all that were added, kept or not */
	unsigned dropped; /* above the maximum, or for lack of memory */
};

void conf_errors_init(struct conf_errors *e);
void conf_errors_fini(struct conf_errors *e);

/* None of these can fail: a message that cannot be kept is still counted. */
void conf_error(struct conf_errors *e, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* About a key of a section: at the key's line if it is there, else at the
 * section's. `key` may be NULL: the section as a whole. */
void conf_error_at(struct conf_errors *e, const struct conf_section *s, const char *key,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));
void conf_warning_at(struct conf_errors *e, const struct conf_section *s, const char *key,
		     const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Of a key whose value names a section: an error unless there is [kind name], with the nearest
 * one. What is wrong with one that is there has been said where it was read. */
void conf_error_no_section(struct conf_errors *e, const struct conf_section *s, const char *key,
			   const char *kind, struct slice name);

/* Where a key stands, or its section, for a message that names a second line: in
 * conf_place(s, "key").text, as `FILE:LINE`; `the default, FILE:LINE` for a key that is not
 * written there. A long name loses its begin. */
struct conf_placed {
	char text[160];
};
struct conf_placed conf_place(const struct conf_section *s, const char *key);

/* All of `from`, once more. */
void conf_errors_add_all(struct conf_errors *e, const struct conf_errors *from);

/* Sorts by file, line, arrival. */
void conf_errors_sort(struct conf_errors *e);
/* Sorts, then writes one line per message and at last "... and N more". */
void conf_errors_write(struct conf_errors *e, struct writer *w);

/* Text for quoting in a message: conf_quote(s).text, in double quotes, cut to
 * a readable length, control characters shown as escapes. */
struct conf_quoted {
	char text[96];
};
struct conf_quoted conf_quote(struct slice s);

#endif
