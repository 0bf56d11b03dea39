/*
 * One stream of HTTP/2 to a server, and the errand that it carries.
 *
 * What comes from above (feed, resume, cancel) and from the library leaves
 * marks; upstream_h2_stream_step(), which the machine calls outside of both,
 * does what is due. A stream outlives its errand until the library has closed
 * it; the errand's memory is not touched any more then.
 *
 * legal moves:  (new) -> BEGUN -> HEADED -> ENDED -> (freed)
 *               CLOSED and the errand's leave may come at any time
 */
#include "source/upstream_h2_priv.h"

#include "base/mem.h"

static struct upstream_h2_stream *
stream_of(struct upstream_channel *ch)
{
	return CONTAINER_OF(ch, struct upstream_h2_stream, channel);
}

static struct upstream_conn *
conn_of(const struct upstream_h2_stream *s)
{
	return s->h2->conn;
}

void
upstream_h2_stream_touch(struct upstream_h2_stream *s)
{
	if (list_is_empty(&s->touch))
		list_append(&s->h2->touched, &s->touch);
}

/* --- what the errand asks for ------------------------------------------------------- */

static void
feed(struct upstream_channel *ch, struct chunks *body, bool is_last)
{
	struct upstream_h2_stream *s = stream_of(ch);

	if (!(s->flags & UPSTREAM_STREAM_HEADED))
		upstream_retry_keep(s->errand, body, is_last);
	upstream_h2_out_feed(s, body, is_last);
}

static void
resume(struct upstream_channel *ch)
{
	struct upstream_h2_stream *s = stream_of(ch);

	s->flags &= ~(unsigned)UPSTREAM_STREAM_PAUSED;
	upstream_h2_stream_moved(s);
	upstream_h2_stream_touch(s);
	upstream_h2_schedule(s->h2);
}

/* A server that lets a deadline pass has failed; one whose client has gone, or hurries, has not. */
static bool
has_failed_deadline(const struct upstream_h2_stream *s)
{
	bool is_waiting =
	    conn_of(s)->state == UPSTREAM_CONNECTING ||
	    (s->flags & (UPSTREAM_STREAM_SENT | UPSTREAM_STREAM_HEADED)) == UPSTREAM_STREAM_SENT;

	return is_waiting && !s->errand->q->is_hurried &&
	       upstream_h2_now(s->h2) >= s->errand->q->deadline_ns;
}

static void
cancel(struct upstream_channel *ch)
{
	struct upstream_h2_stream *s = stream_of(ch);

	if (has_failed_deadline(s))
		upstream_share_note(s->errand, conn_of(s)->peer, true);
	upstream_h2_stream_part(s);
	upstream_h2_schedule(s->h2);
}

static const struct upstream_channel_ops channel_ops = {
	.feed = feed,
	.resume = resume,
	.cancel = cancel,
};

/* --- birth and death ------------------------------------------------------------------ */

struct upstream_h2_stream *
upstream_h2_stream_new(struct upstream_h2 *h, struct upstream_errand *e)
{
	struct upstream_h2_stream *s = mem_zalloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->channel.ops = &channel_ops;
	s->h2 = h;
	s->errand = e;
	chunks_init(&s->out, &upstream_h2_env(h)->store);
	inbox_init(&s->in, &upstream_h2_env(h)->store);
	list_init(&s->touch);
	list_append(&h->streams, &s->link);
	h->count++;
	h->busy++;
	h->conn->peer->active++;
	e->channel = &s->channel;
	upstream_h2_stream_moved(s);
	upstream_h2_stream_touch(s);
	return s;
}

void
upstream_h2_stream_free(struct upstream_h2_stream *s)
{
	struct upstream_h2 *h = s->h2;

	chunks_clear(&s->out);
	inbox_clear(&s->in);
	list_remove(&s->link);
	list_remove(&s->touch);
	h->count--;
	mem_free(&s);
	if (!list_is_empty(&h->conn->share->waiting))
		upstream_share_serve(h->conn->share);
}

struct upstream_errand *
upstream_h2_stream_part(struct upstream_h2_stream *s)
{
	struct upstream_errand *e = s->errand;

	if (!e)
		return NULL;
	s->errand = NULL;
	e->channel = NULL;
	conn_of(s)->peer->active--;
	s->h2->busy--;
	chunks_clear(&s->out);
	inbox_clear(&s->in);
	upstream_h2_stream_touch(s);
	return e;
}

