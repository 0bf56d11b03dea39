/*
 * The commands of forebayctl; see control.h.
 */
#include "server/control.h"

#include "base/clock.h"
#include "config.h"
#include "config/value.h"
#include "net/resolve.h"
#include "server/client.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_SOCKET "/run/forebay/admin.sock"

enum { WHERE_BYTES = 256, ADDRESSES = 4 };

struct control {
	const char *socket, *address; /* as given; at most one */
	bool is_json;
	uint64_t timeout_ns;
	struct address to[ADDRESSES]; /* of one server, in the order in which they are tried */
	unsigned to_count;
	char where[WHERE_BYTES]; /* the address, for messages */
};

struct command {
	const char *name, *help;
	const char *target, *json_target; /* json_target NULL: has no JSON */
	bool is_question; /* a refusal is an answer like any other: printed, not complained about */
};

static const struct command commands[] = {
	{ "status", "workers, pools, listeners and routes at one look", "/status?text", "/status",
	  false },
	{ "metrics", "all numbers, in Prometheus' text format", "/metrics", NULL, false },
	{ "ready", "whether the server takes requests: exit 0 if it does, 1 if not", "/readyz",
	  NULL, true },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* --- words ------------------------------------------------------------------------------------ */

static void
print_help(void)
{
	printf("forebayctl: asks a running forebayd, over its admin socket\n"
	       "\n"
	       "  forebayctl [--socket PATH | --address HOST:PORT] [--json] COMMAND\n"
	       "\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].help);
	printf("\n"
	       "  -s, --socket PATH        default " DEFAULT_SOCKET "\n"
	       "  -a, --address HOST:PORT  [admin] listen of the server, instead of the socket\n"
	       "  -j, --json               status as JSON\n"
	       "  -t, --timeout DURATION   for the whole answer; default 5s\n"
	       "      --version            the version\n"
	       "  -h, --help               this text\n"
	       "\n"
	       "Exit: 0 all right; 1 the server said no; 2 wrong usage; 3 no answer.\n");
}

static enum control_exit
complain_usage(const char *what, const char *word)
{
	fprintf(stderr, "forebayctl: %s%s%s; see forebayctl --help\n", what, word ? ": " : "",
		word ? word : "");
	return CONTROL_USAGE;
}

/* What to do about a connection that failed. */
static const char *
advice(const struct control *c, int number)
{
	switch (number) {
	case ENOENT:
	case ECONNREFUSED:
		return c->address
			   ? "is forebayd running, with this [admin] listen?"
			   : "is forebayd running, with this [admin] socket? Else name it with "
			     "--socket, or its [admin] listen with --address";
	case EACCES:
	case EPERM:
		return "only root and the user who started forebayd may ask";
	default:
		return "is this the [admin] address of forebayd?";
	}
}

static enum control_exit
complain_answer(const struct control *c, int err)
{
	int number = errno;

	if (err == ERR_CONNECT)
		fprintf(stderr, "forebayctl: %s: %s: %s\n", c->where, strerror(number),
			advice(c, number));
	else if (err == ERR_TIMEOUT)
		fprintf(stderr, "forebayctl: %s: no answer in time; --timeout waits longer\n",
			c->where);
	else
		fprintf(
		    stderr,
		    "forebayctl: %s: the answer is not one of forebayd: %s; is this its [admin] "
		    "address?\n",
		    c->where, err_text(err));
	return CONTROL_NO_ANSWER;
}

/* --- where -------------------------------------------------------------------------------------
 */

static int
set_socket(struct control *c)
{
	char text[WHERE_BYTES];
	struct writer w = writer_over(text, sizeof(text));

	snprintf(c->where, sizeof(c->where), "%s", c->socket);
	writer_text(&w, "unix:");
	writer_text(&w, c->socket);
	c->to_count = 1;
	return w.is_full ? ERR_TOO_LARGE : address_parse(&c->to[0], writer_slice(&w));
}

/* HOST:PORT where HOST is a name. */
static int
resolve(struct control *c, const char **why)
{
	struct slice text = slice_of(c->address);
	size_t at = slice_find(text, ':');
	uint64_t port;
	int n;

	*why = "not of the form HOST:PORT";
	if (at == 0 || slice_to_u64(slice_after(text, at + 1), &port) != 0 || port == 0 ||
	    port > UINT16_MAX)
		return ERR_SYNTAX;
	n = resolve_host(slice_make(text.at, at), (uint16_t)port, c->to, ADDRESSES, why);
	if (n < 0)
		return n;
	c->to_count = (unsigned)n;
	return 0;
}

static enum control_exit
set_address(struct control *c)
{
	const char *why = NULL;
	int err;

	snprintf(c->where, sizeof(c->where), "%s", c->address);
	c->to_count = 1;
	if (address_parse(&c->to[0], slice_of(c->address)) == 0)
		return CONTROL_OK;
	err = resolve(c, &why);
	if (err)
		fprintf(stderr, "forebayctl: --address %s: %s\n", c->address, why);
	if (err == ERR_SYNTAX)
		return CONTROL_USAGE;
	return err ? CONTROL_NO_ANSWER : CONTROL_OK;
}

static enum control_exit
find_server(struct control *c)
{
	if (c->socket && c->address)
		return complain_usage("--socket and --address exclude each other", NULL);
	if (c->address)
		return set_address(c);
	if (!c->socket)
		c->socket = DEFAULT_SOCKET;
	return set_socket(c) ? complain_usage("not a path for a socket", c->socket) : CONTROL_OK;
}

/* --- commands ------------------------------------------------------------------------------------
 */

static enum control_exit
print_answer(const struct command *command, const struct client_answer *a)
{
	bool is_no = a->status != 200;
	FILE *to = is_no && !command->is_question ? stderr : stdout;

	if (to == stderr)
		fprintf(stderr, "forebayctl: the server answers %d: ", a->status);
	fwrite(a->body.at, 1, a->body.len, to);
	if (to == stderr)
		fputc('\n', stderr);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "forebayctl: cannot write: %s\n", strerror(errno));
		return CONTROL_NO;
	}
	return is_no ? CONTROL_NO : CONTROL_OK;
}

