/*
 * Whether a response may be kept by a cache that many share, for how long it is fresh, and how
 * much longer it may be used stale (RFC 9111 3 and 4.2, RFC 5861). Nothing is guessed: what says
 * nothing of its freshness is fresh for as long as the operator says, or not kept. Pure; any
 * thread.
 */
#ifndef FOREBAY_CACHE_FRESHNESS_H
#define FOREBAY_CACHE_FRESHNESS_H

#include "http/request.h"

struct freshness_question {
	const struct request *request; /* that it answers */
	const struct response *response;
	/* By our own guards or Authorization; not where the cache's key knows who (RFC 9111 3.5).
	 */
	bool is_authorized;
	int64_t now_s; /* since 1970 */
	int64_t delay_s; /* from request to response */
	int64_t unsaid_s; /* how long what says nothing is fresh; 0: not */
	int64_t stale_if_error_s, stale_while_revalidate_s; /* of what says nothing of that */
};

struct freshness {
	bool may_store;
	bool is_always_asked; /* no-cache: never used without asking */
	int64_t age_s; /* at now_s */
	int64_t lifetime_s;
	/* Behind its lifetime: while it is refreshed; while errors are all there is. */
	int64_t stale_while_revalidate_s, stale_if_error_s;
};

void freshness_read(const struct freshness_question *q, struct freshness *f);

#endif
