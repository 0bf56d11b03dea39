/*
 * One connection to a server that speaks HTTP/2, and the streams on it.
 *
 *   CONNECTING  until the server's SETTINGS have come: only then it is known how
 *               many streams it takes, and nothing was sent that could be lost
 *   SHARED      while there are streams
 *   IDLE        otherwise; it is asked for a sign of life now and then
 *
 * All of it happens in upstream_h2_work(), on top of the stack; what comes from
 * above leaves marks on streams and asks for a turn. One that is over still
 * hands up what it has heard.
 */
#include "source/upstream_h2_priv.h"

#include "base/mem.h"

static struct upstream_h2 *
h2_at(struct list *link)
{
	return CONTAINER_OF(link, struct upstream_conn, link)->h2;
}

static const struct upstream_conf *
conf_of(const struct upstream_h2 *h)
{
	return h->conn->share->upstream->conf;
}

/* --- birth and death ------------------------------------------------------------------ */

bool
upstream_h2_is_hoped(const struct upstream *u, const struct upstream_server *server)
{
	if (!(u->conf->protocols & UPSTREAM_H2))
		return false;
	/* Without TLS nothing tells which one the server speaks (RFC 9113 3.3). */
	return server->tls_name || !(u->conf->protocols & UPSTREAM_H1);
}

int
upstream_h2_open(struct upstream_conn *c)
{
	struct upstream_h2 *h = mem_zalloc(1, sizeof(*h));

	if (!h)
		return ERR_MEMORY;
	h->conn = c;
	list_init(&h->streams);
	list_init(&h->touched);
	outbox_init(&h->out, &upstream_env(c)->store);
	h2_budget_init(&h->budget, upstream_h2_now(h));
	h->limit = conf_of(h)->max_streams;
	h->due_ns = CLOCK_NEVER;
	c->h2 = h;
	list_append(&c->peer->shared, &c->link);
	return 0;
}

static nghttp2_session_callbacks *
make_callbacks(void)
{
	nghttp2_session_callbacks *callbacks;

	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		return NULL;
	upstream_h2_in_register(callbacks);
	upstream_h2_out_register(callbacks);
	return callbacks;
}

static nghttp2_option *
make_options(void)
{
	nghttp2_option *option;

	if (nghttp2_option_new(&option) != 0)
		return NULL;
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_max_send_header_block_length(option, UPSTREAM_H2_BLOCK_MAX);
	return option;
}

static int
make_session(struct upstream_h2 *h)
{
	nghttp2_session_callbacks *callbacks = make_callbacks();
	nghttp2_option *option = make_options();
	int err = ERR_MEMORY;

	if (callbacks && option &&
	    nghttp2_session_client_new2(&h->session, callbacks, h, option) == 0)
		err = 0;
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return err;
}

/* Our preface (RFC 9113 3.4): nothing is to be pushed. */
static int
greet(struct upstream_h2 *h)
{
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, UPSTREAM_H2_STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, UPSTREAM_HEAD_BYTES },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
	};

	if (nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
				    sizeof(settings) / sizeof(settings[0])) != 0 ||
	    nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
						  UPSTREAM_H2_CONN_WINDOW) != 0)
		return ERR_MEMORY;
	return 0;
}

int
upstream_h2_start(struct upstream_conn *c)
{
	struct upstream_h2 *h = c->h2;
	int err = make_session(h);

	h->heard_ns = h->wrote_ns = upstream_h2_now(h);
	return err ? err : greet(h);
}

bool
upstream_h2_is_started(const struct upstream_conn *c)
{
	return c->h2 && c->h2->session;
}

void
upstream_h2_free(struct upstream_h2 **pointer)
{
	struct upstream_h2 *h = *pointer;

	if (!h)
		return;
	while (!list_is_empty(&h->streams))
		upstream_h2_stream_free(
		    CONTAINER_OF(h->streams.next, struct upstream_h2_stream, link));
	nghttp2_session_del(h->session);
	outbox_clear(&h->out);
	if (h->in)
		block_unref(h->in);
	mem_free(pointer);
}

