/*
 * `source = exec NAME`: an external program. Its command and its limits are in
 * `[program NAME]`; a part adds arguments and environment, each from a template
 * of its own, and says what it reads. A template is one argument, whatever is in
 * it; there is no shell. A thread of the pool sees to each run (child/child_run.h).
 *
 *   [program resize]
 *   command = /usr/bin/convert -
 *   [route thumb]
 *   source = exec resize
 *   arguments = -thumbnail {size} jpg:-
 *   type = image/jpeg
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "child/child_run.h"
#include "child/order.h"
#include "http/byte.h"
#include "source/exec_stream.h"
#include "source/words.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NO_OPTIONS_END = -1 };

#define HOUR INT64_C(3600000000000)
#define SEC  INT64_C(1000000000)

struct program_conf {
	struct slice command, directory, pool_name;
	struct conf_family environment;
	uint64_t max_output, max_memory, max_cpu_ns, max_files, max_file_size, grace_ns;
};

/* source->state. */
struct program {
	const struct program_conf *conf;
	struct words command;
	struct order_limits limits;
	struct spawner *spawner; /* borrowed: the site's */
	struct pool *pool; /* borrowed: the site's */
	bool ends_options; /* a word of it is -- */
};

struct part_conf {
	struct slice arguments, input, type;
	struct conf_family environment;
	/* Of load_part(). */
	unsigned argument_count;
	int first_argument, first_variable, input_value; /* places in q->value[] */
	int options_end; /* index of the argument --, or NO_OPTIONS_END */
	struct cost *cost; /* borrowed from the pool; or NULL */
	const char *log_name;
};

static const struct conf_key section_keys[] = {
	{ "command", CONF_TEXT, CONF_FIELD(struct program_conf, command), .flags = CONF_REQUIRED,
	  .help = "path of the program, and arguments that all parts give it; quotation marks keep "
		  "blanks, no shell reads it, and there are no variables in it" },
	{ "directory", CONF_PATH, CONF_FIELD(struct program_conf, directory), .def = "/",
	  .help = "folder that it is started in" },
	{ "env.", CONF_FAMILY, CONF_FIELD(struct program_conf, environment),
	  .help = "a variable of its environment, which is empty but for these; as it is written, "
		  "without variables of the request" },
	{ "pool", CONF_TEXT, CONF_FIELD(struct program_conf, pool_name), .def = "exec",
	  .help = "pool whose threads each see to one run: that many run at once" },
	{ "max_output", CONF_SIZE, CONF_FIELD(struct program_conf, max_output),
	  .max = INT64_C(1) << 50,
	  .help = "bytes of a result, of routes with a source of their own, whose answer is cut "
		  "there; not set: any, for they are passed on as they come; parts that are "
		  "joined have max_result" },
	{ "max_memory", CONF_SIZE, CONF_FIELD(struct program_conf, max_memory),
	  .max = INT64_C(1) << 50, .help = "address space of each of its processes; not set: any" },
	{ "max_cpu", CONF_DURATION, CONF_FIELD(struct program_conf, max_cpu_ns), .min = SEC,
	  .max = 24 * HOUR,
	  .help = "processor time of each of its processes, in whole seconds; not set: until the "
		  "deadline" },
	{ "max_files", CONF_UINT, CONF_FIELD(struct program_conf, max_files), .def = "256",
	  .min = 4, .max = 1 << 20, .help = "descriptors that each of its processes may have" },
	{ "max_file_size", CONF_SIZE, CONF_FIELD(struct program_conf, max_file_size),
	  .max = INT64_C(1) << 50, .help = "of a file that it writes; not set: any" },
	{ "grace", CONF_DURATION, CONF_FIELD(struct program_conf, grace_ns), .def = "0ms",
	  .max = 60 * SEC,
	  .help = "when nobody waits any more, between SIGTERM and SIGKILL; 0: SIGKILL at once" },
	CONF_KEYS_END
};

