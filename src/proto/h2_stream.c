/*
 * One stream of HTTP/2 and its exchange; see h2_priv.h.
 *
 * The library's call-backs only leave marks on a stream, and so does the
 * application; h2_stream_step(), which the machine calls outside of both, is
 * the only place that calls the application.
 *
 * legal moves:  (new) -> HEADED -> BEGUN -> ENDED -> CLOSED -> (freed)
 *               CLOSED may come at any time; ENDED is then a cancel
 */
#include "base/clock.h"
#include "proto/h2_priv.h"

/* --- birth and death ---------------------------------------------------------------- */

/* All but the request. */
static void
init_exchange(struct h2_stream *s)
{
	struct conn_host *host = s->h2->conn->host;
	struct exchange *x = &s->x;

	*x = (struct exchange){
		.ops = &h2_ops,
		.app = host->app,
		.store = &host->env->store,
		.client = &s->h2->client,
		.near = &s->h2->client,
		.scheme = conn_scheme(s->h2->conn),
		.host = host->app_host,
		.id = host->next_id++,
		.max_body = host->limits.max_body,
	};
	arena_init_over(&x->arena, x->store, H2_ARENA_BYTES, s->memory,
			STORE_PAGE_BYTES - sizeof(*s));
}

struct h2_stream *
h2_stream_new(struct h2 *h, uint32_t id)
{
	struct conn_host *host = h->conn->host;
	struct h2_stream *s = store_take_page(&host->env->store);

	if (!s)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->h2 = h;
	s->id = id;
	s->due_ns = CLOCK_NEVER;
	init_exchange(s);
	h2_head_begin(&s->head, &s->x.request, &s->x.arena, &host->limits.h1);
	inbox_init(&s->in, s->x.store);
	chunks_init(&s->out, s->x.store);
	list_init(&s->touch);
	list_append(&h->streams, &s->link);
	h->stream_count++;
	return s;
}

void
h2_stream_touch(struct h2_stream *s)
{
	if (list_is_empty(&s->touch))
		list_append(&s->h2->touched, &s->touch);
}

void
h2_stream_cancel(struct h2_stream *s, int err)
{
	if (s->flags & H2_STREAM_ENDED)
		return;
	s->flags |= H2_STREAM_ENDED;
	if (s->flags & H2_STREAM_BEGUN)
		exchange_cancel(&s->x, err);
}

void
h2_stream_reset(struct h2_stream *s, uint32_t error)
{
	struct h2 *h = s->h2;

	if (s->flags & H2_STREAM_CLOSED)
		return;
	if (!(s->flags & H2_STREAM_BODY_DONE))
		h2_note_cut(h, s->id);
	if (nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, (int32_t)s->id, error) != 0)
		h->flags |= H2_BROKEN;
}

static void
drop_bodies(struct h2_stream *s)
{
	s->h2->held -= s->out.bytes;
	chunks_clear(&s->out);
	inbox_clear(&s->in);
}

void
h2_stream_free(struct h2_stream *s)
{
	struct h2 *h = s->h2;
	struct exchange *x = &s->x;

	if ((s->flags & H2_STREAM_BEGUN) && !(s->flags & H2_STREAM_ENDED))
		h2_count(h, COUNTER_CLIENT_GONE);
	h2_stream_cancel(s, ERR_GONE);
	x->is_cut |= !(s->flags & H2_STREAM_WHOLE);
	if (s->flags & H2_STREAM_BEGUN)
		x->app->ended(x);
	else if ((s->flags & H2_STREAM_ANSWERED) && x->app->refused)
		x->app->refused(x);
	drop_bodies(s);
	arena_fini(&x->arena);
	list_remove(&s->link);
	list_remove(&s->touch);
	h->closed_count -= (s->flags & H2_STREAM_CLOSED) != 0;
	if (--h->stream_count == 0) {
		h->conn->flags |= CONN_SERVED;
		h->idle_due_ns = clock_after(h2_now(h), h->conn->host->limits.idle_timeout_ns);
	}
	store_give_page(x->store, s);
}

/* The library has done with it. */
static void
finish(struct h2_stream *s)
{
	struct h2 *h = s->h2;
	size_t unread = s->in.list.bytes;

	if (s->flags & H2_STREAM_WHOLE)
		h2_budget_earn(&h->budget);
	/* The window of the connection is the other streams', too. */
	if (unread > 0 && nghttp2_session_consume_connection(h->session, unread) != 0)
		h->flags |= H2_BROKEN;
	h2_stream_free(s);
}

/* --- requests -------------------------------------------------------------------------- */

static enum counter
counter_for(int status)
{
	switch (status) {
	case 414:
		return COUNTER_REFUSED_TARGET;
	case 417:
		return COUNTER_REFUSED_EXPECT;
	case 431:
		return COUNTER_REFUSED_HEAD;
	case 501:
		return COUNTER_REFUSED_METHOD;
	case 503:
		return COUNTER_REFUSED_MEMORY;
	default:
		return COUNTER_REFUSED_SYNTAX;
	}
}

