/*
 * Bound sockets; see listener.h.
 */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEFER_SECONDS = 5, TCP_FLAGS_AT = 13, TCP_SYN = 2, NO_INTERFACE = INT_MAX };

static int
set_option(const struct listener *l, int level, int name, int value)
{
	return setsockopt(l->fd, level, name, &value, sizeof(value));
}

/* A socket left behind by a dead process may go; one that answers, or is too
 * busy to, may not, and neither may anything but a socket: connecting to a
 * plain file is refused just the same. bind() says why then. */
static int
clear_path(const struct listener *l)
{
	const char *path = l->address.of.path.sun_path;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return ERR_SYSTEM;
	if (connect(fd, &l->address.of.any, l->address.len) != 0 && errno == ECONNREFUSED &&
	    lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	close(fd);
	return 0;
}

static void
remove_path(struct listener *l)
{
	if (l->owns_path)
		unlink(l->address.of.path.sun_path);
	l->owns_path = false;
}

/* The socket's own mode is what bind gives to the path: there is no moment in
 * which others could connect. */
static int
prepare_path(struct listener *l)
{
	l->failed = "fchmod";
	if (l->mode && fchmod(l->fd, (mode_t)l->mode) != 0)
		return ERR_SYSTEM;
	l->failed = "bind";
	return clear_path(l);
}

/* What accepted sockets inherit is set here, once, instead of per connection. */
static int
prepare(struct listener *l)
{
	bool is_unix = address_is_unix(&l->address);

	l->failed = "socket";
	l->fd = socket(l->address.of.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return ERR_SYSTEM;
	if (is_unix)
		return prepare_path(l);
	l->failed = "setsockopt";
	if (set_option(l, SOL_SOCKET, SO_REUSEADDR, 1) != 0 ||
	    set_option(l, IPPROTO_TCP, TCP_NODELAY, 1) != 0)
		return ERR_SYSTEM;
	if (l->address.of.any.sa_family == AF_INET6 &&
	    set_option(l, IPPROTO_IPV6, IPV6_V6ONLY, 1) != 0)
		return ERR_SYSTEM;
	if (l->is_deferred)
		set_option(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_SECONDS);
	return 0;
}

int
listener_open(struct listener *l)
{
	int saved;

	if (prepare(l) != 0)
		goto fail;
	l->failed = "bind";
	if (bind(l->fd, &l->address.of.any, l->address.len) != 0)
		goto fail;
	l->owns_path = address_is_unix(&l->address);
	l->failed = "listen";
	if (listen(l->fd, l->backlog) != 0)
		goto fail;
	l->failed = NULL;
	return 0;
fail:
	saved = errno;
	listener_close(l);
	errno = saved;
	return ERR_SYSTEM;
}

/* As the kernel knows it; -1 with errno. */
static int
ask_option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

int
listener_borrow(struct listener *l, int fd)
{
	int family = ask_option(fd, SO_DOMAIN);
	int flags = fcntl(fd, F_GETFL);

	if (ask_option(fd, SO_TYPE) != SOCK_STREAM || ask_option(fd, SO_ACCEPTCONN) != 1)
		return ERR_ARGUMENT;
	l->failed = "fcntl";
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return ERR_SYSTEM;
	l->fd = fd;
	l->is_borrowed = true;
	l->failed = NULL;
	if (family != AF_INET && family != AF_INET6)
		return 0;
	/* Who made it may have had reasons to make it otherwise: a try. */
	set_option(l, IPPROTO_TCP, TCP_NODELAY, 1);
	if (l->is_deferred)
		set_option(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_SECONDS);
	return 0;
}

void
listener_set_backlog(struct listener *l, int backlog)
{
	l->backlog = backlog;
	if (!l->is_borrowed && listen(l->fd, backlog) != 0)
		l->failed = "listen"; /* it keeps the one it had */
}

void
listener_close(struct listener *l)
{
	if (l->fd < 0)
		return;
	remove_path(l);
	if (!l->is_borrowed)
		close(l->fd);
	l->fd = -1;
}

bool
listener_is_awaited(const struct listener *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

int
listener_accept(const struct listener *l, struct address *peer)
{
	peer->len = sizeof(peer->of);
	return accept4(l->fd, &peer->of.any, &peer->len, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* A socket filter sees the TCP header: a SYN is dropped, all else passes. */
static int
drop_syns(const struct listener *l)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS_AT),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TCP_SYN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return setsockopt(l->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* Where only root may have filters: bound to an interface that does not exist, the
 * socket is found by no SYN, which is refused. A handshake that has begun is found
 * by its addresses and ports; not so one by SYN cookie, hence the filter first. */
static void
hide(const struct listener *l)
{
	set_option(l, SOL_SOCKET, SO_BINDTOIFINDEX, NO_INTERFACE);
}

void
listener_stop_new(struct listener *l)
{
	if (l->is_borrowed)
		return;
	if (address_is_unix(&l->address))
		remove_path(l);
	else if (drop_syns(l) != 0)
		hide(l);
}
