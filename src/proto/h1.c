/*
 * The HTTP/1.1 machine of one conn; see h1.h.
 *
 * legal moves:  HEAD -> RUNNING -> ENDED -> HEAD | DRAINING | CLOSING
 *               DRAINING -> HEAD | CLOSING
 *
 * Everything the application does from inside the machine only leaves marks;
 * from outside it asks for a turn of the machine (h1_schedule). So nothing is
 * freed under the feet of a caller.
 */
#include "proto/h1.h"

#include "base/clock.h"
#include "base/mem.h"
#include "proto/h1_priv.h"

enum { OUT_LOW = H1_OUT_HIGH / 4, RESUMES = 4, KEEP_ACTIVES = 256 };

/* --- birth and death -------------------------------------------------------------- */

static void
on_work(struct deferred *d)
{
	conn_go_on(CONTAINER_OF(d, struct h1, work)->conn);
}

static void *
start(struct conn *c)
{
	struct conn_host *host = c->host;
	struct h1 *h = host->free_actives;

	if (h) {
		host->free_actives = h->next;
		host->kept_actives--;
	} else {
		h = mem_zalloc(1, H1_BYTES);
		if (!h)
			return NULL;
		h->work.run = on_work;
	}
	h->conn = c;
	h->x.store = &host->env->store;
	h->state = H1_HEAD;
	h->wait = H1_WAIT_UNSET;
	h->flags = 0;
	h->in_at = h->in_seen = h->out_from = 0;
	h->drained = 0;
	chunks_init(&h->out, &host->env->store);
	conn_client(c, &h->client);
	return h;
}

/* The exchange is over: its memory goes, unless it never was one. */
static void
finish_exchange(struct h1 *h)
{
	if (h->flags & H1_BEGUN) {
		h->flags &= ~(unsigned)H1_BEGUN;
		h->x.app->ended(&h->x);
	} else if (h->x.app->refused) {
		h->x.app->refused(&h->x);
	}
	arena_fini(&h->x.arena);
	if (h->body.block)
		inbox_clear(&h->body);
	if (h->head_block) {
		block_unref(h->head_block);
		h->head_block = NULL;
	}
}

static void
cancel(struct h1 *h, int err)
{
	if (h->state != H1_RUNNING)
		return;
	h->state = H1_ENDED;
	if (h->flags & H1_BEGUN)
		exchange_cancel(&h->x, err);
}

/* The end of the connection would look like the end of the body. */
static bool
is_cut_short(const struct h1 *h)
{
	return (h->flags & H1_OUT_UNTIL_CLOSE) &&
	       ((h->flags & H1_CUT) || h->state == H1_RUNNING || h1_queued(h) > 0);
}

static void
stop(struct conn *c)
{
	struct conn_host *host = c->host;
	struct h1 *h = c->active;

	if (!h)
		return;
	c->active = NULL;
	if (is_cut_short(h))
		io_reset_on_close(&c->io);
	h->x.is_cut |= h->state == H1_RUNNING || h1_queued(h) > 0;
	cancel(h, ERR_GONE);
	chunks_clear(&h->out);
	if (h->state == H1_ENDED)
		finish_exchange(h);
	if (h->out_block)
		block_unref(h->out_block);
	if (h->in)
		block_unref(h->in);
	h->out_block = h->in = NULL;
	loop_forget(&host->env->loop, &h->work);
	if (host->kept_actives >= KEEP_ACTIVES) {
		mem_free(&h);
		return;
	}
	h->next = host->free_actives;
	host->free_actives = h;
	host->kept_actives++;
}

void
h1_schedule(struct h1 *h)
{
	if (!(h->flags & H1_INSIDE))
		loop_last(&h->conn->host->env->loop, &h->work);
}

/* --- the machine ------------------------------------------------------------------ */

/* The queue borrows from the arena of an exchange that has ended. */
static bool
is_held(const struct h1 *h)
{
	return h->state == H1_ENDED && (h->flags & H1_OUT_ARENA) && h1_queued(h) > 0;
}

/* After a response: the next request, the rest of this one's body, or the end. */
static enum h1_progress
step_ended(struct h1 *h)
{
	if (is_held(h))
		return H1_STARVED;
	finish_exchange(h);
	h->conn->flags |= CONN_SERVED;
	if (h->flags & H1_KEEP) {
		h->drained = 0;
		h->state = h->flags & H1_BODY_DONE ? H1_HEAD : H1_DRAINING;
		return H1_PROGRESS;
	}
	if (!(h->flags & H1_BODY_DONE) || h1_pending(h).len > 0)
		h->flags |= H1_LINGER_DUE;
	h->state = H1_CLOSING;
	return H1_PROGRESS;
}

static enum h1_progress
step(struct h1 *h)
{
	switch (h->state) {
	case H1_HEAD:
		return h1_pending(h).len && !h1_is_clogged(h) ? h1_take_head(h) : H1_STARVED;
	case H1_RUNNING:
		return h1_take_body(h);
	case H1_ENDED:
		return step_ended(h);
	case H1_DRAINING:
		return h1_drop_body(h);
	case H1_CLOSING:
		break;
	}
	return H1_STARVED;
}

