/*
 * Workers; see worker.h.
 */
#include "server/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/background.h"
#include "server/dispatch.h"
#include "server/server.h"
#include "server/site.h"
#include "server/tenancy.h"

#include <stdio.h>

enum { SLICE_US = 500 }; /* shorter turns on a processor than those of pool threads, and sooner */
enum { LAST_REQUEST_MS = 1000 }; /* how long an idle conn may still send one when draining */

/* --- what the acceptor hands over ------------------------------------------------- */

static void
open_one(struct conn_host *host, int fd, const struct address *peer, uint32_t flags,
	 struct tls_context *tls, struct networks *access)
{
	if (flags & CONN_PROXIED)
		conn_open_proxied(host, fd, peer, flags, tls, access);
	else if (tls)
		conn_open_secure(host, fd, peer, flags, tls);
	else
		conn_open(host, fd, peer, flags);
	if (tls)
		tls_context_unref(&tls);
	networks_unref(&access);
}

static void
on_handover(struct mail *m, void *receiver)
{
	struct handover *h = CONTAINER_OF(m, struct handover, mail);
	struct worker *w = receiver;

	for (unsigned i = 0; i < h->count; i++) {
		struct address peer = { .of.any.sa_family = h->item[i].peer.family };

		if (peer.of.any.sa_family == AF_INET)
			peer.of.v4 = h->item[i].peer.of.v4;
		else if (peer.of.any.sa_family == AF_INET6)
			peer.of.v6 = h->item[i].peer.of.v6;
		open_one(&w->host, h->item[i].fd, &peer, h->item[i].flags, h->item[i].tls,
			 h->item[i].access);
	}
	mem_free(&h);
}

struct handover *
handover_new(void)
{
	struct handover *h = mem_alloc(sizeof(*h));

	if (h) {
		h->mail = (struct mail){ .deliver = on_handover };
		h->count = 0;
	}
	return h;
}

void
handover_add(struct handover *h, int fd, const struct address *peer, uint32_t flags,
	     struct tls_context *tls, struct networks *access)
{
	h->item[h->count].fd = fd;
	h->item[h->count].flags = flags;
	h->item[h->count].tls = tls ? tls_context_ref(tls) : NULL;
	h->item[h->count].access = access && (flags & CONN_PROXIED) ? networks_ref(access) : NULL;
	h->item[h->count].peer.family = peer->of.any.sa_family;
	if (peer->of.any.sa_family == AF_INET)
		h->item[h->count].peer.of.v4 = peer->of.v4;
	else if (peer->of.any.sa_family == AF_INET6)
		h->item[h->count].peer.of.v6 = peer->of.v6;
	h->count++;
}

void
handover_send(struct handover *h, struct worker *w)
{
	mailbox_send(&w->env.loop.mailbox, &h->mail);
}

/* --- orders ------------------------------------------------------------------------ */

struct order {
	struct mail mail;
	enum worker_order what;
	uint64_t value;
};

static void
report_empty(struct worker *w)
{
	if (w->is_empty)
		return;
	w->is_empty = true;
	loop_clear_timer(&w->env.loop, &w->grace);
	server_report(w->server, &w->report);
}

void
worker_check_empty(struct worker *w)
{
	if (!w->host.is_draining || w->host.open > 0)
		return;
	background_stop_all(&w->env);
	if (w->is_leaving && !tenancy_leave_all(w))
		return;
	report_empty(w);
}

static void
on_host_empty(struct conn_host *host)
{
	worker_check_empty(CONTAINER_OF(host, struct worker, host));
}

static void
on_grace_over(struct timer *t)
{
	struct worker *w = CONTAINER_OF(t, struct worker, grace);

	log_warning("grace is over: %u connections are cut", w->host.open);
	conn_host_close_all(&w->host);
}

static void
drain(struct worker *w, uint64_t grace_ns)
{
	uint64_t until = clock_after(loop_now(&w->env.loop), grace_ns);
	uint64_t last = LAST_REQUEST_MS * CLOCK_MS;

	conn_host_drain(&w->host, last < grace_ns ? last : grace_ns);
	worker_check_empty(w);
	if (w->host.open > 0 && loop_set_timer(&w->env.loop, &w->grace, until) != 0)
		conn_host_close_all(&w->host);
}

static void
on_order(struct mail *m, void *receiver)
{
	struct order *o = CONTAINER_OF(m, struct order, mail);
	struct worker *w = receiver;

	switch (o->what) {
	case WORKER_DRAIN:
	case WORKER_LEAVE:
		w->is_leaving = o->what == WORKER_LEAVE;
		drain(w, o->value);
		break;
	case WORKER_CLOSE_IDLE:
		conn_host_close_idle(&w->host, (unsigned)o->value);
		break;
	case WORKER_PIN:
		if (!cpus_is_empty(&w->thread.cpus))
			thread_set_cpus(&w->thread, &w->thread.cpus);
		break;
	}
	mem_free(&o);
}

