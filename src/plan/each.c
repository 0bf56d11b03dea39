/*
 * Parts for each element of a list; see each.h.
 *
 * A place (each_child) has one subrequest at a time and is used again for a later element. As in
 * run_part.c, nothing is decided inside a source's head() or body(), and go_on() never runs inside
 * itself, so that a list of answers that come at once needs no stack.
 */
#include "plan/each.h"
#include "base/assert.h"
#include "base/json.h"
#include "plan/stash.h"

struct each_child {
	struct run_part part; /* its place in the plan is that of the declared part */
	struct each *each;
	unsigned element;
	bool is_busy, is_reserved;
};

struct each {
	struct run_part *part; /* the declared one */
	each_end_fn on_end;
	struct deferred later;
	struct json_walk walk; /* over elements that have not started */
	unsigned count, started, ended;
	size_t bytes; /* of all results so far */
	struct buffer *result; /* by element: JSON */
	struct each_child *child;
	unsigned children;
	bool has_failed, is_over, is_going_on;
};

static void go_on(struct each *e);

/* --- the end --------------------------------------------------------------------- */

static void
give_back(struct each_child *c)
{
	const struct source_ops *ops = c->part.q.part->source->ops;

	if (c->is_reserved && ops->release)
		ops->release(&c->part.q);
	c->is_reserved = false;
}

static void
let_go(struct each_child *c)
{
	if (c->is_busy)
		run_part_cancel(&c->part);
	else
		give_back(c);
	c->is_busy = c->is_reserved = false;
	intake_clear(&c->part.body);
}

void
each_cancel(struct run_part *p)
{
	struct each *e = p->each;

	if (!e || e->is_over)
		return;
	e->is_over = true;
	loop_forget(&p->run->env->loop, &e->later);
	for (unsigned i = 0; i < e->children; i++)
		let_go(&e->child[i]);
	for (unsigned i = 0; i < e->count; i++)
		buffer_fini(&e->result[i]);
}

static void
end(struct each *e, enum outcome outcome)
{
	struct run_part *p = e->part;

	each_cancel(p);
	e->on_end(p, outcome);
}

/* The elements' results as one array, which is the part's body. */
static int
take_whole(struct each *e)
{
	struct run_part *p = e->part;
	struct buffer whole;
	int err;

	buffer_init(&whole, p->body.text.limit);
	buffer_char(&whole, '[');
	for (unsigned i = 0; i < e->count; i++) {
		if (i)
			buffer_char(&whole, ',');
		buffer_put(&whole, buffer_slice(&e->result[i]));
	}
	buffer_char(&whole, ']');
	err = whole.err;
	if (!err) {
		intake_replace(&p->body, &whole);
		result_take_array(p);
	}
	buffer_fini(&whole);
	return err;
}

static void
end_whole(struct each *e)
{
	int err = take_whole(e);

	e->part->err = err;
	end(e, err ? cause_outcome(err) : OUTCOME_OK);
}

/* --- the end of an element ------------------------------------------------------- */

/* The part is told of the first one. */
static void
note_failure(struct each *e, const struct run_part *element, enum outcome outcome, int err)
{
	struct run_part *p = e->part;

	if (e->has_failed)
		return;
	e->has_failed = true;
	p->err = err;
	p->outcome = outcome;
	p->head = element->head;
	p->q.refusal = element->q.refusal;
}

/* ERR_MEMORY; ERR_TOO_LARGE: all results together. */
static int
keep_result(struct each *e, struct each_child *c, bool is_good)
{
	struct buffer *b = &e->result[c->element];
	size_t limit = e->part->body.text.limit;

	buffer_init(b, limit - e->bytes);
	if (is_good)
		result_write(&c->part, b);
	else
		buffer_put(b, e->part->plan->conf.each_fallback);
	e->bytes += b->len;
	return b->err;
}