static const struct conf_key part_keys[] = {
	{ "arguments", CONF_TEMPLATE, CONF_FIELD(struct part_conf, arguments),
	  .help =
	      "more arguments, behind those of the command; each word is a template, and one "
	      "argument whatever its value: one that begins with a variable may not begin with - "
	      "unless a word -- stands before it" },
	{ "input", CONF_TEMPLATE, CONF_FIELD(struct part_conf, input), .def = "{body}",
	  .help = "what its standard input reads" },
	{ "type", CONF_TEXT, CONF_FIELD(struct part_conf, type), .def = "text/plain",
	  .help = "media type of what it writes to its standard output" },
	{ "env.", CONF_FAMILY, CONF_FIELD(struct part_conf, environment),
	  .help = "a variable of its environment, as a template; before one of the program's" },
	CONF_KEYS_END
};

struct exec {
	struct offload offload;
	struct order order;
	struct child_run run;
	struct exec_stream stream; /* of a part that is passed through */
	char memory[]; /* the input */
};

/* --- [program NAME] -------------------------------------------------------------- */

/* Adds what is wrong with the file or the folder. */
static int
check_paths(const struct source *s, struct conf_errors *e)
{
	const struct program *p = s->state;
	const char *file = p->command.at[0].at, *folder = p->conf->directory.at;
	struct stat st;

	if (file[0] != '/')
		conf_error_at(e, s->section, "command",
			      "%s is no absolute path, and PATH is not searched",
			      conf_quote(p->command.at[0]).text);
	else if (stat(file, &st) != 0)
		conf_error_at(e, s->section, "command", "%s: %s", file, strerror(errno));
	else if (!S_ISREG(st.st_mode) || access(file, X_OK) != 0)
		conf_error_at(e, s->section, "command", "%s cannot be executed", file);
	else if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode) || access(folder, X_OK) != 0)
		conf_error_at(e, s->section, "directory", "%s is no folder that can be entered",
			      folder);
	else
		return 0;
	return ERR_SYNTAX;
}

static int
split(struct words *w, struct slice text, const struct conf_section *section, const char *key,
      struct source_build *b)
{
	int err = words_split(w, text, b->arena);

	if (err == ERR_SYNTAX)
		conf_error_at(b->errors, section, key, "a quotation mark is missing");
	return err;
}

static int
find_pool(struct source *s, struct source_build *b)
{
	struct program *p = s->state;

	p->pool = b->find_pool(b->argument, p->conf->pool_name);
	if (p->pool)
		return 0;
	conf_error_no_section(b->errors, s->section, "pool", "pool", p->conf->pool_name);
	return ERR_NOT_FOUND;
}

static bool
is_options_end(struct slice word)
{
	return slice_eq(word, SLICE("--"));
}

static int
load(struct source *s, struct source_build *b)
{
	struct program *p = arena_zalloc(b->arena, 1, sizeof(*p));
	const struct program_conf *c = s->conf;
	int err;

	if (!p)
		return ERR_MEMORY;
	s->state = p;
	p->conf = c;
	p->spawner = b->spawner;
	p->limits = (struct order_limits){ .memory = c->max_memory,
					   .cpu_s = (c->max_cpu_ns + CLOCK_SEC - 1) / CLOCK_SEC,
					   .files = c->max_files,
					   .file_bytes = c->max_file_size };
	err = split(&p->command, c->command, s->section, "command", b);
	if (!err && p->command.count == 0)
		err = ERR_SYNTAX; /* said: it is required */
	if (err)
		return err;
	for (unsigned i = 1; i < p->command.count; i++)
		p->ends_options |= is_options_end(p->command.at[i]);
	err = check_paths(s, b->errors);
	if (err)
		return err;
	spawner_want(p->spawner);
	return find_pool(s, b);
}

/* --- a part ---------------------------------------------------------------------- */

static int
want(struct part *p, struct source_build *b, struct slice text, const char *key)
{
	int value = part_want(p, text, VALUE_RAW, key);

	if (value < 0)
		conf_error_at(b->errors, p->section, key,
			      "more than %d arguments and variables of one part",
			      PART_VALUES_MAX - 1);
	return value;
}

