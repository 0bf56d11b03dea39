/*
 * The server's side of the spawner; see spawner.h. The process itself is
 * spawner_serve.c.
 */
#include "child/spawner.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/ref.h"
#include "child/order.h"
#include "child/word.h"
#include "thread/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEND_TIMEOUT_S = 2, END_PATIENCE_MS = 2000 };

struct spawner {
	struct ref ref;
	struct lock lock; /* over all below */
	int socket; /* orders go there; -1: there is no process */
	pid_t pid;
	uint64_t started_ns; /* 0: never */
	bool is_wanted;
};

/* --- its life -------------------------------------------------------------------- */

struct spawner *
spawner_new(void)
{
	struct spawner *s = mem_zalloc(1, sizeof(*s));

	if (!s)
		return NULL;
	ref_init(&s->ref);
	lock_init(&s->lock);
	s->socket = -1;
	return s;
}

struct spawner *
spawner_ref(struct spawner *s)
{
	ref_take(&s->ref);
	return s;
}

static bool
has_ended(const struct spawner *s)
{
	pid_t got = waitpid(s->pid, NULL, WNOHANG);

	return got == s->pid || (got < 0 && errno == ECHILD);
}

/* It ends when its socket does; one that was stopped is not waited for. */
static void
end_process(struct spawner *s)
{
	child_close_fd(&s->socket);
	if (s->pid == 0)
		return;
	for (unsigned waited = 0; !has_ended(s); waited++) {
		if (waited == END_PATIENCE_MS)
			kill(s->pid, SIGKILL);
		poll(NULL, 0, 1);
	}
	s->pid = 0;
}

void
spawner_unref(struct spawner **pointer)
{
	struct spawner *s = *pointer;

	*pointer = NULL;
	if (!s || !ref_drop(&s->ref))
		return;
	end_process(s);
	lock_fini(&s->lock);
	mem_free(&s);
}

/* --- starting it ----------------------------------------------------------------- */

static int
make_sockets(int ends[2])
{
	const struct timeval patience = { .tv_sec = SEND_TIMEOUT_S };

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return ERR_SYSTEM;
	if (setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0)
		return 0;
	close(ends[0]);
	close(ends[1]);
	return ERR_SYSTEM;
}

/* posix_spawn shares the memory until the new program runs: nothing is copied, and no thread
 * but this one stands still. */
