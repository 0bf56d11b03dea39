/*
 * The response's way out on HTTP/2: exchange_ops, and the library's call-backs
 * for what goes (RFC 9113 6.1, 6.2, 8.1).
 *
 * A body waits on its stream until the client's windows let it be framed; then
 * it moves to the outbox, by reference where that is worth it. Heads are coded
 * by the library.
 */
#include "base/assert.h"
#include "base/log.h"
#include "http/status.h"
#include "proto/h2_priv.h"

enum {
	HEAD_EXTRA = 4, /* :status, server, date, content-length */
	DIGITS = 24,
	DATE_NAME_BYTES = sizeof("Date: ") - 1,
};

static struct h2_stream *
stream_of(struct exchange *x)
{
	return CONTAINER_OF(x, struct h2_stream, x);
}

static void
mark(struct h2_stream *s)
{
	h2_stream_touch(s);
	h2_schedule(s->h2);
}

static int
broken(struct h2_stream *s, int err)
{
	s->flags |= H2_STREAM_FAILED;
	s->failure = err;
	mark(s);
	return err;
}

/* --- heads ----------------------------------------------------------------------- */

static nghttp2_nv
make_nv(struct slice name, struct slice value)
{
	return (nghttp2_nv){
		.name = (uint8_t *)(uintptr_t)name.at,
		.namelen = name.len,
		.value = (uint8_t *)(uintptr_t)value.at,
		.valuelen = value.len,
	};
}

/* Fields of one connection and those that frame the body are ours to say. */
static bool
is_ours(const struct field *f)
{
	return f->id == FIELD_CONTENT_LENGTH || (field_flags(f->id) & FIELD_HOP);
}

static struct slice
date_now(struct conn_host *host)
{
	struct slice text = conn_host_server_text(host);

	text = slice_after(text, CONN_STATUS_BYTES + CONN_SERVER_BYTES + DATE_NAME_BYTES);
	text.len -= 2; /* its CRLF */
	return text;
}

static struct slice
number(struct h2_stream *s, uint64_t value)
{
	char *memory = arena_alloc(&s->x.arena, DIGITS);
	struct writer w = writer_over(memory, memory ? DIGITS : 0);

	writer_u64(&w, value);
	return writer_slice(&w);
}

/* RFC 9110 8.6: a body that cannot be is not measured. */
static void
choose_framing(struct h2_stream *s)
{
	struct response *r = &s->x.response;
	bool is_head = s->x.request.method == METHOD_HEAD;

	if (!status_has_body(r->status))
		r->framing = BODY_NONE;
	else if (r->framing == BODY_NONE && !is_head) {
		r->framing = BODY_LENGTH;
		r->content_length = 0;
	}
	if (!status_has_body(r->status) || is_head)
		s->flags |= H2_STREAM_NO_BODY;
	else if (r->framing == BODY_LENGTH && r->content_length == 0)
		s->flags |= H2_STREAM_NO_BODY;
}

/* The lines of the head, in the arena; how many, or ERR_MEMORY. */
static int
make_lines(struct h2_stream *s, nghttp2_nv **lines)
{
	const struct response *r = &s->x.response;
	const struct fields *extra = s->x.extra ? &s->x.extra->fields : NULL;
	bool is_proxied = s->x.prepared.len == 0 && r->fields.count > 0;
	nghttp2_nv *nv = arena_alloc(
	    &s->x.arena, (r->fields.count + (extra ? extra->count : 0) + HEAD_EXTRA) * sizeof(*nv));
	struct slice status = number(s, (uint64_t)r->status), length = SLICE("");
	int count = 0;

	if (r->framing == BODY_LENGTH)
		length = number(s, r->content_length);
	if (!nv || !status.at || !length.at)
		return ERR_MEMORY;
	nv[count++] = make_nv(SLICE(":status"), status);
	if (!s->x.hides_server && (!is_proxied || !fields_find(&r->fields, FIELD_SERVER)))
		nv[count++] = make_nv(SLICE("server"), SLICE("forebay"));
	if (!is_proxied || !fields_find(&r->fields, FIELD_DATE))
		nv[count++] = make_nv(SLICE("date"), date_now(s->h2->conn->host));
	for (unsigned i = 0; i < r->fields.count; i++) {
		if (!is_ours(&r->fields.at[i]))
			nv[count++] = make_nv(r->fields.at[i].name, r->fields.at[i].value);
	}
	for (unsigned i = 0; extra && i < extra->count; i++)
		nv[count++] = make_nv(extra->at[i].name, extra->at[i].value);
	if (r->framing == BODY_LENGTH)
		nv[count++] = make_nv(SLICE("content-length"), length);
	*lines = nv;
	return count;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *memory, size_t cap,
			 uint32_t *flags, nghttp2_data_source *source, void *user);

