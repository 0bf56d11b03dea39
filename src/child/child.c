/*
 * What is known of a child; see child.h.
 */
#include "child/child.h"

#include "child/word.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const steps[] = {
#define X(name, text) text,
	WORD_STEPS
#undef X
};

enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

static void
take(struct child *c, const struct word *w)
{
	switch (w->kind) {
	case WORD_RUNS:
		c->pid = w->a;
		if (c->state == CHILD_STARTING)
			c->state = CHILD_RUNNING;
		break;
	case WORD_FAILED:
		c->state = CHILD_FAILED;
		c->code = w->a;
		c->status = w->b;
		break;
	case WORD_ENDED:
		/* The end of one that could not become the program says nothing more. */
		if (c->state == CHILD_FAILED)
			break;
		c->state = CHILD_ENDED;
		c->code = w->a;
		c->status = w->b;
		break;
	default:
		break;
	}
}

/* The kernel has killed the child (PR_SET_PDEATHSIG), but only it. The number is not another
 * group's: one goes on as long as any process is in it, and if none is, it has just ended. */
static void
lose(struct child *c)
{
	c->state = CHILD_LOST;
	if (c->pid > 0)
		kill(-c->pid, SIGKILL);
}

void
child_init_attributes(posix_spawnattr_t *a)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(a);
	posix_spawnattr_setsigmask(a, &none);
	posix_spawnattr_setsigdefault(a, &all);
	posix_spawnattr_setpgroup(a, 0);
	posix_spawnattr_setflags(a, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
					POSIX_SPAWN_SETPGROUP);
}

void
child_hear(struct child *c)
{
	struct word w;
	ssize_t got;

	while (c->control >= 0 && !child_is_over(c)) {
		got = recv(c->control, &w, sizeof(w), MSG_DONTWAIT);
		if (got == (ssize_t)sizeof(w))
			take(c, &w);
		else if (got < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		else
			lose(c);
	}
}

void
child_stop(struct child *c, bool politely)
{
	char letter = politely ? WORD_TERMINATE : WORD_KILL;

	/* A spawner that does not listen is gone, which child_hear() finds out. */
	if (c->control >= 0 && !child_is_over(c))
		(void)!send(c->control, &letter, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool
child_has_succeeded(const struct child *c)
{
	return c->state == CHILD_ENDED && c->code == CLD_EXITED && c->status == 0;
}

void
child_explain(const struct child *c, struct writer *w)
{
	switch (c->state) {
	case CHILD_FAILED:
		writer_format(w, "%s: %s",
			      c->status >= 0 && c->status < STEPS ? steps[c->status] : "it failed",
			      strerror(c->code));
		break;
	case CHILD_ENDED:
		if (c->code == CLD_EXITED)
			writer_format(w, "it exited with code %d", c->status);
		else
			writer_format(w, "it was killed by signal %d (%s)", c->status,
				      strsignal(c->status));
		break;
	case CHILD_LOST:
		writer_text(w, "the process that starts programs has ended");
		break;
	default:
		writer_text(w, "it still runs");
		break;
	}
}

void
child_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
child_close(struct child *c)
{
	child_close_fd(&c->control);
	child_close_fd(&c->input);
	child_close_fd(&c->output);
	child_close_fd(&c->errors);
}