static int
execute(struct spawner *s, int orders)
{
	char program[] = "forebayd", option[] = "--spawner";
	char *arguments[] = { program, option, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int code;

	child_init_attributes(&attributes);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, orders, SPAWNER_SOCKET);
	code = posix_spawn(&s->pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	errno = code;
	if (code)
		s->pid = 0;
	return code ? ERR_SYSTEM : 0;
}

/* Off the numbers that are set up one after the other. dup2 to its own number would leave it to be
 * closed by execve, too. */
static int
move_off(int *fd)
{
	int moved = *fd <= SPAWNER_SOCKET ? fcntl(*fd, F_DUPFD_CLOEXEC, SPAWNER_SOCKET + 1) : *fd;

	if (moved != *fd)
		close(*fd);
	*fd = moved;
	return moved < 0 ? ERR_SYSTEM : 0;
}

/* One that cannot live is not started for every order. */
static int
start_process(struct spawner *s)
{
	uint64_t now = clock_monotonic();
	int ends[2] = { -1, -1 }, err;

	if (s->started_ns && now < s->started_ns + CLOCK_SEC)
		return ERR_BUSY;
	if (s->pid > 0)
		log_error("the process that starts programs has ended; another is started");
	s->started_ns = now;
	end_process(s);
	err = make_sockets(ends);
	if (!err)
		err = move_off(&ends[1]);
	if (!err)
		err = execute(s, ends[1]);
	if (err)
		log_error("programs cannot be started: %s", strerror(errno));
	child_close_fd(&ends[1]);
	if (err)
		child_close_fd(&ends[0]);
	s->socket = ends[0];
	return err;
}

void
spawner_want(struct spawner *s)
{
	lock_take(&s->lock);
	s->is_wanted = true;
	lock_give(&s->lock);
}

void
spawner_warm(struct spawner *s)
{
	lock_take(&s->lock);
	if (s->is_wanted && s->socket < 0)
		(void)!start_process(s); /* said; the next order tries again */
	lock_give(&s->lock);
}

/* --- orders ---------------------------------------------------------------------- */

/* The message and the descriptors; 0, ERR_CLOSED: there is nobody, ERR_TIMEOUT, ERR_SYSTEM. */
static int
send_order(int socket, const struct order *o, const int fds[ORDER_FDS])
{
	struct iovec parts[] = { { (void *)(uintptr_t)&o->head, sizeof(o->head) },
				 { o->text.at, o->text.len } };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * ORDER_FDS)];
	} control = { 0 };
	struct msghdr m = { .msg_iov = parts,
			    .msg_iovlen = 2,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	size_t bytes = sizeof(int) * (fds[ORDER_MORE] >= 0 ? ORDER_FDS : ORDER_MORE);
	ssize_t sent;

	m.msg_controllen = CMSG_SPACE(bytes);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(c), fds, bytes);
	do {
		sent = sendmsg(socket, &m, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	if (errno == EAGAIN)
		return ERR_TIMEOUT;
	return errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED : ERR_SYSTEM;
}

/* One at a time: who waits longest is a fork away from the next. */
static int
give_order(struct spawner *s, const struct order *o, const int fds[ORDER_FDS])
{
	int err = ERR_CLOSED;

	lock_take(&s->lock);
	if (s->socket >= 0)
		err = send_order(s->socket, o, fds);
	if (err == ERR_CLOSED) {
		err = start_process(s);
		if (!err)
			err = send_order(s->socket, o, fds);
		/* That of a program is another one's end. */
		if (err == ERR_CLOSED)
			err = ERR_SYSTEM;
	}
	lock_give(&s->lock);
	if (err)
		log_error("the process that starts programs takes no order: %s", err_text(err));
	return err;
}

/* *ours does not block; the child's end does, as programs expect. */
static int
make_pipe(int *ours, int *theirs, bool is_read)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return ERR_SYSTEM;
	*ours = is_read ? ends[0] : ends[1];
	*theirs = is_read ? ends[1] : ends[0];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0 ? 0 : ERR_SYSTEM;
}

static int
make_pair(int type, int *ours, int *theirs)
{
	int ends[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0)
		return ERR_SYSTEM;
	*ours = ends[0];
	*theirs = ends[1];
	return 0;
}

static int
make_plumbing(struct child *c, enum child_plumbing plumbing, int theirs[ORDER_FDS])
{
	int err = make_pair(SOCK_SEQPACKET, &c->control, &theirs[ORDER_CONTROL]);

	if (!err)
		err = make_pipe(&c->errors, &theirs[ORDER_STDERR], true);
	if (err)
		return err;
	if (plumbing == CHILD_PIPES) {
		err = make_pipe(&c->input, &theirs[ORDER_STDIN], false);
		return err ? err : make_pipe(&c->output, &theirs[ORDER_STDOUT], true);
	}
	err = make_pair(SOCK_STREAM, &c->input, &theirs[ORDER_STDIN]);
	if (!err && fcntl(c->input, F_SETFL, O_NONBLOCK) != 0)
		err = ERR_SYSTEM;
	theirs[ORDER_STDOUT] = fcntl(theirs[ORDER_STDERR], F_DUPFD_CLOEXEC, 0);
	return err || theirs[ORDER_STDOUT] < 0 ? ERR_SYSTEM : 0;
}

int
spawner_start(struct spawner *s, const struct order *o, enum child_plumbing plumbing,
	      struct child *c)
{
	return spawner_start_with(s, o, plumbing, -1, c);
}

int
spawner_start_with(struct spawner *s, const struct order *o, enum child_plumbing plumbing, int more,
		   struct child *c)
{
	int theirs[ORDER_FDS] = { -1, -1, -1, -1, more };
	int err = o->text.err;

	*c = (struct child){ .control = -1, .input = -1, .output = -1, .errors = -1 };
	if (!err) {
		err = make_plumbing(c, plumbing, theirs);
		if (err)
			log_error("a program cannot be started: %s", strerror(errno));
	}
	if (!err)
		err = give_order(s, o, theirs);
	for (unsigned i = 0; i < ORDER_MORE; i++)
		child_close_fd(&theirs[i]);
	if (err)
		child_close(c);
	return err;
}