static int
want_arguments(struct part *p, struct source_build *b, struct part_conf *conf)
{
	struct words words;
	int err = split(&words, conf->arguments, p->section, "arguments", b);

	if (err)
		return err;
	conf->options_end = NO_OPTIONS_END;
	conf->argument_count = words.count;
	for (unsigned i = 0; i < words.count; i++) {
		int value = want(p, b, words.at[i], "arguments");
		if (value < 0)
			return value;
		if (i == 0)
			conf->first_argument = value;
		if (conf->options_end == NO_OPTIONS_END && is_options_end(words.at[i]))
			conf->options_end = (int)i;
	}
	return 0;
}

static int
want_variables(struct part *p, struct source_build *b, struct part_conf *conf)
{
	for (size_t i = 0; i < conf->environment.count; i++) {
		int value = want(p, b, conf->environment.at[i].value, "env.");
		if (value < 0)
			return value;
		if (i == 0)
			conf->first_variable = value;
	}
	return 0;
}

/* "program NAME ([route NAME])". NULL without memory. */
static const char *
make_log_name(const struct part *p, struct source_build *b)
{
	struct slice name = p->source->name, kind = p->section->kind, part = p->section->name;
	size_t bytes = name.len + kind.len + part.len + 32;
	char *text = arena_zalloc(b->arena, 1, bytes);
	struct writer w = writer_over(text, text ? bytes - 1 : 0);

	writer_format(&w, "program %.*s ([%.*s %.*s])", SLICE_PRINT(name), SLICE_PRINT(kind),
		      SLICE_PRINT(part));
	return text;
}

static int
load_part(struct part *p, struct source_build *b)
{
	struct part_conf *conf = p->conf;
	struct program *program = p->source->state;
	int err;

	if (!field_is_value(conf->type))
		conf_error_at(b->errors, p->section, "type", "%s cannot stand in a header field",
			      conf_quote(conf->type).text);
	if (p->passes_through)
		p->max_result = STORE_BLOCK_BYTES; /* see exec_stream.h */
	conf->log_name = make_log_name(p, b);
	conf->input_value = part_want(p, conf->input, VALUE_RAW, "input");
	err = conf->input_value < 0 ? conf->input_value : want_arguments(p, b, conf);
	if (!err)
		err = want_variables(p, b, conf);
	if (!err)
		conf->cost = pool_cost(program->pool, p->section->name, 0);
	return err || conf->log_name ? err : ERR_MEMORY;
}

/* --- one subrequest -------------------------------------------------------------- */

static struct pool *
pool_of(const struct part *p)
{
	const struct program *program = p->source->state;

	return program->pool;
}

static struct cost *
cost_of(const struct part *p)
{
	const struct part_conf *conf = p->conf;

	return conf->cost;
}

/* Whether a value of the request would be taken for an option. */
static bool
is_option(const struct subrequest *q, unsigned argument)
{
	const struct part_conf *conf = q->part->conf;
	const struct program *program = q->part->source->state;
	const struct part_value *v = &q->part->value[conf->first_argument + (int)argument];
	struct slice value = q->value[conf->first_argument + (int)argument];

	if (value.len == 0 || value.at[0] != '-' || v->is_constant || v->text.at[0] == '-')
		return false;
	return !program->ends_options &&
	       (conf->options_end == NO_OPTIONS_END || (int)argument < conf->options_end);
}

static bool
has_own(const struct part_conf *conf, struct slice name)
{
	for (size_t i = 0; i < conf->environment.count; i++) {
		if (slice_eq(conf->environment.at[i].name, name))
			return true;
	}
	return false;
}

static void
put_variables(struct order *o, const struct subrequest *q)
{
	const struct part_conf *conf = q->part->conf;
	const struct program *program = q->part->source->state;
	const struct conf_family *family = &program->conf->environment;

	for (size_t i = 0; i < family->count; i++) {
		if (!has_own(conf, family->at[i].name))
			order_variable(o, family->at[i].name, family->at[i].value);
	}
	for (size_t i = 0; i < conf->environment.count; i++)
		order_variable(o, conf->environment.at[i].name,
			       q->value[conf->first_variable + (int)i]);
}

