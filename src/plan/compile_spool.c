/*
 * What of bodies is kept while the other side is slow: the request's (spool.h),
 * and the response's (pond.h). Builder thread.
 */
#include "plan/plan_priv.h"
#include "plan/pond.h"

static void
compile_request(struct plan *p, struct plan_build *b)
{
	const struct source *s = p->part[0].part.source;

	if (!p->conf.buffer_body)
		return;
	if (p->is_joined)
		conf_error_at(plan_errors(b), p->section, "buffer_body",
			      "is for routes with a source of their own: parts take no body as it "
			      "comes");
	else if (s && !s->ops->takes_body)
		conf_error_at(plan_errors(b), p->section, "buffer_body",
			      "has no effect: the source takes no body as it comes");
	else if (!p->needs_body)
		p->spool = b->spool;
}

static int
compile_response(struct plan *p, struct plan_build *b)
{
	const struct source *s = p->part[0].part.source;
	struct pond_conf *c;

	if (p->conf.buffer_response == 0)
		return 0;
	if (p->is_joined || (s && !s->ops->waits_for_reader)) {
		conf_error_at(
		    plan_errors(b), p->section, "buffer_response",
		    "has no effect: it is for routes whose own source is an upstream or a "
		    "program");
		return 0;
	}
	c = arena_zalloc(b->source->arena, 1, sizeof(*c));
	if (!c)
		return ERR_MEMORY;
	c->spool = b->spool;
	c->memory = p->conf.buffer_response;
	c->file = b->spool ? p->conf.max_response_file : 0;
	c->priority = p->conf.priority;
	p->pond = c;
	return 0;
}

int
spool_compile(struct plan *p, struct plan_build *b)
{
	compile_request(p, b);
	return compile_response(p, b);
}
