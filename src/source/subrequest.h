/*
 * A subrequest: one leaf of a run in flight. plan/run makes it, fills what is
 * above the line, and hands it to the source; the source answers through
 * subrequest_head, subrequest_body and exactly one subrequest_done.
 * One thread; memory of the exchange's arena.
 */
#ifndef FOREBAY_SOURCE_SUBREQUEST_H
#define FOREBAY_SOURCE_SUBREQUEST_H

#include "http/trace.h"
#include "source/source.h"

struct subrequest_ops {
	void (*head)(struct subrequest *q);
	int (*body)(struct subrequest *q, struct chunks *list);
	/* Optional: an interim response (1xx), in q->response; before head. */
	void (*inform)(struct subrequest *q);
	/* Optional: of a response with status 101; no body() follows, but done may be far. */
	void (*shut)(struct subrequest *q);
	void (*done)(struct subrequest *q, int err);
	void (*want_body)(struct subrequest *q); /* NULL: a template brings it what it needs */
	/* Optional: head, body and done(0) at once, for a body in memory. */
	void (*whole)(struct subrequest *q, struct slice body);
};

/* body() took the list, but wants no more before resume(). */
enum { SUBREQUEST_PAUSE = 1 };

enum subrequest_state {
	SUBREQUEST_NEW,
	SUBREQUEST_STARTED,
	SUBREQUEST_HEAD,
	SUBREQUEST_DONE,
	SUBREQUEST_CANCELLED
};

struct subrequest {
	const struct part *part;
	const struct subrequest_ops *up;
	struct env *env; /* of this worker */
	struct lease *lease; /* what it holds of the part's site; of the exchange */
	struct arena *arena; /* of the exchange */
	const struct request *request; /* the client's; borrowed until done or cancelled */
	const struct address *client, *near; /* as of the exchange, and so are these two */
	struct slice scheme;
	enum field_id vouched;
	struct trace *trace; /* borrowed, of the exchange; NULL: as without a site's word */
	struct slice request_id; /* not inside answer(): empty there */
	const struct slice *value; /* part->values of them, evaluated */
	struct shared_text *body; /* the client's, whole, in which values may lie; who needs them
				     after done takes a user of it; NULL: they have to be copied */
	const struct fields *condition; /* our own, about what is kept; for sources that send it;
					   NULL: none */
	uint64_t deadline_ns; /* absolute: the part's timeout and the route's deadline; kept by the
				 run */
	enum gate_class priority; /* of the route */
	struct slice share; /* whose request it is; at NULL: the route does not say */
	uint64_t body_bytes; /* of a body that will be fed; with has_body */
	bool has_body; /* feed() will bring one */
	bool is_body_length_known;
	bool is_later; /* for reserve(): it starts when others have ended; see gate.h */
	bool is_hurried; /* deadline_ns is the client's word, lower than what we allow: when it
			    passes, nobody has failed */
	/* --- filled by the source ------------------------------------------------ */
	struct response response; /* before subrequest_head; fields live until done */
	struct slice prepared; /* as exchange.prepared; static memory */
	struct pool_refusal refusal; /* after ERR_SHED */
	const char *conflict; /* after ERR_CONFLICT: the kind of rule, a static word; or NULL */
	void *state; /* of the source */
	/* --- kept by subrequest_* ------------------------------------------------ */
	enum subrequest_state state_now;
};

/* The source's side. head: q->response is filled. body takes the list: 0 or
 * SUBREQUEST_PAUSE; only a part that is passed through may give ranges of files. done: 0, or
 * why it failed (ERR_CONNECT, ERR_PROTOCOL, ERR_CLOSED, ERR_TIMEOUT, ERR_SHED, ERR_MISSING,
 * ERR_CONFLICT, ERR_FAILED, ...); q must not be touched after it. A second done, or anything after
 * a cancel, is a broken promise (ASSERT). */
void subrequest_head(struct subrequest *q);
/* An interim response that came before the head, in q->response; who has no use for it drops it. */
void subrequest_inform(struct subrequest *q);
int subrequest_body(struct subrequest *q, struct chunks *list) __attribute__((warn_unused_result));
/* After a head with status 101, as exchange_shut(): this direction of the tunnel has ended. */
void subrequest_shut(struct subrequest *q);
void subrequest_done(struct subrequest *q, int err);
/* Head, body and done(0) in one call; q->response is filled, the body static or in the arena. */
void subrequest_whole(struct subrequest *q, struct slice body);
/* The source can take (more of) the request's body. */
void subrequest_want_body(struct subrequest *q);
/* For small whole results: head with status and type, body, done(0). The body is static or in the
 * arena. */
void subrequest_answer(struct subrequest *q, int status, struct slice type, struct slice body);
/* The same with a body on the heap, which it takes; `owned` may be NULL when body is empty. */
void subrequest_answer_heap(struct subrequest *q, int status, struct slice type, void *owned,
			    struct slice body);
/* Makes the media type the one field of q->response; an empty one is none. ERR_MEMORY. */
int subrequest_set_type(struct subrequest *q, struct slice type) MUST_CHECK;
/* The run's side: idempotent; tells the source once. */
void subrequest_cancel(struct subrequest *q);

#endif
