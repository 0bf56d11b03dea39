/*
 * The key of a part: by which its executions count as equal, whoever asks. It is what the operator
 * wrote (`coalesce`, `cache_key`), and then, unasked, all that may make the answer one client's
 * own, so that no key can share it with another:
 *
 *   - every client field that the source sends on (`forward`), and every value that goes into a
 *     field of the part's own,
 *   - every value made of the client's fields, certificate, address or login, of the result of
 *     another part, of an element of a list, or of what a flow has set.
 *
 * Values of path, query, body, method and host are the operator's choice, or of the key, too, where
 * nothing is written; {request.id} and {request.trace} alone are never part of it.
 */
#ifndef FOREBAY_PLAN_PART_KEY_H
#define FOREBAY_PLAN_PART_KEY_H

#include "plan/plan.h"

struct run_part;
struct template;

/* Which values of a part belong to its keys; they have been compiled. */
uint32_t part_key_values(const struct plan_part *pp);
/*
 * The key of p, whose values have been evaluated, in the exchange's arena. ERR_MISSING, ERR_SYNTAX,
 * ERR_TOO_LARGE: it has none, as what the template needs is absent or is too much; ERR_MEMORY.
 */
int part_key_make(struct run_part *p, const struct template *t, struct slice *key) MUST_CHECK;

/* Of a part whose answers are kept: all values that are not the same in each request. */
uint32_t part_key_all_values(const struct plan_part *pp);
/*
 * The same key among those of many parts and routes: it begins with the name of the section and a
 * space, so that a purge can name it, and goes on with what the operator wrote, or else with the
 * path or first value that is nobody's own. Errors as above.
 */
int part_key_make_kept(struct run_part *p, struct slice *key) MUST_CHECK;

#endif
