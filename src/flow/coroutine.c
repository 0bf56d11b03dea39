/*
 * Coroutines; see coroutine.h.
 */
#include "flow/coroutine.h"

#include "base/assert.h"

#if SWITCH_IS_NATIVE
#define PREPARE switch_prepare
#define GO      switch_to
#else
#define PREPARE switch_portable_prepare
#define GO      switch_portable_to
#endif

/* The first thing that happens on its stack. */
static void
enter(void *argument)
{
	struct coroutine *c = argument;

	sanitizer_arrive(&c->in, &c->out);
	c->run(c->argument);
	coroutine_abandon(c);
}

int
coroutine_init(struct coroutine *c, struct stacks *s, coroutine_fn run, void *argument)
{
	struct stack *k = stack_take(s);

	c->stacks = s;
	c->stack = k;
	c->run = run;
	c->argument = argument;
	c->is_over = c->is_inside = false;
	if (!k)
		return ERR_MEMORY;
	c->in =
	    (struct sanitizer_side){ .base = k->base, .bytes = stack_room(k), .fiber = k->fiber };
	c->out = (struct sanitizer_side){ .fake = NULL };
	PREPARE(&c->inside, k->base, stack_room(k), enter, c);
	return 0;
}

void
coroutine_fini(struct coroutine *c)
{
	ASSERT(!c->is_inside);
	if (c->stack)
		stack_give(c->stacks, c->stack);
	c->stack = NULL;
}

void
coroutine_resume(struct coroutine *c)
{
	ASSERT(!c->is_over && !c->is_inside);
	c->is_inside = true;
	sanitizer_leave(&c->out, &c->in);
	GO(&c->outside, &c->inside);
	sanitizer_arrive(&c->out, NULL);
	c->is_inside = false;
}

void
coroutine_pause(struct coroutine *c)
{
	ASSERT(c->is_inside);
	sanitizer_leave(&c->in, &c->out);
	GO(&c->inside, &c->outside);
	sanitizer_arrive(&c->in, &c->out);
}

_Noreturn void
coroutine_abandon(struct coroutine *c)
{
	c->is_over = true;
	sanitizer_leave(NULL, &c->out);
	GO(&c->inside, &c->outside);
	__builtin_unreachable();
}
