/*
 * What is known of an upstream's servers outlives a reload: the share of a worker
 * takes over what that worker's share of the site before knows. Read once, while
 * both are there; nothing is borrowed after it.
 */
#ifndef FOREBAY_SOURCE_UPSTREAM_PRIOR_H
#define FOREBAY_SOURCE_UPSTREAM_PRIOR_H

struct upstream_peer;
struct upstream_share;

/* Of a share that has just been made: who was ejected, down, on trial or new still is, and an open
 * breaker is. Servers that are declared otherwise than before begin anew. */
void upstream_prior_take(struct upstream_share *share, const struct upstream_share *prior);

/* The parts of it; `old` is the same server. Nothing where the upstream does not do the like. */
void upstream_eject_take(const struct upstream_share *share, struct upstream_peer *p,
			 const struct upstream_peer *old);
void upstream_health_take(struct upstream_peer *p, const struct upstream_peer *old);
void upstream_breaker_take(struct upstream_share *share, const struct upstream_share *prior);

#endif
