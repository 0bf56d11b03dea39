/*
 * What one worker has of an upstream: how many subrequests it admits, which of
 * them wait, and which connection serves the next one. Connections are used
 * newest first, so that those not needed grow old and close.
 *
 * Waiting errands are only ever served from `serve`, which runs by itself later
 * in the turn: neither start() nor cancel() calls back from inside.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "source/upstream_priv.h"

enum { MEAN_SHIFT = 3, RETRY_MAX_S = 60 };

/* An errand at the head of the list gets a connection; false if there is none to be had. */
static bool is_served(struct upstream_share *share, struct upstream_errand *e);

static void
on_deadline(struct timer *t)
{
	struct upstream_errand *e = CONTAINER_OF(t, struct upstream_errand, timer);
	struct loop *l = &e->share->env->loop;

	if (e->is_backing_off) {
		upstream_share_return(e);
		return;
	}
	if (e->channel) {
		upstream_hedge_go(e);
		return;
	}
	/* The run keeps the deadline, and may have moved it since. */
	if (e->q->deadline_ns > loop_now(l)) {
		if (e->q->deadline_ns == CLOCK_NEVER ||
		    loop_set_timer(l, &e->timer, e->q->deadline_ns) == 0)
			return;
	}
	count_add(e->share->env->counters, COUNTER_UPSTREAM_WAIT_TIMEOUT, 1);
	list_remove(&e->link);
	upstream_errand_end(e, ERR_TIMEOUT);
}

/* New ones stand at the end, so that the first with a timer ends the walk. */
static void
set_deadlines(struct upstream_share *share)
{
	struct list *item;

	for (item = share->waiting.prev; item != &share->waiting; item = item->prev) {
		struct upstream_errand *e = CONTAINER_OF(item, struct upstream_errand, link);

		if (timer_is_set(&e->timer))
			return;
		/* Without memory for it the run's own timer is there still. */
		if (e->q->deadline_ns != CLOCK_NEVER &&
		    loop_set_timer(&share->env->loop, &e->timer, e->q->deadline_ns) != 0)
			return;
	}
}

static void
on_serve(struct deferred *d)
{
	struct upstream_share *share = CONTAINER_OF(d, struct upstream_share, serve);

	while (!list_is_empty(&share->waiting)) {
		struct list *first = share->waiting.next;

		if (!is_served(share, CONTAINER_OF(first, struct upstream_errand, link)))
			break;
	}
	set_deadlines(share);
}

static struct upstream_conn *
newest_idle(const struct upstream_peer *p)
{
	if (list_is_empty(&p->idle))
		return NULL;
	return CONTAINER_OF(p->idle.next, struct upstream_conn, link);
}

/* Of the servers that are not out. */
static struct upstream_conn *
usable_idle(struct upstream_share *share)
{
	struct upstream_conn *c = NULL;

	for (unsigned i = 0; i < share->count && !c; i++) {
		if (!share->peers[i]->is_out)
			c = newest_idle(share->peers[i]);
	}
	return c;
}

/* Of those that are busy, too. */
static struct upstream_conn *
usable_shared(struct upstream_share *share)
{
	struct upstream_conn *c = NULL;

	for (unsigned i = 0; i < share->count && !c; i++) {
		if (!share->peers[i]->is_out)
			c = upstream_h2_find(share->peers[i]);
	}
	return c;
}

static bool
has_shared(const struct upstream_share *share)
{
	for (unsigned i = 0; i < share->count; i++) {
		if (upstream_h2_find(share->peers[i]))
			return true;
	}
	return false;
}

static struct upstream_conn *
any_idle(struct upstream_share *share)
{
	struct upstream_conn *c = NULL;

	for (unsigned i = 0; i < share->count && !c; i++)
		c = newest_idle(share->peers[i]);
	return c;
}

static void
begin(struct upstream_errand *e)
{
	list_remove(&e->link);
	loop_clear_timer(&e->share->env->loop, &e->timer);
	if (e->begun_ns == 0)
		upstream_retry_earn(e->share);
	e->begun_ns = loop_now(&e->share->env->loop);
}

