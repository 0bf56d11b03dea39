/*
 * The process that starts programs; see spawner.h. One thread, one loop:
 *
 *   orders      from the server       -> fork
 *   signals     SIGCHLD               -> the rest of its group is killed, then it is buried
 *   control[i]  T, K, or the end      -> its group is killed
 *
 * It is a subreaper: what children leave behind becomes its child, and is buried
 * too, also where the server is process 1 of a container.
 */
#include "base/list.h"
#include "base/mem.h"
#include "child/birth.h"
#include "child/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* One of the children. */
struct ward {
	pid_t pid; /* and its group */
	int control; /* -1: the server does not care any more, and it has been killed */
};

enum { POLL_ORDERS, POLL_SIGNALS, POLL_WARDS };

struct nursery {
	int signals;
	struct ward *wards; /* owned */
	struct pollfd *polls; /* owned: POLL_WARDS more than wards */
	unsigned count, cap;
	struct order_read order;
	char message[ORDER_BYTES];
};

/* --- words ------------------------------------------------------------------------ */

static void
say(int control, enum word_kind kind, int a, int b)
{
	struct word w = { .kind = (int32_t)kind, .a = a, .b = b };

	if (control >= 0)
		(void)!send(control, &w, sizeof(w), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* --- orders ----------------------------------------------------------------------- */

static int
make_room(struct nursery *n)
{
	unsigned cap = n->cap ? n->cap * 2 : 16;
	struct ward *wards;
	struct pollfd *polls;

	if (n->count < n->cap)
		return 0;
	wards = mem_grow(n->wards, cap * sizeof(*wards));
	if (wards)
		n->wards = wards;
	polls = wards ? mem_grow(n->polls, (cap + POLL_WARDS) * sizeof(*polls)) : NULL;
	if (!polls)
		return ERR_MEMORY;
	n->polls = polls;
	n->cap = cap;
	return 0;
}

static void
raise_ward(struct nursery *n, const int fds[ORDER_FDS])
{
	pid_t self = getpid(), pid = make_room(n) == 0 ? fork() : -1;

	if (pid == 0)
		birth_run(&n->order, fds, self);
	if (pid < 0) {
		say(fds[ORDER_CONTROL], WORD_FAILED, errno, WORD_STEP_FORK);
		close(fds[ORDER_CONTROL]);
		return;
	}
	/* By both: whoever signals the group finds it. */
	setpgid(pid, pid);
	say(fds[ORDER_CONTROL], WORD_RUNS, pid, 0);
	n->wards[n->count++] = (struct ward){ pid, fds[ORDER_CONTROL] };
}

/* How many descriptors came. */
static unsigned
take_fds(struct msghdr *m, int fds[ORDER_FDS])
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);
	size_t bytes;

	if (!c || c->cmsg_type != SCM_RIGHTS)
		return 0;
	bytes = c->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(c), bytes);
	return (unsigned)(bytes / sizeof(int));
}

/* False when the server has gone. */
static bool
take_order(struct nursery *n)
{
	int fds[ORDER_FDS] = { -1, -1, -1, -1, -1 };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control;
	struct iovec part = { n->message, sizeof(n->message) };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	ssize_t got = recvmsg(SPAWNER_SOCKET, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	unsigned count;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR || errno == EMFILE;
	if (got == 0)
		return false;
	count = take_fds(&m, fds);
	if (count >= ORDER_MORE && order_read(&n->order, n->message, (size_t)got) == 0)
		raise_ward(n, fds);
	else if (count > ORDER_CONTROL)
		close(fds[ORDER_CONTROL]); /* which is an answer */
	for (unsigned i = ORDER_CONTROL + 1; i < count; i++)
		close(fds[i]);
	return true;
}

/* --- children --------------------------------------------------------------------- */

static void
kill_group(const struct ward *w, int number)
{
	/* Not buried yet, so the number is its own. */
	kill(-w->pid, number);
}

static void
hear_server(struct ward *w)
{
	char letter;
	ssize_t got = recv(w->control, &letter, 1, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got == 1 && letter == WORD_TERMINATE) {
		kill_group(w, SIGTERM);
		return;
	}
	kill_group(w, SIGKILL);
	if (got == 1)
		return;
	close(w->control);
	w->control = -1;
}

/* Its group first, as long as its number is taken; then itself. */
static void
bury_ward(struct nursery *n, unsigned i, const siginfo_t *end)
{
	struct ward *w = &n->wards[i];

	kill_group(w, SIGKILL);
	waitpid(w->pid, NULL, WNOHANG);
	say(w->control, WORD_ENDED, end->si_code, end->si_status);
	if (w->control >= 0)
		close(w->control);
	*w = n->wards[--n->count];
}

static void
bury(struct nursery *n, const siginfo_t *end)
{
	for (unsigned i = 0; i < n->count; i++) {
		if (n->wards[i].pid == end->si_pid) {
			bury_ward(n, i, end);
			return;
		}
	}
	waitpid(end->si_pid, NULL, WNOHANG); /* left behind by one of them */
}

/* One signal may stand for many ends. */
static void
bury_all(struct nursery *n)
{
	struct signalfd_siginfo drop;
	siginfo_t end;

	while (read(n->signals, &drop, sizeof(drop)) > 0)
		;
	do {
		end.si_pid = 0;
		if (waitid(P_ALL, 0, &end, WEXITED | WNOHANG | WNOWAIT) == 0 && end.si_pid > 0)
			bury(n, &end);
	} while (end.si_pid > 0);
}

/* --- the loop --------------------------------------------------------------------- */

static int
open_nursery(struct nursery *n)
{
	sigset_t set;

	/* The terminal's and the manager's are for the server: this one follows it. */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	(void)!close_range(SPAWNER_SOCKET + 1, ~0U, 0);
	if (fcntl(SPAWNER_SOCKET, F_SETFD, FD_CLOEXEC) != 0)
		return ERR_SYSTEM;
	n->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (n->signals < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		return ERR_SYSTEM;
	prctl(PR_SET_NAME, "spawner", 0, 0, 0);
	return make_room(n);
}

static void
watch(struct nursery *n)
{
	n->polls[POLL_ORDERS] = (struct pollfd){ .fd = SPAWNER_SOCKET, .events = POLLIN };
	n->polls[POLL_SIGNALS] = (struct pollfd){ .fd = n->signals, .events = POLLIN };
	for (unsigned i = 0; i < n->count; i++)
		n->polls[POLL_WARDS + i] =
		    (struct pollfd){ .fd = n->wards[i].control, .events = POLLIN };
	poll(n->polls, POLL_WARDS + n->count, -1);
}

static void
serve(struct nursery *n)
{
	bool is_wanted = true;

	while (is_wanted) {
		watch(n);
		/* Before burials: these move wards to other places. */
		for (unsigned i = 0; i < n->count; i++) {
			if (n->polls[POLL_WARDS + i].revents)
				hear_server(&n->wards[i]);
		}
		if (n->polls[POLL_SIGNALS].revents)
			bury_all(n);
		if (n->polls[POLL_ORDERS].revents)
			is_wanted = take_order(n);
	}
	for (unsigned i = 0; i < n->count; i++)
		kill_group(&n->wards[i], SIGKILL);
}

int
spawner_serve(void)
{
	struct nursery *n = mem_zalloc(1, sizeof(*n));

	if (!n || open_nursery(n) != 0)
		return EXIT_FAILURE;
	serve(n);
	mem_free(&n->wards);
	mem_free(&n->polls);
	mem_free(&n);
	return EXIT_SUCCESS;
}
