/*
 * From a section to jobs, and back; see module.h.
 */
#include "module/module.h"

#include "base/random.h"
#include "child/spawner.h"
#include "module/cell.h"
#include "module/module_priv.h"
#include "module/sandbox.h"
#include "module/trial.h"

#include <stdio.h>

enum { WHY_BYTES = 600, FILE_BYTES = 4096 };

static const char *const isolations[] = { "module", "thread", "process", NULL };

const struct conf_key module_keys[] = {
	{ "path", CONF_TEXT, CONF_FIELD(struct module_conf, path), .flags = CONF_REQUIRED,
	  .help = "the shared object; a relative one is in the folder of modules" },
	{ "scratch", CONF_SIZE, CONF_FIELD(struct module_conf, scratch), .def = "16m",
	  .max = INT64_C(1) << 40,
	  .help = "scratch memory that one run of a job or a flow may take" },
	{ "isolate", CONF_WORD, CONF_FIELD(struct module_conf, isolation), .def = "module",
	  .words = isolations,
	  .help =
	      "where its jobs run: in threads of the pool, or in processes of their own, one to "
	      "each such thread; or as the module asks" },
	{ "max_memory", CONF_SIZE, CONF_FIELD(struct module_conf, max_memory),
	  .max = INT64_C(1) << 50,
	  .help =
	      "with processes of its own: address space of each; 0: any; not set: as the module "
	      "asks, else any" },
	{ "sandbox", CONF_BOOL, CONF_FIELD(struct module_conf, sandbox), .def = "yes",
	  .help = "with processes of its own: after init, nothing can be opened, connected or "
		  "executed in them; needs libseccomp" },
	CONF_KEYS_END
};

/* Takes every key that is left: of a module that could not be loaded. */
static const struct conf_key any_keys[] = { { "", CONF_FAMILY, .width = sizeof(struct conf_family),
					      .help = "keys of an unknown module" },
					    CONF_KEYS_END };

/* --- loading ------------------------------------------------------------------------ */

int
module_load(struct module *m, struct arena *a, const struct conf_key *const *taken_by_parts,
	    struct writer *why)
{
	const struct table_reader reader = { .conf = m->section->conf,
					     .arena = a,
					     .taken = module_keys,
					     .taken_by_parts = taken_by_parts };
	const void *symbol;
	int err = image_load(&m->image, why);

	if (err)
		return err;
	symbol = image_find(&m->image, "forebay_module");
	if (!symbol) {
		writer_text(why, "it does not export forebay_module");
		return ERR_MISSING;
	}
	return table_read(&reader, symbol, &m->table, why);
}

/* What the section does not say, the module does. */
static void
bound_memory(struct module *m)
{
	if (!conf_is_set(m->section, "max_memory") && sandbox_can_bound_memory())
		m->conf.max_memory = m->table.module.max_memory;
}

int
module_fill(struct module *m, struct arena *a, struct conf_errors *e)
{
	struct conf_table tables[] = { { module_keys, &m->conf }, { m->table.keys, NULL } };
	int err;

	m->params = arena_zalloc(a, 1, m->table.module.params_size + 1);
	if (!m->params)
		return ERR_MEMORY;
	tables[1].into = m->params;
	err = conf_fill(m->section, tables, 2, e);
	bound_memory(m);
	return err;
}

/* --- its life ----------------------------------------------------------------------- */

int
module_start(struct module *m, bool is_trial, struct writer *why)
{
	const struct forebay_module *table = &m->table.module;
	struct host_setup h;
	int result;

	host_setup_init(&h, m, is_trial, why);
	result = table->init ? table->init(&h.setup) : 0;
	m->state = h.setup.module;
	m->is_up = result == 0;
	if (result && why->len == 0)
		writer_format(why, "its init failed: %s", err_text(host_err(result)));
	return result ? ERR_FAILED : 0;
}

void
module_stop(struct module *m)
{
	if (m->is_up && m->table.module.fini)
		m->table.module.fini(m->state);
	m->is_up = false;
}

