/*
 * Flights of equal parts; see flight.h.
 */
#include "plan/flight.h"

#include "base/mem.h"
#include "base/siphash.h"
#include "cache/entry.h"
#include "plan/run_priv.h"
#include "plan/stash.h"

enum { FLIGHT_BYTES = 16 << 20 }; /* of its arena: values are bounded, each by itself */

struct flight {
	struct subrequest q; /* its own, in no run */
	struct flight *next; /* in its bucket; NULL when it is over */
	const struct plan_part *plan;
	uint64_t hash;
	struct slice key;
	struct arena arena; /* of all that it borrows from nobody */
	struct request request;
	struct address client, near;
	struct trace trace; /* the first one's */
	struct list waiters; /* of run_part.seat */
	struct intake body;
	struct cache_entry *old; /* of the arena: that q asks about; NULL: about nothing */
	struct block *copy; /* of the body, when it did not come in one block: counted */
	struct deferred later;
	int err;
	uint64_t aimed_ns; /* the deadline that it took off with */
	struct slice stash_key; /* of what was asked; empty: nothing is kept of it */
	const struct subrequest *first; /* that got the answer, of that key; NULL: none so far */
	bool is_over; /* in no bucket: nobody joins any more */
};

static struct flight *
flight_of(struct subrequest *q)
{
	return CONTAINER_OF(q, struct flight, q);
}

/* --- the table --------------------------------------------------------------------------- */

static uint64_t
hash_of(const struct lease *l, const struct plan_part *pp, struct slice key)
{
	/* Nobody outside knows an address. */
	const struct siphash_key seed = { { (uintptr_t)l, (uintptr_t)pp } };

	return siphash(&seed, key);
}

static struct flight **
bucket_of(struct lease *l, uint64_t hash)
{
	return &l->flights[hash % LEASE_FLIGHTS];
}

static struct flight *
find(struct lease *l, const struct plan_part *pp, uint64_t hash, struct slice key)
{
	struct flight *f = *bucket_of(l, hash);

	while (f && (f->hash != hash || f->plan != pp || !slice_eq(f->key, key)))
		f = f->next;
	return f;
}

static void
take_out(struct flight *f)
{
	struct flight **at = bucket_of(f->q.lease, f->hash);

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	f->next = NULL;
	f->is_over = true;
}

/* --- life ---------------------------------------------------------------------------------- */

static void
free_flight(struct flight *f)
{
	struct lease *l = f->q.lease;

	intake_clear(&f->body);
	shared_text_drop(&f->q.body);
	if (f->copy)
		block_unref(f->copy);
	arena_fini(&f->arena);
	mem_free(&f);
	lease_give(l);
}

static void
free_later(struct deferred *d)
{
	free_flight(CONTAINER_OF(d, struct flight, later));
}

static int
copy_values(struct flight *f, const struct run_part *p)
{
	unsigned count = p->plan->part.values;
	struct slice *value;

	f->q.value = p->plan->constant;
	if (f->q.value)
		return 0;
	value = arena_zalloc(&f->arena, count, sizeof(*value));
	if (!value)
		return ERR_MEMORY;
	f->q.value = value;
	for (unsigned i = 0; i < count; i++) {
		if (!p->q.value[i].at)
			continue; /* it was absent, and may */
		value[i] = p->q.value[i];
		if (shared_text_holds(f->q.body, value[i]))
			continue;
		value[i] = arena_copy(&f->arena, p->q.value[i]);
		if (!value[i].at)
			return ERR_MEMORY;
	}
	return 0;
}

/* All that the source may look at, which must not be the first one's any more. */
static int
fill(struct flight *f, const struct run_part *p, struct slice key)
{
	struct subrequest *q = &f->q;
	struct arena *a = &f->arena;

	f->key = arena_copy(a, key);
	f->stash_key = arena_copy(a, p->stash_key);
	q->request_id = arena_copy(a, p->q.request_id);
	if (q->share.at)
		q->share = arena_copy(a, q->share);
	if (!f->key.at || !f->stash_key.at || !q->request_id.at || (p->q.share.at && !q->share.at))
		return ERR_MEMORY;
	if (p->q.client) {
		f->client = *p->q.client;
		q->client = &f->client;
	}
	if (p->q.near) {
		f->near = *p->q.near;
		q->near = &f->near;
	}
	trace_take(q->trace, &p->q.request->fields, &q->env->random);
	f->trace = *q->trace;
	q->trace = &f->trace;
	q->arena = a;
	q->request = &f->request;
	if (request_copy(&f->request, p->q.request, a) != 0)
		return ERR_MEMORY;
	return copy_values(f, p);
}

static void
let_go(void *argument)
{
	struct cache_entry *e = argument;

	cache_entry_unref(&e);
}

