/*
 * The acceptor; see acceptor.h.
 */
#include "server/acceptor.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/network_list.h"
#include "net/tls_tickets.h"
#include "server/site.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { PEER_BYTES = 64 };

enum {
	BATCH = 256, /* accepted per listener and turn */
	PAUSE_MS = 10, /* between looks whether there is room again */
	WARN_MS = 10000, /* between warnings about one shortage */
	CLOSING_LOOKS = 20, /* at a backlog that is empty, or that cannot be emptied */
	CLOSING_WAIT_US = 1000, /* between two of them */
	CLOSE_SHARE = 64, /* under pressure, 1/64 of max_connections is freed at a time */
};

uint64_t
acceptor_active(const struct acceptor *a)
{
	uint64_t accepted = count_read(a->counters, COUNTER_ACCEPTED);
	uint64_t closed = 0;

	for (unsigned i = 0; i < gauge_read(&a->crew->places); i++)
		closed += count_read(&a->crew->place[i]->counters, COUNTER_CONN_CLOSED);
	return accepted > closed ? accepted - closed : 0;
}

static void
send_pending(struct acceptor *a)
{
	for (unsigned i = 0; i < a->crew->serving_count; i++) {
		struct worker *w = a->crew->serving[i];

		if (!w->pending)
			continue;
		handover_send(w->pending, w);
		w->pending = NULL;
	}
}

static uint64_t
conns_of(const struct worker *w)
{
	return w->given - count_read(&w->counters, COUNTER_CONN_CLOSED);
}

/* In turn; or the one with the fewest conns, in turn among equals. */
static struct worker *
choose_worker(struct acceptor *a)
{
	struct worker *const *serving = a->crew->serving;
	unsigned count = a->crew->serving_count, best = a->next;

	for (unsigned i = 1; i < count && a->is_least_active; i++) {
		unsigned other = (a->next + i) % count;

		if (conns_of(serving[other]) < conns_of(serving[best]))
			best = other;
	}
	a->next = best + 1 == count ? 0 : best + 1;
	return serving[best];
}

static void
hand_over(struct acceptor *a, int fd, const struct address *peer, const struct gate *g)
{
	struct worker *w = choose_worker(a);
	struct handover *h = w->pending;

	if (!h) {
		h = w->pending = handover_new();
		if (!h) {
			/* Counted as opened and closed nowhere: the balance must hold. */
			count_add(a->counters, COUNTER_ACCEPT_FAILED, 1);
			close(fd);
			return;
		}
	}
	count_add(a->counters, COUNTER_ACCEPTED, 1);
	w->given++;
	handover_add(h, fd, peer, g->conn_flags, g->tls, g->access);
	if (h->count == HANDOVER_MAX) {
		handover_send(h, w);
		w->pending = NULL;
	}
}

/* --- pressure ------------------------------------------------------------------------ */

static void
ask_for_room(struct acceptor *a)
{
	unsigned share = a->max_connections / CLOSE_SHARE / a->crew->serving_count + 1;

	for (unsigned i = 0; i < a->crew->serving_count; i++) {
		if (worker_send(a->crew->serving[i], WORKER_CLOSE_IDLE, share) != 0)
			return; /* asked again at the next look */
	}
}

static void
pause_accepting(struct acceptor *a)
{
	uint64_t until = clock_after(loop_now(a->loop), PAUSE_MS * CLOCK_MS);

	ask_for_room(a);
	a->is_paused = true;
	if (loop_set_timer(a->loop, &a->pause, until) != 0)
		a->is_paused = false;
}

/* How many more may be accepted now, at most a batch. */
static unsigned
room(const struct acceptor *a)
{
	uint64_t active = acceptor_active(a);
	uint64_t left = active < a->max_connections ? a->max_connections - active : 0;

	return left < BATCH ? (unsigned)left : BATCH;
}

