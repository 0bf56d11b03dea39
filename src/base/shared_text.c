/*
 * Texts that several keep alive; see shared_text.h.
 */
#include "base/shared_text.h"

#include "base/mem.h"

struct shared_text *
shared_text_take(struct buffer *b)
{
	struct shared_text *t = b->len < SHARED_TEXT_LEAST ? NULL : mem_alloc(sizeof(*t));

	if (!t)
		return NULL;
	ref_init(&t->ref);
	t->text.len = 0;
	t->memory = buffer_take(b, &t->text.len);
	t->text.at = t->memory;
	return t;
}

void
shared_text_drop(struct shared_text **t)
{
	struct shared_text *last = *t;

	*t = NULL;
	if (!last || !ref_drop(&last->ref))
		return;
	mem_free(&last->memory);
	mem_free(&last);
}
