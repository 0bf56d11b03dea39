/*
 * A run: one execution of a plan for one exchange. It starts the subrequests,
 * bounds them in time, and answers: a single part is passed through, byte by
 * byte with back-pressure both ways (pass.c); several are collected and joined
 * (fan.c). On the worker that owns the exchange; all its memory is the
 * exchange's arena, or heap that it frees when it ends.
 *
 *   exchange_app            run                      sources
 *   begin  --> run_start  --> answer | reserve, start
 *   feed   --> run_feed   --> feed                <-- subrequest_want_body
 *   resume --> run_resume --> resume
 *   cancel --> run_cancel --> cancel
 *   exchange_head, body, end <-- run              <-- subrequest_head, body, done
 *
 * x->run is the run while it lasts; it is NULL again before the response's
 * end is told to the exchange, which may be gone after that.
 */
#ifndef FOREBAY_PLAN_RUN_H
#define FOREBAY_PLAN_RUN_H

#include "http/exchange.h"
#include "net/lease.h"
#include "plan/plan.h"

/* What the router found: values of p->param in their order, decoded, and the text
 * of {rest...} as it was in request.path. The array is copied, the texts must
 * live as long as the exchange. */
struct run_captures {
	const struct slice *value;
	struct slice rest;
};

/* From inside begin, with x->max_body set. May answer before it returns. */
void run_start(struct exchange *x, struct lease *lease, const struct plan *p,
	       const struct run_captures *captures);
/* These do nothing (but release the body) when the run has ended. */
void run_feed(struct exchange *x, struct chunks *body, bool is_last);
void run_resume(struct exchange *x);
/* The client went, or its body was cut: every subrequest is cancelled; nothing is touched after it.
 */
void run_cancel(struct exchange *x, int err);

#endif