static void
open_for(struct upstream_peer *p, struct upstream_errand *e)
{
	int err = upstream_conn_open(p, e);

	e->peer = p->number;
	if (!err) {
		upstream_hedge_watch(e);
		return;
	}
	count_add(e->share->env->counters, COUNTER_UPSTREAM_CONNECT_FAILED, 1);
	log_debug("upstream server %.*s: %s", SLICE_PRINT(p->server->label), err_text(err));
	if (err == ERR_CONNECT)
		upstream_share_note(e, p, true);
	upstream_errand_fail(
	    e, p, err == ERR_CONNECT ? UPSTREAM_FAULT_CONNECT : UPSTREAM_FAULT_NONE, err);
}

/* Few connections that are busy are better than many that are not. */
static struct upstream_conn *
at_hand(const struct upstream_peer *p)
{
	struct upstream_conn *c = NULL;

	if (!list_is_empty(&p->shared))
		c = upstream_h2_find(p);
	return c ? c : newest_idle(p);
}

static struct upstream_conn *
elsewhere(struct upstream_share *share)
{
	struct upstream_conn *c = usable_shared(share);

	return c ? c : usable_idle(share);
}

/* A dead one made room: the errand is looked at again. */
static void
use(struct upstream_conn *c, struct upstream_errand *e)
{
	unsigned number = c->peer->number;
	int err = upstream_conn_use(c, e);

	if (!err || err == ERR_MEMORY)
		begin(e);
	e->peer = number;
	if (!err)
		upstream_hedge_watch(e);
	if (err == ERR_MEMORY)
		upstream_errand_end(e, err);
}

static bool
is_served(struct upstream_share *share, struct upstream_errand *e)
{
	bool may_open = share->open < share->max_connections;
	struct upstream_conn *spare = may_open ? NULL : any_idle(share), *c;
	struct upstream_peer *p;

	if (!may_open && !spare && !has_shared(share))
		return false;
	p = upstream_balance_pick(share, e);
	c = at_hand(p);
	if (!c && !may_open) {
		/* No room to connect where the turn is: what is open elsewhere will do, or an
		 * idle one makes room. */
		c = upstream_balance_is_strict(e) ? NULL : elsewhere(share);
		if (!c && !spare)
			return false;
		if (!c)
			upstream_conn_close(spare);
	}
	if (!c) {
		begin(e);
		open_for(p, e);
		return true;
	}
	use(c, e);
	return true;
}

void
upstream_share_serve(struct upstream_share *share)
{
	loop_soon(&share->env->loop, &share->serve);
}

void
upstream_share_wait(struct upstream_errand *e)
{
	list_append(&e->share->waiting, &e->link);
	upstream_share_serve(e->share);
}

void
upstream_share_return(struct upstream_errand *e)
{
	struct loop *l = &e->share->env->loop;

	e->is_backing_off = false;
	list_prepend(&e->share->waiting, &e->link);
	loop_clear_timer(l, &e->timer);
	/* Without memory for it the run's own timer is there still. */
	if (e->q->deadline_ns != CLOCK_NEVER && loop_set_timer(l, &e->timer, e->q->deadline_ns))
		log_debug("upstream: no memory for a timer");
	upstream_share_serve(e->share);
}

void
upstream_share_replace(struct upstream_errand *e)
{
	count_add(e->share->env->counters, COUNTER_UPSTREAM_REPLACED, 1);
	open_for(upstream_balance_pick(e->share, e), e);
}

/* --- admission --------------------------------------------------------------- */

/* How many errands all its connections carry. */
static size_t
capacity(const struct upstream_share *share)
{
	return (size_t)share->max_connections * share->streams;
}

/* Seconds until what is admitted has drained, with jitter so that refused
 * clients do not come back together. */
