/*
 * The HTTP/2 machine of one conn; see h2.h.
 *
 * As with HTTP/1, what the application does from inside the machine leaves
 * marks, and from outside it asks for a turn (h2_schedule). A stream is freed
 * in one place (h2_stream_step), or with the conn.
 */
#include "proto/h2.h"

#include "base/clock.h"
#include "base/mem.h"
#include "proto/h2_memory.h"
#include "proto/h2_priv.h"

/* --- the library's memory is ours ---------------------------------------------------- */

static void *
give_memory(size_t bytes, void *user)
{
	return h2_memory_take(user, bytes);
}

static void
take_memory(void *block, void *user)
{
	h2_memory_give(user, block);
}

static void *
give_clear_memory(size_t count, size_t size, void *user)
{
	return h2_memory_take_clear(user, count, size);
}

static void *
grow_memory(void *block, size_t bytes, void *user)
{
	return h2_memory_grow(user, block, bytes);
}

/* --- birth and death -------------------------------------------------------------------- */

static void
on_work(struct deferred *d)
{
	conn_go_on(CONTAINER_OF(d, struct h2, work)->conn);
}

static nghttp2_option *
make_options(void)
{
	nghttp2_option *option;

	if (nghttp2_option_new(&option) != 0)
		return NULL;
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_max_send_header_block_length(option, H2_BLOCK_MAX);
	nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
	return option;
}

static nghttp2_session_callbacks *
make_callbacks(void)
{
	nghttp2_session_callbacks *callbacks;

	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		return NULL;
	h2_in_register(callbacks);
	h2_out_register(callbacks);
	return callbacks;
}

static int
make_session(struct h2 *h)
{
	nghttp2_mem mem = { h->conn->host->h2_memory, give_memory, take_memory, give_clear_memory,
			    grow_memory };
	nghttp2_session_callbacks *callbacks = make_callbacks();
	nghttp2_option *option = make_options();
	int err = ERR_MEMORY;

	if (callbacks && option &&
	    nghttp2_session_server_new3(&h->session, callbacks, h, option, &mem) == 0)
		err = 0;
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return err;
}

/* Our preface (RFC 9113 3.4), and a window for the connection as a whole. */
static int
greet(struct h2 *h)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS_SEEN }, /* see h2_out.c */
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, h->conn->host->limits.h1.max_head_bytes },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
	};

	if (nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
				    sizeof(settings) / sizeof(settings[0])) != 0 ||
	    nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
						  H2_CONN_WINDOW) != 0)
		return ERR_MEMORY;
	return 0;
}

static void drain(void *active);

static bool
has_memory(struct conn_host *host)
{
	if (!host->h2_memory)
		host->h2_memory = h2_memory_new();
	return host->h2_memory != NULL;
}

static void
fini_host(struct conn_host *host)
{
	h2_memory_free(&host->h2_memory);
}

static void *
start(struct conn *c)
{
	struct h2 *h = has_memory(c->host) ? mem_zalloc(1, sizeof(*h)) : NULL;

	if (!h)
		return NULL;
	h->conn = c;
	h->work.run = on_work;
	list_init(&h->streams);
	list_init(&h->touched);
	h2_frames_init(&h->frames);
	h2_budget_init(&h->budget, h2_now(h));
	outbox_init(&h->out, &c->host->env->store);
	h->head_due_ns = h->send_due_ns = h->drain_due_ns = h->streams_due_ns = CLOCK_NEVER;
	h->idle_due_ns = clock_after(h2_now(h), c->host->limits.header_timeout_ns);
	conn_client(c, &h->client);
	if (make_session(h) != 0 || greet(h) != 0) {
		nghttp2_session_del(h->session);
		mem_free(&h);
		return NULL;
	}
	if (c->host->is_draining)
		drain(h);
	return h;
}

static void
stop(struct conn *c)
{
	struct h2 *h = c->active;

	if (!h)
		return;
	c->active = NULL;
	h->flags |= H2_INSIDE;
	while (!list_is_empty(&h->streams))
		h2_stream_free(CONTAINER_OF(h->streams.next, struct h2_stream, link));
	loop_forget(&c->host->env->loop, &h->work);
	nghttp2_session_del(h->session);
	outbox_clear(&h->out);
	if (h->in)
		block_unref(h->in);
	mem_free(&h);
}

