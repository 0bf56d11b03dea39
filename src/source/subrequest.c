/*
 * The narrow gate between sources and runs: the order of calls is checked
 * here, once for all sources; see subrequest.h.
 */
#include "source/subrequest.h"

#include "base/assert.h"

void
subrequest_head(struct subrequest *q)
{
	ASSERT(q->state_now == SUBREQUEST_STARTED);
	q->state_now = SUBREQUEST_HEAD;
	q->up->head(q);
}

void
subrequest_inform(struct subrequest *q)
{
	ASSERT(q->state_now == SUBREQUEST_STARTED);
	if (q->up->inform)
		q->up->inform(q);
}

int
subrequest_body(struct subrequest *q, struct chunks *list)
{
	ASSERT(q->state_now == SUBREQUEST_HEAD);
	return q->up->body(q, list);
}

void
subrequest_shut(struct subrequest *q)
{
	ASSERT(q->state_now == SUBREQUEST_HEAD);
	if (q->up->shut)
		q->up->shut(q);
}

void
subrequest_done(struct subrequest *q, int err)
{
	ASSERT(q->state_now == SUBREQUEST_HEAD || (q->state_now == SUBREQUEST_STARTED && err));
	q->state_now = SUBREQUEST_DONE;
	q->up->done(q, err);
}

void
subrequest_want_body(struct subrequest *q)
{
	ASSERT(q->state_now == SUBREQUEST_STARTED || q->state_now == SUBREQUEST_HEAD);
	if (q->up->want_body)
		q->up->want_body(q);
}

int
subrequest_set_type(struct subrequest *q, struct slice type)
{
	struct fields *fields = &q->response.fields;

	if (type.len == 0)
		return 0;
	fields->at = arena_zalloc(q->arena, 1, sizeof(*fields->at));
	if (!fields->at)
		return ERR_MEMORY;
	fields->cap = 1;
	return fields_add(fields, FIELD_CONTENT_TYPE, type);
}

/* Head, body, done. Takes the list. */
static void
give(struct subrequest *q, struct chunks *body)
{
	subrequest_head(q);
	/* The run may have cancelled it from inside head, or from inside body. */
	if (q->state_now == SUBREQUEST_HEAD && subrequest_body(q, body) >= 0 &&
	    q->state_now == SUBREQUEST_HEAD)
		subrequest_done(q, 0);
	chunks_clear(body);
}

static int
set_head(struct subrequest *q, int status, struct slice type, size_t bytes)
{
	q->response.status = status;
	q->response.framing = BODY_LENGTH;
	q->response.content_length = bytes;
	return subrequest_set_type(q, type);
}

void
subrequest_whole(struct subrequest *q, struct slice body)
{
	struct chunks list;

	ASSERT(q->state_now == SUBREQUEST_STARTED);
	if (q->up->whole) {
		q->state_now = SUBREQUEST_DONE;
		q->up->whole(q, body);
		return;
	}
	chunks_init(&list, &q->env->store);
	if (chunks_add_arena(&list, body) != 0)
		subrequest_done(q, ERR_MEMORY);
	else
		give(q, &list);
}

void
subrequest_answer(struct subrequest *q, int status, struct slice type, struct slice body)
{
	if (set_head(q, status, type, body.len) != 0)
		subrequest_done(q, ERR_MEMORY);
	else
		subrequest_whole(q, body);
}

void
subrequest_answer_heap(struct subrequest *q, int status, struct slice type, void *owned,
		       struct slice body)
{
	struct chunks list;

	chunks_init(&list, &q->env->store);
	if (chunks_add_heap(&list, owned, body) != 0) {
		subrequest_done(q, ERR_MEMORY);
	} else if (set_head(q, status, type, body.len) != 0) {
		chunks_clear(&list);
		subrequest_done(q, ERR_MEMORY);
	} else {
		give(q, &list);
	}
}

void
subrequest_cancel(struct subrequest *q)
{
	if (q->state_now != SUBREQUEST_STARTED && q->state_now != SUBREQUEST_HEAD)
		return;
	q->state_now = SUBREQUEST_CANCELLED;
	q->part->source->ops->cancel(q);
}
