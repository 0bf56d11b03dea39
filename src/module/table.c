/*
 * Checks a module's table and makes key tables of it; see table.h.
 */
#include "module/table.h"

#include "flow/flow.h"
#include "source/jobs.h"

#include <stdio.h>

/* Their fields are filled as slices. */
_Static_assert(sizeof(struct forebay_bytes) == sizeof(struct slice) &&
		   offsetof(struct forebay_bytes, at) == offsetof(struct slice, at) &&
		   offsetof(struct forebay_bytes, len) == offsetof(struct slice, len),
	       "forebay_bytes is laid out as a slice");

enum { NAME_BYTES = 64, HELP_BYTES = 256, WORDS_MAX = 32 };
enum { ANY_UNSIGNED = 0 };

/* What a parameter's type is to the configuration, and how wide its field has to be. */
static const struct {
	enum conf_type type;
	size_t width;
	const char *field; /* for messages */
} kinds[] = {
	[FOREBAY_TEXT] = { CONF_TEXT, sizeof(struct slice), "a struct forebay_bytes" },
	[FOREBAY_TEMPLATE] = { CONF_TEMPLATE, sizeof(struct slice), "a struct forebay_bytes" },
	[FOREBAY_PATH] = { CONF_PATH, sizeof(struct slice), "a struct forebay_bytes" },
	[FOREBAY_BOOL] = { CONF_BOOL, sizeof(bool), "a bool" },
	[FOREBAY_UINT] = { CONF_UINT, ANY_UNSIGNED, "an unsigned integer" },
	[FOREBAY_INT] = { CONF_INT, ANY_UNSIGNED, "a signed integer" },
	[FOREBAY_DECIMAL] = { CONF_DECIMAL, ANY_UNSIGNED, "an unsigned integer" },
	[FOREBAY_DURATION] = { CONF_DURATION, sizeof(uint64_t), "a uint64_t" },
	[FOREBAY_SIZE] = { CONF_SIZE, ANY_UNSIGNED, "an unsigned integer" },
	[FOREBAY_WORD] = { CONF_WORD, sizeof(int), "an enum or int" },
	[FOREBAY_WORDS] = { CONF_WORDS, ANY_UNSIGNED, "an unsigned integer" },
};

/* The structs of a module as they were when the ABI was new: up to their last field of then, or the
 * first one that came later. A module that was built with the header of that day is as long, and
 * what has come since is zero. */
enum {
	FIRST_MODULE_BYTES = offsetof(struct forebay_module, flags),
	FIRST_JOB_BYTES = offsetof(struct forebay_job, units),
	FIRST_PARAM_BYTES = offsetof(struct forebay_param, help) + sizeof(const char *),
	FIRST_FLOW_BYTES = offsetof(struct forebay_flow_type, run) + sizeof(void (*)(void)),
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* One struct of parameters that is being read. */
struct reading {
	const struct table_reader *reader;
	const char *owner; /* "job resize", "module image" */
	size_t size; /* of the struct */
	bool is_of_job; /* has templates */
	bool is_of_flow;
	struct writer *why;
};

/* Copies a struct of the module, which may be of another version: what it does not have is zero. */
static void
copy_row(void *to, size_t to_bytes, const void *from, size_t from_bytes)
{
	memset(to, 0, to_bytes);
	memcpy(to, from, from_bytes < to_bytes ? from_bytes : to_bytes);
}

static bool
is_name(const char *name, const char *more)
{
	struct slice s = slice_make(name, name ? strnlen(name, NAME_BYTES + 1) : 0);

	if (s.len == 0 || s.len > NAME_BYTES || s.at[0] < 'a' || s.at[0] > 'z')
		return false;
	for (size_t i = 1; i < s.len; i++) {
		char c = s.at[i];

		if (!(c >= 'a' && c <= 'z') && !ascii_is_digit(c) && !strchr(more, c))
			return false;
	}
	return true;
}

static bool
is_version(const char *text)
{
	size_t len = text ? strnlen(text, NAME_BYTES + 1) : 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return false;
	}
	return len <= NAME_BYTES;
}

