/*
 * What the files that build a plan share: read.c, origin.c, compile.c,
 * compile_join.c, order.c, statuses.c. Builder thread.
 */
#ifndef FOREBAY_PLAN_PLAN_PRIV_H
#define FOREBAY_PLAN_PLAN_PRIV_H

#include "plan/pick.h"
#include "plan/plan.h"
#include "plan/template.h"
#include "plan/when.h"

#define PLAN_BIT(i) (UINT64_C(1) << (i))

/* Walks the places in a mask; `keep` is a uint64_t of the caller's. */
#define PLAN_EACH(i, keep, mask)                                                                   \
	for ((keep) = (mask); (keep) != 0 && ((i) = (unsigned)__builtin_ctzll(keep), true);        \
	     (keep) &= (keep)-1)

static inline struct conf_errors *
plan_errors(const struct plan_build *b)
{
	return b->source->errors;
}

/* --- origin.c --------------------------------------------------------------- */

/*
 * Reads `source = KIND [NAME]` of a section, finds the source, and lets the
 * kind choose more keys. Adds what tables the source brings. ERR_SYNTAX: the
 * source is not known (part->source is NULL), and errors say so; the tables
 * then take every key, so that those of the source are no further errors.
 */
int origin_find(struct plan_part *pp, struct plan_build *b) MUST_CHECK;

/* --- compile_flow.c --------------------------------------------------------- */

/* Finds the flow of a route (`flow = NAME`), and adds the table of its keys; plan->flow stays NULL
 * where there is none. ERR_SYNTAX with errors added, ERR_MEMORY. */
int flow_find(struct plan *p, struct plan_build *b) MUST_CHECK;
/* Before other texts of the plan are compiled: what of its keys a flow makes meaningless. */
void flow_check(const struct plan *p, struct conf_errors *e);
/* When they have been: nobody waits for anybody but the flow. ERR_MEMORY. */
int flow_finish(struct plan *p, const struct template_flow *names, struct arena *a) MUST_CHECK;

/* --- compile_join.c --------------------------------------------------------- */

/* Checks the keys of the join, and makes the text between results. ERR_MEMORY, or
 * 0 with what is wrong added to the errors. */
int join_compile(struct plan *p, struct plan_build *b) MUST_CHECK;

/* --- compile_room.c ---------------------------------------------------------- */

/* Adds an error for what no pool could ever admit. The batches are known. */
void room_check(const struct plan *p, const struct plan_build *b);

/* --- compile_spool.c --------------------------------------------------------- */

/* What of bodies is kept, and where, when the templates are known. ERR_MEMORY, or 0 with what is
 * wrong added to the errors. */
int spool_compile(struct plan *p, struct plan_build *b) MUST_CHECK;

/* --- order.c ---------------------------------------------------------------- */

/* Fills followers, first and order; tells every circle. ERR_SYNTAX: there is one. */
int order_parts(struct plan *p, struct conf_errors *e) MUST_CHECK;

/* --- statuses.c ------------------------------------------------------------- */

/* One item of `expect`: 204, 200-299 or 2xx. ERR_SYNTAX. */
int statuses_add(struct plan_statuses *s, struct slice item) MUST_CHECK;

#endif
