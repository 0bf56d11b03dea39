/*
 * A worker's access log; see access_log.h.
 */
#include "server/access_log.h"

#include "accesslog/access_writer.h"
#include "base/clock.h"
#include "plan/plan.h"
#include "plan/report.h"
#include "server/site.h"

static void
on_flush(struct timer *t)
{
	access_outbox_flush(&CONTAINER_OF(t, struct access_log, flush)->outbox);
}

void
access_log_init(struct access_log *l, struct env *env, struct access_writer *writer)
{
	l->env = env;
	timer_init(&l->flush, on_flush);
	access_outbox_init(&l->outbox, &env->loop.mailbox, &writer->mailbox, env->counters);
}

void
access_log_fini(struct access_log *l)
{
	access_outbox_fini(&l->outbox);
}

static unsigned
collect_parts(const struct run *r, struct access_part parts[PLAN_PARTS_MAX])
{
	struct report_part p;
	unsigned n = 0;

	while (n < PLAN_PARTS_MAX && report_part(r, n, &p))
		parts[n++] = (struct access_part){ p.name, p.outcome, p.ns };
	return n;
}

void
access_log_take(struct access_log *l, const struct site *site, const struct exchange *x)
{
	/* Not the turn's time, in which most answers took none. */
	uint64_t now = clock_monotonic();
	struct access_part parts[PLAN_PARTS_MAX];
	struct access_entry e = { .x = x, .part = parts, .ended_ns = now };

	if (x->route > 0)
		e.route = site->routes[x->route - 1].name;
	if (site->access_format->wants_parts && x->ran)
		e.parts = collect_parts(x->ran, parts);
	/* Without memory for the timer, what is there goes at once. */
	if (access_outbox_put(&l->outbox, &site->access, site->access_format, &e) &&
	    loop_set_timer(&l->env->loop, &l->flush, clock_after(now, site->access.flush_ns)) != 0)
		access_outbox_flush(&l->outbox);
}

void
access_log_flush(struct access_log *l)
{
	access_outbox_flush(&l->outbox);
}

void
access_log_close(struct access_log *l)
{
	loop_clear_timer(&l->env->loop, &l->flush);
	access_outbox_flush(&l->outbox);
	while (l->outbox.out > 0)
		loop_turn(&l->env->loop, true);
}