int
module_thread_init(const struct module *m, const struct forebay_job *job, bool is_trial,
		   void **state, struct writer *why)
{
	struct host_setup h;
	int result;

	host_setup_init(&h, m, is_trial, why);
	result = job->thread_init(&h.setup);
	*state = h.setup.thread;
	if (result && why->len == 0)
		writer_format(why, "thread_init of job %s failed: %s", job->name,
			      err_text(host_err(result)));
	return result ? host_err(result) : 0;
}

/* --- opening ------------------------------------------------------------------------ */

/* Where the file is; relative names are of the folder of modules. */
static int
find_file(const struct module_options *o, struct slice path, char *file)
{
	struct writer w = writer_over(file, FILE_BYTES - 1);

	if (path.at[0] != '/') {
		writer_text(&w, o->folder);
		writer_char(&w, '/');
	}
	writer_put(&w, path);
	file[w.len] = '\0';
	return w.is_full ? ERR_TOO_LARGE : 0;
}

/* "module NAME", as its section is called. */
static const char *
make_owner(const struct module *m, struct arena *a)
{
	size_t bytes = m->section->name.len + sizeof("module ");
	char *text = arena_zalloc(a, 1, bytes);
	struct writer w = writer_over(text, text ? bytes - 1 : 0);

	writer_text(&w, "module ");
	writer_put(&w, m->section->name);
	return text;
}

int
module_make_jobs(struct module *m, struct arena *a)
{
	const char *owner = make_owner(m, a);

	m->jobs = arena_zalloc(a, m->table.job_count + 1, sizeof(*m->jobs));
	if (!m->jobs || !owner)
		return ERR_MEMORY;
	for (unsigned i = 0; i < m->table.job_count; i++) {
		struct table_job *from = &m->table.jobs[i];

		m->jobs[i] = (struct module_job){
			.type = { .name = from->job.name,
				  .owner = owner,
				  .keys = from->keys,
				  .conf_size = from->job.params_size,
				  .run = host_run,
				  .units = from->job.units ? host_units : NULL },
			.job = &from->job,
			.module = m,
			.texts = table_count_texts(from->keys),
		};
	}
	return 0;
}

/* Where its jobs run: as its section says, else as it asks itself. */
static int
isolate(struct module *m, const struct module_options *o, struct arena *a)
{
	const uint64_t seed[2] = { random_seed(), random_seed() };

	m->is_isolated =
	    m->conf.isolation == MODULE_IN_PROCESSES ||
	    (m->conf.isolation == MODULE_AS_IT_ASKS && (m->table.module.flags & FOREBAY_ISOLATE));
	if (!m->is_isolated)
		return 0;
	m->spawner = o->spawner;
	m->ready_ns = o->ready_ns;
	m->quarantine = arena_alloc(a, sizeof(*m->quarantine));
	if (!m->quarantine)
		return ERR_MEMORY;
	quarantine_init(m->quarantine, seed);
	lock_init(&m->lock);
	for (unsigned i = 0; i < m->table.job_count; i++)
		m->jobs[i].type.run = cell_run;
	spawner_want(m->spawner);
	return 0;
}

static int
make_flows(struct module *m, struct arena *a)
{
	m->flows = arena_zalloc(a, m->table.flow_count + 1, sizeof(*m->flows));
	if (!m->flows)
		return ERR_MEMORY;
	for (unsigned i = 0; i < m->table.flow_count; i++) {
		struct table_flow *from = &m->table.flows[i];

		m->flows[i] = (struct module_flow){
			.type = { .name = from->flow.name,
				  .keys = from->keys,
				  .conf_size = from->flow.params_size,
				  .reads = from->flow.reads,
				  .calls = from->flow.calls,
				  .scratch = m->conf.scratch,
				  .run = flow_host_run },
			.flow = &from->flow,
			.module = m,
		};
	}
	return 0;
}

/* From the file to code that has proved that it can be loaded. */
static int
bring_in(struct module *m, const struct module_options *o, struct slice path, struct arena *a,
	 struct writer *why)
{
	char file[FILE_BYTES];
	int err = find_file(o, path, file);

	if (!err) {
		err = image_copy(&m->image, file, why);
		/* Whoever expected it beside the configuration is told where it was looked for. */
		if (err == ERR_NOT_FOUND && path.at[0] != '/')
			writer_text(why, "; a relative path is in the folder of modules");
	}
	if (!err)
		err = trial_run(&m->image, m->section, o->trial_ns, why);
	return err ? err : module_load(m, a, o->taken, why);
}

