/*
 * Making threads; see thread.h.
 */
#include "thread/thread.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CPUS_BYTES = 512, PRIORITY_BYTES = 128 };

static _Thread_local enum thread_role role_of_this = THREAD_MAIN;

/* As the kernel has it; the C library knows it only from version 2.41 on. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* 0 where it is not known, or the kernel has turns of one length for all threads. */
static uint64_t
slice_of_thread(pid_t number)
{
	struct attributes a = { .size = sizeof(a) };

	return syscall(SYS_sched_getattr, number, &a, sizeof(a), 0) == 0 ? a.runtime : 0;
}

/* Whoever asks for shorter turns has them sooner: EEVDF, since Linux 6.12. Older kernels take the
 * call and forget what it said. */
static int
set_slice(pid_t self, unsigned slice_us)
{
	struct attributes a = { .size = sizeof(a) };

	if (syscall(SYS_sched_getattr, self, &a, sizeof(a), 0) != 0)
		return -1;
	if (a.policy != SCHED_OTHER)
		return 0;
	a.runtime = (uint64_t)slice_us * 1000;
	return syscall(SYS_sched_setattr, self, &a, 0) == 0 ? 0 : -1;
}

/* What cannot be had is no error: who tells of it says so. */
static void
set_priority(struct thread *t)
{
	struct sched_param none = { 0 };
	pid_t self = (pid_t)t->number;

	t->refused = 0;
	if (t->batch && sched_setscheduler(self, SCHED_BATCH, &none) != 0)
		t->refused = errno;
	/* On Linux a nice value belongs to a thread. */
	if (t->nice != 0 && setpriority(PRIO_PROCESS, (id_t)self, t->nice) != 0)
		t->refused = errno;
	if (t->slice_us != 0 && set_slice(self, t->slice_us) != 0)
		t->refused = errno;
}

static const char *
policy_name(int policy)
{
	static const char *const names[] = {
		[SCHED_OTHER] = "SCHED_OTHER",
		[SCHED_BATCH] = "SCHED_BATCH",
		[SCHED_IDLE] = "SCHED_IDLE",
	};
	unsigned count = sizeof(names) / sizeof(names[0]);

	return policy >= 0 && (unsigned)policy < count && names[policy] ? names[policy]
									: "another policy";
}

static void
write_priority(const struct thread *t, int policy, int nice, struct writer *w)
{
	uint64_t slice_ns = t->slice_us ? slice_of_thread((pid_t)t->number) : 0;

	writer_format(w, "%s at nice %d", policy_name(policy), nice);
	if (slice_ns)
		writer_format(w, " in turns of %llu us", (unsigned long long)slice_ns / 1000);
	else if (t->slice_us)
		writer_text(w, " in turns as long as all have with this kernel");
}

void
thread_tell_priority(const struct thread *t, const char *who)
{
	int policy = sched_getscheduler((pid_t)t->number);
	int nice = getpriority(PRIO_PROCESS, (id_t)t->number);
	bool holds = !t->refused && (!t->batch || policy == SCHED_BATCH) &&
		     (t->nice == 0 || nice == t->nice);
	char text[PRIORITY_BYTES];
	struct writer w = writer_over(text, sizeof(text));

	write_priority(t, policy, nice, &w);
	if (holds)
		log_notice("%s run as %.*s", who, SLICE_PRINT(writer_slice(&w)));
	else
		log_warning(
		    "%s run as %.*s, which is not what they ask for (%s): on a busy machine "
		    "light requests may wait for heavy ones; whoever filters system calls - "
		    "systemd, a container - has to allow sched_setscheduler, setpriority "
		    "and sched_setattr",
		    who, SLICE_PRINT(writer_slice(&w)),
		    t->refused ? strerror(t->refused) : "it was changed since");
}

/* --- processors -------------------------------------------------------------------- */

/* The log says who speaks. */
#define THIS "this thread"

struct cpus_text {
	char text[CPUS_BYTES];
};

/* A list that is too long for a line is cut. */
static struct cpus_text
show(const struct cpus *c)
{
	struct cpus_text t;
	struct writer w = writer_over(t.text, sizeof(t.text) - 1);

	cpus_write(c, &w);
	t.text[w.len] = '\0';
	return t;
}

/* The main thread is never tied to any: what it may use, the process may. */
static struct cpus
cpus_of_process(void)
{
	return thread_cpus((uint64_t)getpid());
}

/* The kernel leaves out what the cpuset of the process does not have, without a word. */
static void
check_cpus(pthread_t id, const char *name, const struct cpus *wanted)
{
	struct cpus now = { { 0 } };

	if (pthread_getaffinity_np(id, sizeof(now), (void *)&now) == 0 && cpus_eq(&now, wanted))
		log_debug("%s runs on processors %s", name, show(wanted).text);
	else
		log_warning("%s runs on processors %s, and not on %s", name, show(&now).text,
			    show(wanted).text);
}

static void
set_cpus(pthread_t id, const char *name, const struct cpus *c)
{
	struct cpus wanted = cpus_is_empty(c) ? cpus_of_process() : *c;
	int failed = pthread_setaffinity_np(id, sizeof(wanted), (const void *)&wanted);

	if (failed)
		log_warning("%s cannot run on processors %s: %s", name, show(&wanted).text,
			    strerror(failed));
	else
		check_cpus(id, name, &wanted);
}

void
thread_set_cpus(const struct thread *t, const struct cpus *c)
{
	set_cpus(t->id, pthread_equal(t->id, pthread_self()) ? THIS : t->name, c);
}

struct cpus
thread_cpus(uint64_t number)
{
	struct cpus now = { { 0 } };

	/* 0 is the calling thread to the kernel, and nobody's number. */
	if (number == 0 || sched_getaffinity((pid_t)number, sizeof(now), (void *)&now) != 0)
		return (struct cpus){ { 0 } };
	return now;
}

uint64_t
thread_number(void)
{
	return (uint64_t)syscall(SYS_gettid);
}

/* --- life ---------------------------------------------------------------------------- */

static void *
enter(void *argument)
{
	struct thread *t = argument;

	role_of_this = t->role;
	pthread_setname_np(pthread_self(), t->name);
	log_set_thread(t->name);
	t->number = thread_number();
	set_priority(t);
	if (!cpus_is_empty(&t->cpus))
		set_cpus(pthread_self(), THIS, &t->cpus);
	t->run(t->argument);
	mem_settle();
	return NULL;
}

int
thread_start(struct thread *t)
{
	sigset_t all, old;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = pthread_create(&t->id, NULL, enter, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	t->is_running = !failed;
	return failed ? ERR_SYSTEM : 0;
}

void
thread_join(struct thread *t)
{
	if (!t->is_running)
		return;
	pthread_join(t->id, NULL);
	t->is_running = false;
}

enum thread_role
thread_role(void)
{
	return role_of_this;
}