static void
turn_away(struct h2_stream *s)
{
	h2_fault(s->h2, counter_for(s->head.status), s->head.status, s->head.reason);
	exchange_refuse(&s->x, s->head.status);
}

static void
begin(struct h2_stream *s)
{
	struct exchange *x = &s->x;
	bool has_body = !(s->flags & H2_STREAM_BARE);

	x->begun_ns = h2_now(s->h2);
	s->flags &= ~(unsigned)H2_STREAM_HEADED;
	if (h2_head_end(&s->head, has_body) != 0) {
		turn_away(s);
		return;
	}
	h2_count(s->h2, COUNTER_REQUESTS);
	pace_start(&s->in_pace, &s->h2->conn->host->limits.body_pace, x->begun_ns);
	if (!has_body) {
		x->is_body_complete = true;
		x->body_done_ns = x->begun_ns;
	} else if (x->request.expects_continue) {
		s->flags |= H2_STREAM_CONTINUE_DUE;
	}
	s->flags |= H2_STREAM_BEGUN;
	x->app->begin(x);
	if (x->body_received > x->max_body) {
		s->flags |= H2_STREAM_FAILED;
		s->failure = ERR_TOO_LARGE;
	}
}

/* The request's body broke its limit, or there was no memory for it; or it comes too slowly. */
static void
refuse_body(struct h2_stream *s, int err)
{
	static const struct {
		int err, status;
		enum counter reason;
		const char *what;
	} answers[] = {
		{ ERR_TOO_LARGE, 413, COUNTER_REFUSED_BODY, "the body is too large" },
		{ ERR_TIMEOUT, 408, COUNTER_CLOSE_BODY, "the body does not come" },
		{ ERR_DEADLINE, 408, COUNTER_CLOSE_BODY_RATE, "the body comes too slowly" },
		{ 0, 503, COUNTER_REFUSED_MEMORY, "no memory for the body" },
	};
	unsigned i = 0;

	while (answers[i].err && answers[i].err != err)
		i++;
	h2_fault(s->h2, answers[i].reason, answers[i].status, answers[i].what);
	err = err == ERR_DEADLINE ? ERR_TIMEOUT : err;
	exchange_cancel(&s->x, err);
	if (!s->x.is_head_sent) {
		exchange_refuse(&s->x, answers[i].status);
		return;
	}
	/* A reset that the client has made us send. */
	if (answers[i].err)
		h2_charge(s->h2, H2_WASTE_ERROR);
	h2_ops.abort(&s->x, err);
}

static void
fail(struct h2_stream *s)
{
	s->flags &= ~(unsigned)H2_STREAM_FAILED;
	if ((s->flags & H2_STREAM_BEGUN) && !(s->flags & H2_STREAM_ENDED)) {
		refuse_body(s, s->failure);
	} else if (!(s->flags & H2_STREAM_ENDED)) {
		s->flags |= H2_STREAM_ENDED;
		h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
	}
}

/* Its response cannot be told: what there is of it is dropped, and whoever makes it is stopped. */
static void
give_up(struct h2_stream *s)
{
	s->flags &= ~(unsigned)H2_STREAM_UNSENT;
	s->x.is_cut = true;
	h2_stream_cancel(s, ERR_TOO_LARGE);
	s->h2->held -= s->out.bytes;
	chunks_clear(&s->out);
	h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
}

static bool
is_feed_due(const struct h2_stream *s)
{
	if ((s->flags & (H2_STREAM_WANTED | H2_STREAM_ENDED | H2_STREAM_BEGUN)) !=
	    (H2_STREAM_WANTED | H2_STREAM_BEGUN))
		return false;
	return s->in.list.bytes > 0 ||
	       (s->flags & (H2_STREAM_BODY_DONE | H2_STREAM_FED)) == H2_STREAM_BODY_DONE;
}

/* What was taken makes room for as much (RFC 9113 5.2). */
static void
feed(struct h2_stream *s)
{
	struct exchange *x = &s->x;
	struct chunks list;

	chunks_init(&list, x->store);
	chunks_move(&list, &s->in.list);
	if (nghttp2_session_consume(s->h2->session, (int32_t)s->id, list.bytes) != 0)
		s->h2->flags |= H2_BROKEN;
	s->flags &= ~(unsigned)(H2_STREAM_WANTED | H2_STREAM_CONTINUE_DUE);
	if (s->flags & H2_STREAM_BODY_DONE) {
		s->flags |= H2_STREAM_FED;
		x->is_body_complete = true;
		x->body_done_ns = h2_now(s->h2);
	}
	x->app->feed(x, &list, x->is_body_complete);
}

static bool
is_resume_due(const struct h2_stream *s)
{
	return (s->flags & (H2_STREAM_PAUSED | H2_STREAM_ENDED)) == H2_STREAM_PAUSED &&
	       s->out.bytes <= H2_STREAM_LOW;
}

