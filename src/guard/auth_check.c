/*
 * One request before the guard `auth`; see auth_priv.h. On its worker.
 */
#include "auth/signature.h"
#include "base/clock.h"
#include "guard/auth_priv.h"
#include "plan/plan.h"

#include <time.h>

/* What one section says to one request. */
enum verdict { VERDICT_YES, VERDICT_NO, VERDICT_LATER, VERDICT_FAILED };

/* --- what is known of it ------------------------------------------------------------------ */

const struct auth_section *
auth_section_of(const struct auth_asking *k)
{
	return k->guard->section[k->place];
}

uint64_t
auth_deadline(const struct auth_asking *k)
{
	return exchange_deadline(k->asked->x, k->asked->plan->conf.deadline);
}

void
auth_count(const struct auth_asking *k, enum counter counter)
{
	count_add(k->asked->lease->env->counters, counter, 1);
}

static uint64_t
now_of(const struct auth_asking *k)
{
	return loop_now(&k->asked->lease->env->loop);
}

static struct recall *
recall_of(const struct auth_asking *k)
{
	return k->desk->recall[auth_section_of(k)->place];
}

/* Of several sections the one that came farthest says why: that is the order of faults.def. */
static enum verdict
no(struct auth_asking *k, enum fault fault)
{
	if (fault > k->fault) {
		k->fault = fault;
		k->blamed = auth_section_of(k);
	}
	return VERDICT_NO;
}

/* --- verdicts that nobody had ---------------------------------------------------------------- */

static enum verdict
fail(struct auth_asking *k, int err, const struct pool_refusal *refusal)
{
	auth_fail(k, err, refusal);
	return VERDICT_FAILED;
}

static enum verdict
verify_later(struct auth_asking *k, const struct users_entry *user, bool is_known)
{
	struct pool_refusal refusal = { 0 };
	int err = auth_verify_later(k, user, is_known, &refusal);

	return err ? fail(k, err, &refusal) : VERDICT_LATER;
}

/* --- basic ------------------------------------------------------------------------------------ */

static enum verdict
accept_user(struct auth_asking *k)
{
	k->asked->x->user = k->pair.user;
	return VERDICT_YES;
}

static enum verdict
verify_password(struct auth_asking *k)
{
	const struct users *users = &auth_section_of(k)->users;
	const struct users_entry *known = users_find(users, k->pair.user);
	const struct users_entry *user = known ? known : users_stand_in(users, k->pair.user);

	return user ? verify_later(k, user, known != NULL) : no(k, FAULT_PASSWORD);
}

static enum verdict
ask_basic(struct auth_asking *k)
{
	int err = 0;

	if (k->credentials.scheme != CREDENTIALS_BASIC)
		return no(k,
			  k->credentials.scheme == CREDENTIALS_NONE ? FAULT_ABSENT : FAULT_SCHEME);
	if (!k->has_pair)
		err = credentials_pair(k->credentials.token, &k->asked->x->arena, &k->pair);
	if (err)
		return err == ERR_MEMORY ? fail(k, err, NULL) : no(k, FAULT_SYNTAX);
	k->has_pair = true;
	err = recall_hash(recall_of(k), k->pair.whole, &k->digest);
	if (err)
		return fail(k, err, NULL);
	switch (recall_find(recall_of(k), &k->digest, now_of(k))) {
	case RECALL_RIGHT:
		auth_count(k, COUNTER_AUTH_REMEMBERED);
		return accept_user(k);
	case RECALL_WRONG:
		auth_count(k, COUNTER_AUTH_WRONG_AGAIN);
		return no(k, FAULT_PASSWORD);
	default:
		return verify_password(k);
	}
}

/* --- jwt ----------------------------------------------------------------------------------------
 */

/* The signature is right. */
static enum verdict
judge_claims(struct auth_asking *k)
{
	struct exchange *x = k->asked->x;
	struct claims c;
	int err = claims_check(&c, &auth_section_of(k)->terms, k->token.claims, (int64_t)time(NULL),
			       &x->arena);

	if (err)
		return err < 0 ? fail(k, err, NULL) : no(k, (enum fault)err);
	x->user = c.user;
	x->claims = k->token.claims;
	return VERDICT_YES;
}

static enum verdict
verify_now(struct auth_asking *k)
{
	uint64_t now = now_of(k), cache = auth_section_of(k)->conf.cache;
	int err = signature_verify(k->key, k->token.signed_part, k->token.signature);

	if (err == ERR_FORBIDDEN)
		return no(k, FAULT_SIGNATURE);
	if (err)
		return fail(k, err, NULL);
	if (k->key->algorithm != JWT_HS256)
		recall_keep(recall_of(k), &k->digest, RECALL_RIGHT, now, clock_after(now, cache));
	auth_count(k, COUNTER_AUTH_VERIFIED);
	return judge_claims(k);
}

static enum verdict
verify_token(struct auth_asking *k, struct slice token)
{
	int err;

	/* A look at the memory costs as much as a short HMAC. */
	if (k->key->algorithm == JWT_HS256)
		return verify_now(k);
	err = recall_hash(recall_of(k), token, &k->digest);
	if (err)
		return fail(k, err, NULL);
	switch (recall_find(recall_of(k), &k->digest, now_of(k))) {
	case RECALL_RIGHT:
		auth_count(k, COUNTER_AUTH_REMEMBERED);
		return judge_claims(k);
	case RECALL_WRONG:
		auth_count(k, COUNTER_AUTH_WRONG_AGAIN);
		return no(k, FAULT_SIGNATURE);
	default:
		return k->key->is_slow ? verify_later(k, NULL, true) : verify_now(k);
	}
}

