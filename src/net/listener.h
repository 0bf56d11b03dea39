/*
 * Listeners: bound sockets. Used by the acceptor, on the main thread.
 */
#ifndef FOREBAY_NET_LISTENER_H
#define FOREBAY_NET_LISTENER_H

#include "base/address.h"
#include "base/err.h"

struct listener {
	struct address address;
	int fd; /* -1: closed */
	int backlog; /* connections that may wait to be accepted */
	unsigned mode; /* of a unix path; 0: as the umask says */
	bool owns_path; /* a unix path that we made and have not removed */
	bool is_borrowed; /* systemd's: never bound, filtered, closed or removed here */
	bool is_deferred; /* TCP_DEFER_ACCEPT: handed over with the first request already there */
	const char
	    *failed; /* of listener_open: the step that failed, for the message; errno says why */
};

/*
 * Binds and listens on l->address. Non-blocking, close-on-exec, no delay (and so
 * is what it accepts). A unix socket that nobody listens on any more is replaced.
 * ERR_SYSTEM with l->failed and errno set.
 */
int listener_open(struct listener *l) MUST_CHECK;
/*
 * Instead of listener_open(), for an address systemd:NAME: a socket that listens
 * already, and goes on doing so for whoever has it next. It stays the caller's.
 * ERR_ARGUMENT: not a stream socket that listens; ERR_SYSTEM as above.
 */
int listener_borrow(struct listener *l, int fd) MUST_CHECK;
/* How many may wait from now on. */
void listener_set_backlog(struct listener *l, int backlog);
/* Idempotent; removes a unix path, unless that was done. */
void listener_close(struct listener *l);
/* Somebody waits to be accepted. */
bool listener_is_awaited(const struct listener *l);
/* A non-blocking descriptor and its peer; or -1 with errno. */
int listener_accept(const struct listener *l, struct address *peer);
/*
 * Lets no new connection begin, while those whose handshake has begun can still
 * be accepted: so that closing after the last accept loses nobody. A unix path is
 * removed, and from then on may be another process'. A borrowed socket is left as
 * it is: who connects now waits there for the next process.
 */
void listener_stop_new(struct listener *l);

#endif
