/*
 * Threads: the only place where one is made. A thread has a role and a name
 * (seen in top -H and in the log), starts with all signals blocked, and runs
 * at the priority that its role asks for.
 */
#ifndef FOREBAY_THREAD_THREAD_H
#define FOREBAY_THREAD_THREAD_H

#include "base/cpus.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum thread_role {
	THREAD_MAIN,
	THREAD_WORKER,
	THREAD_POOL,
	THREAD_BUILDER,
	THREAD_MONITOR,
	THREAD_LOG
};

enum { THREAD_NAME_BYTES = 16 };

struct thread {
	pthread_t id;
	enum thread_role role;
	int nice; /* 0: as the process; pool threads 0..19 */
	bool batch; /* SCHED_BATCH: never preempts a waking worker */
	unsigned
	    slice_us; /* how long its turns on a processor are at most; 0: as the kernel has it */
	struct cpus cpus; /* those that it starts on; none: all that the process may use */
	char name[THREAD_NAME_BYTES];
	void (*run)(void *argument);
	void *argument;
	bool is_running;
	/* Its own, before its run(): what the kernel knows it by, and why it did not get the
	 * priority that it is to have: an errno, or 0. */
	uint64_t number;
	int refused;
};

/* t's role, nice, batch, slice, cpus, name, run and argument are set; t must outlive the
 * thread. ERR_SYSTEM when the kernel gives none. Priorities and processors that
 * cannot be had are no error; of processors the log says so. */
int thread_start(struct thread *t) __attribute__((warn_unused_result));
/* Says in the log at what priority t runs, as the kernel has it: `who` run so; warns where that is
 * not what it is to have. It has come to its run(), and not left it. Any thread. */
void thread_tell_priority(const struct thread *t, const char *who);
/* Waits for run() to return. Harmless when it was never started. */
void thread_join(struct thread *t);
/* A running thread, this one too, stays on these processors from now on; none: on all that the
 * process may use. The log says what cannot be had; then nothing has changed. It may not have
 * left its run(). */
void thread_set_cpus(const struct thread *t, const struct cpus *c);
/* Those that a thread of the process may run on now; none when there is no such thread. */
struct cpus thread_cpus(uint64_t number);
/* What the calling thread is known by to thread_cpus and in top -H. */
uint64_t thread_number(void);
/* The role of the calling thread: main until thread_start says otherwise. */
enum thread_role thread_role(void);

#endif
