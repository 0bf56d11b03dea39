/*
 * Conditional requests (RFC 9110 13): whether a request still applies to the
 * representation that would be sent, by its entity tag and its time. Pure; asked
 * by sources that know both; any thread.
 */
#ifndef FOREBAY_HTTP_CONDITIONAL_H
#define FOREBAY_HTTP_CONDITIONAL_H

#include "http/request.h"

/* Of the representation that would be sent. */
struct validators {
	struct slice etag; /* as sent: in quotes, W/ before a weak one; empty: it has none */
	int64_t modified_s; /* since 1970; with has_modified */
	bool has_modified;
	/* It did not change twice within that second (RFC 9110 8.8.2.2): a range may rest on it. */
	bool is_modified_strong;
};

enum condition {
	CONDITION_PASSED,
	CONDITION_NOT_MODIFIED, /* 304 */
	CONDITION_FAILED, /* 412 */
};

/* Whether it is one of those that the functions below ask for, or Range. */
bool condition_is_field(enum field_id id);
/* Whether the request has any of these. */
bool condition_is_asked(const struct request *r);
/*
 * If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the
 * order of RFC 9110 13.2.2. A list that is not well formed matches nothing; dates
 * that are none are ignored.
 */
enum condition condition_check(const struct request *r, const struct validators *v);
/* Whether Range counts: there is no If-Range, or it names this very representation. */
bool condition_range_counts(const struct request *r, const struct validators *v);

/* Whether a list of entity tags, or "*", has this one; strong comparison wants both strong (RFC
 * 9110 8.8.3.2). */
bool etag_list_has(struct slice list, struct slice etag, bool is_strong);

#endif
