/*
 * A request on its way to a server over HTTP/1.1: its head, and its body as it
 * is fed, in the framing that upstream_request.c has said.
 */
#include "source/upstream_priv.h"
#include "source/upstream_tunnel.h"

enum {
	WRITE_TURN = 128 << 10, /* bytes in one go */
	FEED_BELOW = 64 << 10, /* more of the body is asked for below this */
	HEAD_BYTES_MAX = 64 << 10, /* of a request's head */
	SIZE_LINE_BYTES = 20, /* of a chunk: 16 digits, CRLF */
};

static int
write_head(struct upstream_conn *c, size_t bytes)
{
	const struct subrequest *q = c->errand->q;
	struct writer w;
	int err;

	c->text = block_take(&upstream_env(c)->store, bytes);
	if (!c->text)
		return ERR_MEMORY;
	w = writer_over(c->text->at, c->text->cap);
	err = upstream_request_write(&w, q, c->peer->server, loop_now(&upstream_env(c)->loop));
	if (err) {
		block_unref(c->text);
		c->text = NULL;
		return err;
	}
	c->text->len = (uint32_t)w.len;
	return chunks_add_block(&c->out, c->text, writer_slice(&w));
}

int
upstream_send_begin(struct upstream_conn *c)
{
	struct upstream_sending s = upstream_request_sending(c->errand->q);
	int err = write_head(c, STORE_BLOCK_BYTES);

	if (err == ERR_TOO_LARGE)
		err = write_head(c, HEAD_BYTES_MAX);
	if (!err && !s.is_fed)
		err = chunks_add_arena(&c->out, s.body);
	c->state = UPSTREAM_HEAD;
	c->method = s.method;
	c->sending = s.framing;
	c->feed_left = s.length;
	c->is_fed = !s.is_fed;
	c->is_wanted = c->is_sent = c->is_broken = c->is_paused = c->is_complete = false;
	c->interims = 0;
	c->fault = err;
	upstream_conn_touch(c);
	if (!err && c->errand->is_begun_anew && s.is_fed) {
		upstream_retry_replay(c->errand);
		c->is_wanted = c->errand->is_wanted;
	}
	return err;
}

static int
add_size_line(struct upstream_conn *c, size_t bytes)
{
	struct writer w;
	uint32_t start;

	if (block_room(c->text) < SIZE_LINE_BYTES) {
		struct block *fresh = block_take(&upstream_env(c)->store, 0);

		if (!fresh)
			return ERR_MEMORY;
		block_unref(c->text);
		c->text = fresh;
	}
	start = c->text->len;
	w = writer_over(c->text->at + start, SIZE_LINE_BYTES);
	chunked_write_size(&w, bytes);
	c->text->len += (uint32_t)w.len;
	return chunks_add_block(&c->out, c->text, writer_slice(&w));
}

/* RFC 9112 7.1. */
static int
queue_chunked(struct upstream_conn *c, struct chunks *body, bool is_last)
{
	int err = 0;

	if (body->bytes > 0) {
		err = add_size_line(c, body->bytes);
		chunks_move(&c->out, body);
		if (!err)
			err = chunks_add_static(&c->out, SLICE("\r\n"));
	}
	if (!err && is_last)
		err = upstream_request_end(&c->out, c->errand->q);
	return err;
}

/* A body that is not as long as was said must not reach the server as if it were. */
static int
queue_counted(struct upstream_conn *c, struct chunks *body, bool is_last)
{
	if (body->bytes > c->feed_left)
		return ERR_FAILED;
	c->feed_left -= body->bytes;
	chunks_move(&c->out, body);
	return is_last && c->feed_left > 0 ? ERR_FAILED : 0;
}

void
upstream_send_feed(struct upstream_conn *c, struct chunks *body, bool is_last)
{
	int err = 0;

	c->is_wanted = false;
	if (c->state == UPSTREAM_CLOSED || c->is_fed || c->is_broken) {
		chunks_clear(body);
		return;
	}
	if (chunks_is_empty(&c->out))
		upstream_conn_touch(c);
	if (c->sending == BODY_CHUNKED)
		err = queue_chunked(c, body, is_last);
	else if (c->is_tunnel)
		chunks_move(&c->out, body);
	else
		err = queue_counted(c, body, is_last);
	chunks_clear(body);
	c->is_fed = is_last;
	if (err)
		c->fault = err;
	upstream_conn_go_on(c);
}

/* The server takes no more. What it said before that may still be read. */
static void
break_sending(struct upstream_conn *c)
{
	if (c->is_tunnel) {
		count_add(upstream_env(c)->counters, COUNTER_UPSTREAM_CLOSED, 1);
		upstream_conn_fail(c, ERR_CLOSED);
		return;
	}
	chunks_clear(&c->out);
	c->is_broken = c->is_sent = c->is_fed = true;
	c->is_readable = c->is_peer_done = true;
	c->keeps_alive = false;
	upstream_conn_touch(c);
}

static void
send_request(struct upstream_conn *c)
{
	size_t before = c->out.bytes;
	int err = 0;

	if (c->is_sent)
		return;
	if (before > 0)
		err = io_write(&c->io, &c->out, WRITE_TURN);
	if (err == ERR_CLOSED) {
		break_sending(c);
		return;
	}
	if (c->out.bytes != before)
		upstream_conn_touch(c);
	if (!err && !chunks_is_empty(&c->out))
		upstream_conn_yield(c);
	if (!chunks_is_empty(&c->out) || !c->is_fed)
		return;
	if (c->is_tunnel) {
		upstream_tunnel_finish_sending(c);
	} else {
		c->is_sent = true;
		block_unref(c->text); /* while the answer comes, and that may be long */
		c->text = NULL;
		upstream_conn_touch(c);
	}
}

static void
ask_for_body(struct upstream_conn *c)
{
	if (c->is_fed || c->is_wanted || c->out.bytes >= FEED_BELOW)
		return;
	c->is_wanted = true;
	subrequest_want_body(c->errand->q);
}

void
upstream_send(struct upstream_conn *c)
{
	send_request(c);
	if (c->state != UPSTREAM_CLOSED)
		ask_for_body(c);
}
