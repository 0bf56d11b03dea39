/*
 * `source = compute JOB`: CPU-heavy work on a pool thread. The kind itself has
 * the keys `pool` and `input`; the job's own come through choose(). Builder
 * thread for loading, worker for the rest; jobs.h says what runs where.
 *
 * The answer is text; in a joined response it becomes a JSON string.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "base/shared_text.h"
#include "config/suggest.h"
#include "source/jobs.h"
#include "source/offload.h"

/* An hour: what is longer is a mistake in the unit. */
#define COST_MAX INT64_C(3600000000000)

enum { REQUEST_BYTES = 48 };

struct compute_conf {
	struct slice pool_name;
	struct slice input;
	uint64_t prior; /* 0: nothing is said */
	/* Of load_part(). */
	struct pool *pool; /* borrowed */
	struct cost *cost; /* borrowed from the pool; or NULL */
	int input_value; /* places in q->value[] */
	int text_value[JOB_TEXTS_MAX];
	unsigned texts;
};

static const struct conf_key part_keys[] = {
	{ "pool", CONF_TEXT, CONF_FIELD(struct compute_conf, pool_name), .def = "compute",
	  .help = "pool that the job runs in" },
	{ "input", CONF_TEMPLATE, CONF_FIELD(struct compute_conf, input), .def = "{body}",
	  .help = "what the job is given" },
	{ "cost", CONF_DURATION, CONF_FIELD(struct compute_conf, prior), .max = COST_MAX,
	  .help = "what a run is expected to take until enough of them have been seen" },
	CONF_KEYS_END,
};

struct compute {
	struct offload offload;
	struct job_call call; /* its slices are in memory[], or in body */
	struct shared_text *body; /* NULL: nothing is */
	const struct part *part; /* of the site, which the offload's lease keeps */
	char request[REQUEST_BYTES]; /* its id, for the log */
	char memory[];
};

/* --- configuration --------------------------------------------------------------- */

/* Built in, or of a module. */
static const struct job_type *
find_job(const struct source_build *b, struct slice name)
{
	for (unsigned i = 0; i < b->job_count; i++) {
		if (slice_eq(slice_of(b->jobs[i]->name), name))
			return b->jobs[i];
	}
	return jobs_find(name);
}

static void
refuse_job(struct part *p, struct source_build *b)
{
	struct suggest near;
	size_t count;
	const struct job_type *const *all = jobs_all(&count);

	suggest_init(&near, p->argument);
	for (size_t i = 0; i < count; i++)
		suggest_offer(&near, slice_of(all[i]->name));
	for (unsigned i = 0; i < b->job_count; i++)
		suggest_offer(&near, slice_of(b->jobs[i]->name));
	if (p->argument.len == 0)
		conf_error_at(b->errors, p->section, "source",
			      "compute needs the name of a job, for example: compute digest");
	else
		conf_error_at(b->errors, p->section, "source", "there is no compute job %s%s%s",
			      conf_quote(p->argument).text, suggest_text(&near),
			      b->lacks_modules ? " (but there is a module that could not be loaded)"
					       : "");
}

static const struct conf_key *
choose(struct part *p, struct source_build *b, size_t *size)
{
	const struct job_type *type = find_job(b, p->argument);

	if (!type) {
		refuse_job(p, b);
		return NULL;
	}
	p->choice = type;
	*size = type->conf_size;
	return type->keys;
}

static int
find_pool(struct part *p, struct source_build *b, struct compute_conf *conf)
{
	conf->pool = b->find_pool(b->argument, conf->pool_name);
	if (conf->pool)
		return 0;
	conf_error_no_section(b->errors, p->section, "pool", "pool", conf->pool_name);
	return ERR_NOT_FOUND;
}

/* The keys of the job that are templates. */
static int
want_texts(struct part *p, const struct job_type *type, struct compute_conf *conf)
{
	for (const struct conf_key *k = type->keys; k->name; k++) {
		const char *field = (const char *)p->choice_conf + k->offset;
		int value;

		if (k->type != CONF_TEMPLATE)
			continue;
		ASSERT(conf->texts < JOB_TEXTS_MAX);
		value = (k->flags & CONF_MAY_LACK ? part_want_optional : part_want)(
		    p, *(const struct slice *)field, VALUE_RAW, k->name);
		if (value < 0)
			return value;
		conf->text_value[conf->texts++] = value;
	}
	return 0;
}

