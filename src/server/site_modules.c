/*
 * The modules of a site: loaded before its routes, whose compute parts use
 * their jobs; closed with the site. See module/module.h.
 */
#include "base/log.h"
#include "child/spawner.h"
#include "config/suggest.h"
#include "flow/flow.h"
#include "module/module.h"
#include "server/site_priv.h"

enum { TAKEN_MAX = 11 };

static const struct module_options options = { .folder = FOREBAY_MODULEDIR };

/* Of a job: built in, or of a module that is there already; NULL: it is new. */
static const char *
find_owner(const struct site *s, struct slice name, struct slice *module)
{
	*module = SLICE("");
	if (jobs_find(name))
		return "is built in";
	for (unsigned i = 0; i < s->module_count; i++) {
		for (unsigned k = 0; k < module_job_count(s->modules[i]); k++) {
			if (!slice_eq(slice_of(module_job(s->modules[i], k)->name), name))
				continue;
			*module = module_section(s->modules[i])->name;
			return "is of [module";
		}
	}
	return NULL;
}

/* The module that a flow of that name is of; NULL: it is new. */
static const struct module *
find_flow_owner(const struct site *s, const char *name)
{
	for (unsigned i = 0; i < s->module_count; i++) {
		for (unsigned k = 0; k < module_flow_count(s->modules[i]); k++) {
			if (strcmp(module_flow(s->modules[i], k)->name, name) == 0)
				return s->modules[i];
		}
	}
	return NULL;
}

/* Whether every job and flow of m has a name of its own. */
static bool
is_alone(const struct site *s, const struct module *m, struct conf_errors *e)
{
	unsigned before = e->errors;

	for (unsigned i = 0; i < module_flow_count(m); i++) {
		const struct module *owner = find_flow_owner(s, module_flow(m, i)->name);

		if (owner)
			conf_error_at(e, module_section(m), "path",
				      "its flow %s has the name of another, which is of [module "
				      "%.*s]",
				      module_flow(m, i)->name,
				      SLICE_PRINT(module_section(owner)->name));
	}

	for (unsigned i = 0; i < module_job_count(m); i++) {
		const char *name = module_job(m, i)->name;
		struct slice module;
		const char *owner = find_owner(s, slice_of(name), &module);

		if (owner)
			conf_error_at(e, module_section(m), "path",
				      "its job %s has the name of another, which %s%s%.*s%s", name,
				      owner, module.len ? " " : "", SLICE_PRINT(module),
				      module.len ? "]" : "");
	}
	return e->errors == before;
}

static int
add_jobs(struct site *s, const struct module *m)
{
	unsigned count = s->job_count + module_job_count(m);
	const struct job_type **jobs =
	    arena_zalloc(&s->arena, count + 1, sizeof(struct job_type *));

	if (!jobs)
		return ERR_MEMORY;
	for (unsigned i = 0; i < count; i++)
		jobs[i] = i < s->job_count ? s->jobs[i] : module_job(m, i - s->job_count);
	s->jobs = jobs;
	s->job_count = count;
	return 0;
}

static int
add_flows(struct site *s, const struct module *m)
{
	unsigned count = s->flow_count + module_flow_count(m);
	const struct flow_type **flows =
	    arena_zalloc(&s->arena, count + 1, sizeof(struct flow_type *));

	if (!flows)
		return ERR_MEMORY;
	for (unsigned i = 0; i < count; i++)
		flows[i] = i < s->flow_count ? s->flows[i] : module_flow(m, i - s->flow_count);
	s->flows = flows;
	s->flow_count = count;
	return 0;
}

/* False when its jobs and flows cannot be known. */
static bool
build_module(struct site *s, struct conf_section *section, const struct module_options *o,
	     struct conf_errors *e)
{
	struct module *m = module_open(section, o, &s->arena, e);

	if (!m)
		return false;
	if (is_alone(s, m, e) && add_jobs(s, m) == 0 && add_flows(s, m) == 0) {
		s->modules[s->module_count++] = m;
		return true;
	}
	module_close(m);
	return false;
}

