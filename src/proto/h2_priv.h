/*
 * Shared by h2.c, h2_in.c, h2_out.c and h2_stream.c alone; its table of H2_*
 * numbers is every bound there is.
 */
#ifndef FOREBAY_PROTO_H2_PRIV_H
#define FOREBAY_PROTO_H2_PRIV_H

#include "base/list.h"
#include "net/inbox.h"
#include "net/outbox.h"
#include "proto/h2.h"
#include "wire/h2_budget.h"
#include "wire/h2_frames.h"
#include "wire/h2_head.h"

#include <nghttp2/nghttp2.h>

enum {
	H2_STREAMS = 128, /* open at a time; others are refused, each by itself */
	H2_STREAMS_SEEN =
	    1024, /* what the library takes for it, so that it leaves refusing to us */
	H2_STREAM_WINDOW = 131072, /* bytes of body that a stream may have ahead of its reader */
	H2_CONN_WINDOW = 1 << 20, /* and all of them together */
	H2_OUT_HIGH =
	    65536, /* bytes queued for the socket, above which nothing is read or framed */
	H2_STREAM_HIGH = 65536, /* of response on a stream, above which the application pauses */
	H2_HELD_HIGH = 262144, /* of all its streams, above which each pauses with what it has */
	H2_STREAM_LOW =
	    4096, /* below which it goes on: so much and one read, and no more, is kept */
	H2_TURN_BYTES = 262144, /* written per turn and conn */
	H2_TURN_READS = 8, /* blocks read per turn and conn */
	H2_TURN_STEPS = 1024, /* of streams */
	H2_ARENA_BYTES = 1 << 24, /* of one exchange */
	H2_TRAILER_BYTES = 8192, /* of one request */
	H2_HEADS_MORE = 4, /* so many times max_header_bytes, and the connection ends */
	H2_BLOCK_MAX = 256 << 10, /* of a response's head, as the library counts it: as much, and 12
				     bytes for each field */
	H2_CUT_IDS = 32, /* streams whose frames may still come after our reset */
	H2_BYE_MS = 2000, /* for a last GOAWAY to be written */
};

enum h2_flag {
	H2_INSIDE = 1, /* the machine runs: calls from the application only leave marks */
	H2_BROKEN = 2, /* the connection cannot go on */
	H2_ENDING = 4, /* nothing more is read or answered; closes when its GOAWAY is written */
	H2_WENT = 8, /* bytes were written since the time-out was set */
	H2_DRAINING = 16, /* the client is told that no more streams should come */
	H2_DRAINED = 32, /* none is taken any more */
	H2_MORE = 64, /* its share of this turn is used up */
};

struct h2 {
	struct conn *conn; /* borrowed */
	nghttp2_session *session; /* owned */
	struct deferred work; /* go on, at the end of the turn */
	struct list streams; /* all of them */
	struct list touched; /* those that have something to do */
	unsigned stream_count;
	unsigned closed_count; /* of them: closed, and to be freed in this turn */
	uint32_t flags; /* enum h2_flag */
	struct h2_frames frames;
	struct h2_budget budget;
	struct block *in; /* what is being parsed; counted */
	struct outbox out;
	size_t held; /* bytes of responses on streams, not framed yet */
	uint32_t last_id; /* the client's newest stream */
	uint32_t cut_ids[H2_CUT_IDS];
	unsigned cut_next;
	bool is_greeted; /* our SETTINGS have been framed */
	bool is_block_open; /* HEADERS came, and not all of its CONTINUATIONs */
	uint64_t head_due_ns; /* of a header block that has begun */
	uint64_t send_due_ns; /* of bytes that are queued */
	struct pace out_pace;
	bool is_slow; /* send_due_ns is of the pace */
	uint64_t framed_ns; /* when DATA was framed last */
	uint64_t idle_due_ns; /* while there is no stream */
	uint64_t drain_due_ns; /* when draining is said for good */
	uint64_t streams_due_ns; /* no stream's time-out comes before */
	struct address client;
};

