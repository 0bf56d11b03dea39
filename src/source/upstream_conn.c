/*
 * One connection to a server: it connects, writes the request, keeps the
 * time-outs, and is kept idle or closed at the end. The response is read by
 * upstream_response.c. One timer per connection bounds what is waited for:
 *
 *   state       waits for                                bounded by
 *   CONNECTING  the connection                           connect_timeout
 *   HEAD        the socket to take the request           send_idle_timeout
 *               more of the request's body               whoever sends it
 *               the first byte of the response           first_byte_timeout
 *               the rest of its head                     read_idle_timeout
 *   BODY        more of the response, unless paused      read_idle_timeout
 *               of a tunnel: anything, either way        tunnel_idle_timeout
 *   IDLE        the next errand                          keepalive_timeout
 *
 * Everything happens in work(), on top of the stack: what comes from above
 * (feed, resume) is only noted, and done later in the turn. After each call
 * upwards the errand may be gone and the conn closed; its memory stays until
 * the end of the turn.
 */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "source/upstream_priv.h"
#include "source/upstream_tunnel.h"

void
upstream_conn_go_on(struct upstream_conn *c)
{
	loop_soon(&upstream_env(c)->loop, &c->work);
}

void
upstream_conn_yield(struct upstream_conn *c)
{
	loop_last(&upstream_env(c)->loop, &c->work);
}

/* --- the end ----------------------------------------------------------------- */

static void
release_memory(struct upstream_conn *c)
{
	chunks_clear(&c->out);
	if (c->in)
		block_unref(c->in);
	if (c->text)
		block_unref(c->text);
	c->in = c->text = NULL;
	c->at = 0;
}

void
upstream_conn_free(struct upstream_conn *c)
{
	loop_forget(&upstream_env(c)->loop, &c->end);
	upstream_h2_free(&c->h2);
	mem_free(&c);
}

static void
on_end(struct deferred *d)
{
	struct upstream_conn *c = CONTAINER_OF(d, struct upstream_conn, end);

	list_remove(&c->link);
	upstream_h2_free(&c->h2);
	mem_free(&c);
}

void
upstream_conn_close(struct upstream_conn *c)
{
	struct loop *l = &upstream_env(c)->loop;

	if (c->state == UPSTREAM_CLOSED)
		return;
	if (c->h2)
		upstream_h2_bid_farewell(c);
	if (c->is_tunnel)
		upstream_tunnel_close(c);
	c->state = UPSTREAM_CLOSED;
	upstream_tls_keep_session(&c->io, c->peer);
	io_close(&c->io);
	loop_clear_timer(l, &c->timer);
	loop_forget(l, &c->work);
	release_memory(c);
	list_remove(&c->link);
	list_append(&c->share->closed, &c->link);
	loop_last(l, &c->end);
	c->share->open--;
	upstream_peers_close(c->share, c->peer);
	if (!list_is_empty(&c->share->waiting))
		upstream_share_serve(c->share);
}

struct upstream_errand *
upstream_conn_let_go(struct upstream_conn *c)
{
	struct upstream_errand *e = c->errand;

	if (!e)
		return NULL;
	c->errand = NULL;
	c->peer->active--;
	e->channel = NULL;
	return e;
}

static void
take_errand(struct upstream_conn *c, struct upstream_errand *e)
{
	c->errand = e;
	c->peer->active++;
	e->channel = &c->channel;
}

/* Nothing was heard, so that another server may be asked. */
static enum upstream_fault
fault_of(const struct upstream_conn *c, int err)
{
	if (c->state == UPSTREAM_CONNECTING && err == ERR_CONNECT)
		return UPSTREAM_FAULT_CONNECT;
	if (c->state != UPSTREAM_HEAD || c->interims > 0 || (c->in && c->in->len > 0))
		return UPSTREAM_FAULT_NONE;
	if (err == ERR_CLOSED)
		return UPSTREAM_FAULT_CLOSED;
	return err == ERR_TIMEOUT && c->is_sent ? UPSTREAM_FAULT_TIMEOUT : UPSTREAM_FAULT_NONE;
}

/* Before a head, which would have been noted; not for what is our own fault. */
static void
note_failure(const struct upstream_conn *c, int err)
{
	if (!c->errand || (c->state != UPSTREAM_CONNECTING && c->state != UPSTREAM_HEAD))
		return;
	if (err == ERR_CONNECT || err == ERR_CLOSED || err == ERR_TIMEOUT || err == ERR_PROTOCOL)
		upstream_share_note(c->errand, c->peer, true);
}

