/*
 * Tenancies; see tenancy.h.
 */
#include "server/tenancy.h"

#include "base/mem.h"
#include "server/server.h"

/* --- the worker's side ----------------------------------------------------------------- */

static void
answer(struct tenancy *t, struct mail *m, void (*deliver)(struct mail *m, void *receiver))
{
	m->deliver = deliver;
	server_report(t->worker->server, m);
}

/* Of the site that was there when this one was built: sources know their places in that. */
static const struct lease *
prior_of(const struct tenancy *t)
{
	const struct lease *current = t->worker->lease;

	return current && current->generation + 1 == t->lease.generation ? current : NULL;
}

static int
attach(struct tenancy *t)
{
	struct worker *w = t->worker;
	int err = conn_host_make_room(&w->host, &t->lease.site->limits);

	t->is_undecided = true;
	list_append(&w->tenancies, &t->link);
	if (err)
		return err;
	t->lease.prior = prior_of(t);
	err = site_attach(t->lease.site, &t->lease);
	t->lease.prior = NULL;
	return err;
}

static void
release(struct tenancy *t)
{
	struct worker *w = t->worker;

	site_detach(&t->lease);
	list_remove(&t->link);
	if (w->lease == &t->lease)
		w->lease = NULL;
	answer(t, &t->farewell, server_on_released);
	worker_check_empty(w);
}

/* At the end of the turn: what has just let go may still be on the stack. */
static void
on_end(struct deferred *d)
{
	release(CONTAINER_OF(d, struct tenancy, end));
}

static void
on_unused(struct lease *l)
{
	struct tenancy *t = CONTAINER_OF(l, struct tenancy, lease);

	loop_last(&l->env->loop, &t->end);
}

/* New exchanges take another one. */
static void
end(struct lease *l)
{
	l->is_over = true;
	if (l->users == 0)
		on_unused(l);
}

static void
become_current(struct tenancy *t)
{
	struct worker *w = t->worker;
	struct lease *old = w->lease;

	t->is_undecided = false;
	w->lease = &t->lease;
	conn_host_set_limits(&w->host, &t->lease.site->limits);
	bytes_set_limit(&w->env.bytes, t->lease.site->inflight_bytes,
			t->lease.site->limits_mode == LIMITS_SHADOW);
	if (old)
		end(old);
}

static void
on_attach(struct mail *m, void *receiver)
{
	struct tenancy *t = CONTAINER_OF(m, struct tenancy, mail);

	(void)receiver;
	t->outcome = attach(t);
	answer(t, &t->mail, server_on_attached);
}

static void
on_switch(struct mail *m, void *receiver)
{
	struct tenancy *t = CONTAINER_OF(m, struct tenancy, mail);

	(void)receiver;
	become_current(t);
	worker_settle(t->worker);
	answer(t, &t->mail, server_on_switched);
	worker_check_empty(t->worker);
}

static void
on_forget(struct mail *m, void *receiver)
{
	(void)receiver;
	release(CONTAINER_OF(m, struct tenancy, mail));
}

void
tenancy_end_all(struct worker *w)
{
	for (struct list *i = w->tenancies.next; i != &w->tenancies; i = i->next) {
		struct tenancy *t = CONTAINER_OF(i, struct tenancy, link);

		loop_forget(&w->env.loop, &t->end);
		site_detach(&t->lease);
	}
}

bool
tenancy_leave_all(struct worker *w)
{
	for (struct list *i = w->tenancies.next; i != &w->tenancies; i = i->next) {
		struct tenancy *t = CONTAINER_OF(i, struct tenancy, link);

		/* Main's mail about that one is still to come. */
		if (!t->is_undecided)
			end(&t->lease);
	}
	return list_is_empty(&w->tenancies);
}

/* --- main's side ------------------------------------------------------------------------- */

struct tenancy *
tenancy_new(struct worker *w, struct site *site, unsigned place, unsigned count)
{
	struct tenancy *t = mem_zalloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->worker = w;
	t->site = site;
	site->holders++;
	t->end.run = on_end;
	t->lease = (struct lease){
		.env = &w->env,
		.generation = site->generation,
		.site = site,
		.worker = place,
		.workers = count,
		.on_unused = on_unused,
	};
	return t;
}

void
tenancy_free(struct tenancy **t)
{
	reload_release(&(*t)->worker->server->reload, (*t)->site);
	mem_free(t);
}

static void
post(struct tenancy *t, void (*deliver)(struct mail *m, void *receiver))
{
	t->mail.deliver = deliver;
	mailbox_send(&t->worker->env.loop.mailbox, &t->mail);
}

int
tenancy_begin(struct tenancy *t)
{
	t->outcome = attach(t);
	become_current(t);
	return t->outcome;
}

void
tenancy_attach(struct tenancy *t)
{
	post(t, on_attach);
}

void
tenancy_switch(struct tenancy *t)
{
	post(t, on_switch);
}

void
tenancy_forget(struct tenancy *t)
{
	post(t, on_forget);
}

void
tenancy_free_all(struct worker *w)
{
	struct list *link;

	while ((link = list_take(&w->tenancies)) != NULL) {
		struct tenancy *t = CONTAINER_OF(link, struct tenancy, link);

		tenancy_free(&t);
	}
}
