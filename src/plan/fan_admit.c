/*
 * The admission of parts: their places in pools are asked for in batches, of one source each, and
 * required ones first, before any of them starts; those that are refused end here.
 */
#include "plan/run_priv.h"

/* One that is refused ends its parts here. */
static void
reserve_batch(struct run *r, const struct plan_batch *b, uint64_t parts)
{
	struct subrequest *q[PLAN_PARTS_MAX];
	uint64_t keep;
	unsigned i, n = 0;
	int err;

	PLAN_EACH(i, keep, parts)
	{
		r->part[i].q.is_later = !(r->ready & PLAN_BIT(i));
		q[n++] = &r->part[i].q;
	}
	err = b->source->ops->reserve(q, n);
	if (!err && b->source->ops->release)
		r->reserved |= parts;
	if (!err)
		return;
	PLAN_EACH(i, keep, parts)
	{
		r->part[i].err = err;
		run_part_end(&r->part[i], cause_outcome(err));
	}
}

/* What is wrong with a value is told when the part's turn comes. */
void
fan_foresee(struct run *r, struct run_part *p)
{
	run_part_set_deadline(r, p);
	if (p->q.part->is_weighed && !p->plan->when && !p->plan->each && run_evaluate(p) != 0)
		p->q.value = NULL;
}

void
fan_reserve(struct run *r, uint64_t parts)
{
	const struct plan *plan = r->plan;

	for (unsigned i = 0; i < plan->batches && !r->failed; i++) {
		if (plan->batch[i].parts & parts)
			reserve_batch(r, &plan->batch[i], plan->batch[i].parts & parts);
	}
}
