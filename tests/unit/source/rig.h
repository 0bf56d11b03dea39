/*
 * For tests of sources: a loop on the test's thread, pools, parts read from
 * configuration text as a plan would read them, and subrequests that record
 * what came back. Templates are not evaluated: a test says the values.
 */
#ifndef FOREBAY_TESTS_SOURCE_RIG_H
#define FOREBAY_TESTS_SOURCE_RIG_H

#include "config/key.h"
#include "source/subrequest.h"

enum { RIG_POOLS = 8, RIG_BODY_BYTES = 1 << 17, RIG_ERROR_BYTES = 4096 };

struct rig {
	struct env env;
	struct lease lease;
	struct store site_store;
	struct arena site; /* what a site's memory is */
	struct conf *conf;
	struct conf_errors errors;
	struct source_build build;
	struct pool *pools[RIG_POOLS];
	unsigned pool_count;
	struct rig *prior; /* the site before: its pools are shared where they are the same */
	char text[RIG_ERROR_BYTES];
};

/* One subrequest and what came back. */
struct rig_ask {
	struct subrequest q;
	struct arena arena;
	struct slice value[PART_VALUES_MAX];
	unsigned heads, dones;
	int err; /* of done */
	int status;
	struct slice type;
	char body[RIG_BODY_BYTES];
	size_t body_len;
	/* Called from inside head, when set. */
	void (*on_head)(struct rig_ask *a);
	/* Takes what comes, in place of body, when set. */
	void (*on_body)(struct rig_ask *a, struct chunks *list);
};

/* Reads the configuration; every [pool NAME] has 2 threads and a queue of 8. */
void rig_open(struct rig *r, const char *conf);
void rig_close(struct rig *r);
struct pool *rig_add_pool(struct rig *r, const char *name, unsigned threads, unsigned max_queue);

/* The source of a section, filled and loaded; NULL when that added errors. kind and name may be
 * "" for sources without a section. */
struct source *rig_load_source(struct rig *r, const struct source_ops *ops, const char *name);
/* The part of [subrequest NAME], filled and loaded; NULL when that added errors. */
struct part *rig_load_part(struct rig *r, struct source *s, const char *name,
			   const struct slice *path_params, unsigned path_param_count);
/* Everything that was wrong, as -t prints it. */
const char *rig_errors(struct rig *r);

/* Values come from the templates' own text: a test that wants others changes a->value. */
void rig_ask_open(struct rig *r, struct rig_ask *a, const struct part *p);
void rig_ask_close(struct rig_ask *a);
/* Reserves and starts it; the reservation's outcome. */
int rig_ask_start(struct rig_ask *a);
/* Turns the loop until it is done. */
void rig_ask_await(struct rig *r, struct rig_ask *a);
/* Start and await; the outcome. */
int rig_ask_run(struct rig *r, struct rig_ask *a);
static inline struct slice
rig_ask_body(const struct rig_ask *a)
{
	return slice_make(a->body, a->body_len);
}

/* Turns the loop until `pool` has neither running nor waiting jobs, and takes in their mail. */
void rig_settle(struct rig *r, struct pool *p);

#endif