/* Descriptors or memory are out: those who hold them idle give them back. */
static void
on_shortage(struct acceptor *a)
{
	uint64_t now = loop_now(a->loop);

	count_add(a->counters, COUNTER_ACCEPT_FAILED, 1);
	if (now >= a->warn_after_ns) {
		log_warning("accept: %s; idle connections are closed%s", strerror(errno),
			    errno == EMFILE ? ": raise LimitNOFILE, or lower max_connections" : "");
		a->warn_after_ns = clock_after(now, WARN_MS * CLOCK_MS);
	}
	pause_accepting(a);
}

/* --- accepting ------------------------------------------------------------------------ */

/* Not of one connection that went wrong on its way here, but of this process or
 * machine; accept(2) asks to try again after all others. */
static bool
is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static bool
refuse(struct acceptor *a, int fd, const struct address *peer, enum counter reason)
{
	char text[PEER_BYTES];
	struct writer w = writer_over(text, sizeof(text));

	count_add(a->counters, reason, 1);
	address_write_host(peer, &w);
	log_debug("%.*s: refused by the listener", SLICE_PRINT(writer_slice(&w)));
	close(fd);
	return true;
}

/* By who connects; behind a proxy the client is judged when it is known. True: it is closed. */
static bool
is_refused(const struct gate *g, int fd, const struct address *peer)
{
	bool is_proxied = (g->conn_flags & CONN_PROXIED) != 0;

	if (is_proxied && g->proxies && networks_find(g->proxies, peer) == 0)
		return refuse(g->acceptor, fd, peer, COUNTER_CONN_REFUSED_PROXY);
	if (!is_proxied && g->access && networks_find(g->access, peer) == NETWORK_DENIED)
		return refuse(g->acceptor, fd, peer, COUNTER_CONN_REFUSED_ACCESS);
	return false;
}

/* Takes up to so many. False when the backlog is empty. */
static bool
accept_batch(struct gate *g, unsigned count)
{
	struct acceptor *a = g->acceptor;

	for (unsigned i = 0; i < count; i++) {
		struct address peer;
		int fd = listener_accept(&g->listener, &peer);

		if (fd >= 0) {
			if (!is_refused(g, fd, &peer))
				hand_over(a, fd, &peer, g);
			continue;
		}
		if (errno == EAGAIN)
			return false;
		if (!is_shortage(errno))
			continue;
		on_shortage(a);
		return true;
	}
	return true;
}

static void
accept_ready(struct acceptor *a)
{
	bool is_more = false;
	unsigned count;

	for (struct gate *g = a->gates; g && !a->is_paused; g = g->next) {
		if (!g->is_ready || g->is_new || g->is_closing)
			continue;
		count = room(a);
		if (count > 0)
			g->is_ready = accept_batch(g, count);
		else if (listener_is_awaited(&g->listener))
			pause_accepting(a);
		else
			g->is_ready = false; /* full, and nobody has to make room */
		is_more |= g->is_ready;
	}
	send_pending(a);
	if (is_more && !a->is_paused)
		loop_last(a->loop, &a->more);
}

static void
on_more(struct deferred *d)
{
	accept_ready(CONTAINER_OF(d, struct acceptor, more));
}

static void
on_pause_over(struct timer *t)
{
	struct acceptor *a = CONTAINER_OF(t, struct acceptor, pause);

	a->is_paused = false;
	accept_ready(a);
}

static void
on_ready(struct io *io, unsigned ready)
{
	struct gate *g = CONTAINER_OF(io, struct gate, io);

	(void)ready;
	g->is_ready = true;
	accept_ready(g->acceptor);
}

/* --- life ------------------------------------------------------------------------------ */

/* One that stays open. */
static struct gate *
find_gate(const struct acceptor *a, const struct address *address)
{
	struct gate *g = a->gates;

	while (g && (g->is_closing || !address_eq(&g->listener.address, address)))
		g = g->next;
	return g;
}

