/*
 * The watch for lost threads; see lost_watch.h.
 */
#include "server/lost_watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/server.h"

#define PERIOD_NS (500 * CLOCK_MS)

static void
on_loss(const struct pool_loss *loss, void *argument)
{
	struct server *s = argument;

	lookout_report(s, loss, loop_now(&s->loop));
}

/* A pool that several sites share is looked at again, and has nothing new to say. */
static void
look(struct server *s, uint64_t now)
{
	for (struct site *site = s->sites; site; site = site->next) {
		for (unsigned i = 0; i < site->pools.count; i++)
			count_add(&s->counters, COUNTER_STALL_JOB,
				  pool_watch(site->pools.at[i].pool, now, on_loss, s));
	}
}

static void
on_tick(struct timer *t)
{
	struct lost_watch *w = CONTAINER_OF(t, struct lost_watch, tick);
	struct loop *loop = &w->server->loop;

	if (loop_set_timer(loop, t, clock_after(loop_now(loop), PERIOD_NS)) != 0)
		log_error("lost threads are not looked for any more: %s", err_text(ERR_MEMORY));
	look(w->server, loop_now(loop));
}

int
lost_watch_start(struct lost_watch *w, struct server *server)
{
	w->server = server;
	timer_init(&w->tick, on_tick);
	return loop_set_timer(&server->loop, &w->tick, loop_now(&server->loop));
}

void
lost_watch_stop(struct lost_watch *w)
{
	if (w->server)
		loop_clear_timer(&w->server->loop, &w->tick);
}
