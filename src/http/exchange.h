/*
 * The exchange: one request and its one response, and the only place where the
 * two halves of the server meet. proto/ fills exchange_ops and knows no routes;
 * everything above knows no protocol version and calls exchange_*().
 *
 *      proto (h1, h2)                           run
 *   begin, feed, resume, cancel  ---------->  exchange_app
 *   exchange_ops                 <----------  inform, head, body, end, abort, want_body
 *
 * Filters (filter.h) may stand between the two, unseen by both.
 *
 * Rules. begin comes once, with the whole head. feed comes with body chunks only
 * after want_body (one feed per want at most), the last with `is_last`,
 * never from inside want_body. head comes once, then body..., then end or abort, after which the
 * application may not touch the exchange: it can be gone. cancel (the client went, the body broke
 * its framing or limit) comes at most once, and then the application calls nothing any more; it
 * must have let go when cancel returns. Calls may be made from inside begin, feed and resume. One
 * thread.
 */
#ifndef FOREBAY_HTTP_EXCHANGE_H
#define FOREBAY_HTTP_EXCHANGE_H

#include "base/address.h"
#include "base/arena.h"
#include "base/chunk.h"
#include "base/clock.h"
#include "base/err.h"
#include "http/request.h"
#include "http/trace.h"

struct error_pages;
struct exchange;
struct filter;
struct guard_asked;
struct lease;
struct run;

/*
 * Changes of the head of every response, whoever made it. They are applied once, when the head is
 * complete, in the order of the list.
 */
struct exchange_edits {
	/* Changes x->response and what goes with it. 0 or ERR_MEMORY: the exchange is cut. */
	int (*apply)(const struct exchange_edits *e, struct exchange *x);
	/* Optional: takes away what the head loses, of fields that go beside it and are the
	 * exchange's own: trailers, and those of interim responses. */
	void (*strip)(const struct exchange_edits *e, struct fields *f);
	const struct exchange_edits *next;
};

struct exchange_ops {
	/* An interim response: 100, or another with the fields of x->response. Of no use to some
	 * clients, which get nothing. */
	int (*inform)(struct exchange *x, int status);
	int (*head)(struct exchange *x); /* x->response is complete */
	int (*body)(struct exchange *x, struct chunks *list);
	void (*end)(struct exchange *x);
	void (*abort)(struct exchange *x, int err);
	/* The head cannot be sent: as a head() that failed. Returns err. */
	int (*fail)(struct exchange *x, int err);
	/* Optional: as exchange_shut(). */
	void (*shut)(struct exchange *x);
	void (*want_body)(struct exchange *x);
	/* Optional: head, body and end at once, for a body in memory. */
	void (*whole)(struct exchange *x, struct slice body);
	/* Optional: whose process asks, where the kernel knows. 0 or ERR_UNSUPPORTED. */
	int (*peer_user)(struct exchange *x, uint32_t *uid);
	/* Optional: as exchange_peer(). */
	int (*peer)(const struct exchange *x, struct address *peer);
	/* Optional: as exchange_write_subject(). */
	int (*write_subject)(const struct exchange *x, struct writer *w);
};

struct exchange_app {
	void (*begin)(struct exchange *x);
	/* Takes the chunks. */
	void (*feed)(struct exchange *x, struct chunks *body, bool is_last);
	/* The client took what it had; only after a body() that returned EXCHANGE_PAUSE. */
	void (*resume)(struct exchange *x);
	void (*cancel)(struct exchange *x, int err);
	/* After the last byte was queued or the exchange was cut: metrics. Exactly once per begin,
	 * the last call. */
	void (*ended)(struct exchange *x);
	/* Optional: a request that was refused before it could begin (malformed, too large, too
	 * late) has been answered; after no other call. Of the request only the start is known,
	 * as it came: method_name and target, which may be empty, or anything. */
	void (*refused)(struct exchange *x);
};

/* body() took the list, but wants no more before resume(). */
enum { EXCHANGE_PAUSE = 1 };

struct exchange {
	const struct exchange_ops *ops;
	const struct exchange_app *app;
	struct store *store; /* borrowed: of the thread */
	struct arena arena; /* request, response, run and parts live and die in it */
	struct request request;
	struct response response;
	/* The response's field lines as HTTP/1 would send them, framing fields included, when a
	 * source has prepared them; then h1 sends these and not response.fields. Static memory. */
	struct slice prepared;
	struct filter *filter; /* the first; in the arena; NULL: nothing changes the response */
	const struct field_block *extra; /* sent behind those of the response; borrowed, or NULL */
	const struct error_pages *pages; /* of refusals; borrowed from the site, or NULL */
	const struct exchange_edits *edits; /* borrowed; NULL: none */
	struct slice user; /* who asks, once a guard knows; empty: nobody is known */
	struct slice claims; /* of the user's token, a JSON object; empty: there are none */
	/* Who asks: the one that `near` speaks for where that is a trusted proxy. Borrowed from the
	 * conn, or in the arena. */
	const struct address *client;
	const struct address *near; /* who the connection comes from; borrowed from the conn */
	struct slice scheme; /* http or https, of the client's request; static */
	/* near is a trusted proxy, and this what it writes about others: FIELD_X_FORWARDED_FOR,
	 * with what goes beside it, or FIELD_FORWARDED. FIELD_OTHER: nobody's word counts. */
	enum field_id vouched;
	struct trace trace; /* that it belongs to */
	void *host; /* of the application: its worker */
	struct run *run; /* of the application */
	const struct run *ran; /* the same, still there when it has ended; NULL: there was none */
	struct lease *lease; /* of the application: on the site that answers it */
	struct guard_asked *asked; /* of the application: what it waits for before its run */
	unsigned route; /* index for metrics; 0: none */
	uint64_t begun_ns; /* when the head was complete */
	uint64_t body_done_ns; /* when the whole body had come; begun_ns without one */
	/* Absolute: until when the one that asks waits, by its own word, which counts where `near`
	 * is a trusted proxy; 0: nobody said. */
	uint64_t deadline_ns;
	uint64_t id; /* {request.id}: unique in this process */
	uint64_t max_body; /* bytes; the application may change it in begin; 413 above */
	uint64_t body_received; /* bytes of body so far */
	uint64_t body_sent; /* bytes of body given to the protocol's body() */
	bool is_head_sent;
	bool is_answered; /* behind filters: the application has ended, the response perhaps not */
	bool is_body_complete; /* of the request */
	bool hides_server; /* our own Server is not sent */
	bool is_degraded; /* the response lacks what should be in it */
	bool is_closing; /* the response must end the connection */
	bool is_background; /* no client waits for it; it makes way for all who do */
	bool is_cut; /* the client went, or the response could not be completed */
};

