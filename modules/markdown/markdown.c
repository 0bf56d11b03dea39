/*
 * The module markdown: CommonMark to HTML, on libcmark, safe for text of strangers: raw HTML is
 * left out, and links that could run a script lead nowhere. Also an example of a library that
 * cannot be told that there is no memory, or that nobody waits any more: it allocates from the
 * run's scratch memory, and when that is used up, or nobody waits, the run ends by a jump out of
 * the library, which leaves nothing behind. What it does without allocating is not interrupted; so
 * its jobs run in processes of their own, which can be ended, unless it is told otherwise.
 */
#include <forebay_module.h>

#include <cmark.h>
#include <setjmp.h>
#include <string.h>

enum {
	STEP_BYTES = 16 * 1024, /* between two looks at who still waits */
	STEP_PIECES = 64, /* of memory: the same */
	FIXED_BYTES = 4096,
	HEAD_BYTES = 16, /* before each piece of memory: how long it is; keeps it aligned */
};

struct markdown_params {
	bool smart, hard_breaks, source_positions;
};

/* --- memory ------------------------------------------------------------------------- */

/* The run of this thread, for callbacks that get no argument. */
static _Thread_local struct run {
	struct forebay_call *call;
	unsigned pieces; /* of memory, until now */
	jmp_buf end;
} * running;

/* Why a run jumps out of the library. */
enum end { END_NO_MEMORY = 1, END_CANCELLED };

static void *
allocate(size_t count, size_t size)
{
	size_t bytes = 0;
	char *at = NULL;

	if (++running->pieces % STEP_PIECES == 0 && forebay_is_cancelled(running->call))
		longjmp(running->end, END_CANCELLED);
	if (!__builtin_mul_overflow(count, size, &bytes) && bytes < SIZE_MAX - HEAD_BYTES)
		at = (char *)forebay_alloc(running->call, bytes + HEAD_BYTES);
	if (!at)
		longjmp(running->end, END_NO_MEMORY);
	memcpy(at, &bytes, sizeof(bytes));
	memset(at + HEAD_BYTES, 0, bytes);
	return at + HEAD_BYTES;
}

/* The old piece stays until the run ends. */
static void *
grow(void *old, size_t bytes)
{
	size_t old_bytes = 0;
	void *at = allocate(1, bytes);

	if (old) {
		memcpy(&old_bytes, (const char *)old - HEAD_BYTES, sizeof(old_bytes));
		memcpy(at, old, old_bytes < bytes ? old_bytes : bytes);
	}
	return at;
}

static void
leave(void *at)
{
	(void)at;
}

/* --- a run -------------------------------------------------------------------------- */

static int
options_of(const struct markdown_params *p)
{
	int options = CMARK_OPT_DEFAULT | CMARK_OPT_VALIDATE_UTF8;

	options |= p->smart ? CMARK_OPT_SMART : 0;
	options |= p->hard_breaks ? CMARK_OPT_HARDBREAKS : 0;
	options |= p->source_positions ? CMARK_OPT_SOURCEPOS : 0;
	return options;
}

static int
convert(struct forebay_call *c, int options)
{
	static cmark_mem memory = { allocate, grow, leave };
	cmark_parser *parser = cmark_parser_new_with_mem(options, &memory);
	struct forebay_bytes rest = c->input;
	char *html;

	while (rest.len > 0) {
		size_t step = rest.len < STEP_BYTES ? rest.len : STEP_BYTES;

		if (forebay_is_cancelled(c))
			return FOREBAY_CANCELLED;
		cmark_parser_feed(parser, rest.at, step);
		rest.at += step;
		rest.len -= step;
	}
	html = cmark_render_html(cmark_parser_finish(parser), options);
	return forebay_write(c, html, strlen(html));
}

static int
markdown_run(struct forebay_call *c)
{
	struct run run = { .call = c };
	int err = forebay_set_type(c, "text/html; charset=utf-8");

	if (err)
		return err;
	running = &run;
	switch (setjmp(run.end)) {
	case 0:
		return convert(c, options_of((const struct markdown_params *)c->params));
	case END_CANCELLED:
		return FOREBAY_CANCELLED;
	default:
		return forebay_fail(c, "%zu bytes of text take more than the module's scratch",
				    c->input.len);
	}
}

/* Beside its bytes each run has about as much to do as for so many more. */
static uint64_t
markdown_units(const struct forebay_hint *h)
{
	return h->input.len + FIXED_BYTES;
}

/* --- the module --------------------------------------------------------------------- */

static const struct forebay_param params[] = {
	{ .name = "smart",
	  .type = FOREBAY_BOOL,
	  FOREBAY_FIELD(struct markdown_params, smart),
	  .def = "no",
	  .help = "straight quotes become curly ones, -- and --- dashes, ... an ellipsis" },
	{ .name = "hard_breaks",
	  .type = FOREBAY_BOOL,
	  FOREBAY_FIELD(struct markdown_params, hard_breaks),
	  .def = "no",
	  .help = "a line break in the text is one in the page" },
	{ .name = "source_positions",
	  .type = FOREBAY_BOOL,
	  FOREBAY_FIELD(struct markdown_params, source_positions),
	  .def = "no",
	  .help = "an attribute data-sourcepos says which lines a block comes from" },
	FOREBAY_PARAMS_END
};

static const struct forebay_job jobs[] = { { .name = "markdown",
					     .help = "CommonMark to HTML; raw HTML is left out",
					     .params = params,
					     .params_size = sizeof(struct markdown_params),
					     .run = markdown_run,
					     .units = markdown_units },
					   FOREBAY_JOBS_END };

const struct forebay_module forebay_module = { FOREBAY_MODULE_HEAD, .name = "markdown",
					       .version = MODULE_VERSION, .jobs = jobs,
					       .flags = FOREBAY_ISOLATE };
