/*
 * The process in which a module is tried; see trial.h. It says on its way what
 * it is about to do, so that whoever finds it dead knows where it died:
 *
 *   > while loading        the next step
 *   ! no model in /x       what is wrong
 *   = ok                   it went through
 */
#include "base/mem.h"
#include "module/module_priv.h"
#include "module/trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { INPUT_BYTES = 1 << 20, LINE_BYTES = 700, WHY_BYTES = 600, ARENA_BYTES = 16 << 20 };

/* The path is not looked at, but a section needs one. */
#define BY_HAND "[module trial]\npath = by-hand\n"

struct serving {
	int out; /* where verdicts go */
	struct store store;
	struct arena arena;
	struct conf_errors errors; /* of the section; not judged */
	struct module module;
	struct writer why;
	char text[WHY_BYTES];
};

static void
say(const struct serving *v, char mark, struct slice text)
{
	char line[LINE_BYTES];
	struct writer w = writer_over(line, sizeof(line) - 1);

	writer_char(&w, mark);
	writer_char(&w, ' ');
	for (size_t i = 0; i < text.len; i++)
		writer_char(&w, text.at[i] == '\n' ? ' ' : text.at[i]);
	line[w.len++] = '\n';
	if (write(v->out, line, w.len) < 0) {
		/* Nobody listens, so nobody is misled. */
	}
}

static void
say_step(const struct serving *v, const char *step, const char *job)
{
	char text[160];
	struct writer w = writer_over(text, sizeof(text));

	writer_text(&w, step);
	writer_text(&w, job);
	say(v, '>', writer_slice(&w));
}

/* --- the section ------------------------------------------------------------------ */

static struct conf_section *
read_section(struct serving *v, const char *name)
{
	char *memory = mem_alloc(INPUT_BYTES);
	size_t len = 0;
	ssize_t got = 1;
	struct conf *conf;

	while (memory && got > 0 && len < INPUT_BYTES) {
		got = read(STDIN_FILENO, memory + len, INPUT_BYTES - len);
		len += got > 0 ? (size_t)got : 0;
	}
	if (!memory)
		return NULL;
	/* By hand, without any section, the defaults are tried. */
	conf = conf_read(len > 0 ? slice_make(memory, len) : SLICE(BY_HAND), name, &v->errors);
	mem_free(&memory);
	return conf ? conf_next(conf, "module", NULL) : NULL;
}

/* --- the steps -------------------------------------------------------------------- */

static int
try_thread(struct serving *v, const struct forebay_job *job)
{
	const struct module *m = &v->module;
	void *state = NULL;
	int err;

	if (!job->thread_init)
		return 0;
	say_step(v, "in thread_init of job ", job->name);
	err = module_thread_init(m, job, true, &state, &v->why);
	say_step(v, "in thread_fini of job ", job->name);
	if (!err && job->thread_fini)
		job->thread_fini(m->state, state);
	return err;
}

static int
try_life(struct serving *v)
{
	struct module *m = &v->module;
	int err;

	say_step(v, "in init", "");
	err = module_start(m, true, &v->why);
	for (unsigned i = 0; i < m->table.job_count && !err; i++)
		err = try_thread(v, &m->table.jobs[i].job);
	say_step(v, "in fini", "");
	module_stop(m);
	return err;
}

static int
try_module(struct serving *v, struct conf_section *s)
{
	struct module *m = &v->module;
	int err;

	m->section = s;
	say_step(v, "while it was loaded", "");
	err = module_load(m, &v->arena, NULL, &v->why);
	if (err)
		return err;
	/* With values that are wrong it cannot be tried further; they are told elsewhere. */
	if (module_fill(m, &v->arena, &v->errors) == 0)
		err = try_life(v);
	else
		say_step(v, "not tried further: a value is missing or wrong", "");
	say_step(v, "while it was unloaded", "");
	image_close(&m->image);
	return err;
}

int
trial_serve(const char *file, const char *conf)
{
	struct serving v = { .out = dup(STDOUT_FILENO) };
	struct conf_section *s;
	int err = ERR_MEMORY;

	/* Not longer than whoever asks. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	v.why = writer_over(v.text, sizeof(v.text));
	store_init(&v.store);
	arena_init(&v.arena, &v.store, ARENA_BYTES);
	conf_errors_init(&v.errors);
	image_over(&v.module.image, file);
	s = read_section(&v, conf);
	if (s)
		err = try_module(&v, s);
	if (err && v.why.len == 0)
		writer_text(&v.why, err_text(err));
	say(&v, err ? '!' : '=', err ? writer_slice(&v.why) : SLICE("ok"));
	fflush(stderr);
	/* Without the exit handlers: the module's are not to be met any more. */
	_exit(err ? EXIT_FAILURE : EXIT_SUCCESS);
}
