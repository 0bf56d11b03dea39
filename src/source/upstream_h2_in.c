/*
 * What comes from a server over HTTP/2: the library's call-backs, and the look
 * at each frame's head before the library spends anything on it. Heads go up at
 * once; bodies wait on their streams for the step that follows.
 */
#include "source/upstream_h2_priv.h"

static const struct h1_limits limits = {
	.max_head_bytes = UPSTREAM_HEAD_BYTES,
	.max_fields = UPSTREAM_FIELDS,
};

/* NULL: nobody wants to hear of it. */
static struct upstream_h2_stream *
stream_of(nghttp2_session *session, int32_t id)
{
	struct upstream_h2_stream *s = nghttp2_session_get_stream_user_data(session, id);

	return s && s->errand && !s->failure ? s : NULL;
}

/* --- heads ------------------------------------------------------------------------ */

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct upstream_h2_stream *s = stream_of(session, frame->hd.stream_id);

	(void)user;
	if (s && frame->hd.type == NGHTTP2_HEADERS && !(s->flags & UPSTREAM_STREAM_HEADED))
		h2_head_begin_response(&s->head, &s->response, s->errand->q->arena, &limits);
	return 0;
}

static int
take_trailer(struct upstream_h2_stream *s, struct slice name, struct slice value)
{
	struct subrequest *q = s->errand->q;

	s->trailer_bytes += name.len + value.len;
	if (s->trailer_bytes > UPSTREAM_H2_TRAILER_BYTES)
		return ERR_PROTOCOL;
	return q->part->passes_through ? trailers_add(&s->trailers, q->arena, name, value) : 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
	  size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	struct upstream_h2_stream *s = stream_of(session, frame->hd.stream_id);
	struct slice n = slice_make((const char *)name, name_len);
	struct slice v = slice_make((const char *)value, value_len);
	int err;

	(void)flags;
	if (!s)
		return 0;
	if (s->flags & UPSTREAM_STREAM_HEADED)
		err = take_trailer(s, n, v);
	else
		err = h2_head_add(&s->head, n, v);
	if (!err && s->head.bytes / UPSTREAM_H2_HEADS_MORE > UPSTREAM_HEAD_BYTES) {
		upstream_h2_end(user, ERR_PROTOCOL, NGHTTP2_ENHANCE_YOUR_CALM,
				"a header block far above the limit");
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	if (!err)
		return 0;
	if (err == ERR_MEMORY)
		upstream_h2_stream_fail(s, err);
	else
		upstream_h2_stream_refuse(s, "trailers that are too large or malformed");
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* Malformed, and not passed over (RFC 9113 8.2.1). */
static int
on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		  size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		  void *user)
{
	struct upstream_h2_stream *s = stream_of(session, frame->hd.stream_id);

	(void)name;
	(void)name_len;
	(void)value;
	(void)value_len;
	(void)flags;
	(void)user;
	if (s)
		upstream_h2_stream_refuse(s, "a malformed field");
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* --- bodies ----------------------------------------------------------------------- */

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *at, size_t len,
	void *user)
{
	struct upstream_h2_stream *s = stream_of(session, id);
	struct upstream_h2 *h = user;
	int err = 0;

	(void)flags;
	/* How much a stream may hold is its own window's matter. */
	if (nghttp2_session_consume_connection(session, len) != 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	if (!s)
		return 0;
	upstream_h2_stream_moved(s);
	if (s->response.framing == BODY_NONE && len > 0)
		upstream_h2_stream_refuse(s, "a body where there can be none");
	else
		err = inbox_put(&s->in, h->in, slice_make((const char *)at, len));
	if (err)
		upstream_h2_stream_fail(s, err);
	upstream_h2_stream_touch(s);
	return 0;
}

/* --- frames ----------------------------------------------------------------------- */

static void
calm(struct upstream_h2 *h)
{
	upstream_h2_count(h, COUNTER_UPSTREAM_H2_CALMED);
	upstream_h2_end(h, ERR_PROTOCOL, NGHTTP2_ENHANCE_YOUR_CALM,
			"too many frames that lead to nothing");
}

static void
charge(struct upstream_h2 *h, enum h2_waste waste)
{
	if (!h->over && !h2_budget_charge(&h->budget, waste, 1, upstream_h2_now(h)))
		calm(h);
}

/* RFC 9113 6.5.2: from now on so many streams. */
static void
take_settings(struct upstream_h2 *h)
{
	uint32_t theirs = nghttp2_session_get_remote_settings(
	    h->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
	unsigned ours = h->conn->share->upstream->conf->max_streams;

	h->limit = theirs < ours ? theirs : ours;
	if (h->limit > 0) {
		h->flags |= UPSTREAM_H2_READY;
		h->conn->peer->streams = h->limit;
		upstream_share_learn(h->conn->share);
	} else if (h->conn->state == UPSTREAM_CONNECTING) {
		upstream_h2_end(h, ERR_CONNECT, NGHTTP2_NO_ERROR, "it takes no streams");
	} else {
		h->flags |= UPSTREAM_H2_LEAVING;
	}
}

/* RFC 9113 6.8. Streams above its last id are closed by the library, as refused. Where none has
 * begun it is no better than no connection: the next one would hear the same. */
static void
take_goaway(struct upstream_h2 *h, const nghttp2_goaway *goaway)
{
	upstream_h2_count(h, COUNTER_UPSTREAM_H2_GOAWAY);
	log_debug("upstream server %.*s: GOAWAY: %s", SLICE_PRINT(h->conn->peer->server->label),
		  nghttp2_http2_strerror(goaway->error_code));
	h->flags |= UPSTREAM_H2_LEAVING;
	if (h->conn->state == UPSTREAM_CONNECTING)
		upstream_h2_end(h, ERR_CONNECT, NGHTTP2_NO_ERROR, "it goes away at once");
}

static void
take_message(nghttp2_session *session, const nghttp2_frame *frame)
{
	struct upstream_h2_stream *s = stream_of(session, frame->hd.stream_id);
	bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	if (!s)
		return;
	upstream_h2_stream_moved(s);
	upstream_h2_stream_touch(s);
	if (is_end)
		s->flags |= UPSTREAM_STREAM_ENDED;
	if (frame->hd.type == NGHTTP2_HEADERS && !(s->flags & UPSTREAM_STREAM_HEADED))
		upstream_h2_stream_take_head(s, !is_end);
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct upstream_h2 *h = user;

	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		take_message(session, frame);
		break;
	case NGHTTP2_DATA:
		take_message(session, frame);
		/* All of it padding: it ends nothing and brings nothing. */
		if (frame->hd.length > 0 && frame->hd.length == frame->data.padlen &&
		    !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
			charge(h, H2_WASTE_EMPTY);
		break;
	case NGHTTP2_SETTINGS:
		if (!(frame->hd.flags & NGHTTP2_FLAG_ACK))
			take_settings(h);
		break;
	case NGHTTP2_GOAWAY:
		take_goaway(h, &frame->goaway);
		break;
	default:
		break;
	}
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
	struct upstream_h2_stream *s = nghttp2_session_get_stream_user_data(session, id);

	(void)user;
	if (!s)
		return 0;
	s->flags |= UPSTREAM_STREAM_CLOSED;
	s->error = error;
	upstream_h2_stream_touch(s);
	return 0;
}

void
upstream_h2_in_register(nghttp2_session_callbacks *callbacks)
{
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

/* --- before the library --------------------------------------------------------------- */

static void
give(struct upstream_h2 *h, struct slice bytes)
{
	ssize_t n;

	if (bytes.len == 0 || h->over)
		return;
	n = nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.at, bytes.len);
	if (n == NGHTTP2_ERR_NOMEM || n == NGHTTP2_ERR_CALLBACK_FAILURE)
		upstream_h2_end(h, ERR_MEMORY, NGHTTP2_INTERNAL_ERROR, nghttp2_strerror((int)n));
	else if (n < 0) /* too many CONTINUATIONs, acknowledgements that wait */
		upstream_h2_end(h, ERR_PROTOCOL, NGHTTP2_ENHANCE_YOUR_CALM,
				nghttp2_strerror((int)n));
}

static bool
was_cut(const struct upstream_h2 *h, uint32_t id)
{
	for (unsigned i = 0; i < UPSTREAM_H2_CUT_IDS; i++) {
		if ((uint32_t)h->cut_ids[i] == id)
			return true;
	}
	return false;
}

/* The library passes over what comes on streams that are closed, and so may we where that was our
 * doing (RFC 9113 5.1). */
static bool
is_stray(const struct upstream_h2 *h, const struct h2_frame_head *head)
{
	return head->type <= H2_FRAME_HEADERS && head->stream != 0 &&
	       nghttp2_session_get_stream_remote_close(h->session, (int32_t)head->stream) != 0 &&
	       !was_cut(h, head->stream);
}

static bool
is_paid(struct upstream_h2 *h, const struct h2_frame_head *head)
{
	uint64_t now = upstream_h2_now(h);

	if (is_stray(h, head) && !h2_budget_charge(&h->budget, H2_WASTE_UNKNOWN, 1, now))
		return false;
	return h2_budget_charge_frame(&h->budget, head, now);
}

static void
look_at(struct upstream_h2 *h, const struct h2_frame_head *head)
{
	if (!h->over && !is_paid(h, head))
		calm(h);
}

void
upstream_h2_in_parse(struct upstream_h2 *h)
{
	struct slice in = slice_make(h->in->at, h->in->len), rest = in;
	struct h2_frame_head head;

	while (h2_frames_next(&h->frames, &in, &head)) {
		give(h, h2_frames_before(&rest, in));
		look_at(h, &head);
	}
	give(h, rest);
}
