/*
 * The trial of a module, from the side that asks; see trial.h. The process that
 * answers is trial_serve.c.
 */
#include "module/trial.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "child/child.h"
#include "module/section_text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VERDICT_BYTES = 2048, STDIN_BYTES = 1 << 20, PATIENCE_MS = 20 };

struct trial {
	pid_t pid;
	int input; /* the section, as text */
	int verdict; /* where it says how it goes; non-blocking */
	int verdict_out; /* the other end */
	char text[VERDICT_BYTES]; /* what it said */
	size_t len;
	int status; /* of waitpid */
	bool is_late;
};

/* --- what it is told -------------------------------------------------------------- */

/* In a file, so that writing cannot wait for the process. */
static int
write_input(struct trial *t, const struct conf_section *s)
{
	struct buffer b;
	ssize_t sent = -1;

	t->input = memfd_create("forebay-section", MFD_CLOEXEC);
	buffer_init(&b, STDIN_BYTES);
	section_text_put(&b, s);
	if (t->input >= 0 && !b.err)
		sent = write(t->input, b.at, b.len);
	if (sent >= 0 && (size_t)sent == b.len)
		sent = lseek(t->input, 0, SEEK_SET);
	buffer_fini(&b);
	return sent == 0 ? 0 : ERR_SYSTEM;
}

/* --- starting it ------------------------------------------------------------------ */

/* Out of the way of standard input and output, which are replaced one after the other. */
static int
move_up(int *fd)
{
	int moved = *fd > STDERR_FILENO ? *fd : fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (moved != *fd)
		close(*fd);
	*fd = moved;
	return moved < 0 ? ERR_SYSTEM : 0;
}

static int
open_verdict(struct trial *t)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return ERR_SYSTEM;
	t->verdict = ends[0];
	t->verdict_out = ends[1];
	if (fcntl(t->verdict, F_SETFL, O_NONBLOCK) != 0 || move_up(&t->verdict_out) != 0)
		return ERR_SYSTEM;
	return move_up(&t->input);
}

static int
spawn(struct trial *t, const struct image *i, const char *conf)
{
	char file[64], option[] = "--try-module", program[] = "forebayd", conf_option[] = "-c";
	char *name = (char *)(uintptr_t)conf;
	char *arguments[] = { program, option, file, conf_option, name, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int code;

	snprintf(file, sizeof(file), "/proc/self/fd/%d", i->fd);
	child_init_attributes(&attributes);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, t->input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, t->verdict_out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, i->fd, i->fd); /* stays open */
	code = posix_spawn(&t->pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	close(t->verdict_out);
	t->verdict_out = -1;
	errno = code;
	return code ? ERR_SYSTEM : 0;
}

/* --- waiting for it ---------------------------------------------------------------- */

/* What does not fit is dropped: it is no verdict of ours. */
static void
read_verdict(struct trial *t)
{
	char drop[256];
	ssize_t got;

	do {
		size_t room = sizeof(t->text) - 1 - t->len;

		got = room > 0 ? read(t->verdict, t->text + t->len, room)
			       : read(t->verdict, drop, sizeof(drop));
		if (got > 0 && room > 0)
			t->len += (size_t)got;
	} while (got > 0);
}

static bool
has_ended(struct trial *t)
{
	return waitpid(t->pid, &t->status, WNOHANG) == t->pid;
}

/* Until it has ended, or the time is up, which ends it. */
static void
wait_for(struct trial *t, uint64_t limit_ns)
{
	uint64_t end = clock_after(clock_monotonic(), limit_ns);
	struct pollfd p = { .fd = t->verdict, .events = POLLIN };

	while (!has_ended(t)) {
		if (clock_monotonic() >= end) {
			t->is_late = true;
			kill(-t->pid, SIGKILL);
			while (waitpid(t->pid, &t->status, 0) < 0 && errno == EINTR)
				;
			break;
		}
		/* The end of the pipe comes a moment before the end of the process. */
		if (poll(&p, 1, PATIENCE_MS) > 0 && (p.revents & POLLHUP))
			poll(NULL, 0, 1);
		read_verdict(t);
	}
	read_verdict(t);
}

/* --- what came of it ---------------------------------------------------------------- */

/* The last line that begins with `mark`, without it; empty if none does. */
static struct slice
find_line(const struct trial *t, char mark)
{
	struct slice rest = slice_make(t->text, t->len), found = SLICE("");

	while (rest.len > 0) {
		struct slice line = slice_cut(&rest, '\n');

		if (line.len > 2 && line.at[0] == mark && line.at[1] == ' ')
			found = slice_after(line, 2);
	}
	return found;
}

static void
explain(const struct trial *t, uint64_t limit_ns, struct writer *why)
{
	struct slice stage = find_line(t, '>'), said = find_line(t, '!');

	if (stage.len == 0)
		stage = SLICE("at its start");
	if (t->is_late)
		writer_format(why, "it did not end within %llu ms, %.*s",
			      (unsigned long long)(limit_ns / CLOCK_MS), SLICE_PRINT(stage));
	else if (WIFSIGNALED(t->status))
		writer_format(why, "it crashed %.*s: %s", SLICE_PRINT(stage),
			      strsignal(WTERMSIG(t->status)));
	else if (said.len > 0)
		writer_put(why, said);
	else
		writer_format(why, "it ended the process %.*s, with code %d", SLICE_PRINT(stage),
			      WEXITSTATUS(t->status));
}

static void
close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

int
trial_run(const struct image *i, const struct conf_section *s, uint64_t limit_ns,
	  struct writer *why)
{
	struct trial t = { .input = -1, .verdict = -1, .verdict_out = -1 };
	int err = write_input(&t, s);

	if (!err)
		err = open_verdict(&t);
	if (!err)
		err = spawn(&t, i, s->file->name);
	if (err) {
		writer_format(why, "it cannot be tried: %s", strerror(errno));
	} else {
		wait_for(&t, limit_ns);
		if (find_line(&t, '=').len == 0 || t.is_late) {
			explain(&t, limit_ns, why);
			err = ERR_FAILED;
		}
	}
	close_fd(t.input);
	close_fd(t.verdict);
	close_fd(t.verdict_out);
	return err;
}
