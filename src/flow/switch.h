/*
 * The switch from one stack to another, in two ways: by hand, in assembly
 * (switch_x86_64.S, switch_aarch64.S), and by ucontext, which is slower, as it
 * asks the kernel about signals each time, but is there on every machine. Both
 * keep what a function has to keep for its caller, no more.
 *
 * Signals, thread-local memory, and errno are the thread's, and stay.
 */
#ifndef FOREBAY_FLOW_SWITCH_H
#define FOREBAY_FLOW_SWITCH_H

#include <stddef.h>
#include <ucontext.h>

#if defined(__x86_64__) || defined(__aarch64__)
#define SWITCH_IS_NATIVE 1
#else
#define SWITCH_IS_NATIVE 0
#endif

typedef void (*switch_entry_fn)(void *argument);

/* Where a stack was left: all that is needed is on it, below this address. */
struct switch_place {
	void *sp;
};

/* The same for ucontext; entry and argument are for the first time. */
struct switch_portable {
	ucontext_t of;
	switch_entry_fn entry;
	void *argument;
};

#if SWITCH_IS_NATIVE
/* So that the first switch to `p` calls entry(argument), which must not return. */
void switch_prepare(struct switch_place *p, char *base, size_t bytes, switch_entry_fn entry,
		    void *argument);
/* Leaves the current stack at *from, and goes on where `to` was left. */
void switch_to(struct switch_place *from, struct switch_place *to);
#endif

/* As switch_prepare and switch_to. */
void switch_portable_prepare(struct switch_portable *p, char *base, size_t bytes,
			     switch_entry_fn entry, void *argument);
void switch_portable_to(struct switch_portable *from, struct switch_portable *to);

#endif
