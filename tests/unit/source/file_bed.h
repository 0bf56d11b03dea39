/*
 * A part with source `file` under a fake run, for the suites about it: a tree of
 * files, a loop, a pool `blocking` of one thread, a reader that pauses or goes
 * away. Everything is checked that a source promises its run.
 */
#ifndef FOREBAY_TESTS_SOURCE_FILE_BED_H
#define FOREBAY_TESTS_SOURCE_FILE_BED_H

#include "source/file_reading.h"
#include "tree.h"

#include <check.h>

extern const struct source_ops source_file;

enum { BIG_BYTES = 3 << 20, QUEUE = 4 };

/* What one subrequest saw. */
struct asked {
	struct arena arena;
	struct request request;
	struct subrequest q;
	struct slice values[1];
	size_t got; /* bytes of body */
	unsigned heads, pieces, files, dones;
	int err;
	bool pauses, is_paused, is_starting;
	unsigned cancel_at; /* piece in which the run cancels; 0: none */
};

extern struct tree tree;
extern struct env env;
extern struct pool *pool;
extern struct file_conf file_conf;
extern struct part part;
extern struct asked asked;
extern char text[2048]; /* a short body, or what was said about a part */

/* Fixture of every test. */
void bed_setup(void);
void bed_teardown(void);

/* What is said about a part with these keys; "" if it was loaded. */
const char *load(const char *keys, bool passes_through);
/* A part with the tree as root; without a cache of open files unless `more` asks for one. */
void load_tree(const char *more, bool passes_through);

/* A subrequest; the template's value is `value`. Then as a run does: start it, wait for its end,
 * free it. */
void ask(const char *method, const char *path, const char *value);
void start(void);
void await_done(void);
void end(void);

struct slice field(enum field_id id);
/* Until abandoned jobs have come home: a later job of the only thread follows them. */
void await_jobs(void);
unsigned open_descriptors(void);

#endif
