/*
 * A module for tests: one job for each thing that a job can do. What is done
 * to the module itself is written, line by line, to the file `ledger`.
 */
#include <forebay_module.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "1"
#endif

struct good {
	struct forebay_bytes greeting, ledger;
	uint32_t times;
};

static const struct forebay_param params[] = { { .name = "greeting",
						 .type = FOREBAY_TEXT,
						 FOREBAY_FIELD(struct good, greeting),
						 .def = "hello",
						 .help = "what greet says" },
					       { .name = "ledger",
						 .type = FOREBAY_PATH,
						 FOREBAY_FIELD(struct good, ledger),
						 .help = "file that tells what happened" },
					       { .name = "times",
						 .type = FOREBAY_UINT,
						 FOREBAY_FIELD(struct good, times),
						 .def = "1",
						 .min = 1,
						 .max = 9,
						 .help = "how often greet says it" },
					       FOREBAY_PARAMS_END };

static void
note(const struct good *p, const char *what)
{
	int fd;

	if (p->ledger.len == 0)
		return;
	fd = open(p->ledger.at, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, what, strlen(what)) < 0)
		abort();
	close(fd);
}

static int
init(struct forebay_setup *s)
{
	const struct good *p = s->params;

	s->module = malloc(sizeof(*p));
	if (!s->module)
		return FOREBAY_NO_MEMORY;
	memcpy(s->module, p, sizeof(*p));
	note(p, s->is_trial ? "trial\n" : "init\n");
	return 0;
}

static void
fini(void *module)
{
	note(module, "fini\n");
	free(module);
}

/* --- greet: parameters of every kind --------------------------------------------- */

enum tone { PLAIN, LOUD };

struct greet {
	struct forebay_bytes name, maybe;
	bool is_polite;
	uint64_t wait, room;
	int16_t number;
	uint32_t factor;
	enum tone tone;
	uint8_t colours;
};

static const char *const tones[] = { "plain", "loud", NULL };
static const char *const colours[] = { "red", "green", "blue", NULL };

static const struct forebay_param greet_params[] = { { .name = "name",
						       .type = FOREBAY_TEMPLATE,
						       FOREBAY_FIELD(struct greet, name),
						       .flags = FOREBAY_REQUIRED,
						       .help = "whom to greet" },
						     { .name = "maybe",
						       .type = FOREBAY_TEMPLATE,
						       FOREBAY_FIELD(struct greet, maybe),
						       .def = "{query.maybe}",
						       .flags = FOREBAY_OPTIONAL,
						       .help = "what may be absent" },
						     { .name = "polite",
						       .type = FOREBAY_BOOL,
						       FOREBAY_FIELD(struct greet, is_polite),
						       .def = "yes",
						       .help = "with please" },
						     { .name = "wait",
						       .type = FOREBAY_DURATION,
						       FOREBAY_FIELD(struct greet, wait),
						       .def = "2ms",
						       .max = 1000000000,
						       .help = "a time" },
						     { .name = "room",
						       .type = FOREBAY_SIZE,
						       FOREBAY_FIELD(struct greet, room),
						       .def = "4k",
						       .help = "a size" },
						     { .name = "number",
						       .type = FOREBAY_INT,
						       FOREBAY_FIELD(struct greet, number),
						       .def = "-5",
						       .min = -10,
						       .max = 10,
						       .help = "a number" },
						     { .name = "factor",
						       .type = FOREBAY_DECIMAL,
						       FOREBAY_FIELD(struct greet, factor),
						       .def = "1.5",
						       .help = "a factor" },
						     { .name = "tone",
						       .type = FOREBAY_WORD,
						       FOREBAY_FIELD(struct greet, tone),
						       .def = "plain",
						       .words = tones,
						       .help = "a word" },
						     { .name = "colours",
						       .type = FOREBAY_WORDS,
						       FOREBAY_FIELD(struct greet, colours),
						       .def = "red, blue",
						       .words = colours,
						       .help = "words" },
						     FOREBAY_PARAMS_END };