/* What is kept is kept for whoever waits for the answer. */
static int
copy_condition(struct flight *f, const struct run_part *p)
{
	struct fields *to;

	f->q.condition = NULL;
	if (!p->old)
		return 0;
	to = arena_zalloc(&f->arena, 1, sizeof(*to));
	if (to)
		to->at = arena_zalloc(&f->arena, CACHE_CONDITIONS, sizeof(*to->at));
	if (!to || !to->at || arena_on_end(&f->arena, let_go, p->old) != 0)
		return ERR_MEMORY;
	ref_take(&p->old->item.ref);
	to->cap = CACHE_CONDITIONS;
	f->old = p->old;
	f->q.condition = to;
	return cache_entry_ask(p->old, to);
}

static const struct subrequest_ops flight_ops;

static struct flight *
flight_new(const struct run_part *p, uint64_t hash, struct slice key)
{
	struct flight *f = mem_zalloc(1, sizeof(*f));
	struct store *store = &p->run->env->store;

	if (!f)
		return NULL;
	f->plan = p->plan;
	f->hash = hash;
	f->q = p->q;
	f->q.up = &flight_ops;
	f->q.state = NULL;
	if (f->q.body)
		ref_take(&f->q.body->ref);
	f->q.response = (struct response){ 0 };
	f->q.state_now = SUBREQUEST_NEW;
	list_init(&f->waiters);
	arena_init(&f->arena, store, FLIGHT_BYTES);
	intake_init(&f->body, store, p->plan->conf.max_result);
	lease_take(f->q.lease);
	if (fill(f, p, key) == 0 && copy_condition(f, p) == 0)
		return f;
	free_flight(f);
	return NULL;
}

/* --- the answer, to all who wait ------------------------------------------------------------- */

/* The body as something that many can hold. */
static int
share_body(struct flight *f, struct chunks *list)
{
	const struct chunk *c = f->body.piece.head;
	struct slice text = intake_text(&f->body);

	if (c && c->kind == CHUNK_BLOCK)
		return chunks_add_block(list, c->of.block, text);
	if (text.len == 0)
		return 0;
	if (!f->copy) {
		f->copy = block_take(&f->q.env->store, text.len);
		if (!f->copy)
			return ERR_MEMORY;
		memcpy(f->copy->at, text.at, text.len);
		f->copy->len = (uint32_t)text.len;
	}
	return chunks_add_block(list, f->copy, slice_make(f->copy->at, text.len));
}

/* To one of them, whose run may have ended when it returns. */
static void
give(struct flight *f, struct subrequest *q, int err)
{
	struct chunks list;

	chunks_init(&list, &f->q.env->store);
	if (!err)
		err = share_body(f, &list);
	if (err) {
		q->refusal = f->q.refusal;
		q->conflict = f->q.conflict;
		chunks_clear(&list);
		subrequest_done(q, err);
		return;
	}
	if (!f->first && slice_eq(f->stash_key, run_part_of(q)->stash_key))
		f->first = q;
	q->response = f->q.response;
	subrequest_head(q);
	if (q->state_now == SUBREQUEST_HEAD && subrequest_body(q, &list) >= 0 &&
	    q->state_now == SUBREQUEST_HEAD)
		subrequest_done(q, 0);
	chunks_clear(&list);
}

static void
finish(struct flight *f, int err)
{
	struct loop *loop = &f->q.env->loop;
	struct list *seat;

	take_out(f);
	loop_forget(loop, &f->later);
	while ((seat = list_take(&f->waiters)) != NULL)
		give(f, &CONTAINER_OF(seat, struct run_part, seat)->q, err);
	/* The source may still be at work on what it has just ended. */
	f->later.run = free_later;
	loop_last(loop, &f->later);
}

static void
finish_later(struct deferred *d)
{
	struct flight *f = CONTAINER_OF(d, struct flight, later);

	finish(f, f->err);
	/* Not before: what the answer says is the source's. */
	subrequest_cancel(&f->q);
}

/* From inside head() or body(): nobody is told while the source is at work. */
static void
end_soon(struct flight *f, int err)
{
	f->err = err;
	f->later.run = finish_later;
	loop_soon(&f->q.env->loop, &f->later);
}

static int
take_off(struct flight *f)
{
	const struct source_ops *ops = f->plan->part.source->ops;
	int err = 0;

	f->aimed_ns = f->q.deadline_ns;
	f->q.state_now = SUBREQUEST_STARTED;
	if (ops->answer && ops->answer(&f->q) == 0)
		return 0;
	f->q.state_now = SUBREQUEST_NEW;
	if (ops->reserve) {
		struct subrequest *one = &f->q;

		err = ops->reserve(&one, 1);
	}
	if (err)
		return err;
	f->q.state_now = SUBREQUEST_STARTED;
	ops->start(&f->q);
	return 0;
}

