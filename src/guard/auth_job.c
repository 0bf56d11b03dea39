/*
 * Verifications that take long: jobs in a pool, admitted by its gate as any job; see auth_priv.h.
 * Requests with the same credentials that come while one of them is being verified wait for that
 * verdict: a browser that asks for a page of a hundred pieces costs one hash.
 *
 *   worker: reserve, submit ====> pool thread: the hash, or the signature
 *           known <============== home: remembered, then each that waits
 *
 * A job owns a copy of the credentials, which it wipes; it holds the lease, so that users and keys,
 * which are the site's, and the desk are there until it is home. When nobody waits any more it is
 * abandoned: not run, if it has not begun.
 */
#include "auth/password.h"
#include "auth/signature.h"
#include "base/clock.h"
#include "base/mem.h"
#include "guard/auth_priv.h"
#include "plan/plan.h"
#include "plan/scope.h"

#include <openssl/crypto.h>

/* How long it is remembered that credentials were wrong. They stay wrong until the next reload, but
 * others need the place. */
#define WRONG_NS (60 * CLOCK_SEC)

struct auth_verification {
	struct job job;
	struct auth_desk *desk; /* borrowed */
	struct lease *lease; /* taken */
	const struct auth_section *section; /* borrowed from the site, as what follows */
	const struct keyring_key *key; /* NULL: a password */
	struct slice hash;
	bool is_known; /* else the user is a stand-in, and the verdict is always no */
	struct recall_digest digest;
	struct list place; /* in desk->verifications, while somebody waits */
	struct list waiting; /* auth_asking.waits */
	struct slice secret; /* the password, or what is signed; in memory[] */
	struct slice signature;
	size_t bytes;
	char memory[];
};

/* --- on the pool thread ---------------------------------------------------------------- */

static int
run_verification(struct job *j, struct pool_thread *t)
{
	struct auth_verification *v = CONTAINER_OF(j, struct auth_verification, job);
	int err;

	(void)t;
	if (v->key)
		return signature_verify(v->key, v->secret, v->signature);
	err = password_verify(v->hash, v->secret);
	return err == 0 && !v->is_known ? ERR_FORBIDDEN : err;
}

/* --- home ------------------------------------------------------------------------------- */

static void
free_verification(struct auth_verification *v)
{
	struct lease *lease = v->lease;

	list_remove(&v->place);
	OPENSSL_cleanse(v->memory, v->bytes);
	mem_free(&v);
	lease_give(lease);
}

static void
remember(const struct auth_verification *v, int outcome)
{
	struct recall *recall = v->desk->recall[v->section->place];
	uint64_t now = loop_now(&v->lease->env->loop);

	if (outcome == 0)
		recall_keep(recall, &v->digest, RECALL_RIGHT, now,
			    clock_after(now, v->section->conf.cache));
	else if (outcome == ERR_FORBIDDEN)
		recall_keep(recall, &v->digest, RECALL_WRONG, now, clock_after(now, WRONG_NS));
}

static int submit(struct auth_verification *v, struct auth_asking *k, struct pool_refusal *refusal);

/* It was dropped at the deadline of who began it, but others have come since: the last of them has
 * most time left. 0: it is on its way again. */
static int
run_again(struct auth_verification *v, struct pool_refusal *refusal)
{
	struct auth_asking *last;

	if (list_is_empty(&v->waiting))
		return ERR_DEADLINE;
	last = CONTAINER_OF(v->waiting.prev, struct auth_asking, waits);
	if (auth_deadline(last) <= loop_now(&v->lease->env->loop))
		return ERR_DEADLINE;
	return submit(v, last, refusal);
}

static void
on_home(struct job *j, void *receiver)
{
	struct auth_verification *v = CONTAINER_OF(j, struct auth_verification, job);
	struct pool_refusal refusal = j->refusal;
	int outcome = j->outcome;

	(void)receiver;
	remember(v, outcome);
	if (outcome == ERR_DEADLINE) {
		outcome = run_again(v, &refusal);
		if (outcome == 0)
			return;
	}
	list_remove(&v->place); /* nobody joins any more */
	while (!list_is_empty(&v->waiting)) {
		struct auth_asking *k = CONTAINER_OF(v->waiting.next, struct auth_asking, waits);

		auth_let_go(k);
		auth_known(k, outcome, &refusal);
	}
	free_verification(v);
}

/* --- on the worker ------------------------------------------------------------------------ */