void
upstream_conn_fail(struct upstream_conn *c, int err)
{
	enum upstream_fault why = fault_of(c, err);
	struct upstream_errand *e;

	if (c->h2) {
		upstream_h2_break(c, err);
		return;
	}
	note_failure(c, err);
	e = upstream_conn_let_go(c);

	log_debug("upstream server %.*s: %s", SLICE_PRINT(c->peer->server->label), err_text(err));
	upstream_conn_close(c);
	if (e)
		upstream_errand_fail(e, c->peer, why, err);
}

static void
fail_counted(struct upstream_conn *c, enum counter id, int err)
{
	count_add(upstream_env(c)->counters, id, 1);
	upstream_conn_fail(c, err);
}

/* --- time-outs --------------------------------------------------------------- */

/* When what is waited for now is overdue; see the table above. */
static uint64_t
expiry(const struct upstream_conn *c)
{
	const struct upstream_conf *conf = c->share->upstream->conf;
	bool has_begun = c->in && c->in->len > c->at;

	switch (c->state) {
	case UPSTREAM_CONNECTING:
		return clock_after(c->last_ns, conf->connect_timeout);
	case UPSTREAM_IDLE:
	case UPSTREAM_SHARED:
		return c->h2 ? upstream_h2_expiry(c)
			     : clock_after(c->last_ns, conf->keepalive_timeout);
	case UPSTREAM_HEAD:
		if (!chunks_is_empty(&c->out))
			return clock_after(c->last_ns, conf->send_idle_timeout);
		if (!c->is_sent)
			return CLOCK_NEVER;
		return clock_after(c->last_ns,
				   has_begun ? conf->read_idle_timeout : conf->first_byte_timeout);
	case UPSTREAM_BODY:
		if (c->is_tunnel)
			return upstream_tunnel_expiry(c);
		return c->is_paused ? CLOCK_NEVER
				    : clock_after(c->last_ns, conf->read_idle_timeout);
	case UPSTREAM_CLOSED:
		break;
	}
	return CLOCK_NEVER;
}

/* A timer is moved earlier at once, and later when it fires. */
int
upstream_conn_set_timer(struct upstream_conn *c)
{
	c->expires_ns = expiry(c);
	if (c->expires_ns == CLOCK_NEVER)
		return 0;
	if (timer_is_set(&c->timer) && c->timer.at_ns <= c->expires_ns)
		return 0;
	return loop_set_timer(&upstream_env(c)->loop, &c->timer, c->expires_ns);
}

static void
on_overdue(struct upstream_conn *c)
{
	switch (c->state) {
	case UPSTREAM_CONNECTING:
		fail_counted(c, COUNTER_UPSTREAM_CONNECT_TIMEOUT, ERR_CONNECT);
		break;
	case UPSTREAM_IDLE:
	case UPSTREAM_SHARED:
		if (c->h2)
			upstream_h2_expire(c);
		else
			upstream_conn_close(c);
		break;
	case UPSTREAM_HEAD:
		if (!chunks_is_empty(&c->out))
			fail_counted(c, COUNTER_UPSTREAM_SEND_TIMEOUT, ERR_TIMEOUT);
		else if (c->in && c->in->len > c->at)
			fail_counted(c, COUNTER_UPSTREAM_READ_TIMEOUT, ERR_TIMEOUT);
		else
			fail_counted(c, COUNTER_UPSTREAM_FIRST_BYTE_TIMEOUT, ERR_TIMEOUT);
		break;
	case UPSTREAM_BODY:
		fail_counted(c, c->is_tunnel ? COUNTER_TUNNEL_IDLE : COUNTER_UPSTREAM_READ_TIMEOUT,
			     ERR_TIMEOUT);
		break;
	case UPSTREAM_CLOSED:
		break;
	}
}

static void
on_time(struct timer *t)
{
	struct upstream_conn *c = CONTAINER_OF(t, struct upstream_conn, timer);

	if (loop_now(&upstream_env(c)->loop) >= c->expires_ns)
		on_overdue(c);
	else if (upstream_conn_set_timer(c) != 0)
		upstream_conn_fail(c, ERR_MEMORY);
}

void
upstream_conn_touch(struct upstream_conn *c)
{
	c->last_ns = loop_now(&upstream_env(c)->loop);
}

/* --- connecting ------------------------------------------------------------------ */

static void on_ready(struct io *io, unsigned ready);

static int
connect_next(struct upstream_conn *c)
{
	const struct upstream_server *server = c->peer->server;

	while (c->tried < server->address_count) {
		unsigned i = (c->peer->address + c->tried++) % server->address_count;

		if (io_connect(&c->io, &upstream_env(c)->loop, &server->addresses[i], on_ready) ==
		    0)
			return 0;
	}
	return ERR_CONNECT;
}

static bool
speaks_h2(const struct upstream_conn *c)
{
	if (c->io.tls)
		return slice_eq(tls_protocol(c->io.tls), SLICE("h2"));
	return upstream_h2_is_hoped(c->share->upstream, c->peer->server);
}