/* 0, or a fault. RFC 6750 2: of two tokens none counts; the field goes before the cookie. */
static int
find_token(const struct auth_asking *k, struct slice *token)
{
	struct slice cookie = auth_section_of(k)->conf.cookie;
	int err;

	*token = k->credentials.token;
	if (k->credentials.scheme == CREDENTIALS_BEARER)
		return 0;
	if (k->credentials.scheme != CREDENTIALS_NONE)
		return FAULT_SCHEME;
	if (cookie.len == 0)
		return FAULT_ABSENT;
	err = credentials_cookie(&k->asked->x->request.fields, cookie, token);
	return err == ERR_MISSING ? FAULT_ABSENT : err ? FAULT_TOKEN : 0;
}

static enum verdict
ask_jwt(struct auth_asking *k)
{
	const struct auth_section *s = auth_section_of(k);
	struct slice token;
	int err = find_token(k, &token);

	if (!err)
		err = jwt_read(token, &k->asked->x->arena, &k->token);
	if (!err && !(s->conf.algorithms >> k->token.algorithm & 1))
		err = FAULT_ALGORITHM;
	if (err)
		return err < 0 ? fail(k, err, NULL) : no(k, (enum fault)err);
	k->key = keyring_find(&s->keyring, &k->token);
	return k->key ? verify_token(k, token) : no(k, FAULT_KEY);
}

/* --- all of them ---------------------------------------------------------------------------------
 */

static enum verdict (*const ways[])(struct auth_asking *k) = {
	[AUTH_BASIC] = ask_basic,
	[AUTH_JWT] = ask_jwt,
};

/* Takes the fields of that name out, where upstreams and templates would see them. */
static void
hide_authorization(struct fields *fields)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < fields->count; i++) {
		if (fields->at[i].id != FIELD_AUTHORIZATION)
			fields->at[kept++] = fields->at[i];
	}
	fields->count = kept;
}

static enum guard_verdict
pass(struct auth_asking *k)
{
	struct exchange *x = k->asked->x;

	/* Who has passed without Authorization has shown a cookie. */
	if (k->credentials.scheme == CREDENTIALS_NONE && auth_keep_private(x) != 0) {
		auth_fail(k, ERR_MEMORY, NULL);
		return GUARD_ENDED;
	}
	if (!k->guard->forwards)
		hide_authorization(&x->request.fields);
	return GUARD_PASS;
}

/* Asks the sections from k->place on; `verdict` is that of the one before. */
static enum guard_verdict
go_on(struct auth_asking *k, enum verdict verdict)
{
	while (verdict == VERDICT_NO && k->place < k->guard->count) {
		verdict = ways[auth_section_of(k)->conf.type](k);
		if (verdict == VERDICT_NO)
			k->place++;
	}
	switch (verdict) {
	case VERDICT_YES:
		return pass(k);
	case VERDICT_LATER:
		return GUARD_WAITS;
	case VERDICT_NO:
		auth_refuse(k);
		break;
	case VERDICT_FAILED:
		break;
	}
	return GUARD_ENDED;
}

static void
on_deadline(struct timer *t)
{
	struct auth_asking *k = CONTAINER_OF(t, struct auth_asking, timer);

	auth_let_go(k);
	auth_fail(k, ERR_DEADLINE, NULL);
}

enum guard_verdict
auth_check(const struct guard *g, struct guard_asked *a)
{
	struct auth_asking *k = arena_zalloc(&a->x->arena, 1, sizeof(*k));

	if (!k) {
		exchange_abort(a->x, ERR_MEMORY);
		return GUARD_ENDED;
	}
	k->asked = a;
	k->guard = (const struct auth_guard *)g;
	k->desk = guard_attached(g, a);
	list_init(&k->waits);
	timer_init(&k->timer, on_deadline);
	a->waiting = k;
	credentials_read(&k->credentials, &a->x->request.fields);
	return go_on(k, VERDICT_NO);
}

/* What the verification's outcome means for the section that asked for it. */
static enum verdict
judge_outcome(struct auth_asking *k, int outcome, const struct pool_refusal *refusal)
{
	bool is_basic = auth_section_of(k)->conf.type == AUTH_BASIC;

	if (outcome == ERR_FORBIDDEN)
		return no(k, is_basic ? FAULT_PASSWORD : FAULT_SIGNATURE);
	if (outcome)
		return fail(k, outcome, refusal);
	auth_count(k, COUNTER_AUTH_VERIFIED);
	return is_basic ? accept_user(k) : judge_claims(k);
}

void
auth_known(struct auth_asking *k, int outcome, const struct pool_refusal *refusal)
{
	enum verdict verdict = judge_outcome(k, outcome, refusal);

	if (verdict == VERDICT_NO)
		k->place++;
	if (go_on(k, verdict) == GUARD_PASS)
		guard_go_on(k->asked);
}

void
auth_cancel(const struct guard *g, struct guard_asked *a)
{
	(void)g;
	auth_let_go(a->waiting);
}