/* The next address only when nobody answers at this one. */
static int
ask(const struct control *c, const char *target, struct client_answer *a)
{
	const char *accept = c->is_json ? "application/json" : "text/plain";
	int err = ERR_CONNECT;

	for (unsigned i = 0; i < c->to_count && err == ERR_CONNECT; i++) {
		err = client_ask(&c->to[i], target, accept, c->timeout_ns, a);
		if (err)
			client_release(a);
	}
	return err;
}

static enum control_exit
run_command(struct control *c, const struct command *command)
{
	const char *target = c->is_json ? command->json_target : command->target;
	struct client_answer a;
	enum control_exit code;
	int err;

	if (!target)
		return complain_usage("--json is for status alone, not for", command->name);
	code = find_server(c);
	if (code != CONTROL_OK)
		return code;
	err = ask(c, target, &a);
	if (err)
		return complain_answer(c, err);
	code = print_answer(command, &a);
	client_release(&a);
	return code;
}

static enum control_exit
find_command(struct control *c, int count, char **words)
{
	if (count == 0)
		return complain_usage("no command is given", NULL);
	if (count > 1)
		return complain_usage("one command at a time, without", words[1]);
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(words[0], commands[i].name) == 0)
			return run_command(c, &commands[i]);
	}
	return complain_usage("no such command", words[0]);
}

static const struct option longs[] = {
	{ "address", required_argument, NULL, 'a' },
	{ "help", no_argument, NULL, 'h' },
	{ "json", no_argument, NULL, 'j' },
	{ "socket", required_argument, NULL, 's' },
	{ "timeout", required_argument, NULL, 't' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

enum control_exit
control_run(int argc, char **argv)
{
	struct control c = { .timeout_ns = 5 * CLOCK_SEC };
	int letter;

	while ((letter = getopt_long(argc, argv, "a:hjs:t:", longs, NULL)) != -1) {
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
		case 't':
			if (value_duration(slice_of(optarg), &c.timeout_ns) != 0 || !c.timeout_ns)
				return complain_usage("not a duration such as 500ms or 5s", optarg);
			break;
		case 'V':
			printf("forebay %s\n", PACKAGE_VERSION);
			return CONTROL_OK;
		case 'h':
			print_help();
			return CONTROL_OK;
		default:
			return CONTROL_USAGE;
		}
	}
	return find_command(&c, argc - optind, argv + optind);
}
