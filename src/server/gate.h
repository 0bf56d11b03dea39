/*
 * A gate: one listener at work. The acceptor's, on the main thread.
 */
#ifndef FOREBAY_SERVER_GATE_H
#define FOREBAY_SERVER_GATE_H

#include "base/networks.h"
#include "config/errors.h"
#include "net/io.h"
#include "net/listener.h"

struct acceptor;
struct site_listener;

struct gate {
	struct gate *next;
	struct io io;
	struct listener listener;
	struct acceptor *acceptor; /* borrowed */
	uint32_t conn_flags;
	struct tls_context *tls; /* counted: what it shows to who connects; NULL: plain */
	struct networks *access, *proxies; /* counted: as of the site's listener */
	bool is_ready; /* connections may wait */
	bool is_new; /* of the site that is being prepared */
	bool is_kept; /* by that site */
	bool is_closing; /* nobody new can come; who has begun to is still taken */
	unsigned looks; /* while closing: that found nobody, or could take nobody */
};

/* Bound, and not yet watched; on_ready will be told of connections. NULL, with an error added that
 * says what to do about it, or without memory: *err. */
struct gate *gate_open(const struct site_listener *l, struct loop *loop, io_fn on_ready,
		       struct conf_errors *errors, int *err) MUST_CHECK;
/* Closes it too. */
void gate_free(struct gate **g);
/* Lets nobody new begin to connect, unless it is borrowed; who has come can still be accepted. */
void gate_begin_closing(struct gate *g);
/* To the log: this, and its address. */
void gate_tell(const struct gate *g, const char *what);

#endif
