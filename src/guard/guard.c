/*
 * The walk of a request past the guards of its route, and the table of all
 * kinds; see guard.h.
 */
#include "guard/guard.h"

#include "base/assert.h"

#define GUARD(name) extern const struct guard_kind guard_##name;
#include "guard/guards.def"
#undef GUARD

const struct guard_kind *const guard_kinds[] = {
#define GUARD(name) &guard_##name,
#include "guard/guards.def"
#undef GUARD
	NULL,
};

unsigned
guard_kinds_count(void)
{
	return sizeof(guard_kinds) / sizeof(guard_kinds[0]) - 1;
}

void *
guard_attached(const struct guard *g, const struct guard_asked *a)
{
	unsigned i = 0;

	while (guard_kinds[i] != g->kind)
		i++;
	return a->lease->guards[i];
}

/* Asks those that have not been asked. */
static void
ask(struct guard_asked *a)
{
	while (a->next < a->list->count) {
		const struct guard *g = a->list->at[a->next];
		enum guard_verdict verdict = g->kind->check(g, a);

		if (verdict == GUARD_ENDED)
			return;
		if (verdict == GUARD_WAITS) {
			ASSERT(g->kind->cancel);
			a->x->asked = a;
			return;
		}
		a->next++;
	}
	a->passed(a);
}

void
guard_start(struct guard_asked *a)
{
	a->next = 0;
	ask(a);
}

void
guard_go_on(struct guard_asked *a)
{
	ASSERT(a->x->asked == a);
	a->x->asked = NULL;
	a->next++;
	ask(a);
}

void
guard_leave(struct guard_asked *a)
{
	ASSERT(a->x->asked == a);
	a->x->asked = NULL;
}

void
guard_cancel(struct exchange *x)
{
	struct guard_asked *a = x->asked;
	const struct guard *g;

	if (!a)
		return;
	x->asked = NULL;
	g = a->list->at[a->next];
	g->kind->cancel(g, a);
}