void
h2_schedule(struct h2 *h)
{
	if (!(h->flags & H2_INSIDE))
		loop_last(&h->conn->host->env->loop, &h->work);
}

void
h2_end(struct h2 *h, uint32_t error)
{
	if (h->flags & H2_ENDING)
		return;
	h->flags |= H2_ENDING;
	if (nghttp2_session_terminate_session(h->session, error) != 0)
		h->flags |= H2_BROKEN;
}

void
h2_note_cut(struct h2 *h, uint32_t id)
{
	h->cut_ids[h->cut_next++ % H2_CUT_IDS] = id;
}

void
h2_calm(struct h2 *h)
{
	static const enum counter counters[H2_WASTE_COUNT] = {
		[H2_WASTE_NONE] = COUNTER_H2_WASTE_UNKNOWN,
		[H2_WASTE_RESET] = COUNTER_H2_WASTE_RESET,
		[H2_WASTE_ERROR] = COUNTER_H2_WASTE_ERROR,
		[H2_WASTE_PING] = COUNTER_H2_WASTE_PING,
		[H2_WASTE_SETTINGS] = COUNTER_H2_WASTE_SETTINGS,
		[H2_WASTE_EMPTY] = COUNTER_H2_WASTE_EMPTY,
		[H2_WASTE_PRIORITY] = COUNTER_H2_WASTE_PRIORITY,
		[H2_WASTE_WINDOW] = COUNTER_H2_WASTE_WINDOW,
		[H2_WASTE_UNKNOWN] = COUNTER_H2_WASTE_UNKNOWN,
	};

	h2_fault(h, counters[h2_budget_reason(&h->budget)], 0,
		 "HTTP/2: too many frames that lead to nothing");
	h2_end(h, NGHTTP2_ENHANCE_YOUR_CALM);
}

void
h2_charge(struct h2 *h, enum h2_waste waste)
{
	if (!(h->flags & H2_ENDING) && !h2_budget_charge(&h->budget, waste, 1, h2_now(h)))
		h2_calm(h);
}

/* --- draining (RFC 9113 6.8) ------------------------------------------------------------- */

/* First that an end is near, with a PING behind it; when that has come back, or after a while, the
 * end: streams that were on their way are answered, and the client knows of which that is true. */
static void
drain(void *active)
{
	struct h2 *h = active;

	if (h->flags & (H2_DRAINING | H2_ENDING))
		return;
	h->flags |= H2_DRAINING;
	h->drain_due_ns = clock_after(h2_now(h), h->conn->host->drain_idle_ns);
	if (nghttp2_submit_shutdown_notice(h->session) != 0 ||
	    nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL) != 0)
		h->flags |= H2_BROKEN;
	h2_schedule(h);
}

static void
drain_for_good(struct h2 *h)
{
	if ((h->flags & (H2_DRAINING | H2_DRAINED | H2_ENDING)) != H2_DRAINING ||
	    h2_now(h) < h->drain_due_ns)
		return;
	h->flags |= H2_DRAINED;
	h->drain_due_ns = CLOCK_NEVER;
	if (nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
				  nghttp2_session_get_last_proc_stream_id(h->session),
				  NGHTTP2_NO_ERROR, NULL, 0) != 0)
		h->flags |= H2_BROKEN;
}

/* --- the machine ------------------------------------------------------------------------- */

static bool
wants_input(const struct h2 *h)
{
	return (h->conn->flags & CONN_READABLE) && !(h->flags & (H2_BROKEN | H2_ENDING)) &&
	       outbox_bytes(&h->out) < H2_OUT_HIGH;
}

static void
parse(struct h2 *h)
{
	h2_in_parse(h);
	block_unref(h->in);
	h->in = NULL;
}