/* A stream's errand, which may have gone meanwhile, becomes the connection's. */
static int
turn_to_h1(struct upstream_conn *c)
{
	struct upstream_errand *e = upstream_h2_decline(c);

	list_remove(&c->link);
	if (!e) {
		upstream_conn_close(c);
		return ERR_CANCELLED;
	}
	take_errand(c, e);
	return 0;
}

static int
expect_h1(const struct upstream_conn *c)
{
	if (c->share->upstream->conf->protocols & UPSTREAM_H1)
		return 0;
	log_warning("upstream %.*s: %.*s does not speak HTTP/2",
		    SLICE_PRINT(c->share->upstream->name), SLICE_PRINT(c->peer->server->label));
	return ERR_CONNECT;
}

/* The connection's errand becomes that of its first stream. */
static int
turn_to_h2(struct upstream_conn *c)
{
	struct upstream_errand *e = c->errand;
	int err = upstream_h2_open(c);

	if (err)
		return err;
	upstream_conn_let_go(c);
	err = upstream_h2_attach(c, e);
	if (err) {
		list_remove(&c->link);
		upstream_h2_free(&c->h2);
		take_errand(c, e);
	}
	return err;
}

/* What was hoped of the server's protocol may not be true. */
static int
agree(struct upstream_conn *c)
{
	int err = 0;

	if (!speaks_h2(c)) {
		err = c->h2 ? turn_to_h1(c) : 0;
		return err ? err : expect_h1(c);
	}
	if (!c->h2)
		err = turn_to_h2(c);
	return err ? err : upstream_h2_start(c);
}

/* False: not connected, not any more, or hands are being shaken. */
static bool
is_connected(struct upstream_conn *c)
{
	unsigned count = c->peer->server->address_count;
	int err = c->io.tls ? 0 : io_connected(&c->io);

	if (err) {
		io_close(&c->io);
		if (connect_next(c) != 0)
			fail_counted(c, COUNTER_UPSTREAM_CONNECT_FAILED, ERR_CONNECT);
		return false;
	}
	err = upstream_tls_shake(&c->io, c->share, c->peer, c->share->upstream->conf->protocols);
	if (err == ERR_BUSY)
		return false;
	if (err) {
		fail_counted(c, COUNTER_UPSTREAM_CONNECT_FAILED, err);
		return false;
	}
	c->is_readable = c->io.tls != NULL; /* it may have read ahead */
	c->peer->address = (c->peer->address + c->tried - 1u) % count;
	err = agree(c);
	if (!err && !c->h2)
		err = upstream_send_begin(c);
	if (err == ERR_CONNECT)
		count_add(upstream_env(c)->counters, COUNTER_UPSTREAM_CONNECT_FAILED, 1);
	if (err && c->state != UPSTREAM_CLOSED)
		upstream_conn_fail(c, err);
	return !err;
}

/* --- the work of a turn ---------------------------------------------------------- */

/* Nothing is there to be read. What an idle connection says was not asked for. */
static bool
is_quiet(struct upstream_conn *c)
{
	char byte;

	io_look_again(&c->io);
	return io_read(&c->io, &byte, 1) == ERR_BUSY;
}

static void
exchange_bytes(struct upstream_conn *c)
{
	if (c->fault) {
		upstream_conn_fail(c, c->fault);
		return;
	}
	if (c->is_tunnel && upstream_tunnel_is_reset(c)) {
		fail_counted(c, COUNTER_UPSTREAM_CLOSED, ERR_CLOSED);
		return;
	}
	upstream_send(c);
	if (c->state == UPSTREAM_HEAD || c->state == UPSTREAM_BODY)
		upstream_response_read(c);
}

static void
work(struct upstream_conn *c)
{
	if (c->h2) {
		upstream_h2_work(c);
		return;
	}
	if (c->state == UPSTREAM_IDLE) {
		if (c->is_readable && !is_quiet(c))
			upstream_conn_close(c);
		c->is_readable = false;
		return;
	}
	if (c->state == UPSTREAM_HEAD || c->state == UPSTREAM_BODY)
		exchange_bytes(c);
	if (c->state != UPSTREAM_CLOSED && upstream_conn_set_timer(c) != 0)
		upstream_conn_fail(c, ERR_MEMORY);
}

static void
on_ready(struct io *io, unsigned ready)
{
	struct upstream_conn *c = CONTAINER_OF(io, struct upstream_conn, io);

	if (c->state == UPSTREAM_CONNECTING && !upstream_h2_is_started(c) && !is_connected(c))
		return;
	if (ready & (IO_READ | IO_CLOSED))
		c->is_readable = true;
	if (ready & IO_CLOSED)
		c->is_peer_done = true;
	work(c);
}

static void
on_work(struct deferred *d)
{
	work(CONTAINER_OF(d, struct upstream_conn, work));
}

