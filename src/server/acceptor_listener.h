/*
 * A listener at work: the socket, and what its connections are given. The
 * acceptor's, on the main thread.
 */
#ifndef FOREBAY_SERVER_ACCEPTOR_LISTENER_H
#define FOREBAY_SERVER_ACCEPTOR_LISTENER_H

#include "base/networks.h"
#include "config/errors.h"
#include "net/io.h"
#include "net/listener.h"

struct acceptor;
struct site_listener;

struct acceptor_listener {
	struct acceptor_listener *next;
	struct io io;
	struct listener socket;
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
struct acceptor_listener *acceptor_listener_open(const struct site_listener *wanted,
						 struct loop *loop, io_fn on_ready,
						 struct conf_errors *errors, int *err) MUST_CHECK;
/* Closes it too. */
void acceptor_listener_free(struct acceptor_listener **l);
/* Lets nobody new begin to connect, unless it is borrowed; who has come can still be accepted. */
void acceptor_listener_begin_closing(struct acceptor_listener *l);
/* To the log: this, and its address. */
void acceptor_listener_tell(const struct acceptor_listener *l, const char *what);

#endif
