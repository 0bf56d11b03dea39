/*
 * A single part, passed through: head and body go from the source to the
 * exchange as they come, the request's body the other way, and whoever is slow
 * slows the other. The deadline ends with the head; from then on idle
 * time-outs of both sides apply.
 */
#include "http/status.h"
#include "plan/pond.h"
#include "plan/run_priv.h"

/* --- the answer ------------------------------------------------------------------ */

/* The part has failed before its head. */
static void
refuse(struct run *r, int err)
{
	struct run_part *p = &r->part[0];

	p->err = err;
	run_count(p, cause_outcome(err));
	run_refuse_for(r, p);
}

/* Of the answer. */
static bool
has_body(const struct run *r)
{
	return r->x->response.framing != BODY_NONE && r->x->request.method != METHOD_HEAD;
}

/* For as long as the client takes to read it. */
static bool
has_room(struct run *r, struct subrequest *q, uint64_t bytes)
{
	return !source_answers_whole(q->part->source->ops) || run_has_room(r, bytes, &q->refusal);
}

static void
on_head(struct subrequest *q)
{
	struct run *r = run_part_of(q)->run;

	r->is_cut = !has_room(r, q, q->response.content_length);
	if (r->is_cut)
		return;
	if (timer_is_set(&r->timer))
		loop_clear_timer(&r->env->loop, &r->timer);
	r->x->response = q->response;
	r->x->prepared = q->prepared;
	if (r->plan->pond && has_body(r) && !r->x->is_background)
		pond_add(r->x, r->lease, r->plan->pond);
	r->is_broken = exchange_head(r->x) != 0;
}

static void
on_inform(struct subrequest *q)
{
	struct run *r = run_part_of(q)->run;
	struct response kept = r->x->response;

	if (r->is_broken)
		return;
	r->x->response = q->response;
	r->is_broken = exchange_inform(r->x, q->response.status) != 0;
	r->x->response = kept;
}

static void
on_whole(struct subrequest *q, struct slice body)
{
	struct run_part *p = run_part_of(q);
	struct run *r = p->run;
	struct exchange *x = r->x;

	if (!has_room(r, q, body.len)) {
		refuse(r, ERR_SHED);
		return;
	}
	x->response = q->response;
	x->prepared = q->prepared;
	run_count(p, OUTCOME_OK);
	run_leave(r);
	exchange_whole(x, body);
}

static int
on_body(struct subrequest *q, struct chunks *list)
{
	struct run *r = run_part_of(q)->run;
	int err;

	if (r->is_broken || r->is_cut) {
		chunks_clear(list);
		return r->is_broken ? SUBREQUEST_PAUSE : 0;
	}
	err = exchange_body(r->x, list);
	r->is_broken = err < 0;
	return err ? SUBREQUEST_PAUSE : 0;
}

static void
on_shut(struct subrequest *q)
{
	struct run *r = run_part_of(q)->run;

	if (!r->is_broken)
		exchange_shut(r->x);
}

static void
on_done(struct subrequest *q, int err)
{
	struct run_part *p = run_part_of(q);
	struct run *r = p->run;
	struct exchange *x = r->x;

	if (r->is_cut && !err)
		err = ERR_SHED;
	if (err && !x->is_head_sent) {
		refuse(r, err);
		return;
	}
	run_count(p, cause_outcome(err));
	if (r->is_broken)
		return;
	x->response.trailers = q->response.trailers;
	run_leave(r);
	if (err)
		exchange_abort(x, err);
	else
		exchange_end(x);
}

/* --- the request's body ------------------------------------------------------------ */

static bool
is_live(const struct run *r)
{
	enum subrequest_state s = r->part[0].q.state_now;

	return s == SUBREQUEST_STARTED || s == SUBREQUEST_HEAD;
}

/* A body that was collected goes in one piece. */
static void
feed_collected(struct deferred *d)
{
	struct run *r = CONTAINER_OF(d, struct run, later);
	struct subrequest *q = &r->part[0].q;
	struct chunks list;

	if (!is_live(r))
		return;
	r->is_fed = true;
	chunks_init(&list, &r->env->store);
	if (chunks_add_arena(&list, r->scope->of.body) == 0) {
		q->part->source->ops->feed(q, &list, true);
	} else {
		subrequest_cancel(q);
		on_done(q, ERR_MEMORY);
	}
	chunks_clear(&list);
}

