/*
 * The response's way out: exchange_ops for HTTP/1.1 (RFC 9112 6, 7).
 *
 * Heads and small bodies are copied one behind the other into a block, so that
 * the answers to pipelined requests leave in one write; larger pieces are
 * queued by reference.
 */
#include "base/assert.h"
#include "http/status.h"
#include "proto/h1_priv.h"

enum { HEAD_ROOM = 1024, HEAD_ROOM_MAX = 131072, SIZE_LINE = 24 };

/* Bytes gathered in the block go to the list: something will stand behind them. */
static int
list_gathered(struct h1 *h)
{
	struct block *b = h->out_block;
	int err;

	if (!b || b->len == h->out_from)
		return 0;
	err = chunks_add_block(&h->out, b, slice_make(b->at + h->out_from, b->len - h->out_from));
	if (!err)
		h->out_from = b->len;
	return err;
}

/* The block at the end of the queue, with room for at least `bytes`. */
static struct block *
gather_block(struct h1 *h, size_t bytes)
{
	if (h->out_block && block_room(h->out_block) >= bytes)
		return h->out_block;
	if (list_gathered(h) != 0)
		return NULL;
	if (h->out_block)
		block_unref(h->out_block);
	h->out_from = 0;
	h->out_block = block_take(h->x.store, bytes);
	return h->out_block;
}

static int
put(struct h1 *h, struct slice s)
{
	struct block *b = h->out_block;

	if (!b || block_room(b) < s.len)
		b = gather_block(h, s.len);
	if (!b)
		return ERR_MEMORY;
	memcpy(b->at + b->len, s.at, s.len);
	b->len += (uint32_t)s.len;
	return 0;
}

/* --- the head ----------------------------------------------------------------- */

static void
write_status_line(struct writer *w, int status)
{
	writer_put(w, SLICE("HTTP/1.1 "));
	writer_u64(w, (uint64_t)status);
	writer_char(w, ' ');
	writer_put(w, status_reason(status));
	writer_put(w, SLICE("\r\n"));
}

/* Fields of one connection and those that frame the body are ours to say. */
static bool
is_ours(enum field_id id)
{
	return id == FIELD_CONTENT_LENGTH || (field_flags(id) & FIELD_HOP);
}

static void
write_fields(struct writer *w, const struct response *r)
{
	for (unsigned i = 0; i < r->fields.count; i++) {
		const struct field *f = &r->fields.at[i];

		if (f->id == FIELD_OTHER || !is_ours(f->id))
			field_write_line(w, f);
	}
}

/* Status line, Server and Date. An upstream's Date and Server stand (RFC 9110
 * 6.6.1); without them, ours. */
static void
write_start(struct h1 *h, struct writer *w)
{
	const struct response *r = &h->x.response;
	struct slice text = conn_host_server_text(h->conn->host);
	bool is_proxied = h->x.prepared.len == 0 && r->fields.count > 0;
	bool has_date = is_proxied && fields_find(&r->fields, FIELD_DATE);
	bool has_server =
	    h->x.hides_server || (is_proxied && fields_find(&r->fields, FIELD_SERVER));

	if (r->status == 200 && !has_date && !has_server) {
		writer_put(w, text);
		return;
	}
	write_status_line(w, r->status);
	text = slice_after(text, CONN_STATUS_BYTES);
	if (!has_server)
		writer_put(w, slice_make(text.at, CONN_SERVER_BYTES));
	if (!has_date)
		writer_put(w, slice_after(text, CONN_SERVER_BYTES));
}

static void
write_framing(struct h1 *h, struct writer *w)
{
	if (h->flags & H1_OUT_CHUNKED) {
		writer_put(w, SLICE("Transfer-Encoding: chunked\r\n"));
	} else if (h->x.response.framing == BODY_LENGTH && h->x.prepared.len == 0) {
		writer_put(w, SLICE("Content-Length: "));
		writer_u64(w, h->x.response.content_length);
		writer_put(w, SLICE("\r\n"));
	}
}

