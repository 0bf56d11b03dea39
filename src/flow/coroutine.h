/*
 * A coroutine: a function with a stack of its own, which runs until it pauses,
 * and goes on from there when it is resumed. It stays on the thread that made
 * it, and runs inside coroutine_resume() like any call.
 *
 *   thread             coroutine
 *   coroutine_init
 *   coroutine_resume -> run(argument)
 *                    <- coroutine_pause
 *   coroutine_resume -> ...returns
 *                    <-
 *   coroutine_fini
 */
#ifndef FOREBAY_FLOW_COROUTINE_H
#define FOREBAY_FLOW_COROUTINE_H

#include "base/err.h"
#include "flow/sanitizer.h"
#include "flow/stack.h"
#include "flow/switch.h"

#include <stdbool.h>

typedef void (*coroutine_fn)(void *argument);

/* Must not move while it lives. */
struct coroutine {
	struct stacks *stacks; /* borrowed */
	struct stack *stack; /* taken; NULL: it has none */
	coroutine_fn run;
	void *argument;
#if SWITCH_IS_NATIVE
	struct switch_place inside, outside; /* where each was left */
#else
	struct switch_portable inside, outside;
#endif
	struct sanitizer_side in, out;
	bool is_over; /* it will not run any more */
	bool is_inside; /* it runs */
};

/* ERR_MEMORY: there is no stack. */
int coroutine_init(struct coroutine *c, struct stacks *s, coroutine_fn run,
		   void *argument) MUST_CHECK;
/* Gives the stack back. It must be over, or never have run; idempotent. */
void coroutine_fini(struct coroutine *c);

/* From outside: runs it until it pauses or is over. */
void coroutine_resume(struct coroutine *c);
/* From inside: until the next resume. */
void coroutine_pause(struct coroutine *c);
/* From inside: for ever. What its functions have on the stack is not undone. */
_Noreturn void coroutine_abandon(struct coroutine *c);

#endif
