/*
 * What a share knows from the one before; see upstream_prior.h. On the worker that
 * has both, before the new one serves anybody.
 *
 *   site before   share --- peers: failures, ejections, slow start ---> share   new site
 *                       --- breaker: open, its window ----------------->
 *                       --- worker 0: health, of all workers ---------->
 *
 * A server is the same one when it is declared, or was found, at the same place,
 * and is spoken to in the same way.
 */
#include "source/upstream_prior.h"

#include "source/upstream_priv.h"

/* Who could not be spoken to may be now. */
static bool
is_spoken_to_alike(const struct upstream_conf *a, const struct upstream_conf *b)
{
	return a->protocols == b->protocols && a->tls.verifies == b->tls.verifies &&
	       slice_eq(a->tls.ca, b->tls.ca) && slice_eq(a->tls.certificate, b->tls.certificate) &&
	       slice_eq(a->tls.key, b->tls.key) && slice_eq(a->tls.name, b->tls.name);
}

static bool
has_address(const struct upstream_server *s, const struct address *at)
{
	for (unsigned i = 0; i < s->address_count; i++) {
		if (address_eq(&s->addresses[i], at))
			return true;
	}
	return false;
}

static bool
is_same(const struct upstream_server *a, const struct upstream_server *b)
{
	if (a->identity != b->identity || !slice_eq(a->label, b->label) ||
	    !slice_eq(a->authority, b->authority) || !a->tls_name != !b->tls_name)
		return false;
	/* In any order: that changes with each look-up. */
	for (unsigned i = 0; i < a->address_count; i++) {
		if (!has_address(b, &a->addresses[i]))
			return false;
	}
	return true;
}

static const struct upstream_peer *
find(const struct upstream_share *share, const struct upstream_server *server)
{
	for (unsigned i = 0; i < share->count; i++) {
		if (is_same(server, share->peers[i]->server))
			return share->peers[i];
	}
	return NULL;
}

static void
take_peer(const struct upstream_share *share, struct upstream_peer *p,
	  const struct upstream_peer *old)
{
	p->since_ns = old->since_ns;
	upstream_eject_take(share, p, old);
	upstream_health_take(p, old);
}

void
upstream_prior_take(struct upstream_share *share, const struct upstream_share *prior)
{
	unsigned known = 0;

	if (!is_spoken_to_alike(share->upstream->conf, prior->upstream->conf))
		return;
	for (unsigned i = 0; i < share->count; i++)
		known += find(prior, share->peers[i]->server) != NULL;
	/* Others, or one more, may serve where those could not. */
	if (known == share->count)
		upstream_breaker_take(share, prior);
	for (unsigned i = 0; i < share->count; i++) {
		struct upstream_peer *p = share->peers[i];
		const struct upstream_peer *old = find(prior, p->server);

		if (old)
			take_peer(share, p, old);
		else if (known > 0)
			p->since_ns = loop_now(&share->env->loop); /* beside those that stay */
	}
}