static void
end_element(struct each_child *c, enum outcome outcome, int err)
{
	struct each *e = c->each;
	bool may_fail = e->part->plan->conf.each_fallback.len > 0;

	ASSERT(!e->is_over);
	c->is_busy = false;
	e->ended++;
	if (outcome == OUTCOME_OK || may_fail)
		err = keep_result(e, c, outcome == OUTCOME_OK);
	else
		note_failure(e, &c->part, outcome, err);
	if (err)
		note_failure(e, &c->part, cause_outcome(err), err);
	if (outcome != OUTCOME_OK && may_fail)
		e->part->run->is_degraded = true;
	intake_clear(&c->part.body);
}

/* --- call-backs of sources ------------------------------------------------------- */

static struct each_child *
child_of(struct subrequest *q)
{
	return CONTAINER_OF(run_part_of(q), struct each_child, part);
}

static void
go_on_later(struct deferred *d)
{
	go_on(CONTAINER_OF(d, struct each, later));
}

/* From inside head() or body(). */
static void
drop(struct each_child *c, int err)
{
	struct each *e = c->each;

	run_part_cancel(&c->part);
	end_element(c, cause_outcome(err), err);
	e->later.run = go_on_later;
	loop_soon(&e->part->run->env->loop, &e->later);
}

static void
on_head(struct subrequest *q)
{
	int err = stash_take_head(run_part_of(q));

	if (err)
		drop(child_of(q), err);
}

static int
on_body(struct subrequest *q, struct chunks *list)
{
	int err = run_part_gather(run_part_of(q), list);

	if (err)
		drop(child_of(q), err);
	return 0;
}

static void
on_done(struct subrequest *q, int err)
{
	struct each_child *c = child_of(q);
	enum outcome outcome = run_part_take(&c->part, &err);

	end_element(c, outcome, err);
	go_on(c->each);
}

static const struct subrequest_ops each_ops = {
	.head = on_head,
	.body = on_body,
	.done = on_done,
};

/* --- the start of an element ----------------------------------------------------- */

/* As new, for one more element. */
static void
renew(struct each_child *c)
{
	const struct run_part *p = c->each->part;

	c->part = (struct run_part){ .run = p->run, .plan = p->plan, .q = p->q };
	c->part.q.up = &each_ops;
	intake_init(&c->part.body, &p->run->env->store, p->body.text.limit);
}

/* Values are those of the part, with the element in the place of {item}. */
static int
evaluate(struct each *e, struct each_child *c)
{
	struct run_scope *scope = run_need_scope(e->part->run);
	int err;

	if (!scope)
		return ERR_MEMORY;
	/* There is one: they have been counted. */
	if (!json_walk_element(&e->walk, &scope->of.item))
		return ERR_SYNTAX;
	err = run_evaluate(&c->part);
	if (!err && c->part.plan->stash)
		err = stash_name(&c->part);
	scope->of.item = slice_make(NULL, 0);
	return err;
}

/* So many have their place before the first of them starts; what comes later asks for its own. */
static int
reserve(struct each_child *c)
{
	const struct source_ops *ops = c->part.q.part->source->ops;
	struct subrequest *q = &c->part.q;
	int err;

	if (c->is_reserved || !ops->reserve)
		return 0;
	err = ops->reserve(&q, 1);
	c->is_reserved = !err;
	return err;
}

static int
prepare(struct each *e, struct each_child *c)
{
	/* A place that was reserved is as new already. */
	if (!c->is_reserved)
		renew(c);
	c->element = e->started++;
	return evaluate(e, c);
}

/* It is answered from inside, without a place; or else it has got one. */
static int
answer_at_once(struct each_child *c, bool *is_answered)
{
	const struct source_ops *ops = c->part.q.part->source->ops;
	int err;

	c->is_busy = true;
	c->part.q.state_now = SUBREQUEST_STARTED;
	*is_answered = c->part.plan->stash && stash_answer(&c->part);
	if (*is_answered)
		return 0;
	err = reserve(c);
	*is_answered = !err && ops->answer && ops->answer(&c->part.q) == 0;
	return err;
}

