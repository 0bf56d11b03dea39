/*
 * What a token must claim to be taken here and now (RFC 7519 4.1), and who it says its bearer is.
 * Whether its signature is right is another question (signature.h). Any thread; nothing is kept.
 */
#ifndef FOREBAY_AUTH_CLAIMS_H
#define FOREBAY_AUTH_CLAIMS_H

#include "auth/fault.h"
#include "base/arena.h"
#include "base/err.h"
#include "config/key.h"

struct claims_terms {
	struct conf_list issuer; /* empty: any */
	struct conf_list audience; /* empty: only tokens that are for nobody in particular */
	struct conf_list scope; /* all of these */
	struct conf_family require; /* claims by name, with their values */
	struct slice user; /* the claim that names the user */
	bool must_name_user; /* tokens without it are refused */
	uint64_t leeway_ns;
	bool must_expire;
};

struct claims {
	struct slice user; /* in the arena or borrowed; empty: it names none, and may */
	int64_t expires_s; /* since 1970, leeway not added; INT64_MAX: never */
};

/* now_s: seconds since 1970. 0, a positive enum fault, or ERR_MEMORY. */
int claims_check(struct claims *c, const struct claims_terms *t, struct slice json, int64_t now_s,
		 struct arena *a) MUST_CHECK;

/* NumericDate (RFC 7519 2): a JSON number of seconds, fractions cut; what is out of reach becomes
 * the nearest that is in it. ERR_SYNTAX: no number. */
int claims_time(struct slice raw, int64_t *seconds) MUST_CHECK;

#endif