static int
greet(struct forebay_call *c)
{
	const struct greet *p = c->params;
	const struct good *m = c->module;

	for (uint32_t i = 0; i < m->times; i++)
		forebay_printf(c, "%s, %.*s", m->greeting.at, (int)p->name.len, p->name.at);
	forebay_printf(c, " %s %d %llu %llu %d %u %d %u", p->maybe.at ? "there" : "absent",
		       p->is_polite, (unsigned long long)p->wait, (unsigned long long)p->room,
		       p->number, p->factor, (int)p->tone, p->colours);
	return 0;
}

/* --- fill: the output's bound, by each way to write -------------------------------- */

struct fill {
	uint64_t bytes;
	int how; /* 0: write, 1: printf, 2: room */
};

static const char *const hows[] = { "write", "printf", "room", NULL };
static const struct forebay_param fill_params[] = { { .name = "bytes",
						      .type = FOREBAY_SIZE,
						      FOREBAY_FIELD(struct fill, bytes),
						      .def = "1",
						      .help = "how many" },
						    { .name = "how",
						      .type = FOREBAY_WORD,
						      FOREBAY_FIELD(struct fill, how),
						      .def = "write",
						      .words = hows,
						      .help = "which function" },
						    FOREBAY_PARAMS_END };

static int
fill_room(struct forebay_call *c, uint64_t bytes)
{
	while (bytes > 0) {
		size_t room, step;
		void *at = forebay_room(c, 1, &room);

		if (!at)
			return FOREBAY_TOO_LARGE;
		step = bytes < room ? (size_t)bytes : room;
		memset(at, 'x', step);
		forebay_wrote(c, step);
		bytes -= step;
	}
	return 0;
}

static int
fill(struct forebay_call *c)
{
	const struct fill *p = c->params;

	if (p->how == 2)
		return fill_room(c, p->bytes);
	if (p->how == 1)
		return forebay_printf(c, "%0*d", (int)p->bytes, 0);
	for (uint64_t i = 0; i < p->bytes; i++) {
		if (forebay_write(c, "x", 1) != 0)
			break; /* the run has failed all the same */
	}
	return 0;
}

/* --- the rest --------------------------------------------------------------------- */

static int
spin(struct forebay_call *c)
{
	note(c->module, "spin\n");
	while (!forebay_is_cancelled(c))
		;
	note(c->module, "stopped\n");
	return FOREBAY_CANCELLED;
}

struct nap {
	uint64_t time;
};

static const struct forebay_param nap_params[] = { { .name = "time",
						     .type = FOREBAY_DURATION,
						     FOREBAY_FIELD(struct nap, time),
						     .def = "1ms",
						     .help = "how long" },
						   FOREBAY_PARAMS_END };

static int
nap(struct forebay_call *c)
{
	const struct nap *p = c->params;

	usleep((useconds_t)(p->time / 1000));
	return forebay_printf(c, "version %s", VERSION);
}

static int
reply(struct forebay_call *c)
{
	forebay_set_status(c, 201);
	forebay_set_type(c, "application/json");
	forebay_set_field(c, "Cache-Control", "no-store");
	forebay_set_field(c, "X-Late", "one");
	forebay_set_field(c, "x-late", "two");
	return forebay_printf(
	    c, "[%d,%d,%d,%d,%d,%d]", forebay_set_status(c, 99),
	    forebay_set_field(c, "Content-Length", "7"),
	    forebay_set_field(c, "Connection", "close"), forebay_set_field(c, "X-A", "a\r\nX-B: b"),
	    forebay_set_field(c, "", "x"), forebay_set_field(c, "Forebay-Parts", "x"));
}

struct status {
	uint32_t status, bytes;
};

