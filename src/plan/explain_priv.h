/*
 * What the ways of explaining a plan share: explain.c, explain_dot.c.
 */
#ifndef FOREBAY_PLAN_EXPLAIN_PRIV_H
#define FOREBAY_PLAN_EXPLAIN_PRIV_H

#include "plan/explain.h"
#include "plan/outlook.h"
#include "plan/plan_priv.h"

/* `upstream users`, `compute digest`, `fixed`. */
void explain_source(const struct plan_part *pp, struct writer *w);
/* Its time; or that it is the deadline's. */
void explain_timeout(const struct plan *p, const struct plan_part *pp, struct writer *w);
/* `GET /a/{b}` of the route's section. */
struct slice explain_match(const struct plan *p);

#endif