static void
write_connection(struct h1 *h, struct writer *w)
{
	if (h->flags & H1_KEEP) {
		if (h->x.request.version == HTTP_1_0)
			writer_put(w, SLICE("Connection: keep-alive\r\n"));
	} else if (h->flags & H1_TUNNEL) {
		h1_tunnel_write(h, w);
	} else {
		writer_put(w, SLICE("Connection: close\r\n"));
	}
}

static void
write_head(struct h1 *h, struct writer *w)
{
	write_start(h, w);
	if (h->x.prepared.len)
		writer_put(w, h->x.prepared);
	else
		write_fields(w, &h->x.response);
	if (h->x.extra)
		writer_put(w, h->x.extra->lines);
	write_framing(h, w);
	write_connection(h, w);
	writer_put(w, SLICE("\r\n"));
}

/*
 * While draining, the answer to the last request that has come announces the
 * close: what is pipelined behind this one was sent before anything announced it.
 */
static bool
is_last(const struct h1 *h)
{
	const struct conn *c = h->conn;

	if (!c->host->is_draining)
		return false;
	if (!(h->flags & H1_BODY_DONE) || loop_now(&c->host->env->loop) >= c->host->drain_until_ns)
		return true;
	return h1_pending(h).len == 0 && !(c->flags & CONN_READABLE);
}

/* How the body will end, and whether the connection outlives it (RFC 9112 6.3, 9.3). */
static void
choose_framing(struct h1 *h)
{
	const struct request *q = &h->x.request;
	struct response *r = &h->x.response;
	bool has_body = status_has_body(r->status);
	bool is_counted;

	if (!has_body) {
		r->framing = BODY_NONE;
		if (r->status == 101) {
			h1_tunnel_begin(h);
			return;
		}
	} else if (r->framing == BODY_NONE && q->method != METHOD_HEAD) {
		/* Silence would be waited for. */
		r->framing = BODY_LENGTH;
		r->content_length = 0;
	}
	is_counted = r->framing == BODY_LENGTH || r->framing == BODY_NONE;
	if (!has_body || q->method == METHOD_HEAD)
		h->flags |= H1_OUT_NO_BODY;
	else if (!is_counted && q->version >= HTTP_1_1)
		h->flags |= H1_OUT_CHUNKED;
	else if (!is_counted)
		h->flags = (h->flags & ~(unsigned)H1_KEEP) | H1_OUT_UNTIL_CLOSE;
	if (h->x.is_closing || is_last(h))
		h->flags &= ~(unsigned)H1_KEEP;
	/* A body that may never come, or too much of one to drop, costs the connection. */
	if (!(h->flags & H1_BODY_DONE) &&
	    ((h->flags & H1_CONTINUE_DUE) || h->body_left > H1_DRAIN_BYTES))
		h->flags &= ~(unsigned)H1_KEEP;
}

static void
write_interim(struct h1 *h, struct writer *w)
{
	write_status_line(w, h->x.response.status);
	write_fields(w, &h->x.response);
	writer_put(w, SLICE("\r\n"));
}

/* As much as one head may take up. */
static int
put_text(struct h1 *h, void (*write)(struct h1 *h, struct writer *w))
{
	for (size_t room = HEAD_ROOM; room <= HEAD_ROOM_MAX; room *= 4) {
		struct block *b = gather_block(h, room);
		struct writer w;

		if (!b)
			break;
		w = writer_over(b->at + b->len, block_room(b));
		write(h, &w);
		if (!w.is_full) {
			b->len += (uint32_t)w.len;
			return 0;
		}
	}
	h->flags |= H1_BROKEN;
	return ERR_MEMORY;
}

static int
put_head(struct h1 *h)
{
	choose_framing(h);
	return put_text(h, write_head);
}

static int
head(struct exchange *x)
{
	struct h1 *h = CONTAINER_OF(x, struct h1, x);

	h1_schedule(h); /* the body may take its time */
	return put_head(h);
}