static struct auth_verification *
find_same(const struct auth_asking *k, const struct auth_section *s)
{
	struct list *item, *keep;

	LIST_EACH(item, keep, &k->desk->verifications) {
		struct auth_verification *v = CONTAINER_OF(item, struct auth_verification, place);

		if (v->section == s &&
		    CRYPTO_memcmp(v->digest.at, k->digest.at, sizeof(v->digest.at)) == 0)
			return v;
	}
	return NULL;
}

static void
copy(struct auth_verification *v, struct slice secret, struct slice signature)
{
	memcpy(v->memory, secret.at, secret.len);
	v->memory[secret.len] = '\0'; /* of a password: what crypt(3) asks for */
	if (signature.len)
		memcpy(v->memory + secret.len + 1, signature.at, signature.len);
	v->secret = slice_make(v->memory, secret.len);
	v->signature = slice_make(v->memory + secret.len + 1, signature.len);
}

static struct auth_verification *
make(const struct auth_asking *k, const struct auth_section *s, const struct users_entry *user,
     bool is_known)
{
	struct slice secret = user ? k->pair.password : k->token.signed_part;
	struct slice signature = user ? SLICE("") : k->token.signature;
	size_t bytes = secret.len + 1 + signature.len;
	struct auth_verification *v = mem_zalloc(1, sizeof(*v) + bytes);

	if (!v)
		return NULL;
	v->desk = k->desk;
	v->lease = k->asked->lease;
	v->section = s;
	v->key = user ? NULL : k->key;
	v->hash = user ? user->hash : SLICE("");
	v->is_known = is_known;
	v->digest = k->digest;
	v->bytes = bytes;
	list_init(&v->place);
	list_init(&v->waiting);
	copy(v, secret, signature);
	return v;
}

/* For k's sake: its deadline, its priority, its client's share. */
static int
submit(struct auth_verification *v, struct auth_asking *k, struct pool_refusal *refusal)
{
	const struct auth_section *s = v->section;
	struct exchange *x = k->asked->x;
	struct env *env = v->lease->env;
	struct gate_ask ask = { .priority = k->asked->plan->conf.priority,
				.share = scope_client_share(x),
				.now_ns = loop_now(&env->loop),
				.deadline_ns = CLOCK_NEVER };
	uint64_t expected = pool_ask_more(s->pool, &ask, s->cost, 0, auth_deadline(k));
	int err = pool_reserve(s->pool, &ask, random_next(&env->random), refusal);

	if (err)
		return err;
	v->job = (struct job){
		.home = &env->loop.mailbox,
		.run = run_verification,
		.on_home = on_home,
		.deadline_ns = auth_deadline(k),
		.priority = ask.priority,
		.expected_ns = expected,
		.cost = s->cost,
	};
	pool_submit(s->pool, &v->job);
	auth_count(k, COUNTER_AUTH_JOBS);
	return 0;
}

static int
begin(struct auth_asking *k, const struct auth_section *s, const struct users_entry *user,
      bool is_known, struct pool_refusal *refusal, struct auth_verification **made)
{
	struct auth_verification *v = make(k, s, user, is_known);
	int err;

	if (!v)
		return ERR_MEMORY;
	lease_take(v->lease);
	err = submit(v, k, refusal);
	if (err) {
		free_verification(v);
		return err;
	}
	list_append(&k->desk->verifications, &v->place);
	*made = v;
	return 0;
}

int
auth_verify_later(struct auth_asking *k, const struct users_entry *user, bool is_known,
		  struct pool_refusal *refusal)
{
	const struct auth_section *s = auth_section_of(k);
	struct auth_verification *v = find_same(k, s);
	struct loop *loop = &k->asked->lease->env->loop;
	int err = loop_set_timer(loop, &k->timer, auth_deadline(k));

	if (err)
		return err;
	if (v)
		auth_count(k, COUNTER_AUTH_JOINED);
	else
		err = begin(k, s, user, is_known, refusal, &v);
	if (err) {
		loop_clear_timer(loop, &k->timer);
		return err;
	}
	k->verification = v;
	list_append(&v->waiting, &k->waits);
	return 0;
}

void
auth_let_go(struct auth_asking *k)
{
	struct auth_verification *v = k->verification;

	if (!v)
		return;
	k->verification = NULL;
	list_remove(&k->waits);
	loop_clear_timer(&k->asked->lease->env->loop, &k->timer);
	/* Home, its place has been given up before. */
	if (list_is_empty(&v->waiting) && !list_is_empty(&v->place)) {
		list_remove(&v->place);
		job_abandon(&v->job);
	}
}