static unsigned
retry_after(struct upstream_share *share)
{
	uint64_t drain_ns = share->mean_ns * (share->admitted / capacity(share) + 1);
	uint64_t open_ns = upstream_breaker_wait(share, loop_now(&share->env->loop));
	uint64_t seconds = (drain_ns > open_ns ? drain_ns : open_ns) / CLOCK_SEC + 1;

	if (seconds > RETRY_MAX_S)
		seconds = RETRY_MAX_S;
	return (unsigned)(seconds + random_below(&share->env->random, seconds + 1));
}

static enum counter
counter_of(const struct upstream *u, const char *limit)
{
	if (limit == u->breaker)
		return COUNTER_UPSTREAM_BREAKER_REFUSED;
	return limit == u->unresolved ? COUNTER_UPSTREAM_NO_SERVERS : COUNTER_UPSTREAM_REFUSED;
}

static int
refuse(struct upstream_share *share, struct subrequest *q[], size_t n, const char *limit)
{
	for (size_t i = 0; i < n; i++) {
		q[i]->state = NULL;
		q[i]->refusal.limit = limit;
		q[i]->refusal.retry_after_s = retry_after(share);
	}
	count_add(share->env->counters, counter_of(share->upstream, limit), n);
	return ERR_SHED;
}

/* Connections may take less than was hoped for when the others were let in. */
static bool
has_room(const struct upstream_share *share, size_t n)
{
	return share->admitted + n <= capacity(share) + share->max_pending;
}

bool
upstream_share_has_room(const struct upstream_share *share)
{
	return has_room(share, 1);
}

struct upstream_errand *
upstream_errand_new(struct upstream_share *share, struct subrequest *q)
{
	struct upstream_errand *e = arena_zalloc(q->arena, 1, sizeof(*e));

	if (!e)
		return NULL;
	e->q = q;
	e->share = share;
	list_init(&e->link);
	timer_init(&e->timer, on_deadline);
	return e;
}

int
upstream_share_admit(struct upstream_share *share, struct subrequest *q[], size_t n)
{
	if (share->count == 0)
		return refuse(share, q, n, share->upstream->unresolved);
	if (!has_room(share, n))
		return refuse(share, q, n, share->upstream->limit);
	if (!upstream_breaker_admits(share, n))
		return refuse(share, q, n, share->upstream->breaker);
	for (size_t i = 0; i < n; i++) {
		q[i]->state = upstream_errand_new(share, q[i]);
		if (!q[i]->state)
			return refuse(share, q, n, "memory");
	}
	share->admitted += (unsigned)n;
	for (size_t i = 0; i < n; i++)
		upstream_breaker_mark(q[i]->state);
	return 0;
}

/* --- the end of an errand ------------------------------------------------------ */

static void
observe(struct upstream_share *share, uint64_t ns)
{
	if (share->mean_ns == 0)
		share->mean_ns = ns;
	else
		share->mean_ns += (ns >> MEAN_SHIFT) - (share->mean_ns >> MEAN_SHIFT);
}

void
upstream_errand_drop(struct upstream_errand *e)
{
	struct upstream_share *share = e->share;

	ASSERT(share->admitted > 0);
	share->admitted--;
	if (e->kept.store)
		upstream_retry_forget(e);
	upstream_breaker_drop(e);
	list_remove(&e->link);
	loop_clear_timer(&share->env->loop, &e->timer);
	e->q->state = NULL;
}

void
upstream_errand_end(struct upstream_errand *e, int err)
{
	struct subrequest *q = e->q;

	if (err && upstream_hedge_leave(e))
		return;
	if (!err)
		observe(e->share, loop_now(&e->share->env->loop) - e->begun_ns);
	upstream_errand_drop(e);
	subrequest_done(q, err);
}

void
upstream_share_learn(struct upstream_share *share)
{
	share->streams = share->count > 0 ? share->peers[0]->streams : 1;
	for (unsigned i = 1; i < share->count; i++) {
		if (share->peers[i]->streams < share->streams)
			share->streams = share->peers[i]->streams;
	}
}

void
upstream_share_note(const struct upstream_errand *e, struct upstream_peer *p, bool has_failed)
{
	upstream_breaker_note(e, has_failed);
	upstream_eject_note(e, p, has_failed);
}

