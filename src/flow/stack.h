/*
 * Stacks of coroutines: mapped memory with a guard below, so that a stack that
 * runs over ends the process instead of writing into another. Those that are
 * free are kept, up to a bound, with the pages that their last user has
 * touched; the others go back to the kernel at once.
 *
 *   [ guard, cannot be touched | ... <- grows down | struct stack ]
 *                              base                top
 *
 * A struct stacks belongs to one thread.
 */
#ifndef FOREBAY_FLOW_STACK_H
#define FOREBAY_FLOW_STACK_H

#include <stddef.h>

/* What sanitizers put around variables needs room. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_IS_CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STACK_IS_CHECKED 1
#endif
#endif
#ifndef STACK_IS_CHECKED
#define STACK_IS_CHECKED 0
#endif

enum {
	STACK_BYTES = STACK_IS_CHECKED ? 256 << 10 : 64 << 10,
	STACK_GUARD_BYTES = 64 << 10, /* a frame that is not probed does not jump over it */
	STACK_KEEP = 64, /* free ones of a thread */
};

/* At the top of its own memory. */
struct stack {
	struct stack *next; /* on the free list */
	char *base; /* the lowest byte that may be touched */
	void *fiber; /* what the thread sanitizer knows it as */
};

struct stacks {
	struct stack *free;
	unsigned kept;
	unsigned live; /* taken and not given back */
};

void stacks_init(struct stacks *s);
/* Every stack must have come back. */
void stacks_fini(struct stacks *s);

/* NULL when the kernel gives none: no memory, or as many mappings as vm.max_map_count says. */
struct stack *stack_take(struct stacks *s) __attribute__((warn_unused_result));
/* Nothing may run on it, or return to it, any more. */
void stack_give(struct stacks *s, struct stack *k);

/* Bytes between base and the struct, for whoever runs there. */
static inline size_t
stack_room(const struct stack *k)
{
	return (size_t)((const char *)k - k->base);
}

#endif
