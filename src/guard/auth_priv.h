/*
 * What the files of the guard `auth` share: auth.c (keys, files, life), auth_check.c (one request),
 * auth_job.c (verifications in a pool), auth_answer.c (refusals), auth_private.c (what caches
 * may keep). The way of a request:
 *
 *   check --> each [auth NAME] of the route, in order
 *               |  right: x->user, x->claims; the next guard
 *               |  wrong, or no credentials of that kind: the next NAME; after the last 401 or 403
 *               '- nobody knows: a verification in the pool ==> home: the same again
 *
 * Sections are of the site: built once, then read by all workers. A desk is what one worker keeps
 * for one site, and of its thread alone; jobs hold the site's lease, so it outlives them.
 */
#ifndef FOREBAY_GUARD_AUTH_PRIV_H
#define FOREBAY_GUARD_AUTH_PRIV_H

#include "auth/claims.h"
#include "auth/credentials.h"
#include "auth/keyring.h"
#include "auth/recall.h"
#include "auth/users.h"
#include "base/list.h"
#include "guard/guard.h"

enum auth_type { AUTH_BASIC, AUTH_JWT };

/* The keys of [auth NAME], as written. */
struct auth_conf {
	enum auth_type type;
	struct slice realm, users_file, pool, key_file, jwks_file, user_claim, cookie;
	uint64_t cache, leeway;
	unsigned algorithms; /* bit set of enum jwt_algorithm */
	struct conf_list issuer, audience, scope;
	struct conf_family require;
	bool must_expire;
};

struct auth_section {
	struct slice name;
	unsigned place; /* among those of the site */
	struct auth_conf conf;
	struct users users; /* of basic */
	struct keyring keyring; /* of jwt */
	struct claims_terms terms;
	struct pool *pool; /* borrowed from the site */
	struct cost *cost; /* borrowed from the pool; or NULL */
	struct slice challenge; /* the start of a WWW-Authenticate value */
};

struct auth_state {
	struct auth_section *at;
	unsigned count, cap;
};

/* The guard of one route. */
struct auth_guard {
	struct guard guard;
	const struct auth_section **section; /* any of them will do */
	unsigned count;
	bool forwards; /* the Authorization field stays in the request */
};

struct auth_desk {
	struct lease *lease; /* the one that it is attached to */
	unsigned count;
	struct list verifications; /* on their way, with somebody waiting */
	struct recall *recall[]; /* by section */
};

struct auth_verification;

/* One request; in its exchange's arena. */
struct auth_asking {
	struct guard_asked *asked;
	const struct auth_guard *guard;
	struct auth_desk *desk;
	struct credentials credentials;
	unsigned place; /* of the section that is asked now */
	enum fault fault; /* of those that were asked, the one that says most */
	const struct auth_section *blamed; /* that found it */
	struct credentials_pair pair; /* decoded once */
	bool has_pair;
	struct jwt token; /* of the section that is asked now */
	const struct keyring_key *key;
	struct recall_digest digest; /* of what is being verified */
	/* While it waits: */
	struct auth_verification *verification;
	struct list waits; /* among those of the verification */
	struct timer timer; /* the deadline */
};

/* --- auth_job.c ------------------------------------------------------------------------ */

/* Hands k->pair (against `user`) or k->token (against k->key) to the section's pool, or joins a
 * verification of the same that is under way. 0: auth_known() follows, later. ERR_SHED with the
 * refusal; ERR_MEMORY. */
int auth_verify_later(struct auth_asking *k, const struct users_entry *user, bool is_known,
		      struct pool_refusal *refusal) MUST_CHECK;
/* No interest any more; idempotent. */
void auth_let_go(struct auth_asking *k);

/* --- auth_check.c ----------------------------------------------------------------------- */

/* From the job: k waits no more. 0: the credentials are right; ERR_FORBIDDEN: wrong; else why
 * nobody knows, with the pool's refusal for ERR_SHED. k may be gone after it. */
void auth_known(struct auth_asking *k, int outcome, const struct pool_refusal *refusal);
enum guard_verdict auth_check(const struct guard *g, struct guard_asked *a);
void auth_cancel(const struct guard *g, struct guard_asked *a);
/* The section that is asked now. */
const struct auth_section *auth_section_of(const struct auth_asking *k);
uint64_t auth_deadline(const struct auth_asking *k);
void auth_count(const struct auth_asking *k, enum counter counter);

/* --- auth_private.c --------------------------------------------------------------------- */

/* Keeps the answer out of caches that are shared. ERR_MEMORY. */
int auth_keep_private(struct exchange *x) MUST_CHECK;

/* --- auth_answer.c ---------------------------------------------------------------------- */

/* 401 with a challenge of each section, or 403. The exchange may be gone after these. */
void auth_refuse(struct auth_asking *k);
/* No verdict could be had: 503, 429 or 504. */
void auth_fail(struct auth_asking *k, int err, const struct pool_refusal *refusal);

extern const struct guard_kind guard_auth;

#endif
