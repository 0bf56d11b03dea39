/*
 * A non-blocking byte stream on a loop: one libevent event, embedded,
 * registered once, edge-triggered for reading, writing and the peer's close.
 * Whoever is told "readable" reads until ERR_BUSY or a short read; whoever got
 * ERR_BUSY from a write waits to be told "writable".
 *
 * Plain TCP and unix sockets for now; TLS will be a second transport behind
 * the same functions.
 */
#ifndef FOREBAY_NET_IO_H
#define FOREBAY_NET_IO_H

#include "base/address.h"
#include "base/chunk.h"
#include "base/err.h"
#include "net/loop.h"

#include <event2/event_struct.h>

struct io;

enum io_ready {
	IO_READ = 1,
	IO_WRITE = 2,
	IO_CLOSED = 4
}; /* IO_CLOSED: the peer sent FIN or reset */

typedef void (*io_fn)(struct io *io, unsigned ready);

struct io {
	struct event event;
	io_fn on_ready;
	bool is_watched;
};

/* Takes over fd, which must be non-blocking. Nothing is registered yet. */
void io_init(struct io *io, struct loop *l, int fd, io_fn on_ready);
/* Registers with the loop. ERR_SYSTEM: it is not. */
int io_watch(struct io *io) __attribute__((warn_unused_result));
/* Unregisters; the descriptor stays open and is the caller's again. */
void io_release(struct io *io);
/* Unregisters and closes the descriptor. Idempotent. */
void io_close(struct io *io);
static inline int
io_fd(const struct io *io)
{
	return io->event.ev_fd; /* what event_get_fd() returns, without the call */
}

/* Bytes read (> 0); 0 at the end of the stream; ERR_BUSY: nothing there now; ERR_CLOSED: the
 * connection broke. */
long io_read(struct io *io, char *memory, size_t cap) __attribute__((warn_unused_result));
/* Writes from the front of the list, at most `limit` bytes, and drops what was
 * written. 0: all of it, or the limit; ERR_BUSY: the socket is full; ERR_CLOSED: the connection
 * broke. */
int io_write(struct io *io, struct chunks *out, size_t limit) __attribute__((warn_unused_result));
/* A reset came that nobody has read: asked where reading is paused. */
bool io_is_reset(const struct io *io);
/* Writes one run of bytes. Bytes written (0 or more: the socket may be full), or ERR_CLOSED. */
long io_write_bytes(struct io *io, struct slice s) MUST_CHECK;
/* Over a unix socket: the user whose process is at the other end. ERR_UNSUPPORTED elsewhere. */
int io_peer_user(const struct io *io, uint32_t *uid) MUST_CHECK;
/* Half-close: no more will be written. */
void io_shut(struct io *io);
/* Makes close send a reset instead of waiting for unread data to drain. */
void io_reset_on_close(struct io *io);

/* Starts a connection to `to`; the result comes as IO_WRITE, then ask
 * io_connected(). `io` is initialised and watched. ERR_CONNECT or ERR_SYSTEM: nothing is open. */
int io_connect(struct io *io, struct loop *l, const struct address *to, io_fn on_ready)
    __attribute__((warn_unused_result));
/* 0, or ERR_CONNECT with errno set. */
int io_connected(struct io *io) __attribute__((warn_unused_result));

#endif