void
upstream_h2_stream_give_back(struct upstream_h2_stream *s)
{
	struct upstream_errand *e = upstream_h2_stream_part(s);

	if (e)
		upstream_share_return(e);
}

static void
reset(struct upstream_h2_stream *s, uint32_t error)
{
	struct upstream_h2 *h = s->h2;

	if ((s->flags & (UPSTREAM_STREAM_BEGUN | UPSTREAM_STREAM_RESET | UPSTREAM_STREAM_CLOSED)) !=
		UPSTREAM_STREAM_BEGUN ||
	    h->over)
		return;
	s->flags |= UPSTREAM_STREAM_RESET;
	h->cut_ids[h->cut_next++ % UPSTREAM_H2_CUT_IDS] = s->id;
	if (nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, error) != 0)
		upstream_h2_end(h, ERR_MEMORY, NGHTTP2_INTERNAL_ERROR, "no memory");
}

/* --- failures --------------------------------------------------------------------------- */

void
upstream_h2_stream_fail(struct upstream_h2_stream *s, int err)
{
	if (!s->failure)
		s->failure = err;
	upstream_h2_stream_touch(s);
}

void
upstream_h2_stream_refuse(struct upstream_h2_stream *s, const char *reason)
{
	log_debug("upstream server %.*s: stream %d: %s",
		  SLICE_PRINT(conn_of(s)->peer->server->label), s->id, reason);
	upstream_h2_stream_fail(s, ERR_PROTOCOL);
}

static bool
has_heard_nothing(const struct upstream_h2_stream *s)
{
	return !(s->flags & UPSTREAM_STREAM_HEADED) && s->interims == 0;
}

/* Nothing was heard, so that another server may be asked. */
static enum upstream_fault
fault_of(const struct upstream_h2_stream *s, int err)
{
	if (err == ERR_CONNECT)
		return UPSTREAM_FAULT_CONNECT;
	if (!has_heard_nothing(s))
		return UPSTREAM_FAULT_NONE;
	if (err == ERR_CLOSED)
		return UPSTREAM_FAULT_CLOSED;
	return err == ERR_TIMEOUT && (s->flags & UPSTREAM_STREAM_SENT) ? UPSTREAM_FAULT_TIMEOUT
								       : UPSTREAM_FAULT_NONE;
}

/* RFC 9113 8.7: the server has not begun with it; or it was closing the connection while that was
 * idle, and the request may be repeated (RFC 9110 9.2.2). */
static bool
is_unprocessed(const struct upstream_h2_stream *s, int err)
{
	if (err != ERR_CLOSED || !has_heard_nothing(s))
		return false;
	if (!(s->flags & UPSTREAM_STREAM_BEGUN) ||
	    ((s->flags & UPSTREAM_STREAM_CLOSED) && s->error == NGHTTP2_REFUSED_STREAM))
		return true;
	return s->h2->over && (s->h2->flags & UPSTREAM_H2_REUSED) &&
	       s->h2->heard_bytes == s->heard_before && s->sending == BODY_NONE &&
	       (method_flags(s->method) & METHOD_IDEMPOTENT);
}

/* Once, and on another connection. */
static bool
is_begun_anew(struct upstream_h2_stream *s, int err)
{
	struct upstream_errand *e = s->errand;

	if (e->is_begun_anew || e->is_spent || !is_unprocessed(s, err))
		return false;
	e->is_begun_anew = true;
	e->is_wanted = (s->flags & UPSTREAM_STREAM_WANTED) != 0;
	s->h2->flags |= UPSTREAM_H2_LEAVING;
	upstream_h2_count(s->h2, COUNTER_UPSTREAM_REPLACED);
	upstream_h2_stream_give_back(s);
	return true;
}

static const struct {
	int err;
	enum counter counter;
} counted[] = {
	{ ERR_PROTOCOL, COUNTER_UPSTREAM_PROTOCOL },
	{ ERR_CLOSED, COUNTER_UPSTREAM_CLOSED },
};

