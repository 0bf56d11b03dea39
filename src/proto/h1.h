/*
 * HTTP/1.1 on a conn (RFC 9112): one exchange at a time, pipelined requests in
 * order, answers gathered into one write.
 *
 *   read -> head -> begin -> body -> (response) -> ended -> next head
 *                                        '-> flush: write
 *
 * h1.c is the machine, h1_in.c the request's way in, h1_out.c the response's
 * way out (exchange_ops). Only conn.c calls this, through h1_protocol.
 */
#ifndef FOREBAY_PROTO_H1_H
#define FOREBAY_PROTO_H1_H

#include "net/inbox.h"
#include "proto/conn.h"
#include "wire/chunked.h"
#include "wire/trailers.h"

enum h1_state {
	H1_HEAD, /* waiting for a whole request head */
	H1_RUNNING, /* an exchange runs; its request body may still come */
	H1_ENDED, /* the response is queued whole, or was cut */
	H1_DRAINING, /* the exchange is over, the rest of the request's body is dropped */
	H1_CLOSING, /* nothing more is parsed; closes when the queue is written */
};

enum h1_flag {
	H1_KEEP = 1, /* the connection stays after this response */
	H1_WANTED = 2, /* the application asked for body */
	H1_CONTINUE_DUE = 4, /* 100 Continue is owed when body is wanted */
	H1_OUT_CHUNKED = 8, /* the response's body is chunked */
	H1_OUT_NO_BODY = 16, /* HEAD, 204, 304: body bytes are dropped */
	H1_OUT_PAUSED = 32, /* the application waits for resume */
	H1_OUT_ARENA = 64, /* the queue borrows from the exchange's arena */
	H1_BROKEN = 128, /* the connection cannot go on; seen at the top of the machine */
	H1_INSIDE = 256, /* the machine runs: calls from the application only leave marks */
	H1_BEGUN = 512, /* begin was called and ended was not */
	H1_BODY_DONE = 1024, /* the request is complete by its framing */
	H1_CUT = 2048, /* the response ended early */
	H1_LINGER_DUE = 4096, /* input may be unread: half-close before closing */
	H1_CAME = 8192, /* bytes were read since the time-out was set */
	H1_WENT = 16384, /* bytes were written since then */
	H1_OUT_UNTIL_CLOSE = 32768, /* the response's body ends with the connection */
	H1_OTHER = 65536, /* the client has begun with the preface of HTTP/2 */
	H1_SLOW = 131072, /* the conn's time-out is that of its pace */
	H1_TUNNEL = 262144, /* behind a 101: bytes, both ways, and no HTTP any more */
	H1_SHUT_DUE = 524288, /* of a tunnel: our FIN, when the queue is written */
};

/* What the machine waits for from the client: which time-out applies. */
enum h1_wait {
	H1_WAIT_UNSET, /* the conn's time-out is still that of its rest */
	H1_WAIT_NONE,
	H1_WAIT_HEAD,
	H1_WAIT_BODY,
	H1_WAIT_SEND
};

struct h1 {
	struct exchange x;
	struct conn *conn; /* borrowed */
	struct h1 *next; /* on the free list */
	struct deferred work; /* flush and go on, at the end of the turn */
	enum h1_state state;
	enum h1_wait wait; /* what the conn's time-out is set for */
	uint32_t flags; /* enum h1_flag */
	struct block *in; /* owned reference; what was read */
	uint32_t in_at; /* first byte of `in` not used yet */
	uint32_t in_seen; /* bytes of an unfinished head already looked at */
	struct block *head_block; /* counted: the exchange's request borrows from it */
	uint64_t body_left; /* of a Content-Length body */
	struct chunked chunked; /* of a chunked one */
	struct inbox body; /* where its small chunks are gathered */
	struct trailers trailers; /* behind it */
	struct pace in_pace, out_pace;
	struct chunks out; /* not written yet */
	struct block *out_block; /* counted: small pieces are gathered here */
	uint32_t out_from; /* first byte of it that is behind `out` in the queue */
	uint64_t drained; /* bytes dropped after the response */
	struct address client;
	char memory[]; /* H1_BYTES in all: where the exchange's arena begins */
};

/* One active state, the first memory of its exchanges included. */
enum { H1_BYTES = 4096 };

extern const struct conn_protocol h1_protocol;

#endif
