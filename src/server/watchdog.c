/*
 * The watchdog; see watchdog.h.
 */
#include "server/watchdog.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/notify.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TICKS = 4 }; /* in a period: a loop may stand still for 3/4 of it */

/* --- there and back -------------------------------------------------------------------- */

static void
on_home(struct mail *m, void *receiver)
{
	struct ping *p = CONTAINER_OF(m, struct ping, mail);
	struct watchdog *w = p->watchdog;

	(void)receiver;
	p->is_out = false;
	if (--w->out == 0 && timer_is_set(&w->tick))
		notify_alive();
}

/* For tests: the first worker that finds the file takes it away and never turns again. */
static void
wedge(const char *path)
{
	if (unlink(path) != 0)
		return;
	log_warning("FOREBAY_TEST_WEDGE: this thread stands still from now on");
	for (;;)
		pause();
}

static void
on_ping(struct mail *m, void *receiver)
{
	struct ping *p = CONTAINER_OF(m, struct ping, mail);

	(void)receiver;
	if (p->may_wedge && p->watchdog->wedge)
		wedge(p->watchdog->wedge);
	m->deliver = on_home;
	mailbox_send(&p->watchdog->server->loop.mailbox, m);
}

static void
ask(struct watchdog *w, struct ping *p, const struct thread *thread, struct loop *loop)
{
	if (!thread->is_running)
		return;
	p->mail.deliver = on_ping;
	p->watchdog = w;
	p->is_out = true;
	snprintf(p->name, sizeof(p->name), "%s", thread->name);
	w->out++;
	mailbox_send(&loop->mailbox, &p->mail);
}

static void
ask_all(struct watchdog *w)
{
	struct server *s = w->server;
	struct ping *p = w->ping;

	w->asked_ns = loop_now(&s->loop);
	w->has_warned = false;
	for (unsigned i = 0; i < gauge_read(&s->crew.places); i++, p++) {
		struct worker *worker = s->crew.place[i];

		if (worker->is_ending)
			continue; /* reads no mail any more */
		p->may_wedge = true;
		ask(w, p, &worker->thread, &worker->env.loop);
	}
	p->may_wedge = false;
	ask(w, p, &s->monitor.thread, &s->monitor.env.loop);
}

/* --- rounds ------------------------------------------------------------------------------ */

static void
warn(struct watchdog *w)
{
	uint64_t waited = loop_now(&w->server->loop) - w->asked_ns;

	w->has_warned = true;
	for (unsigned i = 0; i < WATCHDOG_PINGS; i++) {
		if (w->ping[i].is_out)
			log_warning("%s has not turned for %llu ms; if it goes on, the watchdog "
				    "ends this process",
				    w->ping[i].name, (unsigned long long)(waited / CLOCK_MS));
	}
}

static void
on_tick(struct timer *t)
{
	struct watchdog *w = CONTAINER_OF(t, struct watchdog, tick);
	struct loop *loop = &w->server->loop;
	uint64_t now = loop_now(loop);

	/* Without memory for it the manager acts: that is what it is there for. */
	if (loop_set_timer(loop, &w->tick, clock_after(now, w->period_ns / TICKS)) != 0)
		log_error("watchdog: %s", err_text(ERR_MEMORY));
	if (w->out == 0)
		ask_all(w);
	else if (!w->has_warned && now - w->asked_ns >= w->period_ns / 2)
		warn(w);
}

int
watchdog_start(struct watchdog *w, struct server *server)
{
	*w = (struct watchdog){
		.server = server,
		.period_ns = notify_watchdog(),
		.wedge = getenv("FOREBAY_TEST_WEDGE"),
	};
	timer_init(&w->tick, on_tick);
	if (w->period_ns == 0)
		return 0;
	if (w->wedge)
		log_warning("FOREBAY_TEST_WEDGE is set: for tests alone");
	return loop_set_timer(&server->loop, &w->tick, loop_now(&server->loop));
}

void
watchdog_stop(struct watchdog *w)
{
	if (w->server)
		loop_clear_timer(&w->server->loop, &w->tick);
}
