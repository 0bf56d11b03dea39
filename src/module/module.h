/*
 * Modules: compute jobs and flows from shared objects. A `[module NAME]` section becomes
 * one module, and its jobs become job_types as the built-in ones are.
 *
 *   module_open   copy the file > try it in a process of its own > load > check > init
 *   module_start_cells, module_await_cells   where its jobs run in such processes
 *   job_type.run  on threads of pools
 *   flow_type.run on workers
 *   module_close  fini > unload
 *
 * A module belongs to the site that loaded it and is closed with it, when none
 * of its jobs runs or can come. Builder thread, but for what jobs do.
 */
#ifndef FOREBAY_MODULE_MODULE_H
#define FOREBAY_MODULE_MODULE_H

#include "config/key.h"
#include "source/jobs.h"

struct flag;
struct spawner;

#define MODULE_TRIAL_NS UINT64_C(10000000000)
#define MODULE_READY_NS UINT64_C(30000000000)

struct module_options {
	const char *folder; /* that relative paths are in */
	uint64_t trial_ns; /* longest time for the trial */
	struct spawner *spawner; /* borrowed: starts processes of their own */
	uint64_t ready_ns; /* longest time for such a process to be ready */
	/* Key tables of whatever the keys of jobs stand beside; ends with NULL. */
	const struct conf_key *const *taken;
};

struct flow_type;
struct module;

/* The keys that every [module] section has. */
extern const struct conf_key module_keys[];

/* NULL after adding errors, at the section's lines. The memory is the arena's, which outlives it.
 */
struct module *module_open(struct conf_section *s, const struct module_options *o, struct arena *a,
			   struct conf_errors *e) MUST_CHECK;
/* NULL is allowed. */
void module_close(struct module *m);

/*
 * Processes of its own, one for each thread of each pool that runs its jobs, before the first
 * request: started all at once, then awaited. Modules without are left alone.
 */
/* Whether a job of `type`, which may be anything, runs in one of them. */
bool module_needs_cells(const struct module *m, const void *type);
/* As many as l says that the pool is to have threads. 0 or why not. */
int module_start_cells(struct module *m, const struct pool *p,
		       const struct pool_limits *l) MUST_CHECK;
/* Until all have done their init. ERR_SYNTAX: one cannot, and an error was added. ERR_CANCELLED:
 * the flag was raised (NULL: nobody will), and nobody wants them any more. */
int module_await_cells(struct module *m, const struct flag *stop, struct conf_errors *e) MUST_CHECK;

struct conf_section *module_section(const struct module *m);
/* What its table says; the version may be empty. */
struct slice module_title(const struct module *m);
struct slice module_version(const struct module *m);
/* What its section may say beside module_keys. */
const struct conf_key *module_own_keys(const struct module *m);
unsigned module_job_count(const struct module *m);
const struct job_type *module_job(const struct module *m, unsigned i);
unsigned module_flow_count(const struct module *m);
const struct flow_type *module_flow(const struct module *m, unsigned i);
/* The key under which threads keep what the job's thread_init made (pool_forget_local), before
 * module_close; NULL: they keep nothing. */
const void *module_job_local(const struct module *m, unsigned i);

#endif
