/*
 * Conditions: whether a part is needed at all, by what the request says and what
 * earlier parts gave. Compiled once, then evaluated by any worker.
 *
 *   when = {query.detail}
 *   when = not {user.guest} and ({user.plan} == pro or {query.n} >= 10)
 *
 *   any      = all *("or" all)            all     = one *("and" one)
 *   one      = "not" one / "(" any ")" / operand [compare operand]
 *   operand  = "{" variable "}" / word / "'" text "'"
 *   compare  = "==" / "!=" / "<" / "<=" / ">" / ">="
 *
 * A variable alone holds if it is there and is none of: nothing, false, null, 0. Order is that of
 * numbers where both are, else of bytes. Equal are bytes, or numbers where the condition has one as
 * a word: {n} == 10 takes 10.0, {a} == {b} and {a} == '10' do not. A comparison with what is absent
 * does not hold, but for "!=".
 */
#ifndef FOREBAY_PLAN_WHEN_H
#define FOREBAY_PLAN_WHEN_H

#include "plan/template.h"

struct when;

enum { WHEN_TERMS_MAX = 32 };

/* The condition lives in the arena; the text may go. NULL with *e filled. */
struct when *when_compile(struct arena *a, struct slice text, const struct template_names *names,
			  struct template_error *e) MUST_CHECK;
/* The i-th of the variables' templates; NULL: there are no more. */
const struct template *when_variable(const struct when *w, unsigned i);
/* 0 or ERR_MEMORY. */
int when_holds(const struct when *w, const struct template_scope *scope, struct arena *a,
	       bool *holds) MUST_CHECK;

#endif