/* Reads once, and parses it. False: nothing there now. */
static bool
read_some(struct h2 *h)
{
	struct conn *c = h->conn;
	bool is_empty;
	long n;

	h->in = block_take(&c->host->env->store, 0);
	if (!h->in) {
		h->flags |= H2_BROKEN;
		return false;
	}
	n = io_fill(&c->io, h->in, c->flags & CONN_PEER_CLOSED, &is_empty);
	if (is_empty)
		c->flags &= ~(unsigned)CONN_READABLE;
	if (n == 0) {
		c->flags |= CONN_EOF;
	} else if (n < 0 && n != ERR_BUSY) {
		c->flags |= CONN_LOST;
		h->flags |= H2_BROKEN;
	}
	parse(h);
	return n > 0;
}

static void
flush(struct h2 *h, size_t *left)
{
	size_t before = outbox_bytes(&h->out), went;
	int err;

	if (before == 0 || (h->flags & H2_BROKEN))
		return;
	conn_will_write(h->conn);
	err = outbox_write(&h->out, &h->conn->io, *left);
	conn_wrote(h->conn, outbox_bytes(&h->out) > 0);
	went = before - outbox_bytes(&h->out);
	*left -= went < *left ? went : *left;
	if (went > 0)
		h->flags |= H2_WENT;
	pace_move(&h->out_pace, went);
	if (err == ERR_CLOSED)
		h->conn->flags |= CONN_LOST;
	if (err && err != ERR_BUSY)
		h->flags |= H2_BROKEN;
}

/* False: there are more to do than one conn may in one turn. */
static bool
step_streams(struct h2 *h, unsigned *left)
{
	while (!list_is_empty(&h->touched)) {
		if ((*left)-- == 0)
			return false;
		h2_stream_step(CONTAINER_OF(list_take(&h->touched), struct h2_stream, touch));
	}
	return true;
}

/* Nobody will hear the answers. */
static void
cancel_all(struct h2 *h)
{
	struct list *item, *keep;

	LIST_EACH(item, keep, &h->streams)
		h2_stream_cancel(CONTAINER_OF(item, struct h2_stream, link), ERR_GONE);
}

/* Goes on until everything waits for somebody else. False: until its share is used up. */
static bool
run(struct h2 *h)
{
	unsigned steps = H2_TURN_STEPS, reads = H2_TURN_READS;
	size_t left = H2_TURN_BYTES;

	drain_for_good(h);
	while (!(h->flags & H2_BROKEN)) {
		if (!step_streams(h, &steps))
			return false;
		if (h->flags & H2_ENDING)
			cancel_all(h);
		h2_out_pump(h);
		if (outbox_bytes(&h->out) >= H2_OUT_HIGH)
			flush(h, &left);
		if (wants_input(h)) {
			if (reads-- == 0)
				return false;
			if (read_some(h))
				continue;
		}
		flush(h, &left);
		if (left == 0)
			return false;
		drain_for_good(h);
		if (list_is_empty(&h->touched) &&
		    (outbox_bytes(&h->out) > 0 || !nghttp2_session_want_write(h->session)))
			break;
	}
	return true;
}

/* --- waiting --------------------------------------------------------------------------------- */

/* For what waits in the outbox: bytes have to move, and fast enough. */
static void
set_send_timeout(struct h2 *h)
{
	const struct conn_limits *limits = &h->conn->host->limits;
	bool was_waiting = h->send_due_ns != CLOCK_NEVER;
	bool is_waiting = outbox_bytes(&h->out) > 0;
	uint64_t now = h2_now(h), due = CLOCK_NEVER, pace;

	if (!is_waiting && !was_waiting)
		return;
	if (is_waiting && was_waiting && !(h->flags & H2_WENT))
		return;
	if (!was_waiting)
		pace_start(&h->out_pace, &limits->send_pace, now);
	pace = pace_look(&h->out_pace, &limits->send_pace, was_waiting, now);
	if (is_waiting)
		due = clock_after(now, h->flags & H2_ENDING ? H2_BYE_MS * CLOCK_MS
							    : limits->send_idle_timeout_ns);
	h->is_slow = is_waiting && pace < due;
	h->send_due_ns = h->is_slow ? pace : due;
	h->flags &= ~(unsigned)H2_WENT;
}

