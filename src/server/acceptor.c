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
hand_over(struct acceptor *a, int fd, const struct address *peer, const struct acceptor_listener *l)
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
	handover_add(h, fd, peer, l->conn_flags, l->tls, l->access);
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
is_refused(const struct acceptor_listener *l, int fd, const struct address *peer)
{
	bool is_proxied = (l->conn_flags & CONN_PROXIED) != 0;

	if (is_proxied && l->proxies && networks_find(l->proxies, peer) == 0)
		return refuse(l->acceptor, fd, peer, COUNTER_CONN_REFUSED_PROXY);
	if (!is_proxied && l->access && networks_find(l->access, peer) == NETWORK_DENIED)
		return refuse(l->acceptor, fd, peer, COUNTER_CONN_REFUSED_ACCESS);
	return false;
}

/* Takes up to so many. False when the backlog is empty. */
static bool
accept_batch(struct acceptor_listener *l, unsigned count)
{
	struct acceptor *a = l->acceptor;

	for (unsigned i = 0; i < count; i++) {
		struct address peer;
		int fd = listener_accept(&l->socket, &peer);

		if (fd >= 0) {
			if (!is_refused(l, fd, &peer))
				hand_over(a, fd, &peer, l);
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

	for (struct acceptor_listener *l = a->listeners; l && !a->is_paused; l = l->next) {
		if (!l->is_ready || l->is_new || l->is_closing)
			continue;
		count = room(a);
		if (count > 0)
			l->is_ready = accept_batch(l, count);
		else if (listener_is_awaited(&l->socket))
			pause_accepting(a);
		else
			l->is_ready = false; /* full, and nobody has to make room */
		is_more |= l->is_ready;
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
	struct acceptor_listener *l = CONTAINER_OF(io, struct acceptor_listener, io);

	(void)ready;
	l->is_ready = true;
	accept_ready(l->acceptor);
}

/* --- life ------------------------------------------------------------------------------ */

/* One that stays open. */
static struct acceptor_listener *
find_listener(const struct acceptor *a, const struct address *address)
{
	struct acceptor_listener *l = a->listeners;

	while (l && (l->is_closing || !address_eq(&l->socket.address, address)))
		l = l->next;
	return l;
}

static int
open_listener(struct acceptor *a, const struct site_listener *wanted, struct conf_errors *e)
{
	int err;
	struct acceptor_listener *l = acceptor_listener_open(wanted, a->loop, on_ready, e, &err);

	if (!l)
		return err;
	l->acceptor = a;
	l->next = a->listeners;
	a->listeners = l;
	return 0;
}

/* Frees those that say yes. */
static void
close_listeners(struct acceptor *a, bool (*is_wanted)(const struct acceptor_listener *l))
{
	struct acceptor_listener **at = &a->listeners;

	while (*at) {
		struct acceptor_listener *l = *at;

		if (is_wanted(l)) {
			*at = l->next;
			acceptor_listener_free(&l);
		} else {
			at = &l->next;
		}
	}
}

static bool
is_new(const struct acceptor_listener *l)
{
	return l->is_new;
}

static bool
is_closed(const struct acceptor_listener *l)
{
	return l->is_closing && l->looks >= CLOSING_LOOKS;
}

static bool
is_any(const struct acceptor_listener *l)
{
	(void)l;
	return true;
}

/* --- closing ----------------------------------------------------------------------------- */

/* Takes over what has begun to connect where nobody new can: with TCP_DEFER_ACCEPT some
 * connections only come when their first bytes do. */
static void
look_at(struct acceptor_listener *l)
{
	struct acceptor *a = l->acceptor;
	bool was_paused = a->is_paused;

	a->is_paused = false;
	/* A whole batch is no such look: nobody new can come, so that has an end. */
	if (!accept_batch(l, BATCH) || a->is_paused)
		l->looks++;
	a->is_paused |= was_paused;
}

/* True: some want another look. */
static bool
look_at_closing(struct acceptor *a)
{
	bool is_any_left = false;

	for (struct acceptor_listener *l = a->listeners; l; l = l->next) {
		if (l->is_closing && !is_closed(l))
			look_at(l);
		is_any_left |= l->is_closing && !is_closed(l);
	}
	send_pending(a);
	close_listeners(a, is_closed);
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
take_waiting(struct acceptor *a, struct acceptor_listener *l)
{
	accept_batch(l, (unsigned)l->socket.backlog);
	send_pending(a);
	l->looks = CLOSING_LOOKS;
}

/* Those that are not kept. */
static void
begin_closing(struct acceptor *a)
{
	for (struct acceptor_listener *l = a->listeners; l; l = l->next) {
		if (l->is_kept || l->is_closing)
			continue;
		if (!l->is_new)
			acceptor_listener_tell(l, "no longer listening on");
		acceptor_listener_begin_closing(l);
		if (l->socket.is_borrowed)
			take_waiting(a, l);
	}
}

/* --- the listeners of a site --------------------------------------------------------------------
 */

static bool
is_being_closed(const struct acceptor *a, const struct address *address)
{
	const struct acceptor_listener *l = a->listeners;

	while (l && !(l->is_closing && address_eq(&l->socket.address, address)))
		l = l->next;
	return l != NULL;
}

int
acceptor_prepare(struct acceptor *a, const struct site *site, struct conf_errors *e)
{
	int failed = 0;

	for (struct acceptor_listener *l = a->listeners; l; l = l->next)
		l->is_kept = false;
	for (unsigned i = 0; i < site->listener_count; i++) {
		struct acceptor_listener *l = find_listener(a, &site->listeners[i].address);
		int err = 0;

		if (is_being_closed(a, &site->listeners[i].address))
			finish_closing(a);
		if (l)
			l->is_kept = true;
		else
			err = open_listener(a, &site->listeners[i], e);
		failed = failed ? failed : err;
	}
	return failed;
}

void
acceptor_forget(struct acceptor *a)
{
	close_listeners(a, is_new);
}

int
acceptor_watch(struct acceptor *a)
{
	for (struct acceptor_listener *l = a->listeners; l; l = l->next) {
		if (l->is_new && io_watch(&l->io) != 0)
			return ERR_SYSTEM;
	}
	return 0;
}

static uint32_t
flags_of(const struct site_listener *wanted)
{
	return (wanted->allows_half_close ? CONN_HALF_CLOSE : 0) |
	       (wanted->speaks_h2 ? CONN_H2 : 0) | (wanted->speaks_h1 ? 0 : CONN_NO_H1) |
	       (wanted->is_proxied ? CONN_PROXIED : 0);
}

static void
set_listener(struct acceptor_listener *l, const struct site_listener *wanted)
{
	if (l->is_new)
		acceptor_listener_tell(l, "listening on");
	l->is_new = false;
	l->conn_flags = flags_of(wanted);
	tls_context_unref(&l->tls);
	l->tls = wanted->tls ? tls_context_ref(wanted->tls) : NULL;
	networks_unref(&l->access);
	l->access = wanted->access ? networks_ref(wanted->access) : NULL;
	networks_unref(&l->proxies);
	l->proxies = wanted->proxies ? networks_ref(wanted->proxies) : NULL;
	if (l->socket.backlog != (int)wanted->backlog)
		listener_set_backlog(&l->socket, (int)wanted->backlog);
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

	for (struct acceptor_listener *l = a->listeners; l; l = l->next) {
		if (l->tls)
			tls_context_rotate(l->tls);
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
		set_listener(find_listener(a, &site->listeners[i].address), &site->listeners[i]);
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
	for (struct acceptor_listener *l = a->listeners; l; l = l->next)
		l->is_kept = false;
	begin_closing(a);
	finish_closing(a);
	acceptor_close(a);
}

void
acceptor_close(struct acceptor *a)
{
	close_listeners(a, is_any);
	loop_clear_timer(a->loop, &a->pause);
	loop_clear_timer(a->loop, &a->closing);
	loop_clear_timer(a->loop, &a->tickets);
	loop_forget(a->loop, &a->more);
}
