/*
 * Which server of an upstream is asked next. Each worker decides for itself,
 * by what it has under way; shares follow the weights.
 *
 *   round-robin     smooth weighted: of 2:1, one after two, never two late
 *   least-requests  fewest under way per weight; equal ones take turns
 *   p2c             the better of two that are drawn by weight
 *   hash            rendezvous: the highest draw of key and server wins, so that
 *                   a server that leaves moves its own keys and no others
 *
 * With slow_start, the share of a server that is new or has come back grows from
 * a hundredth to all of it; not with hash, where it would move keys all the time.
 */
#include "source/upstream_priv.h"

#include <limits.h>

typedef struct upstream_peer *(*pick_fn)(struct upstream_share *share,
					 const struct upstream_errand *e);

/* --- numbers from text ------------------------------------------------------------ */

/* The finalizer of Steele, Lea and Flood, "Fast splittable pseudorandom number generators"
 * (2014), with Stafford's constants: every bit of the input moves every bit of the result. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* Fowler, Noll and Vo's FNV-1a (RFC 9923). */
uint64_t
upstream_balance_hash(struct slice text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < text.len; i++)
		h = (h ^ (unsigned char)text.at[i]) * UINT64_C(0x100000001b3);
	return mix(h);
}

/* --- shares ------------------------------------------------------------------------- */

enum { WEIGHT_UNIT = 100 };

unsigned
upstream_balance_weight(const struct upstream_peer *p, uint64_t slow_start_ns, uint64_t now_ns)
{
	uint64_t full = (uint64_t)p->weight * WEIGHT_UNIT, since, part;

	if (slow_start_ns == 0)
		return (unsigned)full;
	since = gauge_read(&p->server->up_ns);
	if (p->since_ns > since)
		since = p->since_ns;
	if (since == 0 || now_ns >= clock_after(since, slow_start_ns))
		return (unsigned)full;
	/* Another worker's clock may be ahead of this one's turn. */
	part = now_ns > since ? full * (now_ns - since) / slow_start_ns : 0;
	return part > 1 ? (unsigned)part : 1;
}

static void
weigh(struct upstream_share *share)
{
	uint64_t now = loop_now(&share->env->loop);

	for (unsigned i = 0; i < share->count; i++)
		share->peers[i]->share_of = upstream_balance_weight(
		    share->peers[i], share->upstream->conf->slow_start, now);
}

/* --- the ways ----------------------------------------------------------------------- */

static struct upstream_peer *
peer_at(struct upstream_share *share, unsigned i)
{
	return share->peers[(share->first + i) % share->count];
}

/* Less under way, as a share of what it can take. */
static bool
is_freer(const struct upstream_peer *a, const struct upstream_peer *b)
{
	return (uint64_t)a->active * b->share_of < (uint64_t)b->active * a->share_of;
}

/* Smooth weighted round-robin: all gain by weight, the richest pays for all. With
 * `level`: among those that are as free as that one. */
static struct upstream_peer *
take_turns(struct upstream_share *share, const struct upstream_peer *level)
{
	struct upstream_peer *best = NULL;
	int64_t total = 0;

	for (unsigned i = 0; i < share->count; i++) {
		struct upstream_peer *p = peer_at(share, i);

		if (p->is_out || (level && is_freer(level, p)))
			continue;
		p->credit += p->share_of;
		total += p->share_of;
		if (!best || p->credit > best->credit)
			best = p;
	}
	best->credit -= total;
	return best;
}

static struct upstream_peer *
round_robin(struct upstream_share *share, const struct upstream_errand *e)
{
	(void)e;
	return take_turns(share, NULL);
}

static struct upstream_peer *
least_requests(struct upstream_share *share, const struct upstream_errand *e)
{
	struct upstream_peer *least = NULL;

	(void)e;
	for (unsigned i = 0; i < share->count; i++) {
		struct upstream_peer *p = peer_at(share, i);

		if (!p->is_out && (!least || is_freer(p, least)))
			least = p;
	}
	return take_turns(share, least);
}

/* One of all but `other`, which may be NULL, by weight. */
static struct upstream_peer *
draw(struct upstream_share *share, const struct upstream_peer *other)
{
	struct upstream_peer *p = NULL;
	uint64_t total = 0;

	for (unsigned i = 0; i < share->count; i++) {
		struct upstream_peer *one = share->peers[i];

		if (one->is_out || one == other)
			continue;
		total += one->share_of;
		if (random_below(&share->env->random, total) < one->share_of)
			p = one;
	}
	return p;
}