static int
head(struct exchange *x)
{
	struct h2_stream *s = stream_of(x);
	nghttp2_data_provider provider = { .source.ptr = s, .read_callback = read_body };
	nghttp2_nv *lines = NULL;
	int count, err;

	s->flags |= H2_STREAM_ANSWERED;
	if (s->flags & H2_STREAM_CLOSED)
		return broken(s, ERR_GONE);
	choose_framing(s);
	count = make_lines(s, &lines);
	if (count < 0)
		return broken(s, ERR_MEMORY);
	err = nghttp2_submit_response(s->h2->session, (int32_t)s->id, lines, (size_t)count,
				      s->flags & H2_STREAM_NO_BODY ? NULL : &provider);
	if (err)
		return broken(s, ERR_MEMORY);
	mark(s);
	return 0;
}

static int
inform(struct exchange *x, int status)
{
	struct h2_stream *s = stream_of(x);
	const struct fields *f = &x->response.fields;
	unsigned fields = status == 100 ? 0 : f->count;
	nghttp2_nv *nv;
	struct slice text;
	size_t count = 1;

	if (s->flags & H2_STREAM_CLOSED)
		return 0;
	nv = arena_alloc(&x->arena, (fields + 1) * sizeof(*nv));
	text = number(s, (uint64_t)status);
	if (!nv || !text.at)
		return broken(s, ERR_MEMORY);
	nv[0] = make_nv(SLICE(":status"), text);
	for (unsigned i = 0; i < fields; i++) {
		if (!is_ours(&f->at[i]))
			nv[count++] = make_nv(f->at[i].name, f->at[i].value);
	}
	if (nghttp2_submit_headers(s->h2->session, NGHTTP2_FLAG_NONE, (int32_t)s->id, NULL, nv,
				   count, NULL) < 0)
		return broken(s, ERR_MEMORY);
	mark(s);
	return 0;
}

/* --- bodies ------------------------------------------------------------------------ */

/* The library may go on with this stream. */
static void
wake(struct h2_stream *s)
{
	if ((s->flags & (H2_STREAM_DEFERRED | H2_STREAM_CLOSED)) != H2_STREAM_DEFERRED)
		return;
	s->flags &= ~(unsigned)H2_STREAM_DEFERRED;
	if (nghttp2_session_resume_data(s->h2->session, (int32_t)s->id) == NGHTTP2_ERR_NOMEM)
		s->h2->flags |= H2_BROKEN;
}

static int
body(struct exchange *x, struct chunks *list)
{
	struct h2_stream *s = stream_of(x);
	struct h2 *h = s->h2;
	size_t limit;

	if (s->flags & (H2_STREAM_NO_BODY | H2_STREAM_CLOSED))
		chunks_clear(list);
	if (x->response.framing == BODY_LENGTH && x->body_sent > x->response.content_length &&
	    list->bytes > 0) {
		chunks_clear(list);
		return broken(s, ERR_PROTOCOL);
	}
	if (list->bytes == 0)
		return 0;
	h->held += list->bytes;
	chunks_move(&s->out, list);
	wake(s);
	mark(s);
	limit = h->held > H2_HELD_HIGH ? 0 : H2_STREAM_HIGH;
	if (s->out.bytes <= limit)
		return 0;
	s->flags |= H2_STREAM_PAUSED;
	return EXCHANGE_PAUSE;
}

/* RFC 9113 8.1: what was sent is not the whole; so says a reset, and nothing else. */
static void
cut(struct h2_stream *s)
{
	h2_count(s->h2, COUNTER_ABORTED);
	s->x.is_cut = true;
	s->h2->held -= s->out.bytes;
	chunks_clear(&s->out);
	h2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
}

