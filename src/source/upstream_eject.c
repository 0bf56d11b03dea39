/*
 * Servers that fail again and again are left out for a while, each worker
 * deciding from what it has seen itself:
 *
 *   in --- eject_after failures in a row ---> out (eject_for, doubling)
 *   ^ <--- it answers ---  on trial <--- time is over ---'
 *                             '--- it fails ---> out
 *
 * On trial, one errand at a time asks it. The last server is never ejected: when
 * it should be, all others are given their trial at once.
 */
#include "source/upstream_priv.h"

enum { DOUBLINGS_MAX = 5 };

bool
upstream_eject_is_out(const struct upstream_peer *p, uint64_t now_ns)
{
	if (gauge_read(&p->server->down))
		return true;
	return p->ejections > 0 && (now_ns < p->out_until_ns || p->active > 0);
}

static bool
is_last(const struct upstream_share *share, const struct upstream_peer *p)
{
	for (unsigned i = 0; i < share->count; i++) {
		const struct upstream_peer *other = share->peers[i];

		if (other != p && other->ejections == 0 && !gauge_read(&other->server->down))
			return false;
	}
	return true;
}

static void
try_all(struct upstream_share *share)
{
	for (unsigned i = 0; i < share->count; i++)
		share->peers[i]->out_until_ns = 0;
}

static void
eject(struct upstream_share *share, struct upstream_peer *p)
{
	unsigned doublings = p->ejections < DOUBLINGS_MAX ? p->ejections : DOUBLINGS_MAX;
	uint64_t time_ns = share->upstream->conf->eject_for;

	for (unsigned i = 0; i < doublings; i++)
		time_ns = clock_after(time_ns, time_ns);
	if (p->ejections++ == 0)
		log_warning("upstream %.*s: %.*s is left out: %u failures in a row",
			    SLICE_PRINT(share->upstream->name), SLICE_PRINT(p->server->label),
			    p->failures);
	p->out_until_ns = clock_after(loop_now(&share->env->loop), time_ns);
	count_add(share->env->counters, COUNTER_UPSTREAM_EJECTED, 1);
	upstream_share_forget(p);
}

static void
note_answer(struct upstream_share *share, struct upstream_peer *p)
{
	p->failures = 0;
	if (p->ejections == 0)
		return;
	p->ejections = 0;
	p->out_until_ns = 0;
	p->since_ns = loop_now(&share->env->loop);
	log_notice("upstream %.*s: %.*s answers again", SLICE_PRINT(share->upstream->name),
		   SLICE_PRINT(p->server->label));
	count_add(share->env->counters, COUNTER_UPSTREAM_RETURNED, 1);
}

void
upstream_eject_note(struct upstream_share *share, struct upstream_peer *p, bool has_failed)
{
	unsigned after = share->upstream->conf->eject_after;

	if (!has_failed) {
		note_answer(share, p);
		return;
	}
	if (p->failures < after)
		p->failures++;
	if (after == 0 || p->failures < after || share->count == 1)
		return;
	if (p->ejections == 0 && is_last(share, p))
		try_all(share);
	else if (loop_now(&share->env->loop) >= p->out_until_ns)
		eject(share, p);
}