int
worker_send(struct worker *w, enum worker_order what, uint64_t value)
{
	struct order *o = mem_alloc(sizeof(*o));

	if (!o)
		return ERR_MEMORY;
	*o = (struct order){ .mail.deliver = on_order, .what = what, .value = value };
	mailbox_send(&w->env.loop.mailbox, &o->mail);
	return 0;
}

/* --- processors --------------------------------------------------------------------- */

static struct cpus
share_of(const struct lease *l)
{
	return cpus_share(&l->site->cpus, l->worker, l->workers);
}

void
worker_settle(struct worker *w)
{
	struct cpus share = share_of(w->lease);

	if (cpus_eq(&share, &w->thread.cpus))
		return;
	w->thread.cpus = share;
	thread_set_cpus(&w->thread, &share);
}

/* --- life --------------------------------------------------------------------------- */

static void
run(void *argument)
{
	struct worker *w = argument;

	gauge_set(&w->number, thread_number());
	if (w->env.worker == 0)
		thread_tell_priority(&w->thread, "workers");
	stall_begin(&w->stall);
	loop_run(&w->env.loop);
	tenancy_end_all(w);
	/* What the last jobs and conns have deferred. */
	loop_turn(&w->env.loop, false);
	stall_end(&w->stall);
	access_log_close(&w->access);
	server_report(w->server, &w->gone);
}

static void
on_close(struct mail *m, void *receiver)
{
	struct worker *w = receiver;

	(void)m;
	conn_host_close_all(&w->host);
	background_stop_all(&w->env);
	loop_clear_timer(&w->env.loop, &w->grace);
	/* Threads are waited for now, and not for ever: then nobody flushes it any more. */
	access_log_flush(&w->access);
	latch_open(&w->closed);
}

static void
on_stop(struct mail *m, void *receiver)
{
	struct worker *w = receiver;

	(void)m;
	loop_stop(&w->env.loop);
}

void
worker_close(struct worker *w)
{
	if (!w->thread.is_running || w->is_ending)
		return;
	w->last_words = (struct mail){ .deliver = on_close };
	mailbox_send(&w->env.loop.mailbox, &w->last_words);
	latch_wait(&w->closed);
}

void
worker_end(struct worker *w)
{
	if (!w->thread.is_running || w->is_ending)
		return;
	w->is_ending = true;
	w->last_words = (struct mail){ .deliver = on_stop };
	mailbox_send(&w->env.loop.mailbox, &w->last_words);
}

void
worker_stop(struct worker *w)
{
	worker_end(w);
	thread_join(&w->thread);
}

/* What another life of this place may have left. Counters stay: they never go back. */
static void
reset(struct worker *w, struct server *server, unsigned number)
{
	w->server = server;
	w->env.worker = number;
	w->env.counters = &w->counters;
	w->env.stacks = &w->stacks;
	stacks_init(&w->stacks);
	w->report.deliver = server_on_empty;
	w->lease = NULL;
	w->has_reported = w->is_ending = w->is_empty = w->is_leaving = false;
	w->gone.deliver = server_on_gone;
	list_init(&w->tenancies);
	timer_init(&w->grace, on_grace_over);
	latch_init(&w->closed);
	store_init(&w->env.store);
	random_init(&w->env.random, random_seed());
	access_log_init(&w->access, &w->env, server_log_writer(server));
}

int
worker_init(struct worker *w, struct server *server, unsigned number, struct site *site,
	    unsigned place, unsigned count)
{
	struct tenancy *t;
	int err;

	reset(w, server, number);
	err = loop_init(&w->env.loop, w);
	if (err)
		return err;
	w->has_loop = true;
	w->env.loop.stall = &w->stall;
	bytes_init(&w->env.bytes, &w->env.loop);
	err = conn_host_init(&w->host, &w->env, &site->limits, &dispatch_app, w);
	if (err)
		return err;
	w->has_host = true;
	w->host.on_empty = on_host_empty;
	w->host.clients = server_clients(server);
	t = tenancy_new(w, site, place, count);
	return t ? tenancy_begin(t) : ERR_MEMORY;
}

int
worker_start(struct worker *w)
{
	w->thread.role = THREAD_WORKER;
	w->thread.slice_us = SLICE_US;
	w->thread.cpus = share_of(w->lease);
	w->thread.run = run;
	w->thread.argument = w;
	snprintf(w->thread.name, sizeof(w->thread.name), "worker %u", w->env.worker);
	return thread_start(&w->thread);
}

void
worker_fini(struct worker *w)
{
	tenancy_end_all(w);
	/* Of one that never ran: what it has been told of sites. */
	if (w->has_loop)
		mailbox_drain(&w->env.loop.mailbox, w);
	tenancy_free_all(w);
	w->lease = NULL;
	if (w->has_host)
		conn_host_fini(&w->host);
	access_log_fini(&w->access);
	if (w->has_loop) {
		bytes_fini(&w->env.bytes);
		loop_fini(&w->env.loop);
	}
	w->has_host = w->has_loop = false;
	stacks_fini(&w->stacks);
	store_fini(&w->env.store);
	latch_fini(&w->closed);
}
