/*
 * Non-blocking byte streams; see io.h. Sockets are read and written by the
 * socket calls: the way through the file calls is longer (2 to 5 % of all the
 * CPU time of a small answer, measured).
 */
#include "net/io.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

enum { IOVECS = 64, UNSENT_BYTES = 65536 };

/* Out of the way of plain ones. */
static __attribute__((noinline)) void
tell_stream(struct io *io, unsigned ready)
{
	io->on_ready(io, tls_translate(io->tls, ready));
}

static void
on_event(evutil_socket_t fd, short what, void *argument)
{
	struct io *io = argument;
	unsigned ready = 0;

	(void)fd;
	if (what & EV_READ)
		ready |= IO_READ;
	if (what & EV_WRITE)
		ready |= IO_WRITE;
	if (what & EV_CLOSED)
		ready |= IO_CLOSED;
	if (io->tls)
		tell_stream(io, ready);
	else
		io->on_ready(io, ready);
}

void
io_init(struct io *io, struct loop *l, int fd, io_fn on_ready)
{
	io->on_ready = on_ready;
	io->tls = NULL;
	event_assign(&io->event, l->base, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_PERSIST | EV_ET,
		     on_event, io);
}

int
io_watch(struct io *io)
{
	if (io_is_watched(io))
		return 0;
	return event_add(&io->event, NULL) == 0 ? 0 : ERR_SYSTEM;
}

void
io_release(struct io *io)
{
	if (io_is_watched(io))
		event_del(&io->event);
	io->event.ev_fd = -1;
}

void
io_close(struct io *io)
{
	int fd = io_fd(io);

	if (fd < 0)
		return;
	if (io_end(io) != 0)
		log_debug("a TLS stream is closed without its end: the socket is full");
	tls_close(&io->tls);
	io_release(io);
	close(fd);
}

int
io_secure(struct io *io, struct tls_context *context, struct counters *counters)
{
	io->tls = tls_open(context, io_fd(io), counters);
	return io->tls ? 0 : ERR_MEMORY;
}

int
io_secure_client(struct io *io, const struct tls_client *client,
		 const struct tls_client_hello *hello, struct counters *counters)
{
	io->tls = tls_connect(client, hello, io_fd(io), counters);
	return io->tls ? 0 : ERR_MEMORY;
}

int
io_handshake(struct io *io)
{
	return tls_handshake(io->tls);
}

void
io_strip(struct io *io)
{
	tls_close(&io->tls);
}