static void
feed_stored(struct run *r)
{
	struct subrequest *q = &r->part[0].q;
	struct chunks list;
	bool is_last = false;
	int err;

	chunks_init(&list, &r->env->store);
	err = spool_take(r->spool, &list, &is_last);
	if (err == 0) {
		r->is_fed = is_last;
		q->part->source->ops->feed(q, &list, is_last);
	} else if (err != ERR_BUSY) {
		q->refusal = r->spool->refusal;
		subrequest_cancel(q);
		on_done(q, err);
	}
	chunks_clear(&list);
}

static void
feed_stored_later(struct deferred *d)
{
	struct run *r = CONTAINER_OF(d, struct run, later);

	if (is_live(r) && !spool_is_busy(r->spool))
		feed_stored(r);
}

static void
on_fetched(struct spool *s, int err)
{
	struct run *r = s->owner;
	struct subrequest *q = &r->part[0].q;

	if (!is_live(r))
		return;
	if (!err) {
		feed_stored(r);
		return;
	}
	subrequest_cancel(q);
	on_done(q, err == ERR_FULL ? ERR_FAILED : err);
}

static void
on_want_body(struct subrequest *q)
{
	struct run *r = run_part_of(q)->run;

	if (r->is_broken || r->is_fed || !q->has_body)
		return;
	if (r->spool) {
		r->spool->ready = on_fetched;
		r->later.run = feed_stored_later;
		loop_soon(&r->env->loop, &r->later);
	} else if (r->plan->needs_body) {
		r->later.run = feed_collected;
		loop_soon(&r->env->loop, &r->later);
	} else {
		run_ask_body(r);
	}
}

static const struct subrequest_ops pass_ops = {
	.head = on_head,
	.body = on_body,
	.inform = on_inform,
	.shut = on_shut,
	.done = on_done,
	.want_body = on_want_body,
	.whole = on_whole,
};

/* --- the run's side ------------------------------------------------------------------- */

static void
offer_body(struct run *r, struct subrequest *q)
{
	const struct request *request = &r->x->request;

	q->has_body = q->part->source->ops->takes_body && run_has_body(r);
	if (!q->has_body)
		return;
	if (r->spool) {
		q->is_body_length_known = true;
		q->body_bytes = r->spool->bytes;
		return;
	}
	q->is_body_length_known = r->plan->needs_body || request->framing == BODY_LENGTH;
	q->body_bytes = r->plan->needs_body ? r->scope->of.body.len : request->content_length;
}

/* It could not answer at once. */
static void
start_later(struct run *r, struct subrequest *q)
{
	const struct source_ops *ops = q->part->source->ops;
	int err = run_identify(&r->part[0]);

	q->state_now = SUBREQUEST_NEW;
	if (!err && ops->reserve)
		err = ops->reserve(&q, 1);
	if (err) {
		refuse(r, err);
		return;
	}
	err = run_arm(r);
	if (err) {
		if (ops->release)
			ops->release(q);
		refuse(r, err);
		return;
	}
	q->state_now = SUBREQUEST_STARTED;
	ops->start(q);
}

static void
start(struct run *r)
{
	struct run_part *p = &r->part[0];
	struct subrequest *q = &p->q;
	const struct source_ops *ops = q->part->source->ops;
	int err;

	q->up = &pass_ops;
	p->began_ns = loop_now(&r->env->loop);
	err = run_evaluate(p);
	if (err) {
		refuse(r, err);
		return;
	}
	offer_body(r, q);
	q->state_now = SUBREQUEST_STARTED;
	if (ops->answer && ops->answer(q) == 0)
		return; /* the run may be gone */
	start_later(r, q);
}

static void
feed(struct run *r, struct chunks *body, bool is_last)
{
	struct subrequest *q = &r->part[0].q;

	if (!is_live(r) || r->is_broken) {
		chunks_clear(body);
		return;
	}
	r->is_fed = is_last;
	q->deadline_ns = r->deadline_ns;
	q->is_hurried = r->is_hurried;
	q->part->source->ops->feed(q, body, is_last);
}

static void
resume(struct run *r)
{
	struct subrequest *q = &r->part[0].q;

	if (q->state_now == SUBREQUEST_HEAD && !r->is_broken && q->part->source->ops->resume)
		q->part->source->ops->resume(q);
}

static void
expire(struct run *r)
{
	subrequest_cancel(&r->part[0].q);
	refuse(r, ERR_DEADLINE);
}

static void
cancel(struct run *r)
{
	if (!is_live(r))
		return; /* it was done, and counted */
	subrequest_cancel(&r->part[0].q);
	run_count(&r->part[0], OUTCOME_CANCELLED);
}

const struct run_way pass_way = {
	.start = start,
	.feed = feed,
	.resume = resume,
	.expire = expire,
	.cancel = cancel,
};
