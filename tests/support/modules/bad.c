/*
 * Modules that must not come into a server: compiled once for each fault, with
 * -DBAD_<fault>; bad-<fault>.so is what comes out.
 */
#include <forebay_module.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bad {
	struct forebay_bytes text;
	uint64_t number;
	int word;
};

static const char *const words[] = { "one", "two", NULL };

__attribute__((unused)) static const struct forebay_param sound[] = {
	{ .name = "text", .type = FOREBAY_TEXT, FOREBAY_FIELD(struct bad, text) },
	{ .name = "number", .type = FOREBAY_UINT, FOREBAY_FIELD(struct bad, number), .def = "1" },
	{ .name = "word", .type = FOREBAY_WORD, FOREBAY_FIELD(struct bad, word), .words = words },
	FOREBAY_PARAMS_END
};

static int
run(struct forebay_call *c)
{
	return forebay_write(c, "ran", 3);
}

static int
init(struct forebay_setup *s)
{
	(void)s;
#if defined(BAD_refuse)
	const struct bad *p = s->params;

	return forebay_refuse(s, "nothing in %s\nat all", p->text.at);
#elif defined(BAD_abort)
	abort();
#elif defined(BAD_killed)
	kill(getpid(), SIGKILL);
#elif defined(BAD_endless)
	for (;;)
		usleep(1000);
#elif defined(BAD_mute)
	return FOREBAY_NO_MEMORY;
#elif defined(BAD_exit)
	exit(0);
#endif
	return 0;
}

static void
fini(void *module)
{
	(void)module;
#if defined(BAD_fini)
	abort();
#endif
}

static int
thread_init(struct forebay_setup *s)
{
	(void)s;
#if defined(BAD_thread)
	return forebay_refuse(s, "no thread");
#else
	return 0;
#endif
}

#if defined(BAD_constructor)
__attribute__((constructor)) static void
construct(void)
{
	_exit(3);
}
#endif

static const struct forebay_param faulty[] = {
#if defined(BAD_width)
	{ .name = "n", .type = FOREBAY_UINT, .width = 3 },
#elif defined(BAD_offset)
	{ .name = "n", .type = FOREBAY_UINT, .offset = sizeof(struct bad) - 4, .width = 8 },
#elif defined(BAD_type)
	{ .name = "n", .type = 99, .width = 8 },
#elif defined(BAD_default)
	{ .name = "n", .type = FOREBAY_UINT, FOREBAY_FIELD(struct bad, number), .def = "many" },
#elif defined(BAD_range)
	{ .name = "n",
	  .type = FOREBAY_UINT,
	  FOREBAY_FIELD(struct bad, number),
	  .min = 5,
	  .max = 2 },
#elif defined(BAD_words)
	{ .name = "n", .type = FOREBAY_WORD, FOREBAY_FIELD(struct bad, word) },
#elif defined(BAD_name)
	{ .name = "No Name", .type = FOREBAY_UINT, FOREBAY_FIELD(struct bad, number) },
#elif defined(BAD_repeated)
	{ .name = "n", .type = FOREBAY_UINT, FOREBAY_FIELD(struct bad, number) },
	{ .name = "n", .type = FOREBAY_UINT, FOREBAY_FIELD(struct bad, number) },
#elif defined(BAD_optional)
	{ .name = "n",
	  .type = FOREBAY_UINT,
	  FOREBAY_FIELD(struct bad, number),
	  .flags = FOREBAY_OPTIONAL },
#elif defined(BAD_taken)
	{ .name = "timeout", .type = FOREBAY_UINT, FOREBAY_FIELD(struct bad, number) },
#endif
	FOREBAY_PARAMS_END
};

static const struct forebay_job jobs[] __attribute__((unused)) = {
	{ .name = "bad",
	  .params = faulty,
	  .params_size = sizeof(struct bad),
	  .run = run,
	  .thread_init = thread_init },
#if defined(BAD_twice)
	{ .name = "other", .params = sound, .params_size = sizeof(struct bad), .run = run },
	{ .name = "other", .run = run },
#elif defined(BAD_norun)
	{ .name = "other" },
#endif
	FOREBAY_JOBS_END
};

#if defined(BAD_bare)
const struct forebay_module *fore_bay_module(void);
const struct forebay_module *
fore_bay_module(void)
{
	(void)sound, (void)jobs, (void)init, (void)fini;
	return NULL;
}
#else
#if defined(BAD_template)
static const struct forebay_param params[] = {
	{ .name = "n", .type = FOREBAY_TEMPLATE, FOREBAY_FIELD(struct bad, text) },
	FOREBAY_PARAMS_END
};
#define PARAMS params
#else
#define PARAMS sound
#endif

const struct forebay_module forebay_module = {
#if defined(BAD_abi)
	.abi = 7,
#elif defined(BAD_size)
	.abi = FOREBAY_MODULE_ABI,
	.size = 24,
#else
	FOREBAY_MODULE_HEAD,
#endif
	.name = "bad",
#if defined(BAD_version)
	.version = "1\n2",
#endif
	.params = PARAMS,
	.params_size = sizeof(struct bad),
	.init = init,
	.fini = fini,
#if !defined(BAD_jobs)
	.jobs = jobs,
#endif
};
#endif
