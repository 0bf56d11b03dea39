/*
 * Reload, step by step; see reload.h for the way. How it ends is in
 * reload_outcome.c.
 */
#include "server/reload_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/command.h"
#include "server/notify.h"
#include "server/server.h"
#include "server/tenancy.h"

enum { PATIENCE_S = 10 };

#define OVERDUE "a worker has not turned for 10 s; "

/* --- the builder ---------------------------------------------------------------------------- */

static void
build(void *argument)
{
	struct reload *r = argument;

	r->site = site_open(r->path, &r->errors);
	if (r->site) {
		site_check_live(r->site, r->prior, &r->errors);
		/* Also after errors: so that all of them come in one run. */
		r->outcome = site_complete(r->site, r->prior, &r->errors);
		if (r->outcome == 0)
			r->outcome = site_warm(r->site, &r->stop, &r->errors);
	}
	mailbox_send(&r->server->loop.mailbox, &r->mail);
}

static void
resize(void *argument)
{
	struct reload *r = argument;

	r->outcome = pools_resize(&r->site->pools, r->path, &r->errors);
	mailbox_send(&r->server->loop.mailbox, &r->mail);
}

static int
start_builder(struct reload *r, void (*run)(void *), void (*on_done)(struct mail *, void *))
{
	r->mail.deliver = on_done;
	r->thread = (struct thread){
		.role = THREAD_BUILDER,
		.name = "builder",
		.run = run,
		.argument = r,
	};
	return thread_start(&r->thread);
}

/* --- waiting for workers -------------------------------------------------------------------- */

static const char *
overdue(const struct reload *r)
{
	return r->step == RELOAD_SWITCHING
		   ? OVERDUE "all others have the new configuration, and it will when it does"
		   : OVERDUE "nothing has changed, and nothing will until it does";
}

/* While ATTACHING: when the worker turns again, the reload is refused. */
static void
on_impatience(struct timer *t)
{
	struct reload *r = CONTAINER_OF(t, struct reload, patience);

	r->is_overdue = true;
	if (r->step == RELOAD_ATTACHING)
		reload_on_shortage(r, ERR_TIMEOUT);
	log_error("reload: %s", overdue(r));
	reload_answer_all(r, 503, overdue(r));
}

static void
be_patient(struct reload *r)
{
	struct loop *l = &r->server->loop;

	if (loop_set_timer(l, &r->patience, clock_after(loop_now(l), PATIENCE_S * CLOCK_SEC)) != 0)
		log_warning("reload: %s", err_text(ERR_MEMORY)); /* it has to be without */
}

static void
stop_waiting(struct reload *r)
{
	loop_clear_timer(&r->server->loop, &r->patience);
	r->is_overdue = false;
}

/* --- switching ------------------------------------------------------------------------------ */

static void
count_switched(struct reload *r)
{
	if (--r->awaited > 0 || r->is_stopping)
		return;
	stop_waiting(r);
	reload_succeed(r);
}

/* Mail goes out in this order: no worker gets a connection of a listener that its site does not
 * know. */
static void
publish(struct reload *r)
{
	struct server *s = r->server;

	be_patient(r);
	r->step = RELOAD_SWITCHING;
	r->awaited = r->tenancies + 1;
	logs_commit(&s->logs);
	for (unsigned i = 0; i < r->tenancies; i++)
		tenancy_switch(r->tenancy[i]);
	r->site->holders++; /* the monitor */
	monitor_show(&s->monitor, r->site);
	s->site = r->site;
	budget_watch_take(&s->budget_watch, &r->site->budget);
	crew_settle(&s->crew, r->site);
	acceptor_take_over(&s->acceptor, r->site);
	reload_release(r, r->prior);
}

void
server_on_switched(struct mail *m, void *receiver)
{
	struct server *s = receiver;

	(void)m;
	count_switched(&s->reload);
}

void
server_on_shown(struct mail *m, void *receiver)
{
	struct server *s = receiver;

	(void)m;
	reload_release(&s->reload, s->reload.prior);
	count_switched(&s->reload);
}

/* --- attaching ------------------------------------------------------------------------------ */

static void
forget_tenancies(struct reload *r)
{
	for (unsigned i = 0; i < r->tenancies; i++)
		tenancy_forget(r->tenancy[i]);
	r->tenancies = 0;
}

static void
on_resized(struct mail *m, void *receiver)
{
	struct reload *r = CONTAINER_OF(m, struct reload, mail);

	(void)receiver;
	thread_join(&r->thread);
	if (!r->outcome && !reload_is_given_up(r)) {
		publish(r);
		return;
	}
	forget_tenancies(r);
	reload_refuse(r);
}

static void
attached(struct reload *r)
{
	int err;

	stop_waiting(r);
	r->step = RELOAD_RESIZING;
	if (!r->outcome && !reload_is_given_up(r)) {
		err = start_builder(r, resize, on_resized);
		if (!err)
			return;
		reload_on_shortage(r, err);
	}
	forget_tenancies(r);
	reload_refuse(r);
}

void
server_on_attached(struct mail *m, void *receiver)
{
	struct tenancy *t = CONTAINER_OF(m, struct tenancy, mail);
	struct server *s = receiver;
	struct reload *r = &s->reload;

	if (t->outcome && !r->outcome)
		reload_on_shortage(r, t->outcome);
	if (--r->awaited == 0 && !r->is_stopping)
		attached(r);
}