static void
start_element(struct each *e, struct each_child *c)
{
	bool is_answered = false;
	int err = prepare(e, c);

	if (!err)
		err = answer_at_once(c, &is_answered);
	if (is_answered) {
		give_back(c);
		return;
	}
	if (!err)
		err = run_identify(&c->part);
	if (err) {
		c->part.q.state_now = SUBREQUEST_NEW;
		give_back(c);
		end_element(c, cause_outcome(err), err);
		return;
	}
	c->is_reserved = false;
	c->part.q.part->source->ops->start(&c->part.q);
}

static struct each_child *
find_free(struct each *e)
{
	for (unsigned i = 0; i < e->children; i++) {
		if (!e->child[i].is_busy)
			return &e->child[i];
	}
	return NULL;
}

static void
go_on(struct each *e)
{
	struct each_child *c;

	if (e->is_going_on)
		return;
	e->is_going_on = true;
	while (!e->has_failed && e->started < e->count && (c = find_free(e)) != NULL)
		start_element(e, c);
	e->is_going_on = false;
	if (e->has_failed)
		end(e, e->part->outcome);
	else if (e->ended == e->count)
		end_whole(e);
}

/* --- the start ------------------------------------------------------------------- */

/* The elements, counted. ERR_TOO_LARGE: more than may be; ERR_SYNTAX: it is no list. */
static int
find_elements(struct run_part *p, struct slice *list, unsigned *count)
{
	struct run_scope *scope = run_need_scope(p->run);
	struct json_walk walk;
	struct slice element;
	unsigned variable = 0;
	int err = scope ? template_eval(p->plan->each, &scope->of, p->q.arena, RUN_VALUE_BYTES,
					list, &variable)
			: ERR_MEMORY;

	if (err)
		return scope ? run_fail_value(p, p->plan->each, variable, err) : err;
	if (json_kind(*list) != JSON_ARRAY)
		return ERR_SYNTAX;
	*count = 0;
	for (walk = json_walk_over(*list); json_walk_element(&walk, &element);) {
		if (++*count > p->plan->conf.each_max)
			return ERR_TOO_LARGE;
	}
	return 0;
}

static struct each *
make(struct run_part *p, struct slice list, unsigned count, each_end_fn on_end)
{
	unsigned most = p->plan->conf.each_at_once;
	struct each *e = arena_zalloc(p->q.arena, 1, sizeof(*e));

	if (!e)
		return NULL;
	*e = (struct each){
		.part = p, .on_end = on_end, .walk = json_walk_over(list), .count = count
	};
	e->children = count < most ? count : most;
	e->result = arena_zalloc(p->q.arena, count + 1, sizeof(*e->result));
	e->child = arena_zalloc(p->q.arena, e->children + 1, sizeof(*e->child));
	if (!e->result || !e->child)
		return NULL;
	for (unsigned i = 0; i < e->children; i++) {
		e->child[i].each = e;
		renew(&e->child[i]);
	}
	return e;
}

/* Those that start first are admitted as one. */
static int
reserve_first(struct each *e)
{
	const struct source_ops *ops = e->part->q.part->source->ops;
	struct subrequest *q[PLAN_EACH_MAX];
	int err;

	if (!ops->reserve || e->children == 0 || e->part->plan->comes_late)
		return 0;
	for (unsigned i = 0; i < e->children; i++)
		q[i] = &e->child[i].part.q;
	err = ops->reserve(q, e->children);
	for (unsigned i = 0; i < e->children && !err; i++)
		e->child[i].is_reserved = true;
	if (err)
		e->part->q.refusal = q[0]->refusal;
	return err;
}

static int
begin(struct run_part *p, each_end_fn on_end)
{
	struct slice list = SLICE("");
	unsigned count = 0;
	int err = find_elements(p, &list, &count);

	if (err)
		return err;
	p->each = make(p, list, count, on_end);
	return p->each ? reserve_first(p->each) : ERR_MEMORY;
}

void
each_start(struct run_part *p, each_end_fn on_end)
{
	int err = begin(p, on_end);

	p->err = err == ERR_SYNTAX ? 0 : err;
	if (err) {
		each_cancel(p);
		on_end(p, err == ERR_SYNTAX ? OUTCOME_INVALID : cause_outcome(err));
		return;
	}
	go_on(p->each);
}