static unsigned
count_modules(const struct site *s)
{
	const struct conf_section *section = NULL;
	unsigned count = 0;

	while ((section = conf_next(s->conf, "module", section)) != NULL)
		count++;
	return count;
}

void
site_build_modules(struct site *s, struct source_build *b)
{
	const struct conf_key *const taken[TAKEN_MAX] = {
		route_keys,       plan_keys,
		plan_report_keys, plan_join_keys,
		plan_flow_keys,   plan_source_keys,
		plan_stash_keys,  plan_part_keys,
		plan_result_keys, source_find_ops(SLICE("compute"))->part_keys,
	};
	struct module_options o = options;
	struct conf_section *section = NULL;
	unsigned count = count_modules(s);

	if (count == 0)
		return;
	s->modules = arena_zalloc(&s->arena, count, sizeof(struct module *));
	if (!s->modules)
		return;
	o.taken = taken;
	o.trial_ns = MODULE_TRIAL_NS;
	o.ready_ns = MODULE_READY_NS;
	o.spawner = s->spawner;
	if (s->module_path.len)
		o.folder = s->module_path.at;
	while ((section = conf_next(s->conf, "module", section)) != NULL)
		b->lacks_modules |= !build_module(s, section, &o, b->errors);
	b->jobs = s->jobs;
	b->job_count = s->job_count;
}

/* --- processes of their own --------------------------------------------------------- */

static bool
is_used_in(const struct site *s, const struct module *m, const struct pool *pool)
{
	for (unsigned i = 0; i < s->part_count; i++) {
		const struct part *p = &s->parts[i]->part;

		if (module_needs_cells(m, p->choice) && p->source->ops->pool(p) == pool)
			return true;
	}
	return false;
}

static int
start_cells(const struct site *s, struct module *m, struct conf_errors *e)
{
	int err = 0;

	for (unsigned i = 0; i < s->pools.count && !err; i++) {
		const struct pools_entry *entry = &s->pools.at[i];

		if (is_used_in(s, m, entry->pool))
			err = module_start_cells(m, entry->pool, &entry->wanted);
	}
	if (err)
		conf_error_at(e, module_section(m), "path",
			      "a process of its own cannot be started: %s", err_text(err));
	return err ? ERR_SYNTAX : 0;
}

int
site_warm(const struct site *s, const struct flag *stop, struct conf_errors *e)
{
	int err = 0;

	spawner_warm(s->spawner);
	for (unsigned i = 0; i < s->module_count && !err; i++)
		err = start_cells(s, s->modules[i], e);
	for (unsigned i = 0; i < s->module_count && !err; i++)
		err = module_await_cells(s->modules[i], stop, e);
	return err;
}

/* --- the end ------------------------------------------------------------------------ */

/* Pools live longer than sites: what their threads keep for a module goes before it. How many do
 * not come for that, because they are lost. */
static unsigned
forget_module(const struct site *s, const struct module *m)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < module_job_count(m); i++) {
		const void *local = module_job_local(m, i);

		for (unsigned k = 0; local && k < s->pools.count; k++)
			lost += pool_forget_local(s->pools.at[k].pool, local);
	}
	return lost;
}

bool
site_close_modules(struct site *s)
{
	bool are_all_closed = true;

	while (s->module_count > 0) {
		struct module *m = s->modules[--s->module_count];

		if (forget_module(s, m) == 0) {
			module_close(m);
			continue;
		}
		are_all_closed = false;
		log_error("module %.*s: of the old configuration it stays loaded: a lost thread "
			  "still keeps what it made for it",
			  SLICE_PRINT(module_section(m)->name));
	}
	return are_all_closed;
}

void
site_dump_modules(const struct site *s, struct writer *w)
{
	for (unsigned i = 0; i < s->module_count; i++) {
		const struct conf_table tables[] = { { module_keys, NULL },
						     { module_own_keys(s->modules[i]), NULL } };

		conf_dump_section(module_section(s->modules[i]), tables, 2, w);
	}
}
