/*
 * Hedging: an errand that has no answer for `hedge_after` gets a twin, which asks
 * another server; whose response's head comes first goes on, and the other one
 * is cancelled (Dean and Barroso, The Tail at Scale, 2013).
 *
 *   errand ---- asked --------------------- head --> goes on
 *                 '-- hedge_after --> twin ---'  cancelled
 *
 * What may be hedged is what may be retried without a body: see upstream_retry.c,
 * whose budget pays for it, too. A twin that fails leaves quietly, and so does an
 * errand that fails while its twin is under way: then the twin is the one.
 */
#include "source/upstream_priv.h"

/* --- whether -------------------------------------------------------------------------- */

static bool
is_worth_it(const struct upstream_errand *e)
{
	struct upstream_sending s = upstream_request_sending(e->q);

	return (method_flags(s.method) & METHOD_IDEMPOTENT) && !s.is_fed && s.length == 0;
}

void
upstream_hedge_watch(struct upstream_errand *e)
{
	struct loop *l = &e->share->env->loop;
	uint64_t after = e->share->upstream->conf->hedge_after;
	uint64_t at;

	if (after == 0)
		return;
	at = clock_after(loop_now(l), after);
	if (e->twin || e->share->count == 1 || at >= e->q->deadline_ns)
		return;
	/* Without memory for it nothing is hedged. */
	if (is_worth_it(e) && loop_set_timer(l, &e->timer, at) != 0)
		log_debug("upstream: no memory for a timer");
}

static struct upstream_peer *
peer_of(const struct upstream_errand *e)
{
	for (unsigned i = 0; i < e->share->count; i++) {
		if (e->share->peers[i]->number == e->peer)
			return e->share->peers[i];
	}
	return NULL;
}

/* --- the twin --------------------------------------------------------------------------- */

/* It asks none that the errand has asked. */
static struct upstream_errand *
make_twin(struct upstream_errand *e)
{
	struct upstream_errand *twin = upstream_errand_new(e->share, e->q);

	if (!twin || !wait_join(&e->share->line, &twin->wait, e->q))
		return NULL;
	memcpy(twin->asked, e->asked, sizeof(twin->asked));
	twin->retries = e->retries;
	twin->asked[twin->retries++] = e->peer;
	twin->begun_ns = e->begun_ns; /* what it earns has been earned */
	twin->twin = e;
	e->twin = twin;
	upstream_breaker_follow(twin, e);
	return twin;
}

void
upstream_hedge_go(struct upstream_errand *e)
{
	struct upstream_share *share = e->share;
	struct upstream_peer *p = peer_of(e);
	struct upstream_errand *twin;

	if (e->twin || e->q->state_now != SUBREQUEST_STARTED ||
	    e->retries >= UPSTREAM_RETRIES_MAX || !upstream_balance_has_other(e, p) ||
	    !upstream_share_has_room(share) || !upstream_retry_can_pay(share))
		return;
	twin = make_twin(e);
	if (!twin)
		return;
	upstream_retry_pay(share);
	share->admitted++;
	count_add(share->env->counters, COUNTER_UPSTREAM_HEDGED, 1);
	upstream_share_return(twin);
}

/* --- ends ---------------------------------------------------------------------------------- */

/* The errand is alone from now on. */
static struct upstream_errand *
part(struct upstream_errand *e)
{
	struct upstream_errand *twin = e->twin;

	e->twin = twin->twin = NULL;
	return twin;
}

void
upstream_hedge_win(struct upstream_errand *e)
{
	struct upstream_errand *loser;

	if (timer_is_set(&e->timer))
		loop_clear_timer(&e->share->env->loop, &e->timer);
	if (!e->twin)
		return;
	/* The twin is the one that has asked another server before it began. */
	loser = part(e);
	if (e->retries > loser->retries)
		count_add(e->share->env->counters, COUNTER_UPSTREAM_HEDGE_WON, 1);
	if (loser->channel)
		loser->channel->ops->cancel(loser->channel);
	upstream_errand_drop(loser);
	e->q->state = e;
}

bool
upstream_hedge_leave(struct upstream_errand *e)
{
	struct upstream_errand *twin;

	if (!e->twin)
		return false;
	twin = part(e);
	upstream_errand_drop(e);
	twin->q->state = twin;
	return true;
}
