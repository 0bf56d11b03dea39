/*
 * A non-blocking byte stream on a loop: one libevent event, embedded,
 * registered once, edge-triggered for reading, writing and the peer's close.
 * Whoever is told "readable" reads until ERR_BUSY or a short read; whoever got
 * ERR_BUSY from a write waits to be told "writable".
 *
 * Plain TCP and unix sockets; or TLS over them, behind the same functions.
 */
#ifndef FOREBAY_NET_IO_H
#define FOREBAY_NET_IO_H

#include "base/address.h"
#include "base/chunk.h"
#include "base/err.h"
#include "net/loop.h"
#include "net/tls.h"

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
	struct tls *tls; /* owned; NULL: the bytes are as they come */
};

/* Takes over fd, which must be non-blocking. Nothing is registered yet. */
void io_init(struct io *io, struct loop *l, int fd, io_fn on_ready);
/* Registers with the loop. ERR_SYSTEM: it is not. */
int io_watch(struct io *io) __attribute__((warn_unused_result));
/* Whether it is registered; one that is all zeros is not. As event_pending(), without the call. */
static inline bool
io_is_watched(const struct io *io)
{
	return io->event.ev_evcallback.evcb_flags & EVLIST_INSERTED;
}
/* Unregisters; the descriptor stays open and is the caller's again. */
void io_release(struct io *io);
/* Unregisters and closes the descriptor. Idempotent. */
void io_close(struct io *io);
/* Before anything is read: from now on TLS, of which this is the server's side. `counters` are
 * those of the thread. ERR_MEMORY. */
int io_secure(struct io *io, struct tls_context *context, struct counters *counters) MUST_CHECK;
/* The client's side of a connection that is there, see tls_connect(). ERR_MEMORY. */
int io_secure_client(struct io *io, const struct tls_client *client,
		     const struct tls_client_hello *hello, struct counters *counters) MUST_CHECK;
/* After io_secure(), and before anything else: see tls_handshake(). */
int io_handshake(struct io *io) MUST_CHECK;
/* Drops TLS without a word: what is written and read then is plain. */
void io_strip(struct io *io);
static inline int
io_fd(const struct io *io)
{
	return io->event.ev_fd; /* what event_get_fd() returns, without the call */
}

/* Bytes read (> 0); 0 at the end of the stream; ERR_BUSY: nothing there now; ERR_CLOSED: the
 * connection broke. */
long io_read(struct io *io, char *memory, size_t cap) __attribute__((warn_unused_result));
/* The same of a pipe, which is read until ERR_BUSY. */
long io_read_pipe(struct io *io, char *memory, size_t cap) MUST_CHECK;
/* As io_read(), to the room behind what a block holds, of which it becomes a part. *is_empty:
 * nothing is there until the next IO_READ; never so behind bytes that the peer has closed after
 * (is_ending), as nobody tells of these. */
long io_fill(struct io *io, struct block *b, bool is_ending, bool *is_empty) MUST_CHECK;
/* For who reads without having been told IO_READ. */
static inline void
io_look_again(struct io *io)
{
	if (io->tls)
		tls_look_again(io->tls);
}
/* Whether bytes of the stream have come or gone since this was asked last. TLS has records without
 * any; without TLS nobody is woken but for bytes. */
static inline bool
io_take_moved(struct io *io)
{
	return !io->tls || tls_take_moved(io->tls);
}
/* Reads and forgets, at most `cap` bytes, of the socket and not of the stream; as io_read(). */
long io_drop(struct io *io, char *memory, size_t cap) MUST_CHECK;
/* As io_drop(), but what was read stays where it is, and the next read sees it again. */
long io_peek(struct io *io, char *memory, size_t cap) MUST_CHECK;
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
/* Over TLS: as tls_write_subject(); else ERR_MISSING. */
int io_write_subject(const struct io *io, struct writer *w) MUST_CHECK;
/* Of a stream that has an end of its own (TLS): says it. 0: said, or there is none; ERR_BUSY: the
 * socket is full. */
int io_end(struct io *io) MUST_CHECK;
/* io_end(), then half-close: no more will be written, and what is read is the socket's. Nothing
 * happens where the socket is full: io->tls is still there, and it is to be asked again. */
void io_shut(struct io *io);
/* Who is at the other end of the socket, as the kernel has it. ERR_SYSTEM: it knows no more. */
int io_peer(const struct io *io, struct address *peer) MUST_CHECK;
/* No more will be written, and the peer is told; what it still says can be read. 0; ERR_BUSY: the
 * socket is full, ask again when it is not. */
int io_finish(struct io *io) MUST_CHECK;
/* From now on the kernel takes little that the peer has no room for: the rest waits with us. */
void io_bound_unsent(struct io *io);
/* Makes close send a reset instead of waiting for unread data to drain; the stream is cut. */
void io_reset_on_close(struct io *io);

/* Starts a connection to `to`; the result comes as IO_WRITE, then ask
 * io_connected(). `io` is initialised and watched. ERR_CONNECT or ERR_SYSTEM: nothing is open. */
int io_connect(struct io *io, struct loop *l, const struct address *to, io_fn on_ready)
    __attribute__((warn_unused_result));
/* 0, or ERR_CONNECT with errno set. */
int io_connected(struct io *io) __attribute__((warn_unused_result));

#endif
