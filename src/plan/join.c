/*
 * The join: results one after the other, with the plan's ready-made text
 * between them, as one list of chunks. Nothing is copied that need not be.
 */
#include "plan/run_priv.h"

int
join_results(struct run *r, struct chunks *out)
{
	int err = 0;

	for (unsigned i = 0; i < r->plan->count && !err; i++) {
		/* The plan's text lives as long as the site, which the exchange holds. */
		err = chunks_add_arena(out, r->plan->part[i].lead);
		if (!err)
			err = result_splice(&r->part[i], out);
	}
	return err ? err : chunks_add_static(out, r->plan->tail);
}