static bool
wants_input(const struct h1 *h)
{
	if (!(h->conn->flags & CONN_READABLE))
		return false;
	if (h->state == H1_RUNNING)
		return (h->flags & H1_WANTED) && !(h->flags & H1_BODY_DONE);
	return h->state == H1_DRAINING || (h->state == H1_HEAD && !h1_is_clogged(h));
}

/* Writes, and goes on with what a long queue has stopped. */
static enum h1_progress
write_and_resume(struct h1 *h, unsigned *resumes)
{
	bool was_stopped = is_held(h) || h1_is_clogged(h);

	h1_flush(h);
	if (h->flags & H1_SHUT_DUE)
		h1_tunnel_finish(h);
	if (was_stopped)
		return is_held(h) || h1_is_clogged(h) ? H1_STARVED : H1_PROGRESS;
	if (h->state != H1_RUNNING || !(h->flags & H1_OUT_PAUSED) || h1_queued(h) > OUT_LOW ||
	    (h->flags & H1_BROKEN))
		return H1_STARVED;
	if ((*resumes)++ == RESUMES) {
		loop_last(&h->conn->host->env->loop, &h->work);
		return H1_STARVED;
	}
	h->flags &= ~(unsigned)H1_OUT_PAUSED;
	exchange_resume(&h->x);
	return H1_PROGRESS;
}

/* Goes on until everything waits for somebody else. */
static void
run(struct h1 *h)
{
	unsigned resumes = 0;

	for (unsigned i = 0; i < H1_TURN_STEPS; i++) {
		if (h->flags & H1_BROKEN)
			return;
		if (step(h) == H1_PROGRESS)
			continue;
		if (wants_input(h) && h1_read(h) == H1_PROGRESS) {
			i += H1_READ_STEPS - 1;
			continue;
		}
		if (write_and_resume(h, &resumes) == H1_STARVED)
			return;
	}
	/* More to do than one conn may do in one turn. */
	h1_flush(h);
	loop_last(&h->conn->host->env->loop, &h->work);
}

/* --- waiting ---------------------------------------------------------------------- */

static enum h1_wait
what_it_waits_for(const struct h1 *h)
{
	if (h1_queued(h) > 0)
		return H1_WAIT_SEND;
	if (h->state == H1_HEAD)
		return H1_WAIT_HEAD;
	if (h->state == H1_DRAINING)
		return H1_WAIT_BODY;
	/* A tunnel's time-out is that of its other end. */
	if (h->state == H1_RUNNING && (h->flags & H1_WANTED) &&
	    !(h->flags & (H1_BODY_DONE | H1_TUNNEL)))
		return H1_WAIT_BODY;
	return H1_WAIT_NONE;
}

/* A head has one deadline for all of it, and so has a body that is dropped;
 * other bodies and writes have one from byte to byte, and bytes that come give
 * no time to those that should go. */
static bool
is_timeout_right(const struct h1 *h, enum h1_wait wait)
{
	if (wait != h->wait)
		return false;
	return !(wait == H1_WAIT_BODY && (h->flags & H1_CAME) && h->state != H1_DRAINING) &&
	       !(wait == H1_WAIT_SEND && (h->flags & H1_WENT));
}

/* When the client is too slow for what it will be waited for from now on. */
static uint64_t
look_at_pace(struct h1 *h, enum h1_wait wait, uint64_t now)
{
	const struct conn_limits *limits = &h->conn->host->limits;
	uint64_t in, out;

	if (h->wait != H1_WAIT_SEND)
		pace_start(&h->out_pace, &limits->send_pace,
			   now); /* nothing waited to be written */
	in = pace_look(&h->in_pace, &limits->body_pace, h->wait == H1_WAIT_BODY, now);
	out = pace_look(&h->out_pace, &limits->send_pace, h->wait == H1_WAIT_SEND, now);
	return wait == H1_WAIT_BODY ? in : wait == H1_WAIT_SEND ? out : CLOCK_NEVER;
}

static void
set_timeout(struct h1 *h)
{
	const struct conn_limits *limits = &h->conn->host->limits;
	enum h1_wait wait = what_it_waits_for(h);
	uint64_t now, until = CLOCK_NEVER, pace;

	if (is_timeout_right(h, wait))
		return;
	now = loop_now(&h->conn->host->env->loop);
	pace = look_at_pace(h, wait, now);
	h->wait = wait;
	h->flags &= ~(unsigned)(H1_CAME | H1_WENT | H1_SLOW);
	if (wait == H1_WAIT_HEAD)
		until = clock_after(now, limits->header_timeout_ns);
	else if (wait == H1_WAIT_BODY)
		until = clock_after(now, limits->body_idle_timeout_ns);
	else if (wait == H1_WAIT_SEND)
		until = clock_after(now, limits->send_idle_timeout_ns);
	if (pace < until) {
		until = pace;
		h->flags |= H1_SLOW;
	}
	conn_expire_at(h->conn, until);
}

