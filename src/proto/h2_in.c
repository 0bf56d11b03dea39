/*
 * What comes on an HTTP/2 connection: the library's call-backs, which only
 * leave marks on streams, and the look at each frame's head before the library
 * spends anything on it.
 *
 * Reads land in a counted block, of which the bodies' inboxes keep what they can.
 */
#include "base/clock.h"
#include "proto/h2_priv.h"
#include "wire/trailers.h"

static struct h2_stream *
stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static void
fail(struct h2_stream *s, int err)
{
	s->flags |= H2_STREAM_FAILED;
	s->failure = err;
	h2_stream_touch(s);
}

/* --- heads ------------------------------------------------------------------------------ */

/* RFC 9113 5.1.2: more than we have said is an error of the stream, which may be asked for again;
 * it takes a token all the same. Its fields have to be decoded, for the others' sake. */
static int
refuse_stream(struct h2 *h, int32_t id)
{
	h2_fault(h, COUNTER_H2_REFUSED, 0, "HTTP/2: more streams than it may have");
	h2_note_cut(h, (uint32_t)id);
	return nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id,
					 NGHTTP2_REFUSED_STREAM) == 0
		   ? 0
		   : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2 *h = user;
	struct h2_stream *s;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	if (h->stream_count - h->closed_count >= H2_STREAMS)
		return refuse_stream(h, frame->hd.stream_id);
	s = h2_stream_new(h, (uint32_t)frame->hd.stream_id);
	if (!s || nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s) != 0) {
		h2_count(h, COUNTER_REFUSED_MEMORY);
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	return 0;
}

/* The library resets the stream with INTERNAL_ERROR, which is mostly our fault, and is not charged
 * where it is sent; by then the exchange has begun, and what it does was for nothing. */