static void
set_timeout(struct h2 *h)
{
	uint64_t due;

	set_send_timeout(h);
	due = clock_sooner(h->stream_count ? h->streams_due_ns : h->idle_due_ns, h->send_due_ns);
	due = clock_sooner(due, clock_sooner(h->head_due_ns, h->drain_due_ns));
	conn_expire_at(h->conn, due);
}

/* The client has gone. */
static bool
is_gone(const struct h2 *h)
{
	unsigned flags = h->conn->flags;

	if (flags & CONN_LOST)
		return true;
	if (flags & CONN_EOF)
		return !(flags & CONN_HALF_CLOSE) || h->stream_count == 0;
	/* libevent tells a reset as "readable": look behind what is not being read. */
	if ((flags & CONN_READABLE) && !wants_input(h) && io_is_reset(&h->conn->io))
		return true;
	return h->stream_count > 0 && (flags & CONN_PEER_CLOSED) && !(flags & CONN_HALF_CLOSE);
}

static enum conn_next
judge(struct h2 *h)
{
	bool is_over = (h->flags & H2_ENDING) || !nghttp2_session_want_read(h->session);

	if (is_gone(h) || (h->flags & H2_BROKEN))
		return CONN_NEXT_CLOSE;
	if (is_over && outbox_bytes(&h->out) == 0 && !nghttp2_session_want_write(h->session))
		return CONN_NEXT_LINGER;
	set_timeout(h);
	return CONN_NEXT_WAIT;
}

static enum conn_next
advance(void *active)
{
	struct h2 *h = active;
	bool is_done;

	h->flags |= H2_INSIDE;
	is_done = run(h);
	h->flags &= ~(unsigned)H2_INSIDE;
	if (!is_done)
		h2_schedule(h);
	return judge(h);
}

static void
expire_streams(struct h2 *h, uint64_t now)
{
	struct list *item, *keep;

	h->streams_due_ns = CLOCK_NEVER;
	LIST_EACH(item, keep, &h->streams) {
		struct h2_stream *s = CONTAINER_OF(item, struct h2_stream, link);

		if (s->due_ns <= now)
			h2_stream_expire(s);
		h->streams_due_ns = clock_sooner(h->streams_due_ns, s->due_ns);
	}
}

static enum conn_next
expire(void *active)
{
	struct h2 *h = active;
	uint64_t now = h2_now(h);

	if (h->send_due_ns <= now) {
		if (h->is_slow)
			h2_fault(h, COUNTER_CLOSE_SEND_RATE, 0, "responses are read too slowly");
		else
			h2_fault(h, COUNTER_CLOSE_SEND, 0, "responses are not read");
		io_reset_on_close(&h->conn->io);
		return CONN_NEXT_CLOSE;
	}
	h->flags |= H2_INSIDE;
	if (h->head_due_ns <= now) {
		h2_fault(h, COUNTER_CLOSE_HEADER, 0, "a header block is not complete in time");
		h2_end(h, NGHTTP2_ENHANCE_YOUR_CALM);
	} else if (h->stream_count == 0 && h->idle_due_ns <= now) {
		h2_count(h, h->conn->host->is_draining ? COUNTER_CLOSE_DRAIN : COUNTER_CLOSE_IDLE);
		h2_end(h, NGHTTP2_NO_ERROR);
	} else if (h->streams_due_ns <= now) {
		expire_streams(h, now);
	}
	return advance(h);
}

/* What HTTP/1 has read. */
static void
take(void *active, struct block *in)
{
	struct h2 *h = active;

	h->flags |= H2_INSIDE;
	h->in = in;
	parse(h);
	h->flags &= ~(unsigned)H2_INSIDE;
}

static bool
is_idle(const void *active)
{
	const struct h2 *h = active;

	return h->stream_count == 0 && outbox_bytes(&h->out) == 0;
}

const struct conn_protocol h2_protocol = {
	.name = SLICE_INIT("h2"),
	.start = start,
	.stop = stop,
	.advance = advance,
	.expire = expire,
	.take = take,
	.drain = drain,
	.is_multiplexed = true,
	.is_idle = is_idle,
	.fini_host = fini_host,
};

const char *
h2_library_version(void)
{
	return nghttp2_version(0)->version_str;
}
