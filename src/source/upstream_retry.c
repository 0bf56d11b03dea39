/*
 * Whether a failed attempt is followed by another, at a server that the errand
 * did not ask yet:
 *
 *   - nothing was heard but what `retry_on` names, the method is idempotent
 *     (RFC 9110 9.2.2), and no body went out with it;
 *   - there is such a server, and time before the deadline;
 *   - the budget of this worker pays for it.
 *
 * The budget earns a share of every first attempt, so that an upstream in
 * trouble sees at most that much more than its clients send. The first retry
 * goes at once, later ones after a back-off with jitter; both are paid for when
 * they are decided.
 */
#include "base/assert.h"
#include "source/upstream_priv.h"

enum {
	COST = 100, /* of one retry: earned by a hundred per cent of a request */
	SAVED_MAX = 10 * COST,
	BACK_OFF_MIN_MS = 10,
	BACK_OFF_MAX_MS = 320,
	KEPT_BYTES = 64 << 10, /* of a body */
};

/* --- the budget -------------------------------------------------------------------- */

static void
put_in(struct upstream_budget *b, uint64_t amount)
{
	b->left += amount;
	if (b->left > SAVED_MAX)
		b->left = SAVED_MAX;
}

void
upstream_retry_earn(struct upstream_share *share)
{
	unsigned percent = share->upstream->conf->retry_budget;

	put_in(&share->budget, percent);
	share->budget.earned += percent;
}

/* Where requests are too few to earn one in a second, it is given. */
static void
top_up(struct upstream_share *share)
{
	struct upstream_budget *b = &share->budget;
	uint64_t now = loop_now(&share->env->loop);

	if (b->window_ns != 0 && now - b->window_ns < CLOCK_SEC)
		return;
	if (b->earned < COST)
		put_in(b, COST - b->earned);
	b->window_ns = now;
	b->earned = 0;
}

bool
upstream_retry_can_pay(struct upstream_share *share)
{
	top_up(share);
	return share->budget.left >= COST;
}

void
upstream_retry_pay(struct upstream_share *share)
{
	ASSERT(share->budget.left >= COST);
	share->budget.left -= COST;
}

/* --- the decision ------------------------------------------------------------------- */

enum upstream_fault
upstream_retry_fault(int status)
{
	switch (status) {
	case 502:
		return UPSTREAM_FAULT_502;
	case 503:
		return UPSTREAM_FAULT_503;
	case 504:
		return UPSTREAM_FAULT_504;
	default:
		return UPSTREAM_FAULT_NONE;
	}
}

static bool
is_worth_it(const struct upstream_errand *e, enum upstream_fault why, bool was_sent)
{
	const struct upstream *u = e->share->upstream;
	struct upstream_sending s;

	if (why == UPSTREAM_FAULT_NONE || !(u->conf->retry_on & 1u << why) ||
	    e->retries >= u->conf->retries || e->share->count == 1)
		return false;
	s = upstream_request_sending(e->q);
	if (!(method_flags(s.method) & METHOD_IDEMPOTENT))
		return false;
	return !was_sent || (!s.is_fed && s.length == 0);
}

/* At most so long before the n-th retry: none, then doubling. */
static uint64_t
back_off(unsigned n)
{
	uint64_t ms = BACK_OFF_MIN_MS;

	if (n <= 1)
		return 0;
	for (unsigned i = 2; i < n && ms < BACK_OFF_MAX_MS; i++)
		ms *= 2;
	return ms * CLOCK_MS;
}

static bool
refuse(struct upstream_errand *e, enum counter id)
{
	count_add(e->share->env->counters, id, 1);
	return false;
}

bool
upstream_retry_may(struct upstream_errand *e, const struct upstream_peer *p,
		   enum upstream_fault why, bool was_sent)
{
	static const enum counter counters[] = {
		[UPSTREAM_FAULT_CONNECT] = COUNTER_UPSTREAM_RETRY_CONNECT,
		[UPSTREAM_FAULT_CLOSED] = COUNTER_UPSTREAM_RETRY_CLOSED,
		[UPSTREAM_FAULT_TIMEOUT] = COUNTER_UPSTREAM_RETRY_TIMEOUT,
		[UPSTREAM_FAULT_502] = COUNTER_UPSTREAM_RETRY_STATUS,
		[UPSTREAM_FAULT_503] = COUNTER_UPSTREAM_RETRY_STATUS,
		[UPSTREAM_FAULT_504] = COUNTER_UPSTREAM_RETRY_STATUS,
	};
	uint64_t now = loop_now(&e->share->env->loop);

	if (!is_worth_it(e, why, was_sent))
		return false;
	/* The other one is asking another server already. */
	if (e->twin)
		return true;
	if (!upstream_balance_has_other(e, p))
		return refuse(e, COUNTER_UPSTREAM_RETRY_NO_SERVER);
	if (clock_after(now, back_off(e->retries + 1u)) >= e->q->deadline_ns)
		return refuse(e, COUNTER_UPSTREAM_RETRY_NO_TIME);
	if (!upstream_retry_can_pay(e->share))
		return refuse(e, COUNTER_UPSTREAM_RETRY_NO_BUDGET);
	upstream_retry_pay(e->share);
	e->asked[e->retries++] = p->number;
	count_add(e->share->env->counters, counters[why], 1);
	return true;
}

void
upstream_retry_go(struct upstream_errand *e)
{
	struct env *env = e->share->env;
	uint64_t longest = back_off(e->retries), wait = longest;

	if (upstream_hedge_leave(e))
		return;
	wait_return(&e->share->line, &e->wait, e->q);
	if (wait > 0)
		wait = longest / 2 + random_below(&env->random, longest / 2);
	e->is_backing_off = true;
	if (wait == 0 ||
	    loop_set_timer(&env->loop, &e->timer, clock_after(loop_now(&env->loop), wait)) != 0)
		upstream_share_return(e);
}

/* --- bodies of what begins anew ------------------------------------------------------ */

static struct chunks *
kept(struct upstream_errand *e)
{
	if (!e->kept.store)
		chunks_init(&e->kept, &e->share->env->store);
	return &e->kept;
}

void
upstream_retry_forget(struct upstream_errand *e)
{
	if (e->kept.store)
		chunks_clear(&e->kept);
	e->is_spent = true;
}

void
upstream_retry_keep(struct upstream_errand *e, const struct chunks *body, bool is_last)
{
	if (e->is_spent)
		return;
	e->is_kept_whole = is_last;
	if (kept(e)->bytes + body->bytes > KEPT_BYTES || chunks_share(&e->kept, body) != 0)
		upstream_retry_forget(e);
}

void
upstream_retry_hold(struct upstream_errand *e, struct chunks *body, bool is_last)
{
	e->is_wanted = false;
	e->is_kept_whole = is_last;
	chunks_move(kept(e), body);
}

void
upstream_retry_replay(struct upstream_errand *e)
{
	struct chunks body;

	if (!e->is_begun_anew || !e->kept.store || (e->kept.bytes == 0 && !e->is_kept_whole))
		return;
	chunks_init(&body, &e->share->env->store);
	chunks_move(&body, &e->kept);
	e->is_spent = true;
	e->channel->ops->feed(e->channel, &body, e->is_kept_whole);
}