void
server_on_released(struct mail *m, void *receiver)
{
	struct tenancy *t = CONTAINER_OF(m, struct tenancy, farewell);

	(void)receiver;
	tenancy_free(&t);
}

/* A tenancy for each worker that turns; those that were started for the site have theirs. */
static int
make_tenancies(struct reload *r)
{
	struct worker *w;
	unsigned from = 0;

	while ((w = crew_next(&r->server->crew, &from)) != NULL) {
		unsigned place = crew_place(&r->server->crew, w);
		struct tenancy *t = tenancy_new(w, r->site, place, r->site->workers);

		if (!t)
			return ERR_MEMORY;
		r->tenancy[r->tenancies++] = t;
	}
	return 0;
}

static void
free_tenancies(struct reload *r)
{
	while (r->tenancies > 0)
		tenancy_free(&r->tenancy[--r->tenancies]);
}

static int
recruit(struct reload *r)
{
	const struct conf_section *section = conf_find(r->site->conf, SLICE("server"), SLICE(""));
	int err = crew_recruit(&r->server->crew, r->site);

	if (err)
		conf_error_at(&r->errors, section, "workers", "%u workers cannot be had: %s",
			      r->site->workers,
			      err == ERR_FULL ? "too many that have left still serve their last "
						"connections; try again"
					      : "memory, descriptors or threads are out");
	return err;
}

/* Everything that main can find out to be impossible. */
static int
prepare(struct reload *r)
{
	struct server *s = r->server;
	int err = acceptor_prepare(&s->acceptor, r->site, &r->errors);

	if (!err)
		err = acceptor_watch(&s->acceptor);
	if (!err)
		err = logs_prepare(&s->logs, r->site, &r->errors);
	if (!err)
		err = recruit(r);
	if (!err)
		err = make_tenancies(r);
	if (err && r->errors.errors == 0)
		reload_on_shortage(r, err);
	return err;
}

static void
attach_all(struct reload *r)
{
	be_patient(r);
	r->step = RELOAD_ATTACHING;
	r->awaited = r->tenancies;
	for (unsigned i = 0; i < r->tenancies; i++)
		tenancy_attach(r->tenancy[i]);
}

/* From now on it is in the list of all sites; main holds it, and will for as long as it is
 * published. */
static void
adopt(struct reload *r)
{
	r->site->holders = 1;
	r->site->next = r->server->sites;
	r->server->sites = r->site;
}

static void
on_built(struct mail *m, void *receiver)
{
	struct reload *r = CONTAINER_OF(m, struct reload, mail);

	(void)receiver;
	thread_join(&r->thread);
	if (r->site)
		adopt(r);
	if (r->outcome == ERR_MEMORY)
		reload_on_shortage(r, r->outcome);
	if (!r->site || r->errors.errors || reload_is_given_up(r)) {
		reload_refuse(r);
	} else if (prepare(r) != 0) {
		free_tenancies(r);
		reload_refuse(r);
	} else {
		attach_all(r);
	}
}

/* --- the beginning --------------------------------------------------------------------------- */

void
reload_begin(struct reload *r)
{
	int err;

	r->step = RELOAD_BUILDING;
	r->askers = r->next_askers;
	r->next_askers = NULL;
	r->is_asked_again = false;
	r->prior = r->server->site;
	r->site = NULL;
	r->tenancies = 0;
	r->outcome = 0;
	r->began_ns = clock_monotonic();
	conf_errors_init(&r->errors);
	log_notice("reloading %s", r->path);
	notify_reloading();
	err = start_builder(r, build, on_built); /* r->outcome is the builder's now */
	if (err) {
		reload_on_shortage(r, err);
		reload_refuse(r);
	}
}

void
reload_init(struct reload *r, struct server *s, const char *path)
{
	*r = (struct reload){ .server = s, .path = path };
	timer_init(&r->patience, on_impatience);
}

void
reload_ask(struct reload *r, struct command *c)
{
	if (c && r->is_overdue) {
		command_answer(c, 503, "%s", overdue(r));
		return;
	}
	if (c) {
		c->mail.next = r->next_askers;
		r->next_askers = &c->mail;
	}
	r->is_asked_again = true;
	if (r->step == RELOAD_IDLE)
		reload_begin(r);
}

bool
reload_take_turn(struct reload *r)
{
	if (r->step != RELOAD_IDLE || r->is_stopping)
		return false;
	r->step = RELOAD_RESIZING;
	return true;
}

void
reload_end_turn(struct reload *r)
{
	r->step = RELOAD_IDLE;
	crew_end_left(&r->server->crew);
	reload_begin_next(r);
}

void
reload_stop(struct reload *r)
{
	r->is_stopping = true;
	flag_raise(&r->stop); /* it may wait for an init that takes half a minute */
	thread_join(&r->thread);
	/* What the builder has made, if it was there. */
	mailbox_drain(&r->server->loop.mailbox, r->server);
	reload_answer_all(r, 503, "the server ends");
	loop_clear_timer(&r->server->loop, &r->patience);
	conf_errors_fini(&r->errors);
}