static int
open_gate(struct acceptor *a, const struct site_listener *l, struct conf_errors *e)
{
	int err;
	struct gate *g = gate_open(l, a->loop, on_ready, e, &err);

	if (!g)
		return err;
	g->acceptor = a;
	g->next = a->gates;
	a->gates = g;
	return 0;
}

/* Frees those that say yes. */
static void
close_gates(struct acceptor *a, bool (*is_wanted)(const struct gate *g))
{
	struct gate **at = &a->gates;

	while (*at) {
		struct gate *g = *at;

		if (is_wanted(g)) {
			*at = g->next;
			gate_free(&g);
		} else {
			at = &g->next;
		}
	}
}

static bool
is_new(const struct gate *g)
{
	return g->is_new;
}

static bool
is_closed(const struct gate *g)
{
	return g->is_closing && g->looks >= CLOSING_LOOKS;
}

static bool
is_any(const struct gate *g)
{
	(void)g;
	return true;
}

/* --- closing ----------------------------------------------------------------------------- */

/* Takes over what has begun to connect where nobody new can: with TCP_DEFER_ACCEPT some
 * connections only come when their first bytes do. */
static void
look_at(struct gate *g)
{
	struct acceptor *a = g->acceptor;
	bool was_paused = a->is_paused;

	a->is_paused = false;
	/* A whole batch is no such look: nobody new can come, so that has an end. */
	if (!accept_batch(g, BATCH) || a->is_paused)
		g->looks++;
	a->is_paused |= was_paused;
}

/* True: some want another look. */
static bool
look_at_closing(struct acceptor *a)
{
	bool is_any_left = false;

	for (struct gate *g = a->gates; g; g = g->next) {
		if (g->is_closing && !is_closed(g))
			look_at(g);
		is_any_left |= g->is_closing && !is_closed(g);
	}
	send_pending(a);
	close_gates(a, is_closed);
	return is_any_left;
}

/* Without going back to the loop. */
static void
finish_closing(struct acceptor *a)
{
	loop_clear_timer(a->loop, &a->closing);
	while (look_at_closing(a))
		usleep(CLOSING_WAIT_US);
}

static void
go_on_closing(struct acceptor *a)
{
	uint64_t until = clock_after(loop_now(a->loop), CLOSING_WAIT_US * CLOCK_US);

	if (look_at_closing(a) && loop_set_timer(a->loop, &a->closing, until) != 0)
		finish_closing(a);
}

static void
on_closing(struct timer *t)
{
	go_on_closing(CONTAINER_OF(t, struct acceptor, closing));
}

/* Others may connect to a borrowed one all the time: who waits now is taken, and who comes later
 * waits for the next process. */
static void
take_waiting(struct acceptor *a, struct gate *g)
{
	accept_batch(g, (unsigned)g->listener.backlog);
	send_pending(a);
	g->looks = CLOSING_LOOKS;
}

/* Those that are not kept. */
static void
begin_closing(struct acceptor *a)
{
	for (struct gate *g = a->gates; g; g = g->next) {
		if (g->is_kept || g->is_closing)
			continue;
		if (!g->is_new)
			gate_tell(g, "no longer listening on");
		gate_begin_closing(g);
		if (g->listener.is_borrowed)
			take_waiting(a, g);
	}
}

/* --- the gates of a site -------------------------------------------------------------------- */

static bool
is_being_closed(const struct acceptor *a, const struct address *address)
{
	const struct gate *g = a->gates;

	while (g && !(g->is_closing && address_eq(&g->listener.address, address)))
		g = g->next;
	return g != NULL;
}

int
acceptor_prepare(struct acceptor *a, const struct site *site, struct conf_errors *e)
{
	int failed = 0;

	for (struct gate *g = a->gates; g; g = g->next)
		g->is_kept = false;
	for (unsigned i = 0; i < site->listener_count; i++) {
		struct gate *g = find_gate(a, &site->listeners[i].address);
		int err = 0;

		if (is_being_closed(a, &site->listeners[i].address))
			finish_closing(a);
		if (g)
			g->is_kept = true;
		else
			err = open_gate(a, &site->listeners[i], e);
		failed = failed ? failed : err;
	}
	return failed;
}