static inline long
receive(const struct io *io, char *memory, size_t cap, int flags)
{
	ssize_t n;

	do {
		n = recv(io_fd(io), memory, cap, flags);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (long)n;
	return errno == EAGAIN ? ERR_BUSY : ERR_CLOSED;
}

long
io_drop(struct io *io, char *memory, size_t cap)
{
	return receive(io, memory, cap, 0);
}

long
io_peek(struct io *io, char *memory, size_t cap)
{
	return receive(io, memory, cap, MSG_PEEK);
}

long
io_read(struct io *io, char *memory, size_t cap)
{
	return io->tls ? tls_read(io->tls, memory, cap) : receive(io, memory, cap, 0);
}

long
io_fill(struct io *io, struct block *b, bool is_ending, bool *is_empty)
{
	size_t room = block_room(b);
	long n = io_read(io, b->at + b->len, room);

	if (n > 0)
		b->len += (uint32_t)n;
	/* A short read emptied the socket: what comes later is a new edge. TLS may hold more. */
	*is_empty =
	    n <= 0 || ((size_t)n < room && !is_ending && (!io->tls || tls_is_drained(io->tls)));
	return n;
}

long
io_read_pipe(struct io *io, char *memory, size_t cap)
{
	ssize_t n;

	do {
		n = read(io_fd(io), memory, cap);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (long)n;
	return errno == EAGAIN ? ERR_BUSY : ERR_CLOSED;
}

static int
write_error(void)
{
	return errno == EAGAIN ? ERR_BUSY : ERR_CLOSED;
}

/* Sends from the file chunk at the front. Returns bytes or a negative enum err. */
static long
send_file(int fd, struct chunks *out, size_t limit)
{
	const struct chunk *c = out->head;
	off_t offset = (off_t)c->offset;
	ssize_t n;

	do {
		n = sendfile(fd, c->of.file->fd, &offset, c->len < limit ? c->len : limit);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return ERR_CLOSED; /* the file became shorter than it was announced */
	return n < 0 ? write_error() : (long)n;
}

/* Writes the memory chunks at the front. Returns bytes or a negative enum err. */
static long
write_memory(int fd, const struct chunks *out, size_t limit)
{
	struct iovec iov[IOVECS];
	struct msghdr message = { .msg_iov = iov };
	const struct chunk *c = out->head;
	size_t bytes = 0;
	ssize_t n;
	int flags;

	for (; c && c->kind != CHUNK_FILE && message.msg_iovlen < IOVECS && bytes < limit;
	     c = c->next) {
		size_t len = c->len < limit - bytes ? c->len : limit - bytes;

		iov[message.msg_iovlen].iov_base = (void *)(uintptr_t)c->at;
		iov[message.msg_iovlen++].iov_len = len;
		bytes += len;
	}
	/* A head waits for the file behind it, to share its first packet. */
	flags = MSG_NOSIGNAL | (c && c->kind == CHUNK_FILE ? MSG_MORE : 0);
	do {
		n = sendmsg(fd, &message, flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return write_error();
	return (long)n;
}

long
io_write_bytes(struct io *io, struct slice s)
{
	ssize_t n;

	if (io->tls)
		return tls_write_bytes(io->tls, s);
	do {
		n = send(io_fd(io), s.at, s.len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (long)n;
	return errno == EAGAIN ? 0 : ERR_CLOSED;
}

int
io_write(struct io *io, struct chunks *out, size_t limit)
{
	int fd = io_fd(io);

	if (io->tls)
		return tls_write(io->tls, out, limit);
	while (out->head && limit > 0) {
		long n = out->head->kind == CHUNK_FILE ? send_file(fd, out, limit)
						       : write_memory(fd, out, limit);
		if (n < 0)
			return (int)n;
		chunks_drop(out, (size_t)n);
		limit -= (size_t)n;
	}
	return 0;
}

/* The error that waits on the socket, or 0; taken off it. */
static int
take_error(const struct io *io)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(io_fd(io), SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return errno;
	return error;
}

bool
io_is_reset(const struct io *io)
{
	return take_error(io) != 0;
}

int
io_peer_user(const struct io *io, uint32_t *uid)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);

	/* A socket of another family has no such peer, and says so by the user -1. */
	if (getsockopt(io_fd(io), SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
	    peer.uid == (uid_t)-1)
		return ERR_UNSUPPORTED;
	*uid = peer.uid;
	return 0;
}

int
io_peer(const struct io *io, struct address *peer)
{
	memset(peer, 0, sizeof(*peer));
	peer->len = sizeof(peer->of);
	return getpeername(io_fd(io), &peer->of.any, &peer->len) == 0 ? 0 : ERR_SYSTEM;
}

int
io_write_subject(const struct io *io, struct writer *w)
{
	return io->tls ? tls_write_subject(io->tls, w) : ERR_MISSING;
}

int
io_end(struct io *io)
{
	return io->tls ? tls_end(io->tls) : 0;
}

void
io_shut(struct io *io)
{
	if (io_end(io) == ERR_BUSY)
		return;
	tls_close(&io->tls);
	shutdown(io_fd(io), SHUT_WR);
}

int
io_finish(struct io *io)
{
	if (io->tls)
		return tls_end(io->tls); /* RFC 8446 6.1: its reading side stays open */
	shutdown(io_fd(io), SHUT_WR);
	return 0;
}

void
io_bound_unsent(struct io *io)
{
	int bytes = UNSENT_BYTES;

	setsockopt(io_fd(io), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

void
io_reset_on_close(struct io *io)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (io->tls)
		tls_cut(io->tls);
	setsockopt(io_fd(io), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

int
io_connect(struct io *io, struct loop *l, const struct address *to, io_fn on_ready)
{
	int fd = socket(to->of.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return ERR_SYSTEM;
	if (!address_is_unix(to))
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	io_init(io, l, fd, on_ready);
	if (connect(fd, &to->of.any, to->len) != 0 && errno != EINPROGRESS) {
		io_close(io);
		return ERR_CONNECT;
	}
	if (io_watch(io) != 0) {
		io_close(io);
		return ERR_SYSTEM;
	}
	return 0;
}

int
io_connected(struct io *io)
{
	int error = take_error(io);

	if (error != 0) {
		errno = error;
		return ERR_CONNECT;
	}
	return 0;
}
