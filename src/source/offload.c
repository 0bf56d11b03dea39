/*
 * From a subrequest to a job and back; see offload.h.
 */
#include "source/offload.h"

#include "base/clock.h"
#include "base/mem.h"

/* q->state, in the exchange's arena. */
struct seat {
	struct deferred failure;
	struct subrequest *q;
	const struct offload_ops *ops;
	struct offload *offload; /* on its way; NULL before and after */
	uint64_t expected_ns; /* its share of the reservation */
	struct gate_promise promise; /* or of what is only promised */
	uint64_t units; /* that it has to do; 0: not known */
	int err;
};

/* --- admission ------------------------------------------------------------------- */

static struct pool *
pool_of(const struct subrequest *q, const struct offload_ops *ops)
{
	return ops->pool(q->part);
}

/* Those that ask one pool for places of one kind: of jobs that come at once, or of later ones. */
static bool
ask_together(const struct subrequest *a, const struct subrequest *b, const struct offload_ops *ops)
{
	return a->is_later == b->is_later && pool_of(a, ops) == pool_of(b, ops);
}

/* Whether q[i] is the first of those that ask together. */
static bool
is_first_to_ask(struct subrequest *q[], size_t i, const struct offload_ops *ops)
{
	for (size_t k = 0; k < i; k++) {
		if (ask_together(q[k], q[i], ops))
			return false;
	}
	return true;
}

static void
find_units(struct seat *seat)
{
	const struct offload_ops *ops = seat->ops;

	if (seat->units == 0 && ops->units && seat->q->value)
		seat->units = ops->units(seat->q);
}

static void
add_to_ask(struct gate_ask *ask, struct subrequest *q)
{
	struct seat *seat = q->state;
	struct pool *pool = pool_of(q, seat->ops);
	const struct cost *cost = seat->ops->cost(q->part);

	find_units(seat);
	seat->expected_ns =
	    q->is_later
		? pool_ask_later(pool, ask, cost, seat->units, q->deadline_ns, &seat->promise)
		: pool_ask_more(pool, ask, cost, seat->units, q->deadline_ns);
}

/* Of all that ask together with q[first]. */
static struct gate_ask
make_ask(struct subrequest *q[], size_t n, size_t first, const struct offload_ops *ops)
{
	struct gate_ask ask = { .priority = q[first]->priority,
				.share = q[first]->share,
				.now_ns = loop_now(&q[first]->env->loop),
				.deadline_ns = CLOCK_NEVER };

	for (size_t i = first; i < n; i++) {
		if (ask_together(q[first], q[i], ops))
			add_to_ask(&ask, q[i]);
	}
	return ask;
}

static void
release_place(struct subrequest *q, const struct offload_ops *ops)
{
	struct seat *seat = q->state;
	struct pool *pool = pool_of(q, ops);

	if (seat->promise.made_ns)
		pool_lapse(pool, q->priority, &seat->promise, ops->cost(q->part));
	else
		pool_release(pool, q->priority, 1, seat->expected_ns);
}

/* It is ready, and there is more that is known of what it takes. */
static void
redeem(struct seat *seat)
{
	const struct subrequest *q = seat->q;
	struct pool *pool = pool_of(q, seat->ops);
	struct cost *cost = seat->ops->cost(q->part);

	seat->expected_ns = pool_expect(pool, cost, seat->units);
	pool_redeem(pool, q->priority, &seat->promise, cost, loop_now(&q->env->loop),
		    seat->expected_ns);
}

/* Gives back the places that q[0 .. end) asked for first. */
static void
release_pools(struct subrequest *q[], size_t n, size_t end, const struct offload_ops *ops)
{
	for (size_t i = 0; i < end; i++) {
		if (!is_first_to_ask(q, i, ops))
			continue;
		for (size_t k = i; k < n; k++) {
			if (ask_together(q[k], q[i], ops))
				release_place(q[k], ops);
		}
	}
}

static int
reserve_pools(struct subrequest *q[], size_t n, const struct offload_ops *ops)
{
	struct env *env = q[0]->env;
	struct pool_refusal refusal;

	for (size_t i = 0; i < n; i++) {
		struct gate_ask ask;
		if (!is_first_to_ask(q, i, ops))
			continue;
		ask = make_ask(q, n, i, ops);
		if (pool_reserve(pool_of(q[i], ops), &ask, random_next(&env->random), &refusal) ==
		    0)
			continue;
		release_pools(q, n, i, ops);
		for (size_t k = 0; k < n; k++)
			q[k]->refusal = refusal;
		return ERR_SHED;
	}
	return 0;
}

int
offload_reserve(struct subrequest *q[], size_t n, const struct offload_ops *ops)
{
	for (size_t i = 0; i < n; i++) {
		struct seat *seat = arena_zalloc(q[i]->arena, 1, sizeof(*seat));
		if (!seat)
			return ERR_MEMORY;
		seat->q = q[i];
		seat->ops = ops;
		q[i]->state = seat;
	}
	return n > 0 ? reserve_pools(q, n, ops) : 0;
}