enum h2_stream_flag {
	H2_STREAM_HEADED = 1, /* its request head is complete */
	H2_STREAM_BEGUN = 2, /* begin was called */
	H2_STREAM_WANTED = 4, /* the application asked for body */
	H2_STREAM_BODY_DONE = 8, /* the request has come to its end */
	H2_STREAM_FED = 16, /* and so has its last feed */
	H2_STREAM_CONTINUE_DUE = 32, /* 100 Continue is owed when body is wanted */
	H2_STREAM_ENDED = 64, /* the application is done with it, or was cancelled */
	H2_STREAM_CLOSED = 128, /* the library has closed it */
	H2_STREAM_NO_BODY = 256, /* body bytes are dropped */
	H2_STREAM_PAUSED = 512, /* the application waits for resume */
	H2_STREAM_DEFERRED = 1024, /* the library waits for data */
	H2_STREAM_FAILED = 2048, /* it cannot go on: to be reset */
	H2_STREAM_WHOLE = 4096, /* its END_STREAM is queued */
	H2_STREAM_CAME = 8192, /* body came since the time-out was set */
	H2_STREAM_WENT = 16384, /* body went since then */
	H2_STREAM_ANSWERED = 32768, /* a head was sent */
	H2_STREAM_BARE = 65536, /* the request ends with its head */
	H2_STREAM_UNSENT = 131072, /* a head cannot be sent: to be reset */
};

enum h2_wait { H2_WAIT_NONE, H2_WAIT_BODY, H2_WAIT_SEND };

/* One page of the store, the first memory of its arena included. */
struct h2_stream {
	struct exchange x;
	struct h2 *h2; /* borrowed */
	struct list link; /* h2->streams */
	struct list touch; /* h2->touched */
	uint32_t id, flags; /* enum h2_stream_flag */
	int failure; /* why it FAILED */
	enum h2_wait wait;
	uint64_t due_ns; /* when what it waits for is late */
	struct pace in_pace, out_pace;
	bool is_slow; /* due_ns is of its pace */
	struct h2_head head;
	size_t trailer_bytes;
	struct inbox in; /* body that came and was not fed */
	struct chunks out; /* body that is not framed */
	char memory[];
};

/* --- h2.c ----------------------------------------------------------------------- */

/* Asks for a turn of the machine at the end of the loop's turn. */
void h2_schedule(struct h2 *h);
/* GOAWAY with this error, then the end. */
void h2_end(struct h2 *h, uint32_t error);
/* Frames of this stream may come for a while, and mean nothing. */
void h2_note_cut(struct h2 *h, uint32_t id);
/* The end, because the budget is spent. */
void h2_calm(struct h2 *h);
/* Takes a token; the end, when there is none. */
void h2_charge(struct h2 *h, enum h2_waste waste);

static inline uint64_t
h2_now(struct h2 *h)
{
	return loop_now(&h->conn->host->env->loop);
}

static inline void
h2_fault(struct h2 *h, enum counter reason, int status, const char *what)
{
	conn_fault(h->conn, reason, status, what);
}

static inline void
h2_count(struct h2 *h, enum counter reason)
{
	count_add(h->conn->host->env->counters, reason, 1);
}

/* --- h2_stream.c: one stream and its exchange -------------------------------------- */

/* NULL without memory. */
struct h2_stream *h2_stream_new(struct h2 *h, uint32_t id) MUST_CHECK;
/* It has something to do in this turn of the machine. */
void h2_stream_touch(struct h2_stream *s);
/* Begins, feeds, resumes, resets, frees: whatever is due. The stream may be gone. */
void h2_stream_step(struct h2_stream *s);
/* Its time is over. */
void h2_stream_expire(struct h2_stream *s);
/* Cancels what runs, and frees it; the library must have no more to do with it. */
void h2_stream_free(struct h2_stream *s);
/* Cancels what runs: nothing more is asked of the application. */
void h2_stream_cancel(struct h2_stream *s, int err);
/* Resets it with this error, if it is open. */
void h2_stream_reset(struct h2_stream *s, uint32_t error);

/* --- h2_in.c: what comes ------------------------------------------------------------ */

/* Sets the call-backs. */
void h2_in_register(nghttp2_session_callbacks *callbacks);
/* Hands the bytes of h->in to the library, frame by frame. */
void h2_in_parse(struct h2 *h);

/* --- h2_out.c: what goes -------------------------------------------------------------- */

extern const struct exchange_ops h2_ops;

void h2_out_register(nghttp2_session_callbacks *callbacks);
/* Frames what may be sent, until the outbox is full enough. */
void h2_out_pump(struct h2 *h);

#endif