static void
end(struct exchange *x)
{
	struct h2_stream *s = stream_of(x);
	const struct response *r = &x->response;

	ASSERT(!(s->flags & H2_STREAM_ENDED));
	s->flags |= H2_STREAM_ENDED;
	mark(s);
	if (!(s->flags & H2_STREAM_NO_BODY) && r->framing == BODY_LENGTH &&
	    x->body_sent < r->content_length)
		cut(s);
	else
		wake(s);
}

static void
abort_response(struct exchange *x, int err)
{
	struct h2_stream *s = stream_of(x);

	(void)err;
	ASSERT(!(s->flags & H2_STREAM_ENDED));
	s->flags |= H2_STREAM_ENDED;
	cut(s);
	mark(s);
}

static int
fail(struct exchange *x, int err)
{
	struct h2_stream *s = stream_of(x);

	s->flags |= H2_STREAM_ANSWERED;
	return broken(s, err);
}

static void
want_body(struct exchange *x)
{
	struct h2_stream *s = stream_of(x);

	s->flags |= H2_STREAM_WANTED;
	if ((s->flags & H2_STREAM_CONTINUE_DUE) && !x->is_head_sent && s->in.list.bytes == 0) {
		s->flags &= ~(unsigned)H2_STREAM_CONTINUE_DUE;
		if (inform(x, 100) != 0)
			return;
	}
	mark(s);
}

static int
peer_user(struct exchange *x, uint32_t *uid)
{
	return io_peer_user(&stream_of(x)->h2->conn->io, uid);
}

static int
find_peer(const struct exchange *x, struct address *peer)
{
	const struct h2_stream *s = CONTAINER_OF_CONST(x, struct h2_stream, x);

	return conn_peer(s->h2->conn, peer);
}

static int
write_subject(const struct exchange *x, struct writer *w)
{
	const struct h2_stream *s = CONTAINER_OF_CONST(x, struct h2_stream, x);

	return io_write_subject(&s->h2->conn->io, w);
}

const struct exchange_ops h2_ops = {
	.inform = inform,
	.head = head,
	.body = body,
	.end = end,
	.abort = abort_response,
	.fail = fail,
	.want_body = want_body,
	.peer_user = peer_user,
	.peer = find_peer,
	.write_subject = write_subject,
};

/* --- the library asks ----------------------------------------------------------------- */

/* RFC 9113 8.1: behind the last DATA, a HEADERS that ends the stream. */
static int
submit_trailers(struct h2_stream *s)
{
	const struct fields *f = &s->x.response.trailers;
	nghttp2_nv *nv = arena_alloc(&s->x.arena, f->count * sizeof(*nv));

	if (!nv)
		return ERR_MEMORY;
	for (unsigned i = 0; i < f->count; i++)
		nv[i] = make_nv(f->at[i].name, f->at[i].value);
	return nghttp2_submit_trailer(s->h2->session, (int32_t)s->id, nv, f->count) == 0
		   ? 0
		   : ERR_MEMORY;
}

/* How much of the next DATA there is; send_data() takes it, at once: a frame that has been asked
 * for and waits could outlive its body. */
static ssize_t
read_body(nghttp2_session *session, int32_t id, uint8_t *memory, size_t cap, uint32_t *flags,
	  nghttp2_data_source *source, void *user)
{
	struct h2_stream *s = source->ptr;
	size_t n = s->out.bytes < cap ? s->out.bytes : cap;
	struct h2 *h = user;

	(void)session;
	(void)id;
	(void)memory;
	if ((h->flags & H2_ENDING) || (n == 0 && !(s->flags & H2_STREAM_ENDED))) {
		s->flags |= H2_STREAM_DEFERRED;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (outbox_bytes(&h->out) >= H2_OUT_HIGH)
		return NGHTTP2_ERR_PAUSE;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n < s->out.bytes || !(s->flags & H2_STREAM_ENDED))
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (s->x.response.trailers.count > 0) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		if (submit_trailers(s) != 0)
			return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	return (ssize_t)n;
}