static const char *
quote(const char *name, struct conf_quoted *q)
{
	*q = conf_quote(slice_make(name, name ? strnlen(name, NAME_BYTES) : 0));
	return q->text;
}

/* --- one parameter ---------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static int
refuse(const struct reading *r, const struct forebay_param *p, const char *format, ...)
{
	char text[256];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	writer_format(r->why, "%s, parameter %.64s: %s", r->owner, p->name, text);
	return ERR_SYNTAX;
}

static bool
is_power_of_8(size_t width)
{
	return width == 1 || width == 2 || width == 4 || width == 8;
}

static int
check_field(const struct reading *r, const struct forebay_param *p)
{
	if (p->type == 0 || p->type >= KINDS)
		return refuse(r, p, "its type %u is none of ABI %d", p->type, FOREBAY_MODULE_ABI);
	if (p->type == FOREBAY_TEMPLATE && !r->is_of_job)
		return refuse(r, p, "templates are for jobs: they are evaluated for each request");
	if (kinds[p->type].width == ANY_UNSIGNED ? !is_power_of_8(p->width)
						 : p->width != kinds[p->type].width)
		return refuse(r, p, "it goes to %s, and the field has %zu bytes",
			      kinds[p->type].field, p->width);
	if (p->offset > r->size || p->width > r->size - p->offset)
		return refuse(r, p, "its field is not inside params_size, which is %zu", r->size);
	return 0;
}

static unsigned
count_words(const struct forebay_param *p)
{
	unsigned count = 0;

	while (count <= WORDS_MAX && p->words[count])
		count++;
	return count;
}

static int
check_words(const struct reading *r, const struct forebay_param *p)
{
	unsigned count;

	if (p->type != FOREBAY_WORD && p->type != FOREBAY_WORDS)
		return 0;
	count = p->words ? count_words(p) : 0;
	if (count == 0 || count > WORDS_MAX)
		return refuse(r, p, "it needs 1 to %d words", WORDS_MAX);
	if (p->type == FOREBAY_WORDS && count > 8 * p->width)
		return refuse(r, p, "its field has no bit for each of %u words", count);
	for (unsigned i = 0; i < count; i++) {
		if (strnlen(p->words[i], NAME_BYTES + 1) > NAME_BYTES || !p->words[i][0] ||
		    strpbrk(p->words[i], " ,\t\n"))
			return refuse(r, p, "word %u cannot be written", i);
	}
	return 0;
}

static int
check_range(const struct reading *r, const struct forebay_param *p)
{
	bool has_max = p->max != 0 || p->min < 0;

	if (p->min < 0 && p->type != FOREBAY_INT)
		return refuse(r, p, "its min is negative");
	if (has_max && p->max < p->min)
		return refuse(r, p, "its max is below its min");
	if ((p->flags & FOREBAY_OPTIONAL) && p->type != FOREBAY_TEMPLATE)
		return refuse(r, p, "FOREBAY_OPTIONAL is for templates");
	if (p->flags & ~(uint32_t)(FOREBAY_REQUIRED | FOREBAY_SECRET | FOREBAY_OPTIONAL))
		return refuse(r, p, "its flags 0x%x are none of ABI %d", p->flags,
			      FOREBAY_MODULE_ABI);
	return 0;
}

static bool
is_in(const struct conf_key *keys, const char *name)
{
	return conf_key_find(keys, slice_of(name)) != NULL;
}

static int
check_name(const struct reading *r, const struct forebay_param *p)
{
	const struct table_reader *reader = r->reader;
	struct conf_quoted q;

	if (!is_name(p->name, "_-.")) {
		writer_format(r->why, "%s: %s is no name for a parameter", r->owner,
			      quote(p->name, &q));
		return ERR_SYNTAX;
	}
	if (!r->is_of_job && !r->is_of_flow) {
		return is_in(reader->taken, p->name)
			   ? refuse(r, p, "every [module] section has a key of that name")
			   : 0;
	}
	for (unsigned i = 0; reader->taken_by_parts && reader->taken_by_parts[i]; i++) {
		if (is_in(reader->taken_by_parts[i], p->name))
			return refuse(r, p, "routes or parts have a key of that name");
	}
	return 0;
}

/* A default goes through the same parser as what a user writes. */
static int
check_default(const struct reading *r, const struct forebay_param *p, const struct conf_key *k)
{
	char text[384];
	struct writer why = writer_over(text, sizeof(text));
	int err;

	if (p->def && strnlen(p->def, TABLE_CONF_BYTES) == TABLE_CONF_BYTES)
		return refuse(r, p, "its default is too long");
	err = conf_key_check_default(k, r->reader->conf, &why);
	return err == ERR_SYNTAX
		   ? refuse(r, p, "its default: %.*s", SLICE_PRINT(writer_slice(&why)))
		   : err;
}