void
upstream_share_forget(struct upstream_peer *p)
{
	struct upstream_conn *c;

	while ((c = newest_idle(p)) != NULL)
		upstream_conn_close(c);
}

void
upstream_errand_fail(struct upstream_errand *e, struct upstream_peer *p, enum upstream_fault why,
		     int err)
{
	if (upstream_retry_may(e, p, why, why != UPSTREAM_FAULT_CONNECT))
		upstream_retry_go(e);
	else
		upstream_errand_end(e, err);
}

/* --- its own life ---------------------------------------------------------------- */

/* This worker's part of a total; at least one where there is any. */
static unsigned
part_of(unsigned total, const struct lease *l)
{
	unsigned part = total / l->workers + (l->worker < total % l->workers);

	return part == 0 && total > 0 ? 1 : part;
}

/* The servers are others than before. */
static void
on_post(void *argument)
{
	struct upstream_share *share = argument;
	struct upstream_set *set = board_take(share->upstream->board);

	if (upstream_peers_set(share, set) != 0)
		log_error("upstream %.*s: no memory for its new servers; the old ones stay",
			  SLICE_PRINT(share->upstream->name));
	upstream_set_unref(&set);
}

static int
follow_names(struct upstream_share *share, bool is_first)
{
	const struct upstream *u = share->upstream;
	struct upstream_set *set;
	int err;

	if (!u->board)
		return upstream_peers_set(share, u->set);
	share->reader = board_join(u->board, &share->env->loop.mailbox, on_post, share);
	set = board_take(u->board);
	err = upstream_peers_set(share, set);
	upstream_set_unref(&set);
	if (!err && is_first)
		share->names = upstream_names_start(share);
	return err || !share->reader || (is_first && !share->names) ? ERR_MEMORY : 0;
}

struct upstream_share *
upstream_share_new(const struct upstream *u, struct lease *lease)
{
	struct upstream_share *share = mem_zalloc(1, sizeof(*share));

	if (!share)
		return NULL;
	share->upstream = u;
	share->env = lease->env;
	share->max_connections = part_of(u->conf->max_connections, lease);
	share->max_pending = part_of(u->conf->max_pending, lease);
	/* Workers do not all begin with the same server. */
	share->first = lease->worker;
	share->serve.run = on_serve;
	/* One asks for all. */
	share->checks_health = lease->worker == 0 && u->conf->health_path.len > 0;
	list_init(&share->waiting);
	list_init(&share->closed);
	list_init(&share->gone);
	if (follow_names(share, lease->worker == 0) != 0)
		upstream_share_free(&share);
	return share;
}

/* One whose errands have all gone, before it could be idle. */
static struct upstream_conn *
first_shared(const struct upstream_peer *p)
{
	if (list_is_empty(&p->shared))
		return NULL;
	return CONTAINER_OF(p->shared.next, struct upstream_conn, link);
}

/* Of those that have left the set, too. */
static struct upstream_conn *
any_shared(struct upstream_share *share)
{
	struct upstream_conn *c = NULL;
	struct list *item, *keep;

	for (unsigned i = 0; i < share->count && !c; i++)
		c = first_shared(share->peers[i]);
	LIST_EACH(item, keep, &share->gone) {
		if (!c)
			c = first_shared(CONTAINER_OF(item, struct upstream_peer, link));
	}
	return c;
}

void
upstream_share_free(struct upstream_share **share)
{
	struct upstream_share *s = *share;
	struct upstream_conn *c;
	struct list *item;

	if (!s)
		return;
	ASSERT(s->admitted == 0);
	upstream_names_stop(&s->names);
	board_leave(&s->reader);
	while ((c = any_idle(s)) != NULL || (c = any_shared(s)) != NULL)
		upstream_conn_close(c);
	while ((item = list_take(&s->closed)) != NULL)
		upstream_conn_free(CONTAINER_OF(item, struct upstream_conn, link));
	ASSERT(s->open == 0);
	upstream_peers_free(s);
	loop_forget(&s->env->loop, &s->serve);
	mem_free(share);
}
