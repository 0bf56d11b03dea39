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

int
subrequest_body(struct subrequest *q, struct chunks *list)
{
	ASSERT(q->state_now == SUBREQUEST_HEAD);
	return q->up->body(q, list);
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
	q->up->want_body(q);
}

void
subrequest_answer(struct subrequest *q, int status, struct slice type, struct slice body)
{
	struct chunks list;
	int err;

	q->response.status = status;
	q->response.framing = BODY_LENGTH;
	q->response.content_length = body.len;
	if (type.len > 0) {
		q->response.fields.at = arena_zalloc(q->arena, 1, sizeof(*q->response.fields.at));
		if (!q->response.fields.at) {
			subrequest_done(q, ERR_MEMORY);
			return;
		}
		q->response.fields.cap = 1;
		if (fields_add(&q->response.fields, FIELD_CONTENT_TYPE, type) != 0)
			ASSERT(0);
	}
	chunks_init(&list, &q->env->store);
	err = chunks_add_arena(&list, body);
	if (err) {
		subrequest_done(q, err);
		return;
	}
	subrequest_head(q);
	/* The run may have cancelled it from inside head. */
	if (q->state_now == SUBREQUEST_HEAD && subrequest_body(q, &list) >= 0 &&
	    q->state_now == SUBREQUEST_HEAD)
		subrequest_done(q, 0);
	chunks_clear(&list);
}

void
subrequest_cancel(struct subrequest *q)
{
	if (q->state_now != SUBREQUEST_STARTED && q->state_now != SUBREQUEST_HEAD)
		return;
	q->state_now = SUBREQUEST_CANCELLED;
	q->part->source->ops->cancel(q);
}
