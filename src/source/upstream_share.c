/*
 * What one worker has of an upstream: how many subrequests it admits, which of
 * them wait, and which connection serves the next one. Connections are used
 * newest first, so that those not needed grow old and close.
 *
 * Waiting errands are only ever served from `serve`, which runs by itself later
 * in the turn: neither start() nor cancel() calls back from inside. They are put
 * in order (wait.h) only when there are more of them than connections: as long
 * as all fit, who came first is first.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "source/upstream_priv.h"

/* How many errands all its connections carry. */
static size_t
capacity(const struct upstream_share *share)
{
	return (size_t)share->max_connections * share->streams;
}

/* The next errand gets a connection; false if there is none to be had. */
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

static struct upstream_errand *
errand_of(struct list *item)
{
	return CONTAINER_OF(item, struct upstream_errand, link);
}

/* Those that are in no order yet are the last of the list. */
static void
put_in_order(struct upstream_share *share)
{
	struct list *item = &share->waiting;

	while (item->prev != &share->waiting && errand_of(item->prev)->wait.stage != WAIT_FILED)
		item = item->prev;
	for (; item != &share->waiting; item = item->next)
		wait_file(&share->line, &errand_of(item)->wait, errand_of(item)->q);
}

/* NULL: nobody waits. */
static struct upstream_errand *
next_waiting(struct upstream_share *share)
{
	if (list_is_empty(&share->waiting))
		return NULL;
	if (share->line.filed == 0 && share->admitted <= capacity(share))
		return errand_of(share->waiting.next);
	put_in_order(share);
	return CONTAINER_OF(wait_first(&share->line), struct upstream_errand, wait);
}

/* One whose twin is under way leaves quietly: nobody is refused. */
static void
shed(struct upstream_errand *e, enum wait_limit limit)
{
	if (!e->twin)
		wait_refuse(&e->share->line, &e->q, 1, limit, 0);
	upstream_errand_end(e, ERR_SHED);
}

static void
end_evicted(struct upstream_share *share)
{
	struct list *item;

	while ((item = list_take(&share->evicted)) != NULL)
		shed(errand_of(item), WAIT_PRIORITY);
}

