/*
 * Filters of responses: what stands between the application and the protocol
 * and may change head and body of one response, or hold them back for a while.
 * Most exchanges have none.
 *
 *   exchange_head, body, end, whole, abort           the client, gone
 *        |                                                  |
 *        v     filter_pass_*()          filter_pass_*()     v
 *     first filter  ------> ... ------> last filter ------> exchange_ops
 *        |  <--------------- ... <--------------  |  <----- room again
 *        v     filter_pass_resume()
 *   exchange_app.resume
 *
 * A filter is first in a struct of its own, in the exchange's arena, and is of
 * use until the exchange ends: by filter_pass_end, filter_pass_whole or
 * filter_pass_abort, after which it may be gone, or by its cancel. One thread.
 *
 * Rules. head comes once, then body..., then end or abort; or whole alone. What the
 * application calls may be passed on at once, from inside the call, or later;
 * head is passed on from inside head(), always. body() answers for the filter itself:
 * after EXCHANGE_PAUSE it owes one filter_pass_resume(). It may be told to pause
 * in turn, and then hears resume() once. Who cannot go on returns the
 * error from inside a call, and calls exchange_fail() later, from the loop.
 */
#ifndef FOREBAY_HTTP_FILTER_H
#define FOREBAY_HTTP_FILTER_H

#include "base/chunk.h"

struct exchange;
struct filter;

/* NULL stands for passing on, and for cancel, resume and abort for having nothing of one's own. */
struct filter_ops {
	int (*head)(struct filter *f); /* may change x->response; then x->prepared is emptied */
	int (*body)(struct filter *f, struct chunks *list); /* takes the list */
	void (*end)(struct filter *f);
	/* Head, body and end; the body is static or in the arena. */
	void (*whole)(struct filter *f, struct slice body);
	/* The response is cut after its head. Lets go and passes it on. */
	void (*abort)(struct filter *f, int err);
	void (*resume)(struct filter *f);
	/* Lets go of everything outside the arena; calls nothing any more. */
	void (*cancel)(struct filter *f);
};

struct filter {
	const struct filter_ops *ops;
	struct exchange *x; /* upward */
	struct filter *next, *prior; /* towards the client, towards the application */
};

/* Behind those that are there already, before the head. */
void filter_add(struct exchange *x, struct filter *f, const struct filter_ops *ops);

/* Before those that are there already: it sees what the application says. */
void filter_add_first(struct exchange *x, struct filter *f, const struct filter_ops *ops);

/* To the next one, or to the protocol. As the calls of exchange.h with the same name. */
int filter_pass_head(struct filter *f) __attribute__((warn_unused_result));
int filter_pass_body(struct filter *f, struct chunks *list) __attribute__((warn_unused_result));
void filter_pass_end(struct filter *f);
void filter_pass_whole(struct filter *f, struct slice body);
void filter_pass_abort(struct filter *f, int err);
/* To the one before, or to the application if it has not answered fully. */
void filter_pass_resume(struct filter *f);

/* --- for exchange.c -------------------------------------------------------------- */

/* The same, from outside the chain; x->filter is not NULL. */
int filters_head(struct exchange *x) __attribute__((warn_unused_result));
int filters_body(struct exchange *x, struct chunks *list) __attribute__((warn_unused_result));
void filters_end(struct exchange *x);
void filters_whole(struct exchange *x, struct slice body);
void filters_abort(struct exchange *x, int err);
void filters_resume(struct exchange *x);
/* Takes all of them out, the last first. */
void filters_cancel(struct exchange *x);

#endif