void
acceptor_forget(struct acceptor *a)
{
	close_gates(a, is_new);
}

int
acceptor_watch(struct acceptor *a)
{
	for (struct gate *g = a->gates; g; g = g->next) {
		if (g->is_new && io_watch(&g->io) != 0)
			return ERR_SYSTEM;
	}
	return 0;
}

static uint32_t
flags_of(const struct site_listener *l)
{
	return (l->allows_half_close ? CONN_HALF_CLOSE : 0) | (l->speaks_h2 ? CONN_H2 : 0) |
	       (l->speaks_h1 ? 0 : CONN_NO_H1) | (l->is_proxied ? CONN_PROXIED : 0);
}

static void
set_gate(struct gate *g, const struct site_listener *l)
{
	if (g->is_new)
		gate_tell(g, "listening on");
	g->is_new = false;
	g->conn_flags = flags_of(l);
	tls_context_unref(&g->tls);
	g->tls = l->tls ? tls_context_ref(l->tls) : NULL;
	networks_unref(&g->access);
	g->access = l->access ? networks_ref(l->access) : NULL;
	networks_unref(&g->proxies);
	g->proxies = l->proxies ? networks_ref(l->proxies) : NULL;
	if (g->listener.backlog != (int)l->backlog)
		listener_set_backlog(&g->listener, (int)l->backlog);
}

/* Without memory for the timer the keys stay as they are until the next site. */
static void
await_tickets(struct acceptor *a)
{
	uint64_t at = clock_after(loop_now(a->loop), TLS_TICKET_PERIOD_S * CLOCK_SEC);

	if (!timer_is_set(&a->tickets) && loop_set_timer(a->loop, &a->tickets, at) != 0)
		log_warning("TLS tickets: %s", err_text(ERR_MEMORY));
}

static void
on_tickets_due(struct timer *t)
{
	struct acceptor *a = CONTAINER_OF(t, struct acceptor, tickets);

	for (struct gate *g = a->gates; g; g = g->next) {
		if (g->tls)
			tls_context_rotate(g->tls);
	}
	await_tickets(a);
}

void
acceptor_take_over(struct acceptor *a, const struct site *site)
{
	a->max_connections = site->max_connections;
	a->is_least_active = site->dispatch == SITE_LEAST_ACTIVE;
	a->next = a->next < a->crew->serving_count ? a->next : 0;
	for (unsigned i = 0; i < site->listener_count; i++)
		set_gate(find_gate(a, &site->listeners[i].address), &site->listeners[i]);
	begin_closing(a);
	go_on_closing(a);
	await_tickets(a);
	/* What came to a new one before it was looked at. */
	accept_ready(a);
}

void
acceptor_init(struct acceptor *a, struct loop *loop, struct crew *crew, struct counters *counters)
{
	*a = (struct acceptor){
		.loop = loop,
		.crew = crew,
		.counters = counters,
		.more.run = on_more,
	};
	timer_init(&a->pause, on_pause_over);
	timer_init(&a->closing, on_closing);
	timer_init(&a->tickets, on_tickets_due);
}

void
acceptor_drain(struct acceptor *a)
{
	for (struct gate *g = a->gates; g; g = g->next)
		g->is_kept = false;
	begin_closing(a);
	finish_closing(a);
	acceptor_close(a);
}

void
acceptor_close(struct acceptor *a)
{
	close_gates(a, is_any);
	loop_clear_timer(a->loop, &a->pause);
	loop_clear_timer(a->loop, &a->closing);
	loop_clear_timer(a->loop, &a->tickets);
	loop_forget(a->loop, &a->more);
}