static void
on_serve(struct deferred *d)
{
	struct upstream_share *share = CONTAINER_OF(d, struct upstream_share, serve);
	struct upstream_errand *e;

	end_evicted(share);
	while ((e = next_waiting(share)) != NULL) {
		if (wait_is_hopeless(&share->line, &e->wait, e->q))
			shed(e, WAIT_DEADLINE);
		else if (!is_served(share, e))
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
	wait_begin(&e->share->line, &e->wait);
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
	wait_start(&e->share->line, &e->wait, e->q);
	list_append(&e->share->waiting, &e->link);
	upstream_share_serve(e->share);
}

void
upstream_share_return(struct upstream_errand *e)
{
	struct loop *l = &e->share->env->loop;

	e->is_backing_off = false;
	wait_return(&e->share->line, &e->wait, e->q);
	list_prepend(&e->share->waiting, &e->link);
	wait_file(&e->share->line, &e->wait, e->q);
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

static enum counter
counter_of(unsigned limit)
{
	if (limit == UPSTREAM_LIMIT_BREAKER)
		return COUNTER_UPSTREAM_BREAKER_REFUSED;
	return limit == UPSTREAM_LIMIT_SERVERS ? COUNTER_UPSTREAM_NO_SERVERS
					       : COUNTER_UPSTREAM_REFUSED;
}

static int
refuse(struct upstream_share *share, struct subrequest *q[], size_t n, unsigned limit)
{
	uint64_t open_ns = upstream_breaker_wait(share, loop_now(&share->env->loop));

	count_add(share->env->counters, counter_of(limit), n);
	return wait_refuse(&share->line, q, n, limit, open_ns);
}

/* After a refusal. */
static int
forget(struct subrequest *q[], size_t n, int err)
{
	for (size_t i = 0; i < n; i++)
		q[i]->state = NULL;
	return err;
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

static int
admit(struct upstream_share *share, struct subrequest *q[], size_t n)
{
	int err;

	if (share->count == 0)
		return refuse(share, q, n, UPSTREAM_LIMIT_SERVERS);
	if (!upstream_breaker_admits(share, n))
		return refuse(share, q, n, UPSTREAM_LIMIT_BREAKER);
	for (size_t i = 0; i < n; i++) {
		q[i]->state = upstream_errand_new(share, q[i]);
		if (!q[i]->state)
			return ERR_MEMORY;
	}
	err = wait_reserve(&share->line, q, n);
	if (err && q[0]->refusal.limit == share->upstream->source->limit[WAIT_QUEUE])
		count_add(share->env->counters, COUNTER_UPSTREAM_REFUSED, n);
	return err;
}

int
upstream_share_admit(struct upstream_share *share, struct subrequest *q[], size_t n)
{
	int err = admit(share, q, n);

	if (err)
		return forget(q, n, err);
	share->admitted += (unsigned)n;
	for (size_t i = 0; i < n; i++)
		upstream_breaker_mark(q[i]->state);
	return 0;
}

/* --- the end of an errand ------------------------------------------------------ */

/* What it held, if a connection; was_cut: it would have held it for longer. */
static void
leave_line(struct upstream_errand *e, bool was_cut)
{
	uint64_t now = loop_now(&e->share->env->loop);

	wait_end(&e->share->line, &e->wait, e->begun_ns ? now - e->begun_ns : 0, was_cut);
}

void
upstream_share_answered(struct upstream_errand *e)
{
	wait_answered(&e->wait, loop_now(&e->share->env->loop) - e->begun_ns);
	upstream_hedge_win(e);
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
	leave_line(e, true);
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
		leave_line(e, false);
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
	wait_line_set(&share->line, (unsigned)capacity(share));
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

/* --- the line ---------------------------------------------------------------------- */

static struct wait *
wait_of(const struct subrequest *q)
{
	struct upstream_errand *e = q->state;

	return &e->wait;
}

/* It hears of it when nobody is in the middle of asking. */
static void
evict(struct wait_line *l, struct wait *w)
{
	struct upstream_errand *e = CONTAINER_OF(w, struct upstream_errand, wait);

	(void)l;
	list_remove(&e->link);
	list_append(&e->share->evicted, &e->link);
	upstream_share_serve(e->share);
}

static const struct wait_ops line_ops = { .of = wait_of, .evict = evict };

static int
open_line(struct upstream_share *share, struct lease *lease)
{
	const struct upstream_conf *conf = share->upstream->conf;
	struct pool_gate *g = &share->gate;

	gate_init(g, conf->wait.order);
	g->is_lone = true;
	gate_set_queue(g, share->max_pending, conf->wait.max_wait);
	share->line.ops = &line_ops;
	return wait_line_init(&share->line, g, false, share->upstream->source, lease);
}

struct upstream_share *
upstream_share_new(const struct upstream *u, struct lease *lease)
{
	struct upstream_share *share = mem_zalloc(1, sizeof(*share));

	if (!share)
		return NULL;
	share->upstream = u;
	share->env = lease->env;
	share->max_connections = lease_part_kept(lease, u->conf->max_connections);
	share->max_pending = lease_part(lease, u->conf->max_pending);
	/* Workers do not all begin with the same server. */
	share->first = lease->worker;
	share->serve.run = on_serve;
	/* One asks for all. */
	share->checks_health = lease->worker == 0 && u->conf->health_path.len > 0;
	list_init(&share->waiting);
	list_init(&share->evicted);
	list_init(&share->closed);
	list_init(&share->gone);
	if (open_line(share, lease) != 0 || follow_names(share, lease->worker == 0) != 0)
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
	wait_line_fini(&s->line);
	mem_free(share);
}
