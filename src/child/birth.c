/*
 * From a fork of the spawner to a program; see birth.h.
 */
#include "child/birth.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EXIT_UNBORN = 127 };

static void
fail(const int fds[ORDER_FDS], enum word_step step)
{
	struct word w = { .kind = WORD_FAILED, .a = errno, .b = (int32_t)step };

	(void)!send(fds[ORDER_CONTROL], &w, sizeof(w), MSG_NOSIGNAL | MSG_DONTWAIT);
	_exit(EXIT_UNBORN);
}

/* The spawner blocks what it waits for by descriptor; ignored signals would stay ignored. */
static void
reset_signals(void)
{
	const struct sigaction usual = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &usual, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A limit that is lower already stays: an unprivileged process cannot raise it. */
static int
limit(int resource, uint64_t soft, uint64_t hard)
{
	struct rlimit now, wanted = { soft, hard };

	if (getrlimit((__rlimit_resource_t)resource, &now) != 0)
		return ERR_SYSTEM;
	if (wanted.rlim_max > now.rlim_max)
		wanted.rlim_max = now.rlim_max;
	if (wanted.rlim_cur > wanted.rlim_max)
		wanted.rlim_cur = wanted.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &wanted) == 0 ? 0 : ERR_SYSTEM;
}

static int
set_limits(const struct order_limits *l)
{
	int err = limit(RLIMIT_CORE, 0, 0);

	/* SIGXCPU, and a second later SIGKILL. */
	if (!err && l->cpu_s)
		err = limit(RLIMIT_CPU, l->cpu_s, l->cpu_s + 1);
	if (!err && l->files)
		err = limit(RLIMIT_NOFILE, l->files, l->files);
	if (!err && l->file_bytes)
		err = limit(RLIMIT_FSIZE, l->file_bytes, l->file_bytes);
	/* The last: what is left to do takes none. */
	if (!err && l->memory)
		err = limit(RLIMIT_AS, l->memory, l->memory);
	return err;
}

/* What it may not have it does without, as threads do. */
static void
take_share(const struct order_share *s)
{
	const struct sched_param none = { 0 };

	if (!cpus_is_empty(&s->cpus))
		sched_setaffinity(0, sizeof(s->cpus), (const void *)&s->cpus);
	sched_setscheduler(0, s->policy, &none);
	setpriority(PRIO_PROCESS, 0, s->nice);
}

/* Standard input, output and error; all else ends with execve, however it came here. They have
 * higher numbers, since the spawner has those three itself. */
static bool
set_files(const int fds[ORDER_FDS])
{
	if (dup2(fds[ORDER_STDIN], STDIN_FILENO) < 0 ||
	    dup2(fds[ORDER_STDOUT], STDOUT_FILENO) < 0 ||
	    dup2(fds[ORDER_STDERR], STDERR_FILENO) < 0)
		return false;
	/* Each is opened to be closed there: an old kernel that does not know the call changes
	 * nothing. */
	(void)!close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	return fds[ORDER_MORE] < 0 || dup2(fds[ORDER_MORE], STDERR_FILENO + 1) >= 0;
}

void
birth_run(const struct order_read *o, const int fds[ORDER_FDS], pid_t spawner)
{
	setpgid(0, 0);
	/* It does not outlive the spawner, which may be gone already. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != spawner)
		_exit(EXIT_UNBORN);
	reset_signals();
	take_share(&o->head.share);
	/* No set-user-ID program makes more of it than it is. */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (chdir(o->folder) != 0)
		fail(fds, WORD_STEP_FOLDER);
	if (!set_files(fds))
		fail(fds, WORD_STEP_FILES);
	if (set_limits(&o->head.limits) != 0)
		fail(fds, WORD_STEP_LIMITS);
	execve(o->program, o->arguments, o->variables);
	fail(fds, WORD_STEP_EXECUTE);
	_exit(EXIT_UNBORN);
}