void
offload_release(struct subrequest *q)
{
	struct seat *seat = q->state;

	release_place(q, seat->ops);
	q->state = NULL;
}

/* --- home ------------------------------------------------------------------------ */

static void
free_offload(struct offload *o)
{
	if (o->ops->fini)
		o->ops->fini(o);
	buffer_fini(&o->output);
	mem_free(&o->heading);
	if (o->mishap)
		count_add(o->lease->env->counters, (enum counter)(o->mishap - 1), 1);
	lease_give(o->lease);
	mem_free(&o);
}

static void
answer(struct subrequest *q, struct offload *o)
{
	int status = o->status, err = 0;
	struct slice type = o->type;
	size_t len;
	char *text = buffer_take(&o->output, &len);

	if (o->heading) {
		err = heading_copy(o->heading, type, q->arena, &q->response.fields);
		type = SLICE("");
	}
	free_offload(o);
	if (!err) {
		subrequest_answer_heap(q, status, type, text, slice_make(text, len));
		return;
	}
	mem_free(&text);
	subrequest_done(q, err);
}

static void
on_home(struct job *j, void *receiver)
{
	struct offload *o = CONTAINER_OF(j, struct offload, job);
	struct subrequest *q = o->q;
	int outcome = j->outcome;

	(void)receiver;
	o->is_home = true;
	if (q && o->ops->home && o->ops->home(o))
		return;
	if (q)
		((struct seat *)q->state)->offload = NULL;
	if (q && outcome == 0) {
		answer(q, o);
		return;
	}
	if (q) {
		q->refusal = j->refusal;
		q->conflict = o->conflict;
	}
	free_offload(o);
	if (q)
		subrequest_done(q, outcome);
}

/* --- on the pool thread ---------------------------------------------------------- */

/* That it is not there, or conflicts with what is, one knows when the work has been done. */
static bool
refuses_input(int status)
{
	return status == 400 || status == 413 || status == 415 || status == 422 || status >= 500;
}

static int
run_offload(struct job *j, struct pool_thread *t)
{
	struct offload *o = CONTAINER_OF(j, struct offload, job);
	int err = o->ops->run(o, t);

	j->has_failed = o->mishap || refuses_input(o->status);
	/* Whoever still waits is told the reason. */
	if (err == ERR_CANCELLED && clock_monotonic() >= j->deadline_ns)
		err = ERR_DEADLINE;
	return err ? err : o->output.err;
}

/* --- on the worker --------------------------------------------------------------- */

static void
on_failure(struct deferred *d)
{
	struct seat *seat = CONTAINER_OF(d, struct seat, failure);

	subrequest_done(seat->q, seat->err);
}

/* start() must not complete from inside. */
static void
fail_soon(struct seat *seat, int err)
{
	seat->err = err;
	seat->failure.run = on_failure;
	loop_soon(&seat->q->env->loop, &seat->failure);
}

void
offload_start(struct subrequest *q)
{
	struct seat *seat = q->state;
	struct offload *o = seat->ops->make(q);

	if (!o) {
		release_place(q, seat->ops);
		fail_soon(seat, ERR_MEMORY);
		return;
	}
	o->ops = seat->ops;
	o->q = q;
	o->lease = q->lease;
	lease_take(o->lease);
	o->status = 200;
	if (!o->type.at)
		o->type = SLICE("text/plain");
	buffer_init(&o->output, (size_t)q->part->max_result);
	o->job.home = &q->env->loop.mailbox;
	o->job.run = run_offload;
	o->job.on_home = on_home;
	o->job.deadline_ns = q->deadline_ns;
	o->job.priority = q->priority;
	o->job.cost = seat->ops->cost(q->part);
	find_units(seat);
	o->job.units = seat->units;
	if (seat->promise.made_ns)
		redeem(seat);
	o->job.expected_ns = seat->expected_ns;
	seat->offload = o;
	pool_submit(pool_of(q, seat->ops), &o->job);
}

void
offload_resume(struct subrequest *q)
{
	struct seat *seat = q->state;

	if (seat->offload && seat->ops->resume)
		seat->ops->resume(seat->offload);
}

/* A running job comes home alone, and is freed there. */
static void
let_go(struct offload *o)
{
	o->q = NULL;
	if (o->ops->leave)
		o->ops->leave(o);
	if (o->is_home)
		free_offload(o);
	else
		job_abandon(&o->job);
}

struct subrequest *
offload_leave(struct offload *o)
{
	struct subrequest *q = o->q;
	struct seat *seat = q->state;

	seat->offload = NULL;
	let_go(o);
	return q;
}

void
offload_cancel(struct subrequest *q)
{
	struct seat *seat = q->state;
	struct offload *o;

	if (!seat)
		return;
	loop_forget(&q->env->loop, &seat->failure);
	o = seat->offload;
	seat->offload = NULL;
	if (o)
		let_go(o);
}