/* Its keys are not known, but those that every module has can be checked. */
static void
fill_without(struct module *m, struct conf_errors *e)
{
	const struct conf_table tables[] = { { module_keys, &m->conf }, { any_keys, NULL } };

	if (conf_fill(m->section, tables, 2, e) == ERR_MEMORY)
		conf_error_at(e, m->section, NULL, "out of memory");
}

static int
open_module(struct module *m, const struct module_options *o, struct arena *a,
	    struct conf_errors *e)
{
	const struct conf_entry *path = conf_entry(m->section, "path");
	char text[WHY_BYTES] = "";
	struct writer why = writer_over(text, sizeof(text) - 1);
	int err = ERR_MISSING;

	if (path && path->value.len > 0 && !path->is_bad)
		err = bring_in(m, o, path->value, a, &why);
	if (err) {
		fill_without(m, e);
		if (why.len > 0)
			conf_error_at(e, m->section, "path", "%.*s",
				      SLICE_PRINT(writer_slice(&why)));
		return err;
	}
	err = module_fill(m, a, e);
	if (!err)
		err = module_make_jobs(m, a);
	if (!err)
		err = make_flows(m, a);
	if (!err)
		err = isolate(m, o, a);
	if (!err && m->is_isolated && m->table.flow_count > 0) {
		conf_error_at(e, m->section, "isolate",
			      "it has flows, which run in the server: say isolate = thread, or put "
			      "its jobs into a module of their own");
		err = ERR_SYNTAX;
	}
	if (!err && !m->is_isolated) {
		err = module_start(m, false, &why);
		if (err)
			conf_error_at(e, m->section, "path", "%.*s",
				      SLICE_PRINT(writer_slice(&why)));
	}
	return err;
}

struct module *
module_open(struct conf_section *s, const struct module_options *o, struct arena *a,
	    struct conf_errors *e)
{
	struct module *m = arena_zalloc(a, 1, sizeof(*m));
	unsigned before = e->errors;

	if (!m) {
		conf_error_at(e, s, NULL, "out of memory");
		return NULL;
	}
	m->section = s;
	m->image.fd = -1;
	if (open_module(m, o, a, e) == 0)
		return m;
	if (e->errors == before)
		conf_error_at(e, s, "path", "it cannot be loaded");
	module_close(m);
	return NULL;
}

void
module_close(struct module *m)
{
	if (!m)
		return;
	module_stop(m);
	if (m->quarantine) {
		cell_stock_end(m);
		lock_fini(&m->lock);
		quarantine_fini(m->quarantine);
	}
	image_close(&m->image);
}

/* --- looking ------------------------------------------------------------------------ */

struct conf_section *
module_section(const struct module *m)
{
	return m->section;
}

struct slice
module_title(const struct module *m)
{
	return slice_of(m->table.module.name);
}

struct slice
module_version(const struct module *m)
{
	return m->table.module.version ? slice_of(m->table.module.version) : SLICE("");
}

const struct conf_key *
module_own_keys(const struct module *m)
{
	return m->table.keys;
}

unsigned
module_job_count(const struct module *m)
{
	return m->table.job_count;
}

const struct job_type *
module_job(const struct module *m, unsigned i)
{
	return &m->jobs[i].type;
}

unsigned
module_flow_count(const struct module *m)
{
	return m->table.flow_count;
}

const struct flow_type *
module_flow(const struct module *m, unsigned i)
{
	return &m->flows[i].type;
}

bool
module_needs_cells(const struct module *m, const void *type)
{
	bool is_ours = false;

	for (unsigned i = 0; i < m->table.job_count; i++)
		is_ours |= type == &m->jobs[i].type;
	return m->is_isolated && is_ours;
}

const void *
module_job_local(const struct module *m, unsigned i)
{
	/* One process for all of its jobs. */
	if (m->is_isolated)
		return i == 0 ? m : NULL;
	return m->jobs[i].job->thread_init ? &m->jobs[i] : NULL;
}