/* The errand's attempt has failed, and everybody is told. */
static void
end_badly(struct upstream_h2_stream *s, int err)
{
	struct upstream_conn *c = conn_of(s);
	enum upstream_fault why = fault_of(s, err);

	if (is_begun_anew(s, err))
		return;
	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
		if (counted[i].err == err)
			upstream_h2_count(s->h2, counted[i].counter);
	}
	if (!(s->flags & UPSTREAM_STREAM_HEADED) &&
	    (err == ERR_CONNECT || err == ERR_CLOSED || err == ERR_TIMEOUT || err == ERR_PROTOCOL))
		upstream_share_note(s->errand, c->peer, true);
	reset(s, err == ERR_PROTOCOL ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_CANCEL);
	upstream_errand_fail(upstream_h2_stream_part(s), c->peer, why, err);
}

/* --- the response ----------------------------------------------------------------------- */

/* Fields of one connection were refused before (RFC 9113 8.2.2); the length is told by itself. */
static void
drop_length(struct fields *f)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < f->count; i++) {
		if (f->at[i].id != FIELD_CONTENT_LENGTH && !(field_flags(f->at[i].id) & FIELD_HOP))
			f->at[kept++] = f->at[i];
	}
	f->count = kept;
}

/* Another server is asked instead. */
static bool
is_retried(struct upstream_h2_stream *s)
{
	enum upstream_fault why = upstream_retry_fault(s->response.status);

	if (why == UPSTREAM_FAULT_NONE ||
	    !upstream_retry_may(s->errand, conn_of(s)->peer, why, true))
		return false;
	upstream_retry_go(upstream_h2_stream_part(s));
	return true;
}

static void
take_final(struct upstream_h2_stream *s)
{
	struct upstream_conn *c = conn_of(s);
	struct subrequest *q = s->errand->q;

	s->flags |= UPSTREAM_STREAM_HEADED;
	upstream_retry_forget(s->errand);
	upstream_share_note(s->errand, c->peer, s->response.status >= 500);
	if (is_retried(s))
		return;
	q->response.status = s->response.status;
	upstream_response_tell(q, &s->response, s->method);
	drop_length(&s->response.fields);
	q->response.fields = s->response.fields;
	upstream_share_answered(s->errand);
	subrequest_head(q);
}

static void
take_interim(struct upstream_h2_stream *s)
{
	struct subrequest *q = s->errand->q;

	if (++s->interims > UPSTREAM_INTERIMS) {
		upstream_h2_stream_refuse(s, "too many interim responses");
		return;
	}
	if (s->response.status == 100 || !q->part->passes_through || s->errand->twin)
		return;
	q->response = (struct response){ .status = s->response.status };
	if (s->response.status == 103) {
		q->response.fields = s->response.fields;
		upstream_response_keep_hints(&q->response.fields);
	}
	subrequest_inform(q);
	q->response = (struct response){ 0 };
}

void
upstream_h2_stream_take_head(struct upstream_h2_stream *s, bool has_body)
{
	if (h2_head_end_response(&s->head, s->method, has_body) != 0)
		upstream_h2_stream_refuse(s, s->head.reason);
	else if (s->response.status < 200)
		take_interim(s);
	else
		take_final(s);
}

static void
deliver(struct upstream_h2_stream *s)
{
	struct upstream_h2 *h = s->h2;
	struct chunks list;
	size_t bytes = s->in.list.bytes;

	if (!(s->flags & UPSTREAM_STREAM_HEADED) || (s->flags & UPSTREAM_STREAM_PAUSED) ||
	    bytes == 0)
		return;
	chunks_init(&list, &upstream_h2_env(h)->store);
	chunks_move(&list, &s->in.list);
	if (!h->over && nghttp2_session_consume_stream(h->session, s->id, bytes) != 0)
		upstream_h2_end(h, ERR_MEMORY, NGHTTP2_INTERNAL_ERROR, "no memory");
	if (subrequest_body(s->errand->q, &list) == SUBREQUEST_PAUSE)
		s->flags |= UPSTREAM_STREAM_PAUSED;
	chunks_clear(&list);
}

/* RFC 9113 8.1: what the server has not read of the request is of no use any more. */
static void
end_well(struct upstream_h2_stream *s)
{
	struct upstream_errand *e = upstream_h2_stream_part(s);

	reset(s, NGHTTP2_CANCEL);
	e->q->response.trailers = s->trailers;
	upstream_errand_end(e, 0);
}

/* --- what is due -------------------------------------------------------------------------- */

static void
replay(struct upstream_h2_stream *s)
{
	if (!s->errand->is_begun_anew || (s->flags & UPSTREAM_STREAM_FED))
		return;
	upstream_retry_replay(s->errand);
	if (s->errand->is_wanted)
		s->flags |= UPSTREAM_STREAM_WANTED;
}

