/*
 * What templates see of an exchange, whoever evaluates them: a run for its parts, edits for the
 * response's head. On the worker; all memory is the exchange's arena.
 */
#ifndef FOREBAY_PLAN_SCOPE_H
#define FOREBAY_PLAN_SCOPE_H

#include "http/exchange.h"
#include "plan/template.h"

/* The request's id, as in {request.id}; at is NULL without memory. */
struct slice scope_request_id(struct exchange *x);
/* The trace that it belongs to, as in {request.trace}; empty: none. */
struct slice scope_trace(struct exchange *x);
/* The client's address, without port; at is NULL without memory. */
struct slice scope_client_address(struct exchange *x);
/* The same of who counts as one client (address_to_client): the key of its share of a pool. */
struct slice scope_client_share(struct exchange *x);
/* The subject of the client's certificate. ERR_MISSING: it has none; ERR_TOO_LARGE, ERR_MEMORY. */
int scope_client_subject(const struct exchange *x, struct arena *a,
			 struct slice *subject) MUST_CHECK;
/* Fills what is known of the exchange, or how to make it; params and rest (borrowed) are the
 * route's captures. Body and results are left empty. */
void scope_fill(struct template_scope *s, struct exchange *x, const struct slice *params,
		struct slice rest);

#endif