static int
inform(struct exchange *x, int status)
{
	struct h1 *h = CONTAINER_OF(x, struct h1, x);

	if (x->request.version < HTTP_1_1)
		return 0; /* RFC 9110 15.2 */
	h1_schedule(h);
	if (status == 100)
		return put(h, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
	return put_text(h, write_interim);
}

/* --- the body ----------------------------------------------------------------- */

/* Small memory chunks are copied behind the head; the rest moves as it is. */
static int
queue_chunks(struct h1 *h, struct chunks *list)
{
	while (list->head && list->head->kind != CHUNK_FILE && list->head->len <= H1_GATHER_BYTES) {
		if (put(h, slice_make(list->head->at, list->head->len)) != 0)
			return ERR_MEMORY;
		chunks_drop(list, list->head->len);
	}
	for (const struct chunk *c = list->head; c; c = c->next) {
		if (c->kind == CHUNK_ARENA)
			h->flags |= H1_OUT_ARENA;
	}
	if (list->head && list_gathered(h) != 0)
		return ERR_MEMORY;
	chunks_move(&h->out, list);
	return 0;
}

static int
queue_as_chunk(struct h1 *h, struct chunks *list)
{
	char line[SIZE_LINE];
	struct writer w = writer_over(line, sizeof(line));

	chunked_write_size(&w, list->bytes);
	if (put(h, writer_slice(&w)) != 0 || queue_chunks(h, list) != 0)
		return ERR_MEMORY;
	return put(h, SLICE("\r\n"));
}

/* More than was announced would be read as the next response. */
static bool
is_surplus(const struct exchange *x)
{
	return x->response.framing == BODY_LENGTH && x->body_sent > x->response.content_length;
}

static int
body(struct exchange *x, struct chunks *list)
{
	struct h1 *h = CONTAINER_OF(x, struct h1, x);
	int err;

	if (h->flags & H1_OUT_NO_BODY)
		chunks_clear(list);
	if (list->bytes == 0)
		return 0;
	h1_schedule(h);
	if (is_surplus(x))
		err = ERR_PROTOCOL;
	else if (h->flags & H1_OUT_CHUNKED)
		err = queue_as_chunk(h, list);
	else
		err = queue_chunks(h, list);
	if (err) {
		chunks_clear(list);
		h->flags |= H1_BROKEN;
		return err;
	}
	if (h1_queued(h) <= H1_OUT_HIGH)
		return 0;
	h->flags |= H1_OUT_PAUSED;
	return EXCHANGE_PAUSE;
}

/* After the head there is no way to say that it failed but to close early. */
static void
cut(struct h1 *h)
{
	count_add(h->conn->host->env->counters, COUNTER_ABORTED, 1);
	h->x.is_cut = true;
	h->flags = (h->flags & ~(unsigned)H1_KEEP) | H1_CUT;
}

/* RFC 9112 7.1.2: trailers are for those who say that they do not drop them (RFC 9110 6.5.1). */
static int
put_last_chunk(struct h1 *h)
{
	const struct fields *trailers = &h->x.response.trailers;
	struct block *b;
	struct writer w;

	if (trailers->count == 0 ||
	    !fields_has_token(&h->x.request.fields, FIELD_TE, SLICE("trailers")))
		return put(h, SLICE("0\r\n\r\n"));
	if (put(h, SLICE("0\r\n")) != 0)
		return ERR_MEMORY;
	b = gather_block(h, trailers_bytes(trailers));
	if (!b)
		return ERR_MEMORY;
	w = writer_over(b->at + b->len, block_room(b));
	trailers_write(trailers, &w);
	b->len += (uint32_t)w.len;
	return put(h, SLICE("\r\n"));
}

static void
end(struct exchange *x)
{
	struct h1 *h = CONTAINER_OF(x, struct h1, x);
	const struct response *r = &x->response;

	ASSERT(h->state == H1_RUNNING);
	h->state = H1_ENDED;
	h1_schedule(h);
	if (h->flags & H1_OUT_NO_BODY)
		return;
	if (r->framing == BODY_LENGTH && x->body_sent < r->content_length)
		cut(h);
	else if ((h->flags & H1_OUT_CHUNKED) && put_last_chunk(h) != 0)
		cut(h);
}

/* Head and body one behind the other; nothing is asked of the application any more. */
static void
whole(struct exchange *x, struct slice bytes)
{
	struct h1 *h = CONTAINER_OF(x, struct h1, x);
	struct chunks list;

	ASSERT(h->state == H1_RUNNING);
	if (put_head(h) == 0 && bytes.len > 0 && !(h->flags & H1_OUT_NO_BODY)) {
		chunks_init(&list, x->store);
		if (bytes.len <= H1_GATHER_BYTES && !(h->flags & H1_OUT_CHUNKED)) {
			if (put(h, bytes) != 0)
				h->flags |= H1_BROKEN;
		} else if (chunks_add_arena(&list, bytes) != 0 || body(x, &list) < 0) {
			h->flags |= H1_BROKEN;
		}
		chunks_clear(&list);
	}
	end(x);
}

static void
abort_response(struct exchange *x, int err)
{
	struct h1 *h = CONTAINER_OF(x, struct h1, x);

	(void)err;
	ASSERT(h->state == H1_RUNNING);
	h->state = H1_ENDED;
	cut(h);
	h1_schedule(h);
}

static int
fail(struct exchange *x, int err)
{
	struct h1 *h = CONTAINER_OF(x, struct h1, x);

	h->flags |= H1_BROKEN;
	h1_schedule(h);
	return err;
}

static void
want_body(struct exchange *x)
{
	struct h1 *h = CONTAINER_OF(x, struct h1, x);

	h->flags |= H1_WANTED;
	if ((h->flags & H1_CONTINUE_DUE) && !x->is_head_sent) {
		h->flags &= ~(unsigned)H1_CONTINUE_DUE;
		if (inform(x, 100) != 0)
			h->flags |= H1_BROKEN;
	}
	h1_schedule(h);
}

static int
peer_user(struct exchange *x, uint32_t *uid)
{
	const struct h1 *h = CONTAINER_OF(x, struct h1, x);

	return io_peer_user(&h->conn->io, uid);
}

static int
find_peer(const struct exchange *x, struct address *peer)
{
	const struct h1 *h = CONTAINER_OF_CONST(x, struct h1, x);

	return conn_peer(h->conn, peer);
}

static int
write_subject(const struct exchange *x, struct writer *w)
{
	const struct h1 *h = CONTAINER_OF_CONST(x, struct h1, x);

	return io_write_subject(&h->conn->io, w);
}

const struct exchange_ops h1_ops = {
	.inform = inform,
	.head = head,
	.body = body,
	.end = end,
	.abort = abort_response,
	.fail = fail,
	.shut = h1_tunnel_shut,
	.want_body = want_body,
	.whole = whole,
	.peer_user = peer_user,
	.peer = find_peer,
	.write_subject = write_subject,
};

/* Nothing can be written any more. */
static void
lose(struct h1 *h)
{
	h->conn->flags |= CONN_LOST;
	h->flags |= H1_BROKEN;
}

/* Only gathered bytes: the common case, without a list. */
static void
write_gathered(struct h1 *h)
{
	struct block *b = h->out_block;
	long n =
	    io_write_bytes(&h->conn->io, slice_make(b->at + h->out_from, b->len - h->out_from));

	if (n < 0) {
		lose(h);
	} else if (n > 0) {
		h->out_from += (uint32_t)n;
		h->flags |= H1_WENT;
		pace_move(&h->out_pace, (uint64_t)n);
	}
}

static void
write_list(struct h1 *h)
{
	size_t before = h->out.bytes;
	int err;

	conn_will_write(h->conn);
	err = io_write(&h->conn->io, &h->out, H1_TURN_BYTES);
	if (err == ERR_CLOSED)
		lose(h);
	if (h->out.bytes < before)
		h->flags |= H1_WENT;
	pace_move(&h->out_pace, before - h->out.bytes);
	if (err == 0 && h->out.bytes > 0) /* its share of this turn is used up */
		loop_last(&h->conn->host->env->loop, &h->work);
}

void
h1_flush(struct h1 *h)
{
	if (h1_queued(h) == 0 || (h->flags & H1_BROKEN))
		return;
	if (!h->out.head)
		write_gathered(h);
	else if (list_gathered(h) == 0)
		write_list(h);
	else
		h->flags |= H1_BROKEN;
	conn_wrote(h->conn, h1_queued(h) > 0);
	if (h1_queued(h) > 0)
		return;
	h->flags &= ~(unsigned)H1_OUT_ARENA;
	if (h->out_block) {
		block_unref(h->out_block);
		h->out_block = NULL;
		h->out_from = 0;
	}
}