/* Mitzenmacher, "The power of two choices in randomized load balancing" (2001). */
static struct upstream_peer *
two_choices(struct upstream_share *share, const struct upstream_errand *e)
{
	struct upstream_peer *first = draw(share, NULL), *second = draw(share, first);

	(void)e;
	return second && is_freer(second, first) ? second : first;
}

/* A server draws once per unit of its weight. */
static uint64_t
best_draw(const struct upstream_peer *p, uint64_t key)
{
	uint64_t best = 0;

	for (uint64_t i = 0; i < p->weight; i++) {
		uint64_t drawn = mix(mix(key ^ p->server->identity) + i);

		if (drawn > best)
			best = drawn;
	}
	return best;
}

/* Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998). */
static struct upstream_peer *
by_hash(struct upstream_share *share, const struct upstream_errand *e)
{
	const struct upstream_part *part = e->q->part->conf;
	struct slice text = e->q->value[part->hash_value];
	struct upstream_peer *best = NULL;
	uint64_t key = upstream_balance_hash(text), most = 0;

	if (!text.at)
		return take_turns(share, NULL);
	for (unsigned i = 0; i < share->count; i++) {
		struct upstream_peer *p = share->peers[i];
		uint64_t drawn = best_draw(p, key);

		if (p->is_out || (best && drawn <= most))
			continue;
		best = p;
		most = drawn;
	}
	return best;
}

static const pick_fn picks[] = {
	[UPSTREAM_ROUND_ROBIN] = round_robin,
	[UPSTREAM_LEAST_REQUESTS] = least_requests,
	[UPSTREAM_P2C] = two_choices,
	[UPSTREAM_HASH] = by_hash,
};

/* --- who is asked at all ------------------------------------------------------------ */

static bool
was_asked(const struct upstream_errand *e, const struct upstream_peer *p)
{
	for (unsigned i = 0; i < e->retries; i++) {
		if (e->asked[i] == p->number)
			return true;
	}
	return false;
}

static unsigned
mark(struct upstream_share *share, const struct upstream_errand *e, bool with_troubled)
{
	uint64_t now = loop_now(&share->env->loop);
	unsigned left = 0;

	for (unsigned i = 0; i < share->count; i++) {
		struct upstream_peer *p = share->peers[i];

		p->is_out = was_asked(e, p) || (!with_troubled && upstream_eject_is_out(p, now));
		left += !p->is_out;
	}
	return left;
}

/* Of those that are not out, only the lowest rank stays. */
static void
keep_first_rank(struct upstream_share *share)
{
	unsigned least = UINT_MAX;

	for (unsigned i = 0; i < share->count; i++) {
		const struct upstream_peer *p = share->peers[i];

		if (!p->is_out && p->rank < least)
			least = p->rank;
	}
	for (unsigned i = 0; i < share->count; i++)
		share->peers[i]->is_out |= share->peers[i]->rank > least;
}

/* Marks who is out. Where none would be left, those in trouble are in, and then all. */
static void
choose(struct upstream_share *share, const struct upstream_errand *e)
{
	bool is_any = mark(share, e, false) > 0 || mark(share, e, true) > 0;

	for (unsigned i = 0; i < share->count && !is_any; i++)
		share->peers[i]->is_out = false;
	keep_first_rank(share);
}

bool
upstream_balance_has_other(const struct upstream_errand *e, const struct upstream_peer *p)
{
	struct upstream_share *share = e->share;
	uint64_t now = loop_now(&share->env->loop);

	for (unsigned i = 0; i < share->count; i++) {
		const struct upstream_peer *other = share->peers[i];

		if (other != p && !was_asked(e, other) && !upstream_eject_is_out(other, now))
			return true;
	}
	return false;
}

struct upstream_peer *
upstream_balance_pick(struct upstream_share *share, const struct upstream_errand *e)
{
	if (share->count == 1)
		return share->peers[0];
	choose(share, e);
	weigh(share);
	return picks[share->upstream->conf->balance](share, e);
}

bool
upstream_balance_is_strict(const struct upstream_errand *e)
{
	return e->retries > 0 || e->share->upstream->conf->balance == UPSTREAM_HASH;
}
