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
 * Called by fan.c, on the worker; all memory is the exchange's but for results, which end with the
 * part.
 */
#ifndef FOREBAY_PLAN_EACH_H
#define FOREBAY_PLAN_EACH_H

#include "plan/run_priv.h"

/* The part's turn has come. It ends by fan_end_part, at once or later. */
void each_start(struct run_part *p);
/* Nothing more comes of it; idempotent. Who calls ends the part. */
void each_cancel(struct run_part *p);

#endif
