/*
 * The commands of forebayctl; see control.h.
 */
#include "base/clock.h"
#include "config.h"
#include "config/suggest.h"
#include "config/value.h"
#include "ctl/control_priv.h"
#include "http/uri.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum {
	TARGET_BYTES = 2048, /* of a request, arguments encoded */
	ARGUMENTS_MAX = 2,
	WORDS_WIDTH = 18, /* of a command and its arguments in --help */
	WAIT_SECONDS = 600, /* of --wait: longer than anybody's grace */
};

struct errand {
	const char *name, *words, *help; /* words: its arguments, as --help names them */
	unsigned arguments, optional; /* how many, and of these how many may lack */
	const char *method, *path;
	unsigned seconds; /* it may take, unless --timeout says otherwise */
	bool has_json;
	bool is_question; /* a refusal is an answer like any other: printed, not complained about */
	bool can_wait; /* --wait */
	/* Instead of all from method on: reads the command line by itself. */
	enum control_exit (*run)(int argc, char **argv);
};

static const struct errand errands[] = {
	{ .name = "status",
	  .help = "workers, pools, listeners and routes at one look",
	  .method = "GET",
	  .path = "/status",
	  .seconds = 5,
	  .has_json = true },
	{ .name = "stalls",
	  .help = "what stood still of late that should not, and why",
	  .method = "GET",
	  .path = "/stalls",
	  .seconds = 5,
	  .has_json = true },
	{ .name = "metrics",
	  .help = "all numbers, in Prometheus' text format",
	  .method = "GET",
	  .path = "/metrics",
	  .seconds = 5 },
	{ .name = "ready",
	  .help = "whether the server takes requests: exit 0 if so, 1 if not",
	  .method = "GET",
	  .path = "/readyz",
	  .seconds = 5,
	  .is_question = true },
	{ .name = "reload",
	  .help = "reads the configuration again: takes all of it, or nothing",
	  .method = "POST",
	  .path = "/reload",
	  .seconds = 60,
	  .has_json = true },
	{ .name = "set",
	  .words = "NAME VALUE",
	  .help = "changes a limit for now, such as pool.compute.threads 6",
	  .arguments = 2,
	  .method = "POST",
	  .path = "/set",
	  .seconds = 60,
	  .has_json = true },
	{ .name = "purge",
	  .words = "CACHE [KEY]",
	  .help = "takes out of a cache what has that key (KEY*: begins so)",
	  .arguments = 2,
	  .optional = 1,
	  .method = "POST",
	  .path = "/purge",
	  .seconds = 60,
	  .has_json = true },
	{ .name = "drain",
	  .help = "finishes what is in flight, then ends the server, as SIGTERM",
	  .method = "POST",
	  .path = "/drain",
	  .seconds = 5,
	  .has_json = true,
	  .can_wait = true },
	{ .name = "plan",
	  .words = "OPTION...",
	  .help = "threads and queue for a load, asking no server; plan --help",
	  .run = control_plan },
	{ .name = "advise",
	  .words = "OPTION...",
	  .help = "whether pools are right, measured; advise --help",
	  .run = control_advise },
};

enum { ERRANDS = sizeof(errands) / sizeof(errands[0]) };

/* --- words ------------------------------------------------------------------------------------ */

static void
print_help(void)
{
	printf("forebayctl: asks a running forebayd, or tells it what to do\n"
	       "\n"
	       "  forebayctl [OPTION...] COMMAND [ARGUMENT...]\n"
	       "\n");
	for (size_t i = 0; i < ERRANDS; i++) {
		const char *words = errands[i].words ? errands[i].words : "";
		int width = WORDS_WIDTH - (int)strlen(errands[i].name) - 1;

		printf("  %s %-*s%s\n", errands[i].name, width, words, errands[i].help);
	}
	printf("\n"
	       "  -s, --socket PATH        default " CONTROL_SOCKET "\n"
	       "  -a, --address HOST:PORT  [admin] listen instead, which takes questions only\n"
	       "  -j, --json               the answer as JSON, but of metrics and ready\n"
	       "  -t, --timeout DURATION   for the answer; default 5s, of reload, set, purge 60s\n"
	       "  -w, --wait               of drain: until the server has gone; default 10m\n"
	       "  -h, --help, --version    this text; the version\n"
	       "\n"
	       "Exit: 0 done; 1 the server said no; 2 wrong usage; 3 no answer.\n");
}