static void
begin(struct upstream_h2_stream *s)
{
	struct upstream_h2 *h = s->h2;
	int err;

	if ((s->flags & UPSTREAM_STREAM_BEGUN) || !(h->flags & UPSTREAM_H2_READY) || h->over)
		return;
	err = h->flags & UPSTREAM_H2_LEAVING ? ERR_BUSY : upstream_h2_out_begin(s);
	if (err == ERR_BUSY) {
		h->flags |= UPSTREAM_H2_LEAVING;
		upstream_h2_stream_give_back(s);
	} else if (err) {
		upstream_h2_stream_fail(s, err);
	} else {
		s->heard_before = h->heard_bytes;
		upstream_h2_count(h, COUNTER_UPSTREAM_H2_STREAMS);
		h2_budget_earn(&h->budget);
		replay(s);
	}
}

static void
ask_for_body(struct upstream_h2_stream *s)
{
	if (!(s->flags & UPSTREAM_STREAM_BEGUN) ||
	    (s->flags & (UPSTREAM_STREAM_FED | UPSTREAM_STREAM_WANTED)) ||
	    s->out.bytes >= UPSTREAM_H2_FEED_BELOW)
		return;
	s->flags |= UPSTREAM_STREAM_WANTED;
	subrequest_want_body(s->errand->q);
}

/* What is over: by the server's word, the reader's, or the connection's. */
static void
settle(struct upstream_h2_stream *s)
{
	bool is_whole = (s->flags & UPSTREAM_STREAM_ENDED) && (s->flags & UPSTREAM_STREAM_HEADED);

	if (is_whole && s->in.list.bytes == 0)
		end_well(s);
	else if (!is_whole && (s->flags & UPSTREAM_STREAM_CLOSED))
		end_badly(s, ERR_CLOSED);
	else if (!is_whole && s->h2->over)
		end_badly(s, s->h2->over);
}

static void
leave(struct upstream_h2_stream *s)
{
	reset(s, NGHTTP2_CANCEL);
	/* The library knows of it until it has closed it. */
	if (!(s->flags & UPSTREAM_STREAM_BEGUN) || (s->flags & UPSTREAM_STREAM_CLOSED))
		upstream_h2_stream_free(s);
}

void
upstream_h2_stream_step(struct upstream_h2_stream *s)
{
	uint64_t due;

	if (s->errand)
		begin(s);
	if (s->errand && s->failure)
		end_badly(s, s->failure);
	if (s->errand)
		ask_for_body(s);
	if (s->errand)
		deliver(s);
	if (s->errand)
		settle(s);
	if (!s->errand) {
		leave(s);
		return;
	}
	due = upstream_h2_stream_expiry(s);
	if (due < s->h2->due_ns)
		s->h2->due_ns = due;
}

/* --- time-outs ------------------------------------------------------------------------------ */

uint64_t
upstream_h2_stream_expiry(const struct upstream_h2_stream *s)
{
	const struct upstream_conf *conf = s->h2->conn->share->upstream->conf;

	if (!s->errand || !(s->flags & UPSTREAM_STREAM_BEGUN))
		return CLOCK_NEVER;
	if (s->flags & UPSTREAM_STREAM_HEADED)
		return s->flags & (UPSTREAM_STREAM_PAUSED | UPSTREAM_STREAM_ENDED)
			   ? CLOCK_NEVER
			   : clock_after(s->last_ns, conf->read_idle_timeout);
	if (s->flags & UPSTREAM_STREAM_SENT)
		return clock_after(s->last_ns, conf->first_byte_timeout);
	return s->out.bytes > 0 || !(s->flags & UPSTREAM_STREAM_HEAD_SENT)
		   ? clock_after(s->last_ns, conf->send_idle_timeout)
		   : CLOCK_NEVER;
}

void
upstream_h2_stream_expire(struct upstream_h2_stream *s)
{
	enum counter id = COUNTER_UPSTREAM_SEND_TIMEOUT;

	if (s->flags & UPSTREAM_STREAM_HEADED)
		id = COUNTER_UPSTREAM_READ_TIMEOUT;
	else if (s->flags & UPSTREAM_STREAM_SENT)
		id = COUNTER_UPSTREAM_FIRST_BYTE_TIMEOUT;
	upstream_h2_count(s->h2, id);
	upstream_h2_stream_fail(s, ERR_TIMEOUT);
}