static int
refuse_trailers(struct h2_stream *s, int err)
{
	if (err == ERR_MEMORY) {
		h2_count(s->h2, COUNTER_REFUSED_MEMORY);
	} else {
		h2_fault(s->h2, COUNTER_BODY_SYNTAX, 0, "HTTP/2: trailers that cannot be");
		h2_charge(s->h2, H2_WASTE_ERROR);
	}
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int
take_trailer(struct h2_stream *s, struct slice name, struct slice value)
{
	struct exchange *x = &s->x;
	int err = ERR_TOO_LARGE;

	s->trailer_bytes += name.len + value.len;
	if (s->trailer_bytes <= H2_TRAILER_BYTES)
		err = trailers_add(&x->request.trailers, &x->arena, name, value);
	return err ? refuse_trailers(s, err) : 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
	  size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	struct h2 *h = user;
	struct h2_stream *s = stream_of(session, frame->hd.stream_id);
	uint32_t limit = h->conn->host->limits.h1.max_head_bytes;

	(void)flags;
	if (!s)
		return 0; /* it was refused */
	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return take_trailer(s, slice_make((const char *)name, name_len),
				    slice_make((const char *)value, value_len));
	if (h2_head_add(&s->head, slice_make((const char *)name, name_len),
			slice_make((const char *)value, value_len)) != 0) {
		h2_count(h, COUNTER_REFUSED_MEMORY);
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	if (s->head.bytes / H2_HEADS_MORE > limit) {
		h2_fault(h, COUNTER_REFUSED_HEAD, 0, "HTTP/2: a header block far above the limit");
		h2_end(h, NGHTTP2_ENHANCE_YOUR_CALM);
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	return 0;
}

/* Malformed, and not passed over (RFC 9113 8.2.1). */
static int
on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		  size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		  void *user)
{
	(void)session;
	(void)frame;
	(void)name;
	(void)name_len;
	(void)value;
	(void)value_len;
	(void)flags;
	(void)user;
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* counted when its reset is sent */
}

/* --- bodies ------------------------------------------------------------------------------ */

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *at, size_t len,
	void *user)
{
	struct h2_stream *s = stream_of(session, id);
	int err;

	(void)flags;
	(void)user;
	if (!s || (s->flags & (H2_STREAM_ENDED | H2_STREAM_FAILED)))
		return nghttp2_session_consume_connection(session, len) == 0
			   ? 0
			   : NGHTTP2_ERR_CALLBACK_FAILURE;
	s->x.body_received += len;
	s->flags |= H2_STREAM_CAME;
	pace_move(&s->in_pace, len);
	/* Before begin it is not known how much the route allows. */
	if ((s->flags & H2_STREAM_BEGUN) && s->x.body_received > s->x.max_body)
		err = ERR_TOO_LARGE;
	else
		err = inbox_put(&s->in, s->h2->in, slice_make((const char *)at, len));
	if (err) {
		fail(s, err);
		return nghttp2_session_consume_connection(session, len) == 0
			   ? 0
			   : NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	h2_stream_touch(s);
	return 0;
}

/* --- frames ------------------------------------------------------------------------------- */

static void
on_request_frame(struct h2_stream *s, const nghttp2_frame *frame)
{
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		s->flags |= H2_STREAM_BODY_DONE;
	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		s->flags |= H2_STREAM_HEADED;
		if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
			s->flags |= H2_STREAM_BARE;
	}
	h2_stream_touch(s);
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2 *h = user;
	struct h2_stream *s;

	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		s = stream_of(session, frame->hd.stream_id);
		if (s)
			on_request_frame(s, frame);
		/* All of it padding: it ends nothing and brings nothing. */
		if (frame->hd.type == NGHTTP2_DATA && frame->hd.length > 0 &&
		    frame->hd.length == frame->data.padlen &&
		    !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
			h2_charge(h, H2_WASTE_EMPTY);
		break;
	case NGHTTP2_PRIORITY_UPDATE:
		/* RFC 9218 7.1: the library passes over it. */
		if (((const nghttp2_ext_priority_update *)frame->ext.payload)->stream_id == 0) {
			h2_fault(h, COUNTER_H2_ERROR, 0, "HTTP/2: PRIORITY_UPDATE of stream 0");
			h2_end(h, NGHTTP2_PROTOCOL_ERROR);
		}
		break;
	case NGHTTP2_PING:
		/* The client has read our notice: what it sent before has come. */
		if (frame->hd.flags & NGHTTP2_FLAG_ACK)
			h->drain_due_ns = h->flags & H2_DRAINING ? 0 : h->drain_due_ns;
		break;
	default:
		break;
	}
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
	struct h2_stream *s = stream_of(session, id);
	struct h2 *h = user;

	(void)error;
	if (s) {
		h->closed_count += !(s->flags & H2_STREAM_CLOSED);
		s->flags |= H2_STREAM_CLOSED;
		h2_stream_touch(s);
	}
	return 0;
}

void
h2_in_register(nghttp2_session_callbacks *callbacks)
{
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

/* --- before the library ------------------------------------------------------------------- */

/* The library has had enough, and more than a connection error of its own. */
static void
give_up(struct h2 *h, int err)
{
	if (err == NGHTTP2_ERR_NOMEM || err == NGHTTP2_ERR_CALLBACK_FAILURE) {
		h2_count(h, COUNTER_CLOSE_MEMORY);
		h->flags |= H2_BROKEN;
	} else if (err == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
		h2_fault(h, COUNTER_H2_ERROR, 0, "HTTP/2: no preface");
		h2_end(h, NGHTTP2_PROTOCOL_ERROR);
	} else { /* too many CONTINUATIONs, acknowledgements that wait */
		h2_fault(h, h->is_block_open ? COUNTER_H2_WASTE_EMPTY : COUNTER_H2_WASTE_UNKNOWN, 0,
			 nghttp2_strerror(err));
		h2_end(h, NGHTTP2_ENHANCE_YOUR_CALM);
	}
}

static void
give(struct h2 *h, struct slice bytes)
{
	ssize_t n;

	if (bytes.len == 0 || (h->flags & (H2_BROKEN | H2_ENDING)))
		return;
	n = nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.at, bytes.len);
	if (n < 0)
		give_up(h, (int)n);
}

static bool
was_cut(const struct h2 *h, uint32_t id)
{
	for (unsigned i = 0; i < H2_CUT_IDS; i++) {
		if (h->cut_ids[i] == id)
			return true;
	}
	return false;
}

/*
 * RFC 9113 5.1.1: a new stream has a larger id than all before it. The library
 * takes a smaller one for a stream that has been closed, and lets it pass.
 */
static bool
is_stale(struct h2 *h, const struct h2_frame_head *head)
{
	if (head->type != H2_FRAME_HEADERS || head->stream % 2 == 0)
		return false;
	if (head->stream > h->last_id) {
		h->last_id = head->stream;
		return false;
	}
	return nghttp2_session_get_stream_remote_close(h->session, (int32_t)head->stream) < 0 &&
	       !was_cut(h, head->stream);
}

/* A header block has one deadline for all of it, and each its own. */
static void
watch_block(struct h2 *h, const struct h2_frame_head *head)
{
	bool is_block = head->type == H2_FRAME_HEADERS || head->type == H2_FRAME_CONTINUATION;

	if (is_block && !h->is_block_open)
		h->head_due_ns = clock_after(h2_now(h), h->conn->host->limits.header_timeout_ns);
	else if (!is_block)
		h->head_due_ns = CLOCK_NEVER;
	h->is_block_open = is_block && !(head->flags & H2_FLAG_END_HEADERS);
}

static void
look_at(struct h2 *h, const struct h2_frame_head *head)
{
	if (h->flags & (H2_BROKEN | H2_ENDING))
		return;
	watch_block(h, head);
	/* RFC 9113 6.3: the library passes over PRIORITY as a whole. */
	if (is_stale(h, head) || (head->type == H2_FRAME_PRIORITY && head->stream == 0)) {
		h2_fault(h, COUNTER_H2_ERROR, 0, "HTTP/2: a frame on a stream that cannot be");
		h2_end(h, NGHTTP2_PROTOCOL_ERROR);
	} else if (!h2_budget_charge_frame(&h->budget, head, h2_now(h))) {
		h2_calm(h);
	}
}

void
h2_in_parse(struct h2 *h)
{
	struct slice in = slice_make(h->in->at, h->in->len), rest = in;
	struct h2_frame_head head;

	while (h2_frames_next(&h->frames, &in, &head)) {
		give(h, h2_frames_before(&rest, in));
		look_at(h, &head);
	}
	give(h, rest);
	if (!h2_frames_is_inside(&h->frames) && !h->is_block_open)
		h->head_due_ns = CLOCK_NEVER;
}