/* --- once more -------------------------------------------------------------------------------- */

static uint64_t
latest_deadline(const struct flight *f)
{
	uint64_t latest = 0;

	for (const struct list *seat = f->waiters.next; seat != &f->waiters; seat = seat->next) {
		const struct run_part *p =
		    CONTAINER_OF((struct list *)(uintptr_t)seat, struct run_part, seat);

		if (p->q.deadline_ns > latest)
			latest = p->q.deadline_ns;
	}
	return latest;
}

/* What a source has copied of the deadline is that of the take-off: where it has been refused or
 * dropped by that, who came later still has time. */
static bool
may_try_again(const struct flight *f, int err)
{
	uint64_t latest = latest_deadline(f);

	return (err == ERR_DEADLINE || err == ERR_SHED) && f->q.response.status == 0 &&
	       latest > f->aimed_ns && latest > loop_now(&f->q.env->loop);
}

static void
try_again(struct deferred *d)
{
	struct flight *f = CONTAINER_OF(d, struct flight, later);
	int err = f->err;

	f->err = 0;
	if (may_try_again(f, err)) {
		f->q.deadline_ns = latest_deadline(f);
		f->q.state = NULL;
		f->q.conflict = NULL;
		err = take_off(f);
	}
	if (err)
		finish(f, err);
}

/* The source may still be at work on what it has just ended. */
static void
try_again_soon(struct flight *f, int err)
{
	f->err = err;
	f->later.run = try_again;
	loop_soon(&f->q.env->loop, &f->later);
}

/* --- call-backs of the source ------------------------------------------------------------------
 */

static bool
is_expected(const struct flight *f)
{
	return plan_expects(&f->plan->expect, f->q.response.status);
}

/* What an answer that is none brings along is not waited for. */
static void
on_head(struct subrequest *q)
{
	struct flight *f = flight_of(q);
	int err = 0;

	if (f->old && q->response.status == 304)
		err = stash_confirm(q, f->old, &f->body);
	if (err || !is_expected(f))
		end_soon(f, err);
}

static int
on_body(struct subrequest *q, struct chunks *list)
{
	struct flight *f = flight_of(q);
	int err;

	if (!is_expected(f) || f->err) {
		chunks_clear(list);
		return 0;
	}
	err = intake_add(&f->body, list);
	if (err)
		end_soon(f, err);
	return 0;
}

static void
on_done(struct subrequest *q, int err)
{
	struct flight *f = flight_of(q);

	if (may_try_again(f, err))
		try_again_soon(f, err);
	else
		finish(f, err ? err : f->err);
}

static const struct subrequest_ops flight_ops = {
	.head = on_head,
	.body = on_body,
	.done = on_done,
};

/* --- the runs' side ----------------------------------------------------------------------------
 */

static void
sit_down(struct flight *f, struct run_part *p)
{
	p->flight = f;
	list_append(&f->waiters, &p->seat);
	/* Whoever waits longest is waited for. */
	if (p->q.deadline_ns > f->q.deadline_ns)
		f->q.deadline_ns = p->q.deadline_ns;
}

/* With nobody in it. */
static void
drop(struct flight *f)
{
	take_out(f);
	loop_forget(&f->q.env->loop, &f->later);
	f->later.run = free_later;
	loop_last(&f->q.env->loop, &f->later);
}

int
flight_join(struct run_part *p, struct slice key)
{
	struct lease *l = p->run->lease;
	uint64_t hash = hash_of(l, p->plan, key);
	struct flight *f = find(l, p->plan, hash, key), **bucket;
	int err;

	if (f) {
		count_add(p->run->env->counters, COUNTER_COALESCED, 1);
		sit_down(f, p);
		return 0;
	}
	f = flight_new(p, hash, key);
	if (!f)
		return ERR_MEMORY;
	bucket = bucket_of(l, hash);
	f->next = *bucket;
	*bucket = f;
	sit_down(f, p);
	err = take_off(f);
	if (err) {
		p->q.refusal = f->q.refusal;
		list_remove(&p->seat);
		drop(f);
	}
	return err;
}

void
flight_leave(struct run_part *p)
{
	struct flight *f = p->flight;

	p->q.state_now = SUBREQUEST_CANCELLED;
	/* While the answer is given out, too: giving it to one may end another. */
	list_remove(&p->seat);
	if (f->is_over)
		return;
	if (!list_is_empty(&f->waiters))
		return;
	subrequest_cancel(&f->q);
	drop(f);
}

bool
flight_is_first(const struct run_part *p)
{
	return p->flight->first == &p->q;
}