static int
take_param(const struct reading *r, const struct forebay_param *p, struct conf_key *k)
{
	int err = check_name(r, p);

	if (!err)
		err = check_field(r, p);
	if (!err)
		err = check_words(r, p);
	if (!err)
		err = check_range(r, p);
	if (err)
		return err;
	*k = (struct conf_key){
		.name = p->name,
		.type = kinds[p->type].type,
		.offset = p->offset,
		.width = p->width,
		.def = p->def,
		.min = p->min,
		.max = p->max,
		.words = p->words,
		.help = p->help ? p->help : "",
		.flags = (p->flags & FOREBAY_REQUIRED ? CONF_REQUIRED : 0u) |
			 (p->flags & FOREBAY_SECRET ? CONF_SECRET : 0u) |
			 (p->flags & FOREBAY_OPTIONAL ? CONF_MAY_LACK : 0u),
	};
	return check_default(r, p, k);
}

/* --- a table of them -------------------------------------------------------------- */

static int
check_once(const struct reading *r, const struct conf_key *keys, const struct forebay_param *p)
{
	for (; keys->name; keys++) {
		if (strcmp(keys->name, p->name) == 0)
			return refuse(r, p, "it is there twice");
	}
	return 0;
}

unsigned
table_count_texts(const struct conf_key *keys)
{
	unsigned count = 0;

	for (; keys->name; keys++)
		count += keys->type == CONF_TEMPLATE;
	return count;
}

/* *keys ends with a zeroed row, also for a table that is not there. */
static int
read_params(const struct reading *r, const struct forebay_param *params, size_t stride,
	    struct conf_key **keys)
{
	const char *row = (const char *)params;
	unsigned count = 0;
	int err = 0;

	*keys = arena_zalloc(r->reader->arena, TABLE_PARAMS_MAX + 1, sizeof(**keys));
	if (!*keys)
		return ERR_MEMORY;
	for (; row && !err; row += stride) {
		struct forebay_param p;

		copy_row(&p, sizeof(p), row, stride);
		if (!p.name)
			break;
		if (count == TABLE_PARAMS_MAX) {
			writer_format(r->why,
				      "%s: more than %d parameters (is there no "
				      "FOREBAY_PARAMS_END?)",
				      r->owner, TABLE_PARAMS_MAX);
			return ERR_SYNTAX;
		}
		err = check_once(r, *keys, &p);
		if (!err)
			err = take_param(r, &p, &(*keys)[count++]);
	}
	if (!err && table_count_texts(*keys) > JOB_TEXTS_MAX) {
		writer_format(r->why, "%s: more than %d templates", r->owner, JOB_TEXTS_MAX);
		err = ERR_SYNTAX;
	}
	return err;
}

