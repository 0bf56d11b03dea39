/*
 * What a route changes in the head of every response, its refusals included: fields to set, to add
 * and to remove. Those of [headers] are for all routes, and for answers without one; a route's own
 * come after them.
 *
 *   builder   edits_read: the keys of [headers], then of each [route NAME]
 *   worker    edits_attach: when the route is known; applied when the head is complete
 *
 * However many there are, they come to one form: names that a response loses, then fields that it
 * gets. What is constant and of a name that the engine does not look at is written out once, while
 * the site is built.
 */
#ifndef FOREBAY_PLAN_EDITS_H
#define FOREBAY_PLAN_EDITS_H

#include "http/exchange.h"
#include "plan/template.h"

struct edits;

struct edits_conf {
	struct conf_family set, add;
	struct conf_list remove;
};

extern const struct conf_key edits_keys[];

/*
 * Those of the section, behind `defaults` (NULL: none). *edits is NULL when there is nothing to do;
 * it lives in the arena and borrows from the configuration. What is wrong is added to errors:
 * ERR_SYNTAX. ERR_MEMORY.
 */
int edits_read(const struct edits **edits, const struct edits_conf *conf,
	       const struct conf_section *section, const struct edits *defaults,
	       const struct template_names *names, struct arena *a,
	       struct conf_errors *errors) MUST_CHECK;
/*
 * The exchange's head will be edited so, and not as was said before; e may be NULL. Captures (of
 * names.params) are copied, their texts must live as long as the exchange. ERR_MEMORY: it will not
 * be edited at all.
 */
int edits_attach(const struct edits *e, struct exchange *x, const struct slice *captures,
		 unsigned count, struct slice rest) MUST_CHECK;

#endif