/* Never later than the one that asks waits. */
static inline uint64_t
exchange_within(const struct exchange *x, uint64_t at)
{
	return x->deadline_ns && x->deadline_ns < at ? x->deadline_ns : at;
}

/* When the answer is overdue that may take so long: never later than the one that asks waits. */
static inline uint64_t
exchange_deadline(const struct exchange *x, uint64_t duration_ns)
{
	return exchange_within(x, clock_after(x->begun_ns, duration_ns));
}

/* The one that asks waits no longer. */
static inline bool
exchange_is_late(const struct exchange *x)
{
	return x->deadline_ns && x->deadline_ns <= x->begun_ns;
}

/* The application's side. Return 0 or a negative enum err: then the exchange
 * is failing, cancel follows (not from inside this call) and nothing more may be sent. */
/* 1xx but 101, before the head; the fields of x->response go with all but 100, less what the head
 * would lose. They are the exchange's own. */
int exchange_inform(struct exchange *x, int status) __attribute__((warn_unused_result));
int exchange_head(struct exchange *x) __attribute__((warn_unused_result));
/*
 * A head with status 101 and the field Upgrade, to a client of HTTP/1.1 that has asked for it,
 * makes the connection a tunnel: from then on the request's body, by want_body and feed as ever, is
 * what the client sends until its end, and the response's body is what it gets, as it stands. Each
 * direction ends for itself: the client's with the last feed; the other one with exchange_shut(),
 * after which no body() follows. exchange_end() when both have ended.
 */
void exchange_shut(struct exchange *x);
/* Takes the list. 0, EXCHANGE_PAUSE or an error. */
int exchange_body(struct exchange *x, struct chunks *list) __attribute__((warn_unused_result));
void exchange_end(struct exchange *x);
/* Head, body and end in one call; the body is static or in the arena. x may be gone after it. */
void exchange_whole(struct exchange *x, struct slice body);
/* Before the head: a plain error response by cause. After it: HTTP/1 closes without the final
 * chunk, HTTP/2 resets. */
void exchange_abort(struct exchange *x, int err);
void exchange_want_body(struct exchange *x);
/* For filters, from the loop and never from inside a call of application or protocol: the response
 * cannot be completed. The application is told by cancel, the client as by exchange_abort. */
void exchange_fail(struct exchange *x, int err);
/* The user whose process asks, from the kernel: over a unix socket alone, else ERR_UNSUPPORTED. */
int exchange_peer_user(struct exchange *x, uint32_t *uid) __attribute__((warn_unused_result));

/* The other end of the connection: the client, or the proxy that spoke the PROXY protocol for it.
 * ERR_SYSTEM, ERR_UNSUPPORTED: nobody knows. */
int exchange_peer(const struct exchange *x, struct address *peer)
    __attribute__((warn_unused_result));

/* Appends the subject of the certificate that the other end has shown, as RFC 2253 writes names.
 * ERR_MISSING: none; ERR_MEMORY. */
int exchange_write_subject(const struct exchange *x, struct writer *w)
    __attribute__((warn_unused_result));

/*
 * A whole response in one call: status, `type`, `body` (static or arena) with
 * its length, and the fields already in x->response.fields. HEAD and statuses
 * without a body are heeded. Nothing may have been sent. Ends the exchange.
 */
void exchange_respond(struct exchange *x, int status, struct slice type, struct slice body);
/* exchange_respond with the page of that status, else with its own phrase as text. */
void exchange_refuse(struct exchange *x, int status);
/* Appends a field to x->response.fields, which grow in the arena. ERR_MEMORY or ERR_TOO_MANY. */
int exchange_add_field(struct exchange *x, enum field_id id, struct slice value)
    __attribute__((warn_unused_result));
int exchange_add_field_name(struct exchange *x, struct slice name, struct slice value)
    __attribute__((warn_unused_result));
/* Makes x->response.fields the exchange's own, with room for `more`, and x->prepared empty: for
 * edits, as a source's fields may be static. ERR_MEMORY. */
int exchange_own_fields(struct exchange *x, unsigned more) __attribute__((warn_unused_result));

/* --- the protocol's side --------------------------------------------------------- */

/* The client took what it had. */
void exchange_resume(struct exchange *x);
/* The client went, or its body broke the rules: filters and application let go. */
void exchange_cancel(struct exchange *x, int err);

/* --- for filter.c ---------------------------------------------------------------- */

/* Past the filters. */
int exchange_send_body(struct exchange *x, struct chunks *list) __attribute__((warn_unused_result));
void exchange_send_whole(struct exchange *x, struct slice body);

#endif