static int
check_struct(struct reading *r, const struct forebay_param *params)
{
	if (r->size > TABLE_CONF_BYTES) {
		writer_format(r->why, "%s: params_size is %zu, more than %d", r->owner, r->size,
			      TABLE_CONF_BYTES);
		return ERR_SYNTAX;
	}
	if (params && r->size == 0) {
		writer_format(r->why, "%s: it has parameters, but params_size is 0", r->owner);
		return ERR_SYNTAX;
	}
	return 0;
}

/* --- jobs ------------------------------------------------------------------------- */

static int
take_job(const struct table_reader *reader, struct table *t, const struct forebay_job *job,
	 struct writer *why)
{
	char owner[NAME_BYTES + 8];
	struct reading r = {
		.reader = reader,
		.owner = owner,
		.size = job->params_size,
		.is_of_job = true,
		.why = why,
	};
	struct conf_quoted q;
	int err;

	if (!is_name(job->name, "_-")) {
		writer_format(why, "%s is no name for a job", quote(job->name, &q));
		return ERR_SYNTAX;
	}
	snprintf(owner, sizeof(owner), "job %s", job->name);
	for (unsigned i = 0; i < t->job_count; i++) {
		if (strcmp(t->jobs[i].job.name, job->name) == 0) {
			writer_format(why, "%s: it is there twice", owner);
			return ERR_CONFLICT;
		}
	}
	if (!job->run || (job->thread_fini && !job->thread_init)) {
		writer_format(why, "%s: it has no %s", owner, job->run ? "thread_init" : "run");
		return ERR_SYNTAX;
	}
	t->jobs[t->job_count].job = *job;
	err = check_struct(&r, job->params);
	if (!err)
		err =
		    read_params(&r, job->params, t->module.param_size, &t->jobs[t->job_count].keys);
	t->job_count += err == 0;
	return err;
}

static int
read_jobs(const struct table_reader *reader, struct table *t, struct writer *why)
{
	const char *row = (const char *)t->module.jobs;
	int err = 0;

	t->jobs = arena_zalloc(reader->arena, TABLE_JOBS_MAX, sizeof(*t->jobs));
	if (!t->jobs)
		return ERR_MEMORY;
	for (; row && !err; row += t->module.job_size) {
		struct forebay_job job;

		copy_row(&job, sizeof(job), row, t->module.job_size);
		if (!job.name)
			break;
		if (t->job_count == TABLE_JOBS_MAX) {
			writer_format(why, "more than %d jobs (is there no FOREBAY_JOBS_END?)",
				      TABLE_JOBS_MAX);
			return ERR_SYNTAX;
		}
		err = take_job(reader, t, &job, why);
	}
	return err;
}

/* --- flows ------------------------------------------------------------------------ */

/* Of what, and how many, is for messages. */
static int
check_names(const struct reading *r, const char *what, const char *const *names, unsigned most)
{
	for (unsigned i = 0; names && names[i]; i++) {
		if (i == most || strnlen(names[i], FLOW_READ_BYTES) > FLOW_READ_BYTES - 3) {
			writer_format(r->why,
				      "%s: its %s are more than %u, or without NULL at their end, "
				      "or one of them is too long",
				      r->owner, what, most);
			return ERR_SYNTAX;
		}
	}
	return 0;
}

static int
take_flow(const struct table_reader *reader, struct table *t, const struct forebay_flow_type *flow,
	  struct writer *why)
{
	char owner[NAME_BYTES + 8];
	struct reading r = {
		.reader = reader,
		.owner = owner,
		.size = flow->params_size,
		.is_of_flow = true,
		.why = why,
	};
	struct table_flow *row = &t->flows[t->flow_count];
	struct conf_quoted q;
	int err;

