/*
 * Shared by the upstream_h2 files alone; its table of numbers is every bound
 * there is of a server that speaks HTTP/2.
 *
 *   errand -- channel --> stream --.
 *   errand -- channel --> stream --+-- h2 (nghttp2's session) -- conn --> server
 *
 *   upstream_h2.c         the machine of one connection
 *   upstream_h2_stream.c  one stream and its errand
 *   upstream_h2_in.c      the library's call-backs for what comes
 *   upstream_h2_out.c     heads and bodies of requests on their way out
 */
#ifndef FOREBAY_SOURCE_UPSTREAM_H2_PRIV_H
#define FOREBAY_SOURCE_UPSTREAM_H2_PRIV_H

#include "net/inbox.h"
#include "net/outbox.h"
#include "source/upstream_priv.h"
#include "wire/h2_budget.h"
#include "wire/h2_head.h"

#include <nghttp2/nghttp2.h>

enum {
	UPSTREAM_H2_STREAM_WINDOW = 128 << 10, /* of body that a stream may have ahead of its
						  reader */
	/* Of all streams: given back as it comes, so that a slow reader starves no other. */
	UPSTREAM_H2_CONN_WINDOW = 16 << 20,
	UPSTREAM_H2_OUT_HIGH = 64 << 10, /* queued bytes above which nothing is read or framed */
	UPSTREAM_H2_FEED_BELOW = 64 << 10, /* more of a request's body is asked for below this */
	UPSTREAM_H2_TRAILER_BYTES = 8192, /* of one response */
	UPSTREAM_H2_HEADS_MORE = 4, /* so many times UPSTREAM_HEAD_BYTES end the connection */
	UPSTREAM_H2_TURN_READS = 8, /* blocks read in one go */
	UPSTREAM_H2_TURN_BYTES = 256 << 10, /* written in one go */
	UPSTREAM_H2_CUT_IDS = 128, /* streams whose frames may still come after our reset */
	UPSTREAM_H2_HEAD_MAX = 64 << 10, /* of a request's head */
	/* As the library counts them, which is 12 bytes more for each field: what fits above fits
	 * this, too, so that it drops no head. */
	UPSTREAM_H2_BLOCK_MAX = 4 * UPSTREAM_H2_HEAD_MAX,
};

enum upstream_h2_flag {
	UPSTREAM_H2_INSIDE = 1, /* the machine runs: calls from above only leave marks */
	UPSTREAM_H2_READY = 2, /* the server's SETTINGS have come */
	UPSTREAM_H2_LEAVING = 4, /* it takes no more streams; closed after its last */
	UPSTREAM_H2_PINGED = 8, /* an answer is awaited */
	UPSTREAM_H2_REUSED = 16, /* it has been idle */
};

struct upstream_h2 {
	struct upstream_conn *conn; /* borrowed: its owner */
	nghttp2_session *session; /* owned; NULL: hands are being shaken */
	struct list streams; /* all of them */
	struct list touched; /* those that have something to do */
	unsigned count; /* of streams */
	unsigned busy; /* of them, with an errand */
	unsigned limit; /* as many may be */
	unsigned flags; /* enum upstream_h2_flag */
	int over; /* why the connection is over; 0: it is not */
	struct h2_frames frames;
	struct h2_budget budget;
	struct block *in; /* what is being parsed; counted */
	struct outbox out;
	int32_t cut_ids[UPSTREAM_H2_CUT_IDS];
	unsigned cut_next;
	uint64_t due_ns; /* no stream's time-out comes before */
	uint64_t wrote_ns; /* when what is queued last moved */
	uint64_t heard_ns; /* when bytes came, or a PING went */
	uint64_t heard_bytes;
};

enum upstream_h2_stream_flag {
	UPSTREAM_STREAM_BEGUN = 1, /* the library knows it */
	UPSTREAM_STREAM_WANTED = 2, /* more of the body was asked for */
	UPSTREAM_STREAM_FED = 8, /* the body is complete */
	UPSTREAM_STREAM_HEAD_SENT = 16,
	UPSTREAM_STREAM_SENT = 32, /* END_STREAM is framed */
	UPSTREAM_STREAM_DEFERRED = 64, /* the library waits for more of the body */
	UPSTREAM_STREAM_HEADED = 128, /* the final head came */
	UPSTREAM_STREAM_ENDED = 256, /* END_STREAM came */
	UPSTREAM_STREAM_PAUSED = 512, /* the reader wants no more for now */
	UPSTREAM_STREAM_RESET = 1024, /* by us */
	UPSTREAM_STREAM_CLOSED = 2048, /* the library has done with it */
};