static const struct forebay_param status_params[] = { { .name = "status",
							.type = FOREBAY_UINT,
							FOREBAY_FIELD(struct status, status),
							.def = "204",
							.help = "which" },
						      { .name = "bytes",
							.type = FOREBAY_SIZE,
							FOREBAY_FIELD(struct status, bytes),
							.def = "0",
							.help = "of output" },
						      FOREBAY_PARAMS_END };

static int
status(struct forebay_call *c)
{
	const struct status *p = c->params;

	forebay_set_status(c, (int)p->status);
	return forebay_printf(c, "%.*s", (int)p->bytes, "xxxxxxxx");
}

/* What was written in between has moved the room. */
static int
astray(struct forebay_call *c)
{
	size_t room;
	char *at = forebay_room(c, 1, &room);

	if (!at)
		return FOREBAY_TOO_LARGE;
	for (int i = 0; i < 1000; i++)
		forebay_write(c, "0123456789", 10);
	forebay_wrote(c, room);
	return 0;
}

static int
scratch(struct forebay_call *c)
{
	size_t bytes = 0;
	char *at;

	while ((at = forebay_alloc(c, 10000)) != NULL) {
		memset(at, 1, 10000);
		bytes += 10000;
	}
	return forebay_printf(c, "%zu", bytes);
}

static int
fail(struct forebay_call *c)
{
	return forebay_fail(c, "no such %s: %.*s", "thing", (int)c->input.len, c->input.at);
}

static int
left(struct forebay_call *c)
{
	return forebay_printf(c, "%d %zu", forebay_time_left(c) > 0, c->max_output);
}

/* --- keep: a thread's own state ---------------------------------------------------- */

static int
keep_init(struct forebay_setup *s)
{
	const struct good *p = s->module;

	s->thread = calloc(1, sizeof(unsigned));
	if (!s->thread)
		return FOREBAY_NO_MEMORY;
	if (!s->is_trial)
		note(p, "thread_init\n");
	return 0;
}

static void
keep_fini(void *module, void *thread)
{
	note(module, "thread_fini\n");
	free(thread);
}

static int
keep(struct forebay_call *c)
{
	unsigned *runs = c->thread;

	return forebay_printf(c, "%u", ++*runs);
}

static int
moody_init(struct forebay_setup *s)
{
	return s->is_trial ? 0 : forebay_refuse(s, "not today");
}

static const struct forebay_job jobs[] = {
	{ .name = "greet",
	  .help = "says hello",
	  .params = greet_params,
	  .params_size = sizeof(struct greet),
	  .run = greet },
	{ .name = "fill",
	  .help = "writes so many bytes",
	  .params = fill_params,
	  .params_size = sizeof(struct fill),
	  .run = fill },
	{ .name = "spin", .help = "ends when nobody waits", .run = spin },
	{ .name = "nap",
	  .help = "sleeps",
	  .params = nap_params,
	  .params_size = sizeof(struct nap),
	  .run = nap },
	{ .name = "reply", .help = "sets all of a head", .run = reply },
	{ .name = "status",
	  .help = "sets a status",
	  .params = status_params,
	  .params_size = sizeof(struct status),
	  .run = status },
	{ .name = "astray", .help = "writes into room that has gone", .run = astray },
	{ .name = "scratch", .help = "takes all scratch memory", .run = scratch },
	{ .name = "fail", .help = "fails with a message", .run = fail },
	{ .name = "left", .help = "says what is left", .run = left },
	{ .name = "keep",
	  .help = "counts its runs on this thread",
	  .run = keep,
	  .thread_init = keep_init,
	  .thread_fini = keep_fini },
	{ .name = "moody", .help = "has no thread", .run = keep, .thread_init = moody_init },
	FOREBAY_JOBS_END
};

const struct forebay_module forebay_module = {
	FOREBAY_MODULE_HEAD,
	.name = "good",
	.version = VERSION,
	.params = params,
	.params_size = sizeof(struct good),
	.init = init,
	.fini = fini,
	.jobs = jobs,
};