enum control_exit
control_complain(const char *what, const char *word, const char *more)
{
	fprintf(stderr, "forebayctl: %s%s%s%s; see forebayctl --help\n", what, word ? ": " : "",
		word ? word : "", more ? more : "");
	return CONTROL_USAGE;
}

enum control_exit
control_end(enum control_exit code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	fprintf(stderr, "forebayctl: cannot write: %s\n", strerror(errno));
	return CONTROL_NO;
}

static const struct errand *
find_errand(const char *name)
{
	for (size_t i = 0; i < ERRANDS; i++) {
		if (strcmp(name, errands[i].name) == 0)
			return &errands[i];
	}
	return NULL;
}

static enum control_exit
complain_name(const char *name)
{
	struct suggest near;

	suggest_init(&near, slice_of(name));
	for (size_t i = 0; i < ERRANDS; i++)
		suggest_offer(&near, slice_of(errands[i].name));
	return control_complain("no such command", name, suggest_text(&near));
}

/* Whether the options and arguments are those of the errand. */
static enum control_exit
check_words(const struct control *c, const struct errand *e, unsigned count, char **arguments)
{
	char what[64];

	if (c->is_json && !e->has_json)
		return control_complain("there is no JSON of", e->name, NULL);
	if (c->waits && !e->can_wait)
		return control_complain("--wait is for drain, not for", e->name, NULL);
	if (count <= e->arguments && count >= e->arguments - e->optional)
		return CONTROL_OK;
	if (count > e->arguments) {
		snprintf(what, sizeof(what), "%s takes %s%s", e->name,
			 e->words ? e->words : "no argument", e->words ? " and no more" : "");
		return control_complain(what, arguments[e->arguments], NULL);
	}
	snprintf(what, sizeof(what), "%s needs %s", e->name, e->words);
	return control_complain(what, NULL, NULL);
}

/* --- answers ------------------------------------------------------------------------------------
 */

/* JSON is for the program that asked for it, whatever it says; else a refusal is a complaint. */
static FILE *
choose_stream(const struct control *c, const struct errand *e, const struct client_answer *a)
{
	bool is_json = a->body.len > 0 && a->body.at[0] == '{';

	return a->status < 400 || e->is_question || (c->is_json && is_json) ? stdout : stderr;
}

static enum control_exit
print_answer(const struct control *c, const struct errand *e, const struct client_answer *a)
{
	FILE *to = choose_stream(c, e, a);

	if (to == stderr)
		fprintf(stderr, "forebayctl: %s: the server says no (%d): ", e->name, a->status);
	fwrite(a->body.at, 1, a->body.len, to);
	if (to == stderr && (a->body.len == 0 || a->body.at[a->body.len - 1] != '\n'))
		fputc('\n', stderr);
	return control_end(a->status < 400 ? CONTROL_OK : CONTROL_NO);
}

/* --- asking --------------------------------------------------------------------------------------
 */

/* Path and arguments; ERR_TOO_LARGE. The text ends with a NUL. */
static int
write_target(char *memory, const struct errand *e, char **arguments)
{
	static const char *const names[ARGUMENTS_MAX] = { "?name=", "&value=" };
	struct writer w = writer_over(memory, TARGET_BYTES - 1);

	writer_text(&w, e->path);
	for (unsigned i = 0; i < e->arguments && arguments[i]; i++) {
		writer_text(&w, names[i]);
		uri_encode(&w, slice_of(arguments[i]));
	}
	memory[w.len] = '\0';
	return w.is_full ? ERR_TOO_LARGE : 0;
}

