/*
 * Shared by site.c, site_open.c and site_dump.c alone.
 */
#ifndef FOREBAY_SERVER_SITE_PRIV_H
#define FOREBAY_SERVER_SITE_PRIV_H

#include "server/keys.h"
#include "server/site.h"

/* What may stand in brackets. */
extern const struct conf_kind site_kinds[];

/* Whether a piece of it is missing, for lack of memory: looked at when all pieces are made. */
bool site_is_short(const struct site *s) MUST_CHECK;

/* site_cpus.c. Adds an error when the process may not use all of them; then *c is none, for who
 * goes on to find more. */
void site_check_cpus(const struct site *s, struct cpus *c, const struct conf_section *section,
		     struct conf_errors *e);

/* site_budget.c. Warns where workers and threads are more than a quota. */
void site_check_budget(const struct site *s, struct conf_errors *e);

/* site_spool.c. Adds an error when a route needs spool_dir and it cannot be written to. */
void site_check_spool(const struct site *s, struct conf_errors *e);

/* site_limits.c. Warns of limits that contradict each other, of a site without errors. */
void site_check_limits(const struct site *s, struct conf_errors *e);

/* site_modules.c. Building adds what is wrong to b->errors, and tells b of the jobs; closing is for
 * when none of their jobs is anywhere any more. */
void site_build_modules(struct site *s, struct source_build *b);
/* False when one cannot be, because a lost thread keeps something for it: what the site has in
 * memory must stay. */
bool site_close_modules(struct site *s) MUST_CHECK;
void site_dump_modules(const struct site *s, struct writer *w);

/* site_pages.c. Adds what is wrong to e. */
void site_read_pages(struct site *s, struct conf_errors *e);
extern const struct conf_key error_page_keys[];

/* site_guards.c. Opening adds what is wrong to b->errors; ERR_MEMORY or 0. */
int site_open_guards(struct site *s, const struct site *prior, struct guard_build *b) MUST_CHECK;
void site_close_guards(struct site *s);
/* The keys of a route that are its guards', at most PLAN_MORE_TABLES tables; how many. */
unsigned site_guard_tables(struct site *s, struct conf_table *tables);
/* The guards that a route asks for; its tables have been filled. */
void site_load_guards(struct site *s, struct route *route, const struct conf_table *tables,
		      struct guard_build *b);
int site_attach_guards(const struct site *s, struct lease *l) MUST_CHECK;
void site_detach_guards(struct lease *l);

/* site_ledgers.c. After the routes; ERR_MEMORY or 0. Closing is for what opening left, too. Leasing
 * takes a worker's pages of all of them. */
int site_open_ledgers(struct site *s, const struct site *prior) MUST_CHECK;
void site_close_ledgers(struct site *s);
int site_lease_ledgers(const struct site *s, struct lease *l) MUST_CHECK;

/* site_sheds.c. After the sources; ERR_MEMORY or 0. Closing is for what opening left, too. */
int site_open_sheds(struct site *s, const struct site *prior) MUST_CHECK;
void site_close_sheds(struct site *s);
int site_lease_sheds(const struct site *s, struct lease *l) MUST_CHECK;

#endif