/* --- waiting ---------------------------------------------------------------------------- */

static enum h2_wait
what_it_waits_for(const struct h2_stream *s)
{
	if (s->out.bytes > 0)
		return H2_WAIT_SEND;
	if ((s->flags & (H2_STREAM_WANTED | H2_STREAM_BODY_DONE)) == H2_STREAM_WANTED)
		return H2_WAIT_BODY;
	return H2_WAIT_NONE;
}

/* As with HTTP/1, for each stream. */
static uint64_t
look_at_pace(struct h2_stream *s, enum h2_wait wait, uint64_t now)
{
	const struct conn_limits *limits = &s->h2->conn->host->limits;
	uint64_t in, out;

	if (s->wait != H2_WAIT_SEND)
		pace_start(&s->out_pace, &limits->send_pace, now);
	in = pace_look(&s->in_pace, &limits->body_pace, s->wait == H2_WAIT_BODY, now);
	out = pace_look(&s->out_pace, &limits->send_pace, s->wait == H2_WAIT_SEND, now);
	return wait == H2_WAIT_BODY ? in : wait == H2_WAIT_SEND ? out : CLOCK_NEVER;
}

/* Bytes that come give no time to those that should go. */
static void
set_timeout(struct h2_stream *s)
{
	const struct conn_limits *limits = &s->h2->conn->host->limits;
	enum h2_wait wait = what_it_waits_for(s);
	uint64_t now, pace;

	if (wait == s->wait && !(wait == H2_WAIT_BODY && (s->flags & H2_STREAM_CAME)) &&
	    !(wait == H2_WAIT_SEND && (s->flags & H2_STREAM_WENT)))
		return;
	now = h2_now(s->h2);
	pace = look_at_pace(s, wait, now);
	s->wait = wait;
	s->flags &= ~(unsigned)(H2_STREAM_CAME | H2_STREAM_WENT);
	s->due_ns = CLOCK_NEVER;
	if (wait == H2_WAIT_BODY)
		s->due_ns = clock_after(now, limits->body_idle_timeout_ns);
	else if (wait == H2_WAIT_SEND)
		s->due_ns = clock_after(now, limits->send_idle_timeout_ns);
	s->is_slow = pace < s->due_ns;
	if (s->is_slow)
		s->due_ns = pace;
	if (s->due_ns < s->h2->streams_due_ns)
		s->h2->streams_due_ns = s->due_ns;
}

/* It is not the client's fault that others go first: its window is open, and DATA flows. */
static bool
has_to_wait(struct h2_stream *s)
{
	struct h2 *h = s->h2;
	uint64_t patience = h->conn->host->limits.send_idle_timeout_ns;

	if (s->wait != H2_WAIT_SEND ||
	    nghttp2_session_get_stream_remote_window_size(h->session, (int32_t)s->id) <= 0 ||
	    clock_after(h->framed_ns, patience) <= h2_now(h))
		return false;
	pace_start(&s->out_pace, &h->conn->host->limits.send_pace, h2_now(h));
	s->due_ns = clock_after(h->framed_ns, patience);
	s->is_slow = false;
	return true;
}

void
h2_stream_expire(struct h2_stream *s)
{
	if (has_to_wait(s))
		return;
	s->due_ns = CLOCK_NEVER;
	if (s->wait == H2_WAIT_BODY && !(s->flags & H2_STREAM_ENDED)) {
		refuse_body(s, s->is_slow ? ERR_DEADLINE : ERR_TIMEOUT);
	} else if (s->wait == H2_WAIT_SEND) {
		if (s->is_slow)
			h2_fault(s->h2, COUNTER_CLOSE_SEND_RATE, 0,
				 "a response is read too slowly");
		else
			h2_fault(s->h2, COUNTER_CLOSE_SEND, 0, "a response is not read");
		h2_stream_cancel(s, ERR_TIMEOUT);
		s->h2->held -= s->out.bytes;
		chunks_clear(&s->out);
		h2_stream_reset(s, NGHTTP2_CANCEL);
	}
	s->wait = H2_WAIT_NONE;
	h2_stream_touch(s);
}

void
h2_stream_step(struct h2_stream *s)
{
	if (s->flags & H2_STREAM_CLOSED) {
		finish(s);
		return;
	}
	if (s->h2->flags & H2_ENDING)
		return;
	if (s->flags & H2_STREAM_HEADED)
		begin(s);
	if (s->flags & H2_STREAM_FAILED)
		fail(s);
	if (s->flags & H2_STREAM_UNSENT)
		give_up(s);
	if (is_feed_due(s))
		feed(s);
	if (is_resume_due(s)) {
		s->flags &= ~(unsigned)H2_STREAM_PAUSED;
		exchange_resume(&s->x);
	}
	set_timeout(s);
}
