/*
 * What goes to a server over HTTP/2: the head that upstream_request.c writes, as
 * fields, and the body as the server's windows let it be framed.
 */
#include "source/upstream_h2_priv.h"

#include "base/assert.h"
#include "wire/h2_lines.h"

/* --- heads ------------------------------------------------------------------------ */

static nghttp2_nv
make_nv(const struct field *f)
{
	return (nghttp2_nv){
		.name = (uint8_t *)(uintptr_t)f->name.at,
		.namelen = f->name.len,
		.value = (uint8_t *)(uintptr_t)f->value.at,
		.valuelen = f->value.len,
	};
}

/* Room for the fields of these lines, in the arena. */
static int
make_room(struct fields *f, nghttp2_nv **nv, struct slice lines, struct arena *a)
{
	size_t bound = h2_lines_bound(lines);

	if (bound > UPSTREAM_H2_HEAD_MAX)
		return ERR_TOO_LARGE;
	*f = (struct fields){ .cap = (unsigned)bound };
	f->at = arena_alloc(a, bound * sizeof(*f->at));
	*nv = arena_alloc(a, bound * sizeof(**nv));
	return f->at && *nv ? 0 : ERR_MEMORY;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *memory, size_t cap,
			 uint32_t *flags, nghttp2_data_source *source, void *user);

/* The library copies what it is given, and makes names lower case. */
static int
submit(struct upstream_h2_stream *s, const nghttp2_nv *nv, size_t count, bool has_body)
{
	nghttp2_data_provider provider = { .source.ptr = s, .read_callback = read_body };
	int32_t id =
	    nghttp2_submit_request(s->h2->session, NULL, nv, count, has_body ? &provider : NULL, s);

	if (id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE)
		return ERR_BUSY;
	if (id < 0)
		return ERR_MEMORY;
	s->id = id;
	s->flags |= UPSTREAM_STREAM_BEGUN;
	return 0;
}

static int
submit_head(struct upstream_h2_stream *s, struct slice head, bool has_body)
{
	bool is_tls = s->h2->conn->peer->server->tls_name != NULL;
	struct arena *a = s->errand->q->arena;
	struct fields f;
	nghttp2_nv *nv;
	int err = make_room(&f, &nv, head, a);

	if (!err)
		err = h2_lines_request(head, is_tls ? SLICE("https") : SLICE("http"), &f);
	for (unsigned i = 0; !err && i < f.count; i++)
		nv[i] = make_nv(&f.at[i]);
	return err ? err : submit(s, nv, f.count, has_body);
}

static int
write_head(struct upstream_h2_stream *s, size_t bytes, bool has_body)
{
	struct block *b = block_take(&upstream_h2_env(s->h2)->store, bytes);
	struct writer w;
	int err;

	if (!b)
		return ERR_MEMORY;
	w = writer_over(b->at, b->cap);
	err = upstream_request_write(&w, s->errand->q, s->h2->conn->peer->server,
				     upstream_h2_now(s->h2));
	if (!err)
		err = submit_head(s, writer_slice(&w), has_body);
	block_unref(b);
	return err;
}

int
upstream_h2_out_begin(struct upstream_h2_stream *s)
{
	struct upstream_sending sending = upstream_request_sending(s->errand->q);
	bool has_body = sending.is_fed || sending.body.len > 0;
	int err;

	s->method = sending.method;
	s->sending = sending.framing;
	s->feed_left = sending.length;
	if (!sending.is_fed)
		s->flags |= UPSTREAM_STREAM_FED;
	err = write_head(s, STORE_BLOCK_BYTES, has_body);
	if (err == ERR_TOO_LARGE)
		err = write_head(s, UPSTREAM_H2_HEAD_MAX, has_body);
	if (!err && !sending.is_fed)
		err = chunks_add_arena(&s->out, sending.body);
	upstream_h2_stream_moved(s);
	return err;
}

/* --- bodies ------------------------------------------------------------------------- */

/* The library may go on with this stream. */
static void
wake(struct upstream_h2_stream *s)
{
	if ((s->flags & (UPSTREAM_STREAM_DEFERRED | UPSTREAM_STREAM_CLOSED)) !=
	    UPSTREAM_STREAM_DEFERRED)
		return;
	s->flags &= ~(unsigned)UPSTREAM_STREAM_DEFERRED;
	if (nghttp2_session_resume_data(s->h2->session, s->id) == NGHTTP2_ERR_NOMEM)
		upstream_h2_stream_fail(s, ERR_MEMORY);
}

/* A body that is not as long as was said must not reach the server as if it were. */
static int
queue(struct upstream_h2_stream *s, struct chunks *body, bool is_last)
{
	if (s->sending == BODY_LENGTH) {
		if (body->bytes > s->feed_left)
			return ERR_FAILED;
		s->feed_left -= body->bytes;
		if (is_last && s->feed_left > 0)
			return ERR_FAILED;
	}
	chunks_move(&s->out, body);
	return 0;
}

void
upstream_h2_out_feed(struct upstream_h2_stream *s, struct chunks *body, bool is_last)
{
	int err = 0;

	s->flags &= ~(unsigned)UPSTREAM_STREAM_WANTED;
	if (!(s->flags & (UPSTREAM_STREAM_FED | UPSTREAM_STREAM_CLOSED))) {
		if (s->out.bytes == 0)
			upstream_h2_stream_moved(s);
		err = queue(s, body, is_last);
		s->flags |= is_last ? UPSTREAM_STREAM_FED : 0;
	}
	chunks_clear(body);
	if (err)
		upstream_h2_stream_fail(s, err);
	wake(s);
	upstream_h2_stream_touch(s);
	upstream_h2_schedule(s->h2);
}

