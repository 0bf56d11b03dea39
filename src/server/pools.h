/*
 * The pools of a site: those of its [pool] sections, and those that sources have
 * made, each with the limits that the site wants it to have. What the site before
 * has just so - same name, same threads - is shared with it: connections and
 * learned times go on, only the limits change, when the site is published.
 */
#ifndef FOREBAY_SERVER_POOLS_H
#define FOREBAY_SERVER_POOLS_H

#include "config/errors.h"
#include "server/budget.h"
#include "thread/pool.h"

struct pools_entry {
	struct pool *pool; /* counted */
	struct pool_limits wanted;
	bool is_auto; /* as many threads as the CPU budget says; main's, once published */
	bool computes; /* its threads are busy with their jobs, and do not mostly wait */
	bool is_shared; /* with the site before: has other limits until pools_resize() */
};

struct pools {
	struct pools_entry *at; /* owned; in the order in which they were made */
	unsigned count, cap;
};

/* A new one, or that of `prior` (NULL: there is none). o->argument is taken. NULL when it cannot be
 * had. Builder or main thread. */
struct pool *pools_make(struct pools *p, const struct pools *prior, const struct pool_options *o)
    __attribute__((warn_unused_result));
/* By name; NULL if there is none. */
struct pools_entry *pools_find(const struct pools *p, struct slice name);
/* What e, one of them, may claim of the budget beside so many workers if its threads are auto.
 * Main.
 */
struct budget_claim pools_claim(const struct pools *p, const struct pools_entry *e,
				unsigned workers);
/* What is shared gets its limits. 0, or why not, with an error added that names `file`: then all
 * have those that they had. Builder thread. */
int pools_resize(struct pools *p, const char *file, struct conf_errors *errors)
    __attribute__((warn_unused_result));
/* Whoever else holds them: running jobs are told to stop and waited for; all jobs go
 * home, where workers must still turn. */
void pools_stop(struct pools *p);
/* Idempotent; stops those that nobody else holds. */
void pools_release(struct pools *p);

#endif