void
upstream_h2_schedule(struct upstream_h2 *h)
{
	if (!(h->flags & UPSTREAM_H2_INSIDE))
		upstream_conn_go_on(h->conn);
}

void
upstream_h2_end(struct upstream_h2 *h, int err, uint32_t error, const char *what)
{
	if (h->over)
		return;
	h->over = h->conn->state == UPSTREAM_CONNECTING && err != ERR_MEMORY ? ERR_CONNECT : err;
	h->flags |= UPSTREAM_H2_LEAVING;
	if (h->over == ERR_CONNECT)
		upstream_h2_count(h, COUNTER_UPSTREAM_CONNECT_FAILED);
	log_debug("upstream server %.*s: HTTP/2: %s", SLICE_PRINT(h->conn->peer->server->label),
		  what);
	if (nghttp2_session_terminate_session(h->session, error) != 0)
		log_debug("upstream: no memory for a GOAWAY");
}

/* --- errands ------------------------------------------------------------------------------ */

struct upstream_conn *
upstream_h2_find(const struct upstream_peer *p)
{
	for (struct list *item = p->shared.next; item != &p->shared; item = item->next) {
		struct upstream_h2 *h = h2_at(item);

		if (!(h->flags & UPSTREAM_H2_LEAVING) && h->count < h->limit)
			return h->conn;
	}
	return NULL;
}

int
upstream_h2_attach(struct upstream_conn *c, struct upstream_errand *e)
{
	struct upstream_h2 *h = c->h2;

	if (!upstream_h2_stream_new(h, e))
		return ERR_MEMORY;
	if (c->state == UPSTREAM_IDLE) {
		c->state = UPSTREAM_SHARED;
		list_remove(&c->link);
		list_append(&c->peer->shared, &c->link);
		h->flags |= UPSTREAM_H2_REUSED;
		upstream_h2_count(h, COUNTER_UPSTREAM_REUSED);
	}
	upstream_h2_schedule(h);
	return 0;
}

/* From the newest, so that the oldest is the next to be served. */
static void
give_back_from(struct upstream_h2 *h, unsigned kept)
{
	struct list *item = h->streams.prev;
	unsigned count = h->count;

	for (; item != &h->streams && count > kept; count--) {
		struct upstream_h2_stream *s = CONTAINER_OF(item, struct upstream_h2_stream, link);

		item = item->prev;
		if (!(s->flags & UPSTREAM_STREAM_BEGUN))
			upstream_h2_stream_give_back(s);
	}
}

struct upstream_errand *
upstream_h2_decline(struct upstream_conn *c)
{
	struct upstream_h2 *h = c->h2;
	struct upstream_errand *first = NULL;
	struct list *item, *keep;

	c->peer->streams = 1;
	upstream_share_learn(c->share);
	LIST_EACH(item, keep, &h->streams) {
		struct upstream_h2_stream *s = CONTAINER_OF(item, struct upstream_h2_stream, link);

		if (!first)
			first = upstream_h2_stream_part(s);
	}
	give_back_from(h, 0);
	upstream_h2_free(&c->h2);
	return first;
}

/* --- the machine --------------------------------------------------------------------------- */

static bool
wants_input(const struct upstream_h2 *h)
{
	return h->conn->is_readable && !h->over && outbox_bytes(&h->out) < UPSTREAM_H2_OUT_HIGH;
}

/* Reads once, and parses it. False: nothing there now. */
static bool
read_some(struct upstream_h2 *h)
{
	struct upstream_conn *c = h->conn;
	bool is_empty;
	long n;

	h->in = block_take(&upstream_env(c)->store, 0);
	if (!h->in) {
		upstream_h2_end(h, ERR_MEMORY, NGHTTP2_INTERNAL_ERROR, "no memory");
		return false;
	}
	n = io_fill(&c->io, h->in, c->is_peer_done, &is_empty);
	if (is_empty)
		c->is_readable = false;
	if (n > 0) {
		h->heard_ns = upstream_h2_now(h);
		h->heard_bytes += (uint64_t)n;
		h->flags &= ~(unsigned)UPSTREAM_H2_PINGED;
		upstream_h2_in_parse(h);
	} else if (n != ERR_BUSY) {
		upstream_h2_end(h, ERR_CLOSED, NGHTTP2_NO_ERROR, "closed by the server");
	}
	block_unref(h->in);
	h->in = NULL;
	return n > 0;
}