/* After the answer: it may have been the last. */
static enum control_exit
wait_for_end(const struct control *c)
{
	uint64_t timeout = c->timeout_ns ? c->timeout_ns : WAIT_SECONDS * CLOCK_SEC;

	if (control_server_wait(c, timeout) == 0) {
		if (!c->is_json)
			printf("gone\n");
		return CONTROL_OK;
	}
	fprintf(stderr, "forebayctl: %s: it is still draining; --timeout waits longer\n", c->where);
	return CONTROL_NO_ANSWER;
}

static enum control_exit
run_errand(struct control *c, const struct errand *e, char **arguments)
{
	char target[TARGET_BYTES];
	struct client_question q = {
		.method = e->method,
		.target = target,
		.accept = c->is_json ? "application/json" : "text/plain",
		.timeout_ns = c->timeout_ns ? c->timeout_ns : e->seconds * CLOCK_SEC,
	};
	enum control_exit code = control_server_find(c);
	struct client_answer a;
	int err;

	if (code != CONTROL_OK)
		return code;
	if (write_target(target, e, arguments) != 0)
		return control_complain("longer than any name or value", NULL, NULL);
	err = control_server_ask(c, &q, &a);
	if (err)
		return control_server_blame(c, err);
	code = print_answer(c, e, &a);
	client_release(&a);
	return code == CONTROL_OK && c->waits ? wait_for_end(c) : code;
}

static enum control_exit
take_words(struct control *c, int count, char **words)
{
	const struct errand *e;
	enum control_exit code;

	if (count == 0)
		return control_complain("no command is given", NULL, NULL);
	e = find_errand(words[0]);
	if (!e)
		return complain_name(words[0]);
	code = check_words(c, e, (unsigned)count - 1, words + 1);
	return code == CONTROL_OK ? run_errand(c, e, words + 1) : code;
}

static const struct option longs[] = {
	{ "address", required_argument, NULL, 'a' }, { "help", no_argument, NULL, 'h' },
	{ "json", no_argument, NULL, 'j' },          { "socket", required_argument, NULL, 's' },
	{ "timeout", required_argument, NULL, 't' }, { "version", no_argument, NULL, 'V' },
	{ "wait", no_argument, NULL, 'w' },          { NULL, 0, NULL, 0 },
};

#define LETTERS "a:hjs:t:w"

/* The command that reads its options itself, if it is one: looked for before they are, since
 * they would be wrong here. */
static const struct errand *
find_reader(int argc, char **argv)
{
	const struct errand *e;
	int letter;

	opterr = 0;
	do
		letter = getopt_long(argc, argv, "+" LETTERS, longs, NULL);
	while (letter != -1 && letter != '?' && letter != 'h');
	e = letter == -1 && optind < argc ? find_errand(argv[optind]) : NULL;
	opterr = 1;
	optind = 0; /* begins anew */
	return e && e->run ? e : NULL;
}

enum control_exit
control_run(int argc, char **argv)
{
	const struct errand *reader = find_reader(argc, argv);
	struct control c = { .socket = NULL };
	int letter;

	if (reader)
		return reader->run(argc, argv);
	while ((letter = getopt_long(argc, argv, LETTERS, longs, NULL)) != -1) {
		switch (letter) {
		case 'a':
			c.address = optarg;
			break;
		case 's':
			c.socket = optarg;
			break;
		case 'j':
			c.is_json = true;
			break;
		case 'w':
			c.waits = true;
			break;
		case 't':
			if (value_duration(slice_of(optarg), &c.timeout_ns) != 0 || !c.timeout_ns)
				return control_complain("not a duration such as 500ms or 5s",
							optarg, NULL);
			break;
		case 'V':
			printf("forebay %s\n", PACKAGE_VERSION);
			return CONTROL_OK;
		case 'h':
			print_help();
			return CONTROL_OK;
		default:
			fprintf(stderr, "forebayctl: see forebayctl --help\n");
			return CONTROL_USAGE;
		}
	}
	return take_words(&c, argc - optind, argv + optind);
}