/* --- the end of an errand ------------------------------------------------------------ */

static bool
can_be_kept(struct upstream_conn *c)
{
	if (c->peer->is_gone || !c->keeps_alive || !c->is_sent || c->is_broken || c->is_peer_done ||
	    c->share->upstream->conf->keepalive_timeout == 0)
		return false;
	/* Bytes after the response belong to nothing that was asked for. */
	if (c->in->len > c->at || (c->is_readable && !is_quiet(c))) {
		count_add(upstream_env(c)->counters, COUNTER_UPSTREAM_SURPLUS, 1);
		return false;
	}
	return true;
}

void
upstream_conn_park(struct upstream_conn *c)
{
	release_memory(c);
	c->state = UPSTREAM_IDLE;
	c->is_readable = c->is_readable && c->h2;
	upstream_conn_touch(c);
	list_remove(&c->link);
	list_prepend(&c->peer->idle, &c->link);
	if (upstream_conn_set_timer(c) != 0)
		upstream_conn_close(c);
	else if (!list_is_empty(&c->share->waiting))
		upstream_share_serve(c->share);
}

void
upstream_conn_finish(struct upstream_conn *c)
{
	struct upstream_errand *e = upstream_conn_let_go(c);

	if (can_be_kept(c))
		upstream_conn_park(c);
	else
		upstream_conn_close(c);
	if (e)
		upstream_errand_end(e, 0);
}

/* --- what the errand asks for ------------------------------------------------------ */

static struct upstream_conn *
conn_of(struct upstream_channel *ch)
{
	return CONTAINER_OF(ch, struct upstream_conn, channel);
}

static void
feed(struct upstream_channel *ch, struct chunks *body, bool is_last)
{
	upstream_send_feed(conn_of(ch), body, is_last);
}

static void
resume(struct upstream_channel *ch)
{
	struct upstream_conn *c = conn_of(ch);

	c->is_paused = false;
	upstream_conn_touch(c);
	upstream_conn_go_on(c);
}

/* A server that lets a deadline pass has failed; one whose client has gone, or hurries, has not. */
static bool
has_failed_deadline(const struct upstream_conn *c)
{
	return (c->state == UPSTREAM_CONNECTING || (c->state == UPSTREAM_HEAD && c->is_sent)) &&
	       !c->errand->q->is_hurried &&
	       loop_now(&upstream_env(c)->loop) >= c->errand->q->deadline_ns;
}

static void
cancel(struct upstream_channel *ch)
{
	struct upstream_conn *c = conn_of(ch);

	if (has_failed_deadline(c))
		upstream_share_note(c->errand, c->peer, true);
	upstream_conn_let_go(c);
	/* After a complete response upstream_conn_finish is to come yet. */
	if (!c->is_complete)
		upstream_conn_close(c);
}

static const struct upstream_channel_ops channel_ops = {
	.feed = feed,
	.resume = resume,
	.cancel = cancel,
};

/* --- from errand to errand --------------------------------------------------------- */

int
upstream_conn_open(struct upstream_peer *p, struct upstream_errand *e)
{
	struct upstream_conn *c = mem_zalloc(1, sizeof(*c));
	int err;

	if (!c)
		return ERR_MEMORY;
	c->share = e->share;
	c->peer = p;
	c->channel.ops = &channel_ops;
	c->state = UPSTREAM_CONNECTING;
	c->work.run = on_work;
	c->end.run = on_end;
	list_init(&c->link);
	timer_init(&c->timer, on_time);
	chunks_init(&c->out, &e->share->env->store);
	io_init(&c->io, &e->share->env->loop, -1, on_ready);
	c->share->open++;
	p->conns++;
	err = connect_next(c);
	upstream_conn_touch(c);
	if (!err)
		err = upstream_conn_set_timer(c);
	if (!err && p->streams > 1)
		err = upstream_h2_open(c);
	if (!err && c->h2)
		err = upstream_h2_attach(c, e);
	if (err) {
		upstream_conn_close(c);
		return err;
	}
	if (!c->h2)
		take_errand(c, e);
	count_add(upstream_env(c)->counters, COUNTER_UPSTREAM_OPENED, 1);
	return 0;
}

int
upstream_conn_use(struct upstream_conn *c, struct upstream_errand *e)
{
	if (c->h2)
		return upstream_h2_attach(c, e);
	if (!is_quiet(c)) {
		upstream_conn_close(c);
		return ERR_CLOSED;
	}
	list_remove(&c->link);
	c->is_readable = false;
	c->is_reused = true;
	take_errand(c, e);
	/* A head that cannot be written fails the errand in work(). */
	if (upstream_send_begin(c) == 0)
		count_add(upstream_env(c)->counters, COUNTER_UPSTREAM_REUSED, 1);
	upstream_conn_go_on(c);
	return 0;
}