static int
send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head, size_t len,
	  nghttp2_data_source *source, void *user)
{
	struct h2_stream *s = source->ptr;
	struct h2 *h = user;

	(void)session;
	(void)frame;
	ASSERT(len <= s->out.bytes);
	if (outbox_put(&h->out, slice_make((const char *)frame_head, H2_FRAME_HEAD_BYTES)) != 0 ||
	    outbox_move(&h->out, &s->out, len) != 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	h->held -= len;
	s->flags |= H2_STREAM_WENT;
	pace_move(&s->out_pace, len);
	h->framed_ns = h2_now(h);
	h2_budget_earn_updates(&h->budget, len, s->out.bytes);
	h2_stream_touch(s);
	return 0;
}

/* A client that makes us reset streams wastes as much as one that resets them. */
static void
on_reset_sent(struct h2 *h, const struct h2_stream *s, uint32_t error)
{
	if (error == NGHTTP2_PROTOCOL_ERROR && !(s && (s->flags & H2_STREAM_BEGUN)))
		h2_fault(h, COUNTER_REFUSED_SYNTAX, 0, "HTTP/2: a malformed request");
	else if (error == NGHTTP2_PROTOCOL_ERROR)
		h2_fault(h, COUNTER_BODY_SYNTAX, 0, "HTTP/2: a malformed body");
	if (error == NGHTTP2_FLOW_CONTROL_ERROR && !(h->flags & H2_ENDING)) {
		/* RFC 9113 6.9.2: where SETTINGS did it, it is the connection's error. */
		h2_fault(h, COUNTER_H2_ERROR, 0, "HTTP/2: a window too large");
		h2_end(h, error);
	} else if (error != NGHTTP2_INTERNAL_ERROR && error != NGHTTP2_CANCEL) {
		h2_charge(h, H2_WASTE_ERROR);
	}
}

static int
on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2 *h = user;
	struct h2_stream *s;

	s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (frame->hd.type == NGHTTP2_RST_STREAM)
		on_reset_sent(h, s, frame->rst_stream.error_code);
	if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
	    !(h->flags & H2_ENDING)) {
		h2_fault(h, COUNTER_H2_ERROR, 0, nghttp2_http2_strerror(frame->goaway.error_code));
		h->flags |= H2_ENDING;
	}
	if (frame->hd.type > NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	if (!s)
		return 0;
	s->flags |= H2_STREAM_WHOLE;
	/* RFC 9113 8.1: the rest of the request is of no use. */
	if (!(s->flags & H2_STREAM_BODY_DONE))
		h2_stream_reset(s, NGHTTP2_NO_ERROR);
	return 0;
}

/* The library drops the frame, and nothing more: the client would wait for ever. */
static int
on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int err, void *user)
{
	struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	struct h2 *h = user;

	if (!s || frame->hd.type != NGHTTP2_HEADERS || (s->flags & H2_STREAM_CLOSED))
		return 0;
	log_debug("HTTP/2: stream %u: a head is not sent: %s", s->id, nghttp2_strerror(err));
	h2_count(h, COUNTER_ABORTED);
	s->flags |= H2_STREAM_UNSENT;
	h2_stream_touch(s);
	return 0;
}

void
h2_out_register(nghttp2_session_callbacks *callbacks)
{
	nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
}

/*
 * Our first frame. The library ends the connection when there are more streams than it believes
 * that it has announced; what is announced is less, and the rest is refused one by one.
 */
static int
put_greeting(struct h2 *h, const uint8_t *bytes, size_t n)
{
	enum { MOST = 128, ENTRY = 6 };
	uint8_t text[MOST];

	if (n > MOST)
		return ERR_TOO_LARGE;
	memcpy(text, bytes, n);
	for (size_t at = H2_FRAME_HEAD_BYTES; at + ENTRY <= n; at += ENTRY) {
		if (text[at] == 0 && text[at + 1] == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) {
			text[at + 4] = H2_STREAMS >> 8;
			text[at + 5] = H2_STREAMS & 0xff;
		}
	}
	h->is_greeted = true;
	return outbox_put(&h->out, slice_make((const char *)text, n));
}

static int
put(struct h2 *h, const uint8_t *bytes, size_t n)
{
	if (!h->is_greeted)
		return put_greeting(h, bytes, n);
	return outbox_put(&h->out, slice_make((const char *)bytes, n));
}

void
h2_out_pump(struct h2 *h)
{
	while (!(h->flags & H2_BROKEN) && outbox_bytes(&h->out) < H2_OUT_HIGH) {
		const uint8_t *bytes;
		ssize_t n = nghttp2_session_mem_send(h->session, &bytes);

		if (n == 0)
			return;
		if (n < 0 || put(h, bytes, (size_t)n) != 0)
			h->flags |= H2_BROKEN;
	}
}
