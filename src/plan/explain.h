/*
 * A plan for a reader (forebayd --explain): its parts in the order in which
 * they can start, what it takes at worst, and what it takes from pools and
 * upstreams. Written from the compiled plan alone; nothing is run. Builder
 * thread.
 */
#ifndef FOREBAY_PLAN_EXPLAIN_H
#define FOREBAY_PLAN_EXPLAIN_H

#include "plan/plan.h"

/* As text, in columns. max_body is that of the plan's route. */
void explain_text(const struct plan *p, uint64_t max_body, struct writer *w);
/* For Graphviz: an arrow for each wait, dashed where it is `after` alone, bold where it is of the
 * longest chain; optional parts are dashed boxes. */
void explain_dot(const struct plan *p, struct writer *w);

#endif
