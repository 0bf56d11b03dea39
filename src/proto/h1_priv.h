/*
 * Shared by h1.c, h1_in.c and h1_out.c alone.
 */
#ifndef FOREBAY_PROTO_H1_PRIV_H
#define FOREBAY_PROTO_H1_PRIV_H

#include "proto/h1.h"

enum {
	H1_OUT_HIGH = 65536, /* bytes queued above which the application pauses, and so do heads */
	H1_GATHER_BYTES = 4096, /* memory chunks up to this are copied together */
	H1_DRAIN_BYTES = 262144, /* of an unread request body, dropped to keep a connection */
	H1_TURN_BYTES = 262144, /* written per turn and conn */
	H1_TURN_STEPS = 256, /* of the machine per turn and conn */
	H1_READ_STEPS = 16, /* what reading a block counts for */
	H1_ARENA_BYTES = 1 << 24, /* of one exchange; bodies on the heap have limits of their own */
	H1_TRAILER_BYTES = 8192, /* chunk extensions and trailers of one body */
};

enum h1_progress {
	H1_PROGRESS, /* something happened: go on */
	H1_STARVED, /* needs more input, or somebody else's move */
};

/* --- h1_in.c: the request's way in --------------------------------------------- */

/* Reads once. H1_STARVED: nothing there now, or no room because nobody takes it. */
enum h1_progress h1_read(struct h1 *h);
/* Parses a head, of which something is pending, and begins its exchange, or refuses it. */
enum h1_progress h1_take_head(struct h1 *h);
/* Hands body to the application, if it wants any. */
enum h1_progress h1_take_body(struct h1 *h);
/* Drops body that nobody wants, after the response. */
enum h1_progress h1_drop_body(struct h1 *h);
/* Answers a request that never becomes an exchange, and closes. */
void h1_turn_away(struct h1 *h, int status, enum counter reason, const char *what);

static inline struct slice
h1_pending(const struct h1 *h)
{
	if (!h->in)
		return (struct slice){ 0 };
	return slice_make(h->in->at + h->in_at, h->in->len - h->in_at);
}

/* Bytes that wait to be written. */
static inline size_t
h1_queued(const struct h1 *h)
{
	return h->out.bytes + (h->out_block ? h->out_block->len - h->out_from : 0);
}

/* A client that asks and does not read gets no further: the queue has a bound. */
static inline bool
h1_is_clogged(const struct h1 *h)
{
	return h->state == H1_HEAD && h1_queued(h) > H1_OUT_HIGH;
}

/* --- h1_out.c: the response's way out ------------------------------------------ */

extern const struct exchange_ops h1_ops;

/* Writes what is queued, as far as the socket takes it. Sets H1_BROKEN. */
void h1_flush(struct h1 *h);

/* --- h1_tunnel.c: the connection after a 101 ------------------------------------- */

/* The head that is being written makes it a tunnel. */
void h1_tunnel_begin(struct h1 *h);
/* Connection and Upgrade of that head. */
void h1_tunnel_write(const struct h1 *h, struct writer *w);
/* Hands what the client sent to the application, which wants it. */
enum h1_progress h1_tunnel_take(struct h1 *h);
/* exchange_ops.shut. */
void h1_tunnel_shut(struct exchange *x);
/* With H1_SHUT_DUE: our FIN, if nothing stands before it. */
void h1_tunnel_finish(struct h1 *h);

/* --- h1.c ------------------------------------------------------------------------ */

/* Asks for a turn of the machine at the end of the loop's turn. */
void h1_schedule(struct h1 *h);

#endif
