/*
 * The source `echo`: the request's body back, byte for byte, whatever the
 * method, with the media type it came with. Passed through, it is streamed
 * both ways: the client is read no faster than it reads. In a join it gives
 * the whole body.
 *
 *   want_body --> feed --> head, body --+--> want_body       the client kept up
 *                                       '--> resume --> want_body
 */
#include "source/subrequest.h"

struct echo {
	int body_value; /* of a part that is joined */
};

static int
load_part(struct part *p, struct source_build *b)
{
	struct echo *e = p->conf;

	(void)b;
	e->body_value = p->passes_through ? 0 : part_want(p, SLICE("{body}"), VALUE_RAW, "source");
	return e->body_value < 0 ? e->body_value : 0;
}

static struct slice
type_of(const struct subrequest *q)
{
	const struct field *f = fields_find(&q->request->fields, FIELD_CONTENT_TYPE);

	return f ? f->value : SLICE("");
}

static int
answer(struct subrequest *q)
{
	const struct echo *e = q->part->conf;

	if (q->part->passes_through && q->has_body)
		return ERR_BUSY;
	subrequest_answer(q, 200, type_of(q),
			  q->part->passes_through ? SLICE("") : q->value[e->body_value]);
	return 0;
}

static void
start(struct subrequest *q)
{
	subrequest_want_body(q);
}

static int
make_head(struct subrequest *q)
{
	q->response.status = 200;
	q->response.framing = q->is_body_length_known ? BODY_LENGTH : BODY_CHUNKED;
	q->response.content_length = q->body_bytes;
	return subrequest_set_type(q, type_of(q));
}

static int
give_head(struct subrequest *q)
{
	int err;

	if (q->state_now != SUBREQUEST_STARTED)
		return 0;
	err = make_head(q);
	if (!err)
		subrequest_head(q);
	return err;
}

static void
feed(struct subrequest *q, struct chunks *body, bool is_last)
{
	int wish, err = give_head(q);

	if (err) {
		chunks_clear(body);
		subrequest_done(q, err);
		return;
	}
	wish = subrequest_body(q, body);
	if (q->state_now != SUBREQUEST_HEAD)
		return;
	if (is_last)
		subrequest_done(q, 0);
	else if (wish != SUBREQUEST_PAUSE)
		subrequest_want_body(q);
}

static void
resume(struct subrequest *q)
{
	subrequest_want_body(q);
}

static void
cancel(struct subrequest *q)
{
	(void)q;
}

const struct source_ops source_echo = {
	.name = "echo",
	.part_size = sizeof(struct echo),
	.load_part = load_part,
	.answer = answer,
	.start = start,
	.feed = feed,
	.resume = resume,
	.cancel = cancel,
	.takes_body = true,
};