static void
write_order(struct order *o, const struct subrequest *q)
{
	const struct part_conf *conf = q->part->conf;
	const struct program *program = q->part->source->state;

	order_init(o, program->command.at[0].at, program->conf->directory.at, &program->limits);
	for (unsigned i = 1; i < program->command.count; i++)
		order_argument(o, program->command.at[i]);
	for (unsigned i = 0; i < conf->argument_count; i++) {
		order_argument(o, q->value[conf->first_argument + (int)i]);
		if (is_option(q, i) && !o->text.err)
			o->text.err = ERR_ARGUMENT;
	}
	put_variables(o, q);
}

static void
give_output(const struct child_run *r, int fd)
{
	exec_stream_give(r->output_argument, fd);
}

static struct offload *
make(const struct subrequest *q)
{
	const struct part_conf *conf = q->part->conf;
	const struct program *program = q->part->source->state;
	struct slice input = q->value[conf->input_value];
	size_t bytes;
	struct exec *x;

	if (!mem_add(sizeof(*x), input.len, &bytes))
		return NULL;
	x = mem_alloc(bytes);
	if (!x)
		return NULL;
	*x = (struct exec){ .offload.type = conf->type };
	if (input.len > 0)
		memcpy(x->memory, input.at, input.len);
	write_order(&x->order, q);
	x->run = (struct child_run){ .spawner = program->spawner,
				     .job = &x->offload.job,
				     .input = slice_make(x->memory, input.len),
				     .output = &x->offload.output,
				     .grace_ns = program->conf->grace_ns,
				     .log_name = conf->log_name };
	exec_stream_init(&x->stream, &x->offload, program->conf->max_output);
	if (q->part->passes_through) {
		x->run.give_output = give_output;
		x->run.output_argument = &x->stream;
	}
	return &x->offload;
}

/* Values that no argument can have: it is the client who can change that. */
static int
refuse(struct exec *x)
{
	struct offload *o = &x->offload;

	if (x->order.text.err == ERR_MEMORY)
		return ERR_MEMORY;
	log_debug("%s: a value of the request cannot be an argument: %s", x->run.log_name,
		  err_text(x->order.text.err));
	o->status = 422;
	o->type = SLICE("text/plain");
	buffer_text(&o->output, "A value of this request cannot be given to the program.\n");
	return 0;
}

static int
run(struct offload *o, struct pool_thread *t)
{
	struct exec *x = CONTAINER_OF(o, struct exec, offload);

	(void)t;
	if (x->order.text.err)
		return refuse(x);
	/* Where the thread is that waits for it, and as important. */
	x->order.head.share = order_share_of_thread();
	return child_run(&x->run, &x->order);
}

static void
fini(struct offload *o)
{
	order_fini(&CONTAINER_OF(o, struct exec, offload)->order);
}

static bool
home(struct offload *o)
{
	return exec_stream_home(&CONTAINER_OF(o, struct exec, offload)->stream);
}

static void
resume(struct offload *o)
{
	exec_stream_resume(&CONTAINER_OF(o, struct exec, offload)->stream);
}

static void
leave(struct offload *o)
{
	exec_stream_close(&CONTAINER_OF(o, struct exec, offload)->stream);
}

static const struct offload_ops offload_ops = {
	.pool = pool_of,
	.cost = cost_of,
	.make = make,
	.run = run,
	.fini = fini,
	.home = home,
	.resume = resume,
	.leave = leave,
};

static int
reserve(struct subrequest *q[], size_t n)
{
	return offload_reserve(q, n, &offload_ops);
}

const struct source_ops source_exec = {
	.name = "exec",
	.section = "program",
	.section_keys = section_keys,
	.section_size = sizeof(struct program_conf),
	.part_keys = part_keys,
	.part_size = sizeof(struct part_conf),
	.load = load,
	.load_part = load_part,
	.pool = pool_of,
	.reserve = reserve,
	.release = offload_release,
	.start = offload_start,
	.resume = offload_resume,
	.cancel = offload_cancel,
	.waits_for_reader = true,
};