static void
flush(struct upstream_h2 *h)
{
	size_t before = outbox_bytes(&h->out);
	int err;

	if (before == 0)
		return;
	err = outbox_write(&h->out, &h->conn->io, UPSTREAM_H2_TURN_BYTES);
	if (outbox_bytes(&h->out) != before)
		h->wrote_ns = upstream_h2_now(h);
	/* The socket takes more; so does the outbox, if it was full, and nothing else may tell. */
	if (!err && (outbox_bytes(&h->out) > 0 || before >= UPSTREAM_H2_OUT_HIGH))
		upstream_conn_yield(h->conn);
	/* What the server said before that may still be read. */
	if (err && err != ERR_BUSY) {
		outbox_clear(&h->out);
		h->conn->is_readable = h->conn->is_peer_done = true;
		h->flags |= UPSTREAM_H2_LEAVING;
	}
}

static void
step_streams(struct upstream_h2 *h)
{
	struct list now, *item;

	list_init(&now);
	while ((item = list_take(&h->touched)) != NULL)
		list_append(&now, item);
	while ((item = list_take(&now)) != NULL)
		upstream_h2_stream_step(CONTAINER_OF(item, struct upstream_h2_stream, touch));
}

static void
touch_all(struct upstream_h2 *h)
{
	struct list *item, *keep;

	LIST_EACH(item, keep, &h->streams)
		upstream_h2_stream_touch(CONTAINER_OF(item, struct upstream_h2_stream, link));
}

/* The server's SETTINGS have come: what waited for them begins, as far as they go. */
static void
get_ready(struct upstream_h2 *h)
{
	struct upstream_conn *c = h->conn;

	if (c->state != UPSTREAM_CONNECTING || !(h->flags & UPSTREAM_H2_READY) || h->over)
		return;
	c->state = UPSTREAM_SHARED;
	give_back_from(h, h->limit);
	touch_all(h);
}

/* Reads, if there is anything to be read. False: there is not, or this turn has seen enough. */
static bool
has_read(struct upstream_h2 *h, unsigned *reads)
{
	if (!wants_input(h))
		return false;
	if (*reads == 0) {
		upstream_conn_yield(h->conn);
		return false;
	}
	--*reads;
	return read_some(h);
}

/* Goes on until everything waits for somebody else. */
static void
run(struct upstream_h2 *h)
{
	unsigned reads = UPSTREAM_H2_TURN_READS;

	do {
		get_ready(h);
		step_streams(h);
		if (!h->session)
			return;
		upstream_h2_out_pump(h);
		flush(h);
	} while (has_read(h, &reads) || !list_is_empty(&h->touched));
}

/* Another errand may come, or this is the end of it. */
static void
rest(struct upstream_h2 *h)
{
	struct upstream_conn *c = h->conn;

	if ((h->flags & UPSTREAM_H2_LEAVING) || c->peer->is_gone ||
	    conf_of(h)->keepalive_timeout == 0)
		upstream_conn_close(c);
	else if (c->state == UPSTREAM_SHARED)
		upstream_conn_park(c);
}

static void
judge(struct upstream_h2 *h)
{
	struct upstream_conn *c = h->conn;

	if (h->over) {
		touch_all(h);
		step_streams(h);
		if (h->busy == 0)
			upstream_conn_close(c);
	} else if (h->count == 0 && c->state != UPSTREAM_CONNECTING) {
		rest(h);
	}
	if (c->state == UPSTREAM_CLOSED)
		return;
	if (!list_is_empty(&c->share->waiting))
		upstream_share_serve(c->share);
	if (upstream_conn_set_timer(c) != 0)
		upstream_h2_break(c, ERR_MEMORY);
}

