/*
 * A module for tests that asks for processes of its own, and needs them: its
 * job does what the parameter says, most of which nobody survives.
 */
#include <forebay_module.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum birth { WELL, REFUSED, CRASHED };

struct wilds {
	uint32_t birth;
	uint64_t nap_ns;
};

static const char *const births[] = { "well", "refused", "crashed", NULL };

static const struct forebay_param module_params[] = { { .name = "birth",
							.type = FOREBAY_WORD,
							FOREBAY_FIELD(struct wilds, birth),
							.def = "well",
							.words = births,
							.help = "how its init goes" },
						      { .name = "nap",
							.type = FOREBAY_DURATION,
							FOREBAY_FIELD(struct wilds, nap_ns),
							.def = "0ms",
							.max = 60000000000,
							.help = "how long its init takes" },
						      FOREBAY_PARAMS_END };

static int
init(struct forebay_setup *s)
{
	const struct wilds *p = s->params;

	if (s->is_trial)
		return FOREBAY_OK;
	for (uint64_t slept = 0; slept < p->nap_ns; slept += 1000000)
		usleep(1000);
	if (p->birth == CRASHED)
		abort();
	return p->birth == REFUSED ? forebay_refuse(s, "born to refuse") : FOREBAY_OK;
}

struct wild {
	struct forebay_bytes act;
};

static const struct forebay_param params[] = { { .name = "act",
						 .type = FOREBAY_TEMPLATE,
						 FOREBAY_FIELD(struct wild, act),
						 .def = "{body}",
						 .help = "what to do" },
					       FOREBAY_PARAMS_END };

static int
say_descriptors(struct forebay_call *c)
{
	for (int fd = 0; fd < 64; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			forebay_printf(c, "%d ", fd);
	}
	return 0;
}

static int
say_refusals(struct forebay_call *c)
{
	char program[] = "/bin/true";
	char *const arguments[] = { program, NULL };

	forebay_printf(c, "open %d, ", open("/etc/passwd", O_RDONLY) < 0 ? errno : 0);
	forebay_printf(c, "socket %d, ", socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0);
	forebay_printf(c, "fork %d, ", fork() < 0 ? errno : 0);
	forebay_printf(c, "execve %d", execv(program, arguments) < 0 ? errno : 0);
	return 0;
}

/* Answers for the server, with what no answer is. */
static int
lie(void)
{
	char bytes[64];

	memset(bytes, 0xff, sizeof(bytes));
	for (int fd = 4; fd < 64; fd++)
		(void)!send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
	return 0;
}

static int
take_memory(struct forebay_call *c)
{
	char *at = malloc((size_t)900 << 20);

	if (!at)
		return forebay_fail(c, "no memory");
	free(at);
	return forebay_write(c, "memory", 6);
}

/* "getenv NAME" */
static int
say_variable(struct forebay_call *c, const struct wild *p)
{
	char name[64] = "";
	const char *value;

	memcpy(name, p->act.at + 7, p->act.len - 7 < 63 ? p->act.len - 7 : 63);
	value = getenv(name);
	return forebay_printf(c, "%s", value ? value : "(none)");
}

/* Begins with the word? */
static bool
is(const struct wild *p, const char *word)
{
	return p->act.len >= strlen(word) && memcmp(p->act.at, word, strlen(word)) == 0;
}

static int
run(struct forebay_call *c)
{
	const struct wild *p = c->params;
	volatile int *null = NULL;

	if (is(p, "null"))
		return *null;
	if (is(p, "abort"))
		abort();
	if (is(p, "exit"))
		_exit(0);
	/* Whoever has started it takes it along. Not in a sandbox. */
	if (is(p, "orphan"))
		kill(getppid(), SIGKILL);
	while (is(p, "orphan"))
		pause();
	while (is(p, "loop"))
		(void)*(volatile const char *)p->act.at;
	if (is(p, "doze"))
		sleep(3);
	while (is(p, "patient") && !forebay_is_cancelled(c))
		usleep(1000);
	if (is(p, "patient"))
		return FOREBAY_CANCELLED;
	if (is(p, "descriptors"))
		return say_descriptors(c);
	if (is(p, "refusals"))
		return say_refusals(c);
	if (is(p, "lie"))
		return lie();
	if (is(p, "memory"))
		return take_memory(c);
	if (is(p, "fail"))
		return forebay_fail(c, "as asked for");
	if (is(p, "chatter"))
		fprintf(stderr, "this is chatter\n");
	if (is(p, "getenv "))
		return say_variable(c, p);
	if (is(p, "pid"))
		return forebay_printf(c, "%d", (int)getpid());
	forebay_set_field(c, "X-Wild", "yes");
	forebay_set_status(c, 201);
	return forebay_write(c, c->input.at, c->input.len);
}

static const struct forebay_job jobs[] = { { .name = "wild",
					     .help = "what nobody survives",
					     .params = params,
					     .params_size = sizeof(struct wild),
					     .run = run },
					   FOREBAY_JOBS_END };

FOREBAY_EXPORT const struct forebay_module forebay_module = {
	FOREBAY_MODULE_HEAD,
	.name = "wild",
	.params = module_params,
	.params_size = sizeof(struct wilds),
	.init = init,
	.jobs = jobs,
	.flags = FOREBAY_ISOLATE,
};
