/*
 * A part for each element of a list (`foreach`): one declared part, of which every run makes as
 * many subrequests as a list of the request or of another part's result has elements. Their
 * results, in the order of the list, are the part's: an array.
 *
 *   list --[ element -> values with {item} -> subrequest -> its JSON ]--> [r0, r1, ...]
 *             foreach_at_once of them at a time, foreach_max at most
 *
 * One declared part stays one entry in the report, one count and one timeout. The first
 * element that fails, fails the part and cancels the others, unless foreach_fallback stands for it.
 * Called by run_part.c, on the worker; all memory is the exchange's but for results, which end with
 * the part.
 */
#ifndef FOREBAY_PLAN_EACH_H
#define FOREBAY_PLAN_EACH_H

#include "plan/run_priv.h"

/* The part has ended so; why is in p->err and p->head. */
typedef void (*each_end_fn)(struct run_part *p, enum outcome outcome);

/* The part's turn has come. It ends by one call of on_end, from inside or later. */
void each_start(struct run_part *p, each_end_fn on_end);
/* Nothing more comes of it; idempotent. Who calls ends the part. */
void each_cancel(struct run_part *p);

#endif
