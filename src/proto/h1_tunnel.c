/*
 * An HTTP/1.1 connection after a 101 (RFC 9110 7.8): bytes as they come, both ways,
 * of which nothing is parsed any more. See exchange_shut() for how it looks from above.
 *
 *   client's bytes, those behind its head first   feed, feed, ... the last with its FIN
 *   body, body, ... shut: our FIN                 end when both are through: close
 */
#include "proto/h1_priv.h"

void
h1_tunnel_begin(struct h1 *h)
{
	h->flags &= ~(unsigned)(H1_KEEP | H1_BODY_DONE | H1_CONTINUE_DUE);
	h->flags |= H1_TUNNEL | H1_OUT_UNTIL_CLOSE;
	h->x.is_body_complete = false;
}

void
h1_tunnel_write(const struct h1 *h, struct writer *w)
{
	const struct field *f = fields_find(&h->x.response.fields, FIELD_UPGRADE);

	writer_put(w, SLICE("Connection: Upgrade\r\n"));
	if (f)
		field_write_line(w, f);
}

enum h1_progress
h1_tunnel_take(struct h1 *h)
{
	struct exchange *x = &h->x;
	struct slice in = h1_pending(h);
	bool is_last = in.len == 0 && (h->conn->flags & CONN_EOF);
	struct chunks list;

	if (in.len == 0 && !is_last)
		return H1_STARVED;
	chunks_init(&list, x->store);
	if (in.len > 0 && chunks_add_block(&list, h->in, in) != 0) {
		h->flags |= H1_BROKEN;
		return H1_PROGRESS;
	}
	h->in_at += (uint32_t)in.len;
	x->body_received += in.len;
	if (is_last) {
		h->flags |= H1_BODY_DONE;
		x->is_body_complete = true;
		x->body_done_ns = loop_now(&h->conn->host->env->loop);
	}
	h->flags &= ~(unsigned)H1_WANTED;
	x->app->feed(x, &list, is_last);
	return H1_PROGRESS;
}

void
h1_tunnel_finish(struct h1 *h)
{
	if (h1_queued(h) > 0 || (h->flags & H1_BROKEN))
		return;
	if (io_finish(&h->conn->io) == 0)
		h->flags &= ~(unsigned)H1_SHUT_DUE;
}

void
h1_tunnel_shut(struct exchange *x)
{
	struct h1 *h = CONTAINER_OF(x, struct h1, x);

	h->flags |= H1_SHUT_DUE;
	h1_schedule(h);
}