	if (!is_name(flow->name, "_-")) {
		writer_format(why, "%s is no name for a flow", quote(flow->name, &q));
		return ERR_SYNTAX;
	}
	snprintf(owner, sizeof(owner), "flow %s", flow->name);
	for (unsigned i = 0; i < t->flow_count; i++) {
		if (strcmp(t->flows[i].flow.name, flow->name) == 0) {
			writer_format(why, "%s: it is there twice", owner);
			return ERR_CONFLICT;
		}
	}
	if (!flow->run) {
		writer_format(why, "%s: it has no run", owner);
		return ERR_SYNTAX;
	}
	row->flow = *flow;
	err = check_struct(&r, flow->params);
	if (!err)
		err = check_names(&r, "reads", flow->reads, FLOW_READS_MAX);
	if (!err)
		err = check_names(&r, "calls", flow->calls, FLOW_CALLS_MAX);
	if (!err)
		err = read_params(&r, flow->params, t->module.param_size, &row->keys);
	t->flow_count += err == 0;
	return err;
}

static int
read_flows(const struct table_reader *reader, struct table *t, struct writer *why)
{
	const char *row = (const char *)t->module.flows;
	int err = 0;

	t->flows = arena_zalloc(reader->arena, TABLE_FLOWS_MAX, sizeof(*t->flows));
	if (!t->flows)
		return ERR_MEMORY;
	if (row && t->module.flow_size < FIRST_FLOW_BYTES) {
		writer_text(why, "its flows are without their size: say FOREBAY_FLOWS(list)");
		return ERR_SYNTAX;
	}
	for (; row && !err; row += t->module.flow_size) {
		struct forebay_flow_type flow;

		copy_row(&flow, sizeof(flow), row, t->module.flow_size);
		if (!flow.name)
			break;
		if (t->flow_count == TABLE_FLOWS_MAX) {
			writer_format(why, "more than %d flows (is there no FOREBAY_FLOWS_END?)",
				      TABLE_FLOWS_MAX);
			return ERR_SYNTAX;
		}
		err = take_flow(reader, t, &flow, why);
	}
	return err;
}

/* --- the module ------------------------------------------------------------------- */

/* The four numbers stand first in every ABI. */
static int
read_head(const void *symbol, struct table *t, struct writer *why)
{
	uint32_t head[4];

	memcpy(head, symbol, sizeof(head));
	if (head[0] != FOREBAY_MODULE_ABI) {
		writer_format(why,
			      "it was built for ABI %u of modules, and this server has %d: compile "
			      "it with the server's forebay_module.h",
			      head[0], FOREBAY_MODULE_ABI);
		return ERR_UNSUPPORTED;
	}
	if (head[1] < FIRST_MODULE_BYTES || head[2] < FIRST_JOB_BYTES ||
	    head[3] < FIRST_PARAM_BYTES) {
		writer_format(why,
			      "its sizes (%u, %u, %u) are not those of ABI %d: begin the table "
			      "with FOREBAY_MODULE_HEAD",
			      head[1], head[2], head[3], FOREBAY_MODULE_ABI);
		return ERR_UNSUPPORTED;
	}
	copy_row(&t->module, sizeof(t->module), symbol, head[1]);
	return 0;
}

int
table_read(const struct table_reader *reader, const void *symbol, struct table *t,
	   struct writer *why)
{
	struct reading r = { .reader = reader, .owner = "module", .why = why };
	struct conf_quoted q;
	int err;

	*t = (struct table){ .keys = NULL };
	err = read_head(symbol, t, why);
	if (err)
		return err;
	if (!is_name(t->module.name, "_-")) {
		writer_format(why, "%s is no name for a module", quote(t->module.name, &q));
		return ERR_SYNTAX;
	}
	if (!is_version(t->module.version)) {
		writer_text(why, "its version is not a short text of ASCII");
		return ERR_SYNTAX;
	}
	r.size = t->module.params_size;
	err = check_struct(&r, t->module.params);
	if (!err)
		err = read_params(&r, t->module.params, t->module.param_size, &t->keys);
	if (!err)
		err = read_jobs(reader, t, why);
	if (!err)
		err = read_flows(reader, t, why);
	if (!err && t->job_count + t->flow_count == 0) {
		writer_text(why, "it has no jobs and no flows");
		err = ERR_SYNTAX;
	}
	return err;
}
