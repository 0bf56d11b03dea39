/*
 * The server that forebayctl speaks to: where it is, asking it, and why there
 * is no answer; see control_priv.h.
 */
#include "base/clock.h"
#include "ctl/control_priv.h"
#include "net/resolve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_MS = 50 }; /* between looks whether it has gone */

/* --- where it is -------------------------------------------------------------------------- */

static int
set_socket(struct control *c)
{
	char text[CONTROL_WHERE_BYTES];
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
	n = resolve_host(slice_make(text.at, at), (uint16_t)port, c->to, CONTROL_ADDRESSES, why);
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

enum control_exit
control_server_find(struct control *c)
{
	if (c->socket && c->address)
		return control_complain("--socket and --address exclude each other", NULL, NULL);
	if (c->address)
		return set_address(c);
	if (!c->socket)
		c->socket = CONTROL_SOCKET;
	if (set_socket(c) != 0)
		return control_complain("not a path for a socket", c->socket, NULL);
	return CONTROL_OK;
}

/* --- asking --------------------------------------------------------------------------------- */

/* The next address only when nobody answers at this one. */
int
control_server_ask(const struct control *c, const struct client_question *q,
		   struct client_answer *a)
{
	int err = ERR_CONNECT;

	for (unsigned i = 0; i < c->to_count && err == ERR_CONNECT; i++) {
		err = client_ask(&c->to[i], q, a);
		if (err)
			client_release(a);
	}
	return err;
}

/* A new server may have taken the place of the old one: then that has gone, too. */
static bool
is_draining(const struct control *c, uint64_t timeout_ns)
{
	const struct client_question q = { .method = "GET",
					   .target = "/readyz",
					   .accept = "text/plain",
					   .timeout_ns = timeout_ns };
	struct client_answer a;
	bool is_still;
	int err = control_server_ask(c, &q, &a);

	if (err)
		return err != ERR_CONNECT; /* cut, or late: look again */
	is_still = slice_eq(a.body, SLICE("draining\n"));
	client_release(&a);
	return is_still;
}

int
control_server_wait(const struct control *c, uint64_t timeout_ns)
{
	uint64_t until = clock_after(clock_monotonic(), timeout_ns);
	uint64_t now = clock_monotonic();

	while (now < until) {
		if (!is_draining(c, until - now))
			return 0;
		usleep(LOOK_MS * 1000);
		now = clock_monotonic();
	}
	return ERR_TIMEOUT;
}

/* --- why there is no answer ------------------------------------------------------------------- */

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

enum control_exit
control_server_blame(const struct control *c, int err)
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