void
upstream_h2_work(struct upstream_conn *c)
{
	struct upstream_h2 *h = c->h2;

	h->flags |= UPSTREAM_H2_INSIDE;
	run(h);
	judge(h);
	h->flags &= ~(unsigned)UPSTREAM_H2_INSIDE;
}

void
upstream_h2_break(struct upstream_conn *c, int err)
{
	struct upstream_h2 *h = c->h2;
	bool was_inside = h->flags & UPSTREAM_H2_INSIDE;

	h->over = err;
	h->flags |= UPSTREAM_H2_LEAVING | UPSTREAM_H2_INSIDE;
	touch_all(h);
	step_streams(h);
	if (h->busy == 0)
		upstream_conn_close(c);
	if (!was_inside)
		h->flags &= ~(unsigned)UPSTREAM_H2_INSIDE;
}

/* RFC 9113 6.8. */
void
upstream_h2_bid_farewell(struct upstream_conn *c)
{
	struct upstream_h2 *h = c->h2;

	if (!h->session || c->state == UPSTREAM_CONNECTING)
		return;
	if (!h->over && nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR) != 0)
		return;
	upstream_h2_out_pump(h);
	flush(h);
}

/* --- time-outs ------------------------------------------------------------------------------- */

static uint64_t
ping_due(const struct upstream_h2 *h)
{
	return clock_after(h->heard_ns, h->flags & UPSTREAM_H2_PINGED ? conf_of(h)->ping_timeout
								      : conf_of(h)->ping_interval);
}

static uint64_t
write_due(const struct upstream_h2 *h)
{
	if (outbox_bytes(&h->out) == 0)
		return CLOCK_NEVER;
	return clock_after(h->wrote_ns, conf_of(h)->send_idle_timeout);
}

uint64_t
upstream_h2_expiry(const struct upstream_conn *c)
{
	const struct upstream_h2 *h = c->h2;
	uint64_t due = h->over ? CLOCK_NEVER : clock_sooner(ping_due(h), write_due(h));

	if (c->state == UPSTREAM_IDLE)
		return clock_sooner(due, clock_after(c->last_ns, conf_of(h)->keepalive_timeout));
	return clock_sooner(due, h->due_ns);
}

static void
ping(struct upstream_h2 *h)
{
	if (h->flags & UPSTREAM_H2_PINGED) {
		upstream_h2_count(h, COUNTER_UPSTREAM_H2_MUTE);
		upstream_h2_end(h, ERR_CLOSED, NGHTTP2_NO_ERROR, "a PING is not answered");
		return;
	}
	h->flags |= UPSTREAM_H2_PINGED;
	h->heard_ns = upstream_h2_now(h);
	if (nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL) != 0)
		upstream_h2_end(h, ERR_MEMORY, NGHTTP2_INTERNAL_ERROR, "no memory");
}

static void
expire_streams(struct upstream_h2 *h, uint64_t now)
{
	struct list *item, *keep;

	h->due_ns = CLOCK_NEVER;
	LIST_EACH(item, keep, &h->streams) {
		struct upstream_h2_stream *s = CONTAINER_OF(item, struct upstream_h2_stream, link);
		uint64_t due = upstream_h2_stream_expiry(s);

		if (due <= now)
			upstream_h2_stream_expire(s);
		else
			h->due_ns = clock_sooner(h->due_ns, due);
	}
}

void
upstream_h2_expire(struct upstream_conn *c)
{
	struct upstream_h2 *h = c->h2;
	uint64_t now = upstream_h2_now(h);

	if (c->state == UPSTREAM_IDLE &&
	    clock_after(c->last_ns, conf_of(h)->keepalive_timeout) <= now) {
		upstream_conn_close(c);
		return;
	}
	h->flags |= UPSTREAM_H2_INSIDE;
	if (write_due(h) <= now) {
		upstream_h2_count(h, COUNTER_UPSTREAM_SEND_TIMEOUT);
		upstream_h2_end(h, ERR_TIMEOUT, NGHTTP2_NO_ERROR, "it takes nothing");
	} else if (!h->over && ping_due(h) <= now) {
		ping(h);
	}
	expire_streams(h, now);
	upstream_h2_work(c);
}