static int
load_part(struct part *p, struct source_build *b)
{
	struct compute_conf *conf = p->conf;
	int err = find_pool(p, b, conf);
	int want;

	conf->texts = 0;
	if (!err)
		conf->cost = pool_cost(conf->pool, p->section->name, conf->prior);
	p->is_weighed = ((const struct job_type *)p->choice)->units != NULL;
	conf->input_value = part_want(p, conf->input, VALUE_RAW, "input");
	want = conf->input_value < 0 ? conf->input_value : want_texts(p, p->choice, conf);
	return err ? err : want;
}

/* --- one subrequest -------------------------------------------------------------- */

static struct pool *
pool_of(const struct part *p)
{
	const struct compute_conf *conf = p->conf;

	return conf->pool;
}

static struct cost *
cost_of(const struct part *p)
{
	const struct compute_conf *conf = p->conf;

	return conf->cost;
}

static uint64_t
units_of(const struct subrequest *q)
{
	const struct compute_conf *conf = q->part->conf;
	const struct job_type *type = q->part->choice;
	struct job_call c = {
		.type = type,
		.conf = q->part->choice_conf,
		.input = q->value[conf->input_value],
	};

	if (!type->units)
		return 0;
	for (unsigned i = 0; i < conf->texts; i++)
		c.text[i] = q->value[conf->text_value[i]];
	return type->units(&c, q->arena);
}

/* Copies a value behind those that are there, if it does not lie in what can be kept. */
static struct slice
keep(struct compute *c, struct shared_text *body, char **end, struct slice value)
{
	char *at = *end;

	if (!value.at)
		return value; /* absent, which is not empty */
	if (shared_text_holds(body, value)) {
		if (!c->body)
			ref_take(&body->ref);
		c->body = body;
		return value;
	}
	if (value.len > 0)
		memcpy(at, value.at, value.len);
	*end += value.len;
	return slice_make(at, value.len);
}

static bool
add_room(const struct subrequest *q, struct slice value, size_t *bytes)
{
	return shared_text_holds(q->body, value) || mem_add(*bytes, value.len, bytes);
}

static struct offload *
make(const struct subrequest *q)
{
	const struct compute_conf *conf = q->part->conf;
	size_t bytes = sizeof(struct compute);
	struct compute *c;
	struct writer id;
	char *end;

	if (!add_room(q, q->value[conf->input_value], &bytes))
		return NULL;
	for (unsigned i = 0; i < conf->texts; i++) {
		if (!add_room(q, q->value[conf->text_value[i]], &bytes))
			return NULL;
	}
	c = mem_alloc(bytes);
	if (!c)
		return NULL;
	*c = (struct compute){ .call.type = q->part->choice };
	c->part = q->part;
	id = writer_over(c->request, sizeof(c->request) - 1);
	writer_put(&id, q->request_id);
	end = c->memory;
	c->call.conf = q->part->choice_conf;
	c->call.input = keep(c, q->body, &end, q->value[conf->input_value]);
	for (unsigned i = 0; i < conf->texts; i++)
		c->call.text[i] = keep(c, q->body, &end, q->value[conf->text_value[i]]);
	return &c->offload;
}

static void
describe(const struct compute *c, struct pool_thread *t)
{
	const struct pool_task task = {
		.what = c->call.type->name,
		.owner = c->call.type->owner,
		.kind = c->part->section->kind,
		.name = c->part->section->name,
		.request = c->request,
	};

	pool_describe(t, &task);
}

static int
run(struct offload *o, struct pool_thread *t)
{
	struct compute *c = CONTAINER_OF(o, struct compute, offload);
	int err;

	c->call.output = &o->output;
	c->call.job = &o->job;
	c->call.thread = t;
	c->call.status = o->status;
	c->call.media = o->type;
	describe(c, t);
	err = c->call.type->run(&c->call);
	o->status = c->call.status;
	o->type = c->call.media;
	o->heading = c->call.heading;
	o->mishap = c->call.mishap;
	return err;
}

static void
fini(struct offload *o)
{
	shared_text_drop(&CONTAINER_OF(o, struct compute, offload)->body);
}

static const struct offload_ops offload_ops = {
	.pool = pool_of,
	.cost = cost_of,
	.units = units_of,
	.make = make,
	.run = run,
	.fini = fini,
};

static int
reserve(struct subrequest *q[], size_t n)
{
	return offload_reserve(q, n, &offload_ops);
}

const struct source_ops source_compute = {
	.name = "compute",
	.part_keys = part_keys,
	.part_size = sizeof(struct compute_conf),
	.choose = choose,
	.load_part = load_part,
	.pool = pool_of,
	.reserve = reserve,
	.release = offload_release,
	.start = offload_start,
	.cancel = offload_cancel,
};