struct upstream_h2_stream {
	struct upstream_channel channel;
	struct upstream_h2 *h2; /* borrowed */
	struct upstream_errand *errand; /* borrowed; NULL: it wants nothing of it any more */
	struct list link; /* h2->streams */
	struct list touch; /* h2->touched */
	int32_t id;
	unsigned flags; /* enum upstream_h2_stream_flag */
	uint32_t error; /* that it was closed with */
	int failure; /* why it cannot go on; 0: it can */
	uint64_t heard_before; /* h2->heard_bytes when it began */
	uint64_t last_ns; /* when something last moved in the direction that matters */
	uint64_t feed_left; /* of a request body with a length */
	enum method method;
	enum body_framing sending;
	uint8_t interims;
	struct chunks out; /* of the request's body, not framed yet */
	struct inbox in; /* of the response's, not taken yet */
	struct h2_head head; /* in the errand's arena, as are the next two */
	struct response response;
	struct fields trailers;
	size_t trailer_bytes;
};

/* --- upstream_h2.c -------------------------------------------------------------- */

/* The connection is over, and the server is told so with this error. */
void upstream_h2_end(struct upstream_h2 *h, int err, uint32_t error, const char *what);
/* Asks for a turn of the machine. */
void upstream_h2_schedule(struct upstream_h2 *h);

static inline struct env *
upstream_h2_env(const struct upstream_h2 *h)
{
	return h->conn->share->env;
}

static inline uint64_t
upstream_h2_now(const struct upstream_h2 *h)
{
	return loop_now(&upstream_h2_env(h)->loop);
}

static inline void
upstream_h2_count(const struct upstream_h2 *h, enum counter id)
{
	count_add(upstream_h2_env(h)->counters, id, 1);
}

/* --- upstream_h2_stream.c --------------------------------------------------------- */

/* NULL without memory. */
struct upstream_h2_stream *upstream_h2_stream_new(struct upstream_h2 *h,
						  struct upstream_errand *e) MUST_CHECK;
/* The errand must have left it. */
void upstream_h2_stream_free(struct upstream_h2_stream *s);
/* It has something to do in this turn of the machine. */
void upstream_h2_stream_touch(struct upstream_h2_stream *s);
/* Begins, asks, delivers, ends: whatever is due. The stream may be gone. */
void upstream_h2_stream_step(struct upstream_h2_stream *s);
/* The errand and its memory have nothing to do with it any more. */
struct upstream_errand *upstream_h2_stream_part(struct upstream_h2_stream *s);
/* Nothing was sent: the errand waits again. */
void upstream_h2_stream_give_back(struct upstream_h2_stream *s);
/* It cannot go on; the step that follows says so to who has to know. */
void upstream_h2_stream_fail(struct upstream_h2_stream *s, int err);
/* The same for what a server must not do. */
void upstream_h2_stream_refuse(struct upstream_h2_stream *s, const char *reason);
/* When what it waits for is overdue. */
uint64_t upstream_h2_stream_expiry(const struct upstream_h2_stream *s);
void upstream_h2_stream_expire(struct upstream_h2_stream *s);
/* The head is complete: of an interim response, or the final one. Calls upwards: the errand may be
 * gone. */
void upstream_h2_stream_take_head(struct upstream_h2_stream *s, bool has_body);

static inline void
upstream_h2_stream_moved(struct upstream_h2_stream *s)
{
	s->last_ns = upstream_h2_now(s->h2);
}

/* --- upstream_h2_in.c --------------------------------------------------------------- */

void upstream_h2_in_register(nghttp2_session_callbacks *callbacks);
/* Hands the bytes of h->in to the library, frame by frame. */
void upstream_h2_in_parse(struct upstream_h2 *h);

/* --- upstream_h2_out.c -------------------------------------------------------------- */

void upstream_h2_out_register(nghttp2_session_callbacks *callbacks);
/* Frames what may be sent, until the outbox is full enough. */
void upstream_h2_out_pump(struct upstream_h2 *h);
/* Queues the request's head, and the body where it is at hand. An error of the errand alone, but
 * ERR_BUSY: the connection takes no more streams. */
int upstream_h2_out_begin(struct upstream_h2_stream *s) MUST_CHECK;
/* More of the body. */
void upstream_h2_out_feed(struct upstream_h2_stream *s, struct chunks *body, bool is_last);

#endif
