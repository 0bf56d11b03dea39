/*
 * A module from inside: for the files of this folder.
 */
#ifndef FOREBAY_MODULE_MODULE_PRIV_H
#define FOREBAY_MODULE_MODULE_PRIV_H

#include "flow/flow.h"
#include "module/image.h"
#include "module/module.h"
#include "module/quarantine.h"
#include "module/table.h"

struct cell;
struct module;

struct module_job {
	struct job_type type; /* what compute sees */
	const struct forebay_job *job;
	struct module *module; /* up */
	unsigned texts; /* keys that are templates */
	/* In a process of its own: what thread_init() made. */
	void *alone;
	bool has_alone;
};

static inline struct module_job *
module_job_of(const struct job_type *type)
{
	return (struct module_job *)((uintptr_t)type - offsetof(struct module_job, type));
}

enum module_isolation { MODULE_AS_IT_ASKS, MODULE_IN_THREADS, MODULE_IN_PROCESSES };
struct module_flow {
	struct flow_type type; /* what plans see */
	const struct forebay_flow_type *flow;
	const struct module *module; /* up */
};

static inline const struct module_flow *
module_flow_of(const struct flow_type *type)
{
	return (const struct module_flow *)((const char *)type -
					    offsetof(struct module_flow, type));
}

struct module_conf {
	struct slice path;
	size_t scratch; /* bytes that one run may take */
	enum module_isolation isolation;
	uint64_t max_memory; /* of a process of its own, as section or module say; 0: any */
	bool sandbox;
};

struct module {
	struct conf_section *section;
	struct image image;
	struct table table;
	struct module_conf conf;
	struct module_job *jobs; /* table.job_count of them */
	struct module_flow *flows; /* table.flow_count of them */
	void *params; /* of its own struct, filled */
	void *state; /* of init */
	bool is_up; /* init was done */
	/* With processes of its own. */
	bool is_isolated;
	struct spawner *spawner; /* borrowed: the site's */
	uint64_t ready_ns; /* longest time for a process to be ready */
	struct lock lock; /* over stock, from when the module is published */
	struct cell *stock; /* owned; processes that no thread has taken yet */
	struct quarantine *quarantine; /* in the arena; NULL: none */
};

/* Keys and values filled; ERR_SYNTAX after adding errors. */
int module_fill(struct module *m, struct arena *a, struct conf_errors *e) MUST_CHECK;
/* image -> table, in whatever process: each reads it for itself, as key tables are pointers into
 * the code that it has loaded. taken_by_parts: as in struct table_reader; NULL where keys of parts
 * are not looked at. Otherwise `why` says what is wrong. */
int module_load(struct module *m, struct arena *a, const struct conf_key *const *taken_by_parts,
		struct writer *why) MUST_CHECK;
/* Its table's jobs as compute knows them. ERR_MEMORY. */
int module_make_jobs(struct module *m, struct arena *a) MUST_CHECK;
/* Calls init, and fini. module_stop is idempotent. */
int module_start(struct module *m, bool is_trial, struct writer *why) MUST_CHECK;
void module_stop(struct module *m);

/* Calls thread_init of a job; 0, or enum err with `why`. */
int module_thread_init(const struct module *m, const struct forebay_job *job, bool is_trial,
		       void **state, struct writer *why) MUST_CHECK;

/* host.c: what modules may call; run() of their jobs. */
extern const struct forebay_host host_table;
int host_run(struct job_call *c);
/* units() of those that have it. */
uint64_t host_units(const struct job_call *c, struct arena *a);
/* The same; what is to be logged is written to `why`. */
int host_run_quietly(struct job_call *c, struct writer *why);
/* flow_host.c: the same of flows. */
int flow_host_run(struct flow *f);
/* enum forebay_result, or whatever a module returned, as enum err. */
int host_err(int result);
/* The other way round. */
int host_result(int err);
/* One line, instead of what was there. */
__attribute__((format(printf, 2, 0))) void host_write_why(struct writer *why, const char *format,
							  va_list list);
/* A setup whose forebay_refuse() writes to `why`. */
struct host_setup {
	struct forebay_setup setup;
	struct writer *why;
};
void host_setup_init(struct host_setup *h, const struct module *m, bool is_trial,
		     struct writer *why);

/* cell_stock.c: ends those that no thread has taken. */
void cell_stock_end(struct module *m);

/* local.c: what the thread keeps for the job, made at its first run there. */
int local_take(struct module_job *j, struct pool_thread *t, void **state,
	       struct writer *why) MUST_CHECK;
/* In a process of its own, where t is NULL: the end of that. Idempotent. */
void local_end_alone(struct module_job *j);

#endif