/* --- the library asks ----------------------------------------------------------------- */

/* RFC 9113 8.1: behind the last DATA, a HEADERS that ends the stream. How many fields, or an error.
 */
static int
submit_trailers(struct upstream_h2_stream *s)
{
	struct subrequest *q = s->errand->q;
	struct block *b =
	    block_take(&upstream_h2_env(s->h2)->store, trailers_bytes(&q->request->trailers));
	struct fields f;
	struct writer w;
	nghttp2_nv *nv;
	int err;

	if (!b)
		return ERR_MEMORY;
	w = writer_over(b->at, b->cap);
	upstream_request_write_trailers(q, &w);
	err = make_room(&f, &nv, writer_slice(&w), q->arena);
	if (!err)
		err = h2_lines_fields(writer_slice(&w), &f);
	for (unsigned i = 0; !err && i < f.count; i++)
		nv[i] = make_nv(&f.at[i]);
	if (!err && f.count > 0 && nghttp2_submit_trailer(s->h2->session, s->id, nv, f.count) != 0)
		err = ERR_MEMORY;
	block_unref(b);
	return err ? err : (int)f.count;
}

static bool
has_trailers(const struct upstream_h2_stream *s)
{
	return s->sending == BODY_CHUNKED && s->errand->q->request->trailers.count > 0;
}

/* How much of the next DATA there is; send_data() takes it, at once: a frame that has been asked
 * for and waits could outlive its body. */
static ssize_t
read_body(nghttp2_session *session, int32_t id, uint8_t *memory, size_t cap, uint32_t *flags,
	  nghttp2_data_source *source, void *user)
{
	struct upstream_h2_stream *s = source->ptr;
	size_t n = s->out.bytes < cap ? s->out.bytes : cap;
	struct upstream_h2 *h = user;
	int trailers = 0;

	(void)session;
	(void)id;
	(void)memory;
	if (!s->errand || s->failure || (n == 0 && !(s->flags & UPSTREAM_STREAM_FED))) {
		s->flags |= UPSTREAM_STREAM_DEFERRED;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (outbox_bytes(&h->out) >= UPSTREAM_H2_OUT_HIGH)
		return NGHTTP2_ERR_PAUSE;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n < s->out.bytes || !(s->flags & UPSTREAM_STREAM_FED))
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (has_trailers(s))
		trailers = submit_trailers(s);
	if (trailers > 0)
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	return trailers < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : (ssize_t)n;
}

static int
send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head, size_t len,
	  nghttp2_data_source *source, void *user)
{
	struct upstream_h2_stream *s = source->ptr;
	struct upstream_h2 *h = user;

	(void)session;
	(void)frame;
	ASSERT(len <= s->out.bytes);
	if (outbox_put(&h->out, slice_make((const char *)frame_head, H2_FRAME_HEAD_BYTES)) != 0 ||
	    outbox_move(&h->out, &s->out, len) != 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	h2_budget_earn_updates(&h->budget, len, s->out.bytes);
	upstream_h2_stream_moved(s);
	upstream_h2_stream_touch(s);
	return 0;
}

static int
on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct upstream_h2_stream *s =
	    nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	struct upstream_h2 *h = user;

	if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
		upstream_h2_end(h, ERR_PROTOCOL, frame->goaway.error_code,
				nghttp2_http2_strerror(frame->goaway.error_code));
	if (!s)
		return 0;
	/* The library has found what a server must not do. */
	if (frame->hd.type == NGHTTP2_RST_STREAM && !(s->flags & UPSTREAM_STREAM_RESET))
		upstream_h2_stream_refuse(s, nghttp2_http2_strerror(frame->rst_stream.error_code));
	if (frame->hd.type > NGHTTP2_HEADERS)
		return 0;
	s->flags |= UPSTREAM_STREAM_HEAD_SENT;
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		s->flags |= UPSTREAM_STREAM_SENT;
	upstream_h2_stream_moved(s);
	upstream_h2_stream_touch(s);
	return 0;
}

/* The library closes the stream next, as if the server had refused it. That is so where the
 * connection takes no more of them; all else is of our own making, and says nothing of a server. */
static int
on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int err, void *user)
{
	struct upstream_h2_stream *s =
	    nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)user;
	if (s && frame->hd.type == NGHTTP2_HEADERS &&
	    (err == NGHTTP2_ERR_FRAME_SIZE_ERROR || err == NGHTTP2_ERR_HEADER_COMP))
		upstream_h2_stream_fail(s, ERR_TOO_LARGE);
	return 0;
}

void
upstream_h2_out_register(nghttp2_session_callbacks *callbacks)
{
	nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
}

void
upstream_h2_out_pump(struct upstream_h2 *h)
{
	bool was_empty = outbox_bytes(&h->out) == 0;

	while (outbox_bytes(&h->out) < UPSTREAM_H2_OUT_HIGH) {
		const uint8_t *bytes;
		ssize_t n = nghttp2_session_mem_send(h->session, &bytes);

		if (n > 0 && outbox_put(&h->out, slice_make((const char *)bytes, (size_t)n)) != 0)
			n = NGHTTP2_ERR_NOMEM;
		if (n < 0)
			upstream_h2_end(h, ERR_MEMORY, NGHTTP2_INTERNAL_ERROR, "no memory");
		if (n <= 0)
			break;
	}
	if (was_empty)
		h->wrote_ns = upstream_h2_now(h);
}
