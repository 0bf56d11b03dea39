/*
 * Servers that fail again and again are left out for a while, each worker
 * deciding from what it has seen itself:
 *
 *   in --- eject_after failures in a row ---> out (eject_for, doubling)
 *   ^ <--- it answers ---  on trial <--- time is over ---'
 *                             '--- it fails ---> out
 *
 * On trial, one errand at a time asks it. The last server is never ejected: when
 * it should be, all others are given their trial at once. While all fail, none is
 * ejected anew: what ails them is not theirs, and whoever answers first is not left
 * alone with the load of all.
 */
#include "source/upstream_prior.h"
#include "source/upstream_priv.h"

enum { DOUBLINGS_MAX = 5 };

bool
upstream_eject_is_out(const struct upstream_peer *p, uint64_t now_ns)
{
	if (gauge_read(&p->server->down))
		return true;
	return p->ejections > 0 && (now_ns < p->out_until_ns || p->active > 0);
}

/* Each has failed so often in a row, or is down. */
static bool
do_all_fail(const struct upstream_share *share)
{
	for (unsigned i = 0; i < share->count; i++) {
		const struct upstream_peer *p = share->peers[i];

		if (p->failures < share->upstream->conf->eject_after &&
		    !gauge_read(&p->server->down))
			return false;
	}
	return true;
}

static void
try_all(struct upstream_share *share)
{
	for (unsigned i = 0; i < share->count; i++) {
		struct upstream_peer *p = share->peers[i];

		p->out_until_ns = 0;
		if (p->ejections > 1)
			p->ejections = 1;
	}
}

/* When one ends that begins now, after so many. */
static uint64_t
end_of_ejection(const struct upstream_share *share, unsigned before)
{
	unsigned doublings = before < DOUBLINGS_MAX ? before : DOUBLINGS_MAX;
	uint64_t time_ns = share->upstream->conf->eject_for;

	for (unsigned i = 0; i < doublings; i++)
		time_ns = clock_after(time_ns, time_ns);
	return clock_after(loop_now(&share->env->loop), time_ns);
}

static void
eject(struct upstream_share *share, struct upstream_peer *p)
{
	p->out_until_ns = end_of_ejection(share, p->ejections);
	if (p->ejections++ == 0)
		log_warning("upstream %.*s: %.*s is left out: %u failures in a row",
			    SLICE_PRINT(share->upstream->name), SLICE_PRINT(p->server->label),
			    p->failures);
	count_add(share->env->counters, COUNTER_UPSTREAM_EJECTED, 1);
	upstream_share_forget(p);
}

static void
note_answer(struct upstream_share *share, struct upstream_peer *p)
{
	if (p->failures > 0 && do_all_fail(share))
		share->well_ns = loop_now(&share->env->loop);
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
upstream_eject_note(const struct upstream_errand *e, struct upstream_peer *p, bool has_failed)
{
	struct upstream_share *share = e->share;
	unsigned after = share->upstream->conf->eject_after;

	if (!has_failed) {
		note_answer(share, p);
		return;
	}
	/* What began while all failed says nothing of who is well now. */
	if (e->begun_ns < share->well_ns)
		return;
	if (p->failures < after)
		p->failures++;
	if (after == 0 || p->failures < after || share->count == 1)
		return;
	if (do_all_fail(share))
		try_all(share);
	else if (loop_now(&share->env->loop) >= p->out_until_ns)
		eject(share, p);
}

void
upstream_eject_take(const struct upstream_share *share, struct upstream_peer *p,
		    const struct upstream_peer *old)
{
	unsigned after = share->upstream->conf->eject_after;
	uint64_t latest;

	if (after == 0)
		return;
	p->failures = old->failures < after ? old->failures : after;
	p->ejections = old->ejections;
	if (p->ejections == 0)
		return;
	/* eject_for may be shorter now. */
	latest = end_of_ejection(share, p->ejections - 1);
	p->out_until_ns = old->out_until_ns < latest ? old->out_until_ns : latest;
}
