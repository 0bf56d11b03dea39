/*
 * Stacks of coroutines; see stack.h.
 */
#include "flow/stack.h"

#include "base/assert.h"
#include "flow/sanitizer.h"

#include <sys/mman.h>

/* Since Linux 6.13: pages that cannot be touched, without a mapping of their own. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum { WHOLE_BYTES = STACK_GUARD_BYTES + STACK_BYTES };

static int
set_guard(char *memory)
{
	if (madvise(memory, STACK_GUARD_BYTES, MADV_GUARD_INSTALL) == 0)
		return 0;
	return mprotect(memory, STACK_GUARD_BYTES, PROT_NONE);
}

static struct stack *
map(void)
{
	char *memory = mmap(NULL, WHOLE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	struct stack *k;

	if (memory == MAP_FAILED)
		return NULL;
	if (set_guard(memory) != 0) {
		munmap(memory, WHOLE_BYTES);
		return NULL;
	}
	/* Neighbours may become one mapping, of which a touched page must not become 2 MiB. */
	madvise(memory, WHOLE_BYTES, MADV_NOHUGEPAGE);
	k = (struct stack *)(memory + WHOLE_BYTES - sizeof(*k));
	k->base = memory + STACK_GUARD_BYTES;
	k->fiber = sanitizer_make_fiber();
	return k;
}

static void
unmap(struct stack *k)
{
	sanitizer_drop_fiber(k->fiber);
	munmap(k->base - STACK_GUARD_BYTES, WHOLE_BYTES);
}

void
stacks_init(struct stacks *s)
{
	*s = (struct stacks){ .free = NULL };
}

void
stacks_fini(struct stacks *s)
{
	ASSERT(s->live == 0);
	while (s->free) {
		struct stack *k = s->free;

		s->free = k->next;
		unmap(k);
	}
	s->kept = 0;
}

struct stack *
stack_take(struct stacks *s)
{
	struct stack *k = s->free;

	if (k) {
		s->free = k->next;
		s->kept--;
	} else {
		k = map();
	}
	s->live += k != NULL;
	return k;
}

void
stack_give(struct stacks *s, struct stack *k)
{
	ASSERT(s->live > 0);
	s->live--;
	/* What was left without a return has left its marks. */
	sanitizer_clear(k->base, stack_room(k));
	if (s->kept == STACK_KEEP) {
		unmap(k);
		return;
	}
	k->next = s->free;
	s->free = k;
	s->kept++;
}