/* The client has gone while its answer was not complete. */
static bool
is_gone(const struct h1 *h)
{
	unsigned flags = h->conn->flags;

	if (h->state != H1_RUNNING)
		return false;
	if (flags & CONN_LOST)
		return true;
	if ((flags & CONN_EOF) && !(h->flags & (H1_BODY_DONE | H1_TUNNEL)))
		return true; /* its request will never be complete */
	/* libevent tells a reset as "readable": look behind what is not being read. */
	if ((flags & CONN_READABLE) && !wants_input(h) && io_is_reset(&h->conn->io))
		return true;
	if (h->flags & H1_TUNNEL)
		return false; /* its FIN is passed on */
	return (flags & (CONN_PEER_CLOSED | CONN_EOF)) && !(flags & CONN_HALF_CLOSE);
}

static enum conn_next
judge(struct h1 *h)
{
	if (is_gone(h)) {
		count_add(h->conn->host->env->counters, COUNTER_CLIENT_GONE, 1);
		return CONN_NEXT_CLOSE;
	}
	if (h->flags & H1_BROKEN)
		return CONN_NEXT_CLOSE;
	if (h->flags & H1_OTHER)
		return CONN_NEXT_H2;
	if ((h->conn->flags & CONN_EOF) && (h->state == H1_HEAD || h->state == H1_DRAINING))
		h->state = H1_CLOSING;
	if (h->state == H1_CLOSING && h1_queued(h) == 0) {
		bool is_due = (h->flags & H1_LINGER_DUE) && !(h->conn->flags & CONN_EOF);

		return is_due && !is_cut_short(h) ? CONN_NEXT_LINGER : CONN_NEXT_CLOSE;
	}
	if (h->state == H1_HEAD && h1_queued(h) == 0 && h1_pending(h).len == 0 &&
	    !(h->conn->flags & CONN_READABLE))
		return CONN_NEXT_REST;
	set_timeout(h);
	return CONN_NEXT_WAIT;
}

static enum conn_next
advance(void *active)
{
	struct h1 *h = active;

	h->flags |= H1_INSIDE;
	run(h);
	h->flags &= ~(unsigned)H1_INSIDE;
	return judge(h);
}

/* 408 where the client can still read it (RFC 9110 15.5.9). */
static void
refuse_late(struct h1 *h)
{
	struct exchange *x = &h->x;

	if (h->state == H1_HEAD) {
		h1_turn_away(h, 408, COUNTER_CLOSE_HEADER,
			     "the request head is not complete in time");
		return;
	}
	if (h->flags & H1_SLOW)
		conn_fault(h->conn, COUNTER_CLOSE_BODY_RATE, 408, "the body comes too slowly");
	else
		conn_fault(h->conn, COUNTER_CLOSE_BODY, 408, "the body does not come");
	if (h->state != H1_RUNNING) {
		h->flags |= H1_BROKEN;
		return;
	}
	exchange_cancel(x, ERR_TIMEOUT);
	x->is_closing = true;
	h->flags |= H1_LINGER_DUE;
	if (x->is_head_sent)
		h1_ops.abort(x, ERR_TIMEOUT);
	else
		exchange_refuse(x, 408);
}

/* 408 where it is due. */
static enum conn_next
expire(void *active)
{
	struct h1 *h = active;

	if (h->wait <= H1_WAIT_NONE)
		return CONN_NEXT_WAIT;
	if (h->wait == H1_WAIT_SEND) {
		if (h->flags & H1_SLOW)
			conn_fault(h->conn, COUNTER_CLOSE_SEND_RATE, 0,
				   "the response is read too slowly");
		else
			conn_fault(h->conn, COUNTER_CLOSE_SEND, 0, "the response is not read");
		io_reset_on_close(&h->conn->io);
		return CONN_NEXT_CLOSE;
	}
	h->flags |= H1_INSIDE;
	refuse_late(h);
	h->flags &= ~(unsigned)H1_INSIDE;
	return advance(h);
}

/* Nothing but the preface of another protocol has come. */
static struct block *
yield(void *active)
{
	struct h1 *h = active;
	struct block *in = h->in;

	h->in = NULL;
	return in;
}

static bool
is_between(const void *active)
{
	const struct h1 *h = active;

	return h->state == H1_HEAD && h1_queued(h) == 0;
}

static void
fini_host(struct conn_host *host)
{
	while (host->free_actives) {
		struct h1 *h = host->free_actives;

		host->free_actives = h->next;
		mem_free(&h);
	}
}

const struct conn_protocol h1_protocol = {
	.name = SLICE_INIT("http/1.1"),
	.start = start,
	.stop = stop,
	.advance = advance,
	.expire = expire,
	.yield = yield,
	.is_between = is_between,
	.fini_host = fini_host,
};
