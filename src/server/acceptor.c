/*
 * The acceptor; see acceptor.h.
 */
#include "server/acceptor.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/opening.h"
#include "server/site.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	BATCH = 256, /* accepted per listener and turn */
	PAUSE_MS = 10, /* between looks whether there is room again */
	WARN_MS = 10000, /* between warnings about one shortage */
	DRAIN_LOOKS = 20, /* at backlogs that are empty, or that cannot be emptied */
	DRAIN_WAIT_US = 1000,
	CLOSE_SHARE = 64, /* under pressure, 1/64 of max_connections is freed at a time */
};

uint64_t
acceptor_active(const struct acceptor *a)
{
	uint64_t accepted = count_read(a->counters, COUNTER_ACCEPTED);
	uint64_t closed = 0;

	for (unsigned i = 0; i < a->worker_count; i++)
		closed += count_read(&a->workers[i]->counters, COUNTER_CONN_CLOSED);
	return accepted > closed ? accepted - closed : 0;
}

static void
send_pending(struct acceptor *a)
{
	for (unsigned i = 0; i < a->worker_count; i++) {
		if (!a->pending[i])
			continue;
		handover_send(a->pending[i], a->workers[i]);
		a->pending[i] = NULL;
	}
}

static uint64_t
conns_of(const struct acceptor *a, unsigned worker)
{
	return a->given[worker] - count_read(&a->workers[worker]->counters, COUNTER_CONN_CLOSED);
}

/* In turn; or the one with the fewest conns, in turn among equals. */
static unsigned
choose_worker(struct acceptor *a)
{
	unsigned best = a->next;

	for (unsigned i = 1; i < a->worker_count && a->is_least_active; i++) {
		unsigned other = (a->next + i) % a->worker_count;

		if (conns_of(a, other) < conns_of(a, best))
			best = other;
	}
	a->next = best + 1 == a->worker_count ? 0 : best + 1;
	return best;
}

static void
hand_over(struct acceptor *a, int fd, const struct address *peer, uint32_t flags)
{
	unsigned i = choose_worker(a);
	struct handover *h = a->pending[i];

	if (!h) {
		h = a->pending[i] = handover_new();
		if (!h) {
			/* Counted as opened and closed nowhere: the balance must hold. */
			count_add(a->counters, COUNTER_ACCEPT_FAILED, 1);
			close(fd);
			return;
		}
	}
	count_add(a->counters, COUNTER_ACCEPTED, 1);
	a->given[i]++;
	handover_add(h, fd, peer, flags);
	if (h->count == HANDOVER_MAX) {
		handover_send(h, a->workers[i]);
		a->pending[i] = NULL;
	}
}

/* --- pressure ------------------------------------------------------------------------ */

static void
ask_for_room(struct acceptor *a)
{
	unsigned share = a->max_connections / CLOSE_SHARE / a->worker_count + 1;

	for (unsigned i = 0; i < a->worker_count; i++) {
		if (worker_send(a->workers[i], WORKER_CLOSE_IDLE, share) != 0)
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
		log_warning("accept: %s; idle connections are closed", strerror(errno));
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

/* Takes up to so many. False when the backlog is empty. */
static bool
accept_batch(struct gate *g, unsigned count)
{
	struct acceptor *a = g->acceptor;

	for (unsigned i = 0; i < count; i++) {
		struct address peer;
		int fd = listener_accept(&g->listener, &peer);

		if (fd >= 0) {
			hand_over(a, fd, &peer, g->conn_flags);
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

	for (unsigned i = 0; i < a->gate_count && !a->is_paused; i++) {
		struct gate *g = &a->gates[i];

		if (!g->is_ready || g->listener.fd < 0)
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

static int
open_gate(struct gate *g, const struct site_listener *l)
{
	char text[OPENING_BYTES];
	struct writer why = writer_over(text, sizeof(text));
	int err;

	g->listener = (struct listener){
		.address = l->address,
		.fd = -1,
		.backlog = (int)l->backlog,
		.is_deferred = true,
	};
	g->conn_flags = l->allows_half_close ? CONN_HALF_CLOSE : 0;
	err = opening_listen(&g->listener, &why);
	if (err)
		log_error("%s:%u: [listen %.*s] address: %.*s", l->file, l->line,
			  SLICE_PRINT(l->name), SLICE_PRINT(writer_slice(&why)));
	return err;
}

int
acceptor_open(struct acceptor *a, struct loop *loop, const struct site *site,
	      struct counters *counters)
{
	int failed = 0;

	*a = (struct acceptor){
		.loop = loop,
		.counters = counters,
		.max_connections = site->max_connections,
		.is_least_active = site->dispatch == SITE_LEAST_ACTIVE,
		.more.run = on_more,
	};
	timer_init(&a->pause, on_pause_over);
	a->gates = mem_zalloc(site->listener_count, sizeof(*a->gates));
	if (!a->gates)
		return ERR_MEMORY;
	a->gate_count = site->listener_count;
	for (unsigned i = 0; i < a->gate_count; i++) {
		a->gates[i].acceptor = a;
		failed |= open_gate(&a->gates[i], &site->listeners[i]);
	}
	return failed ? ERR_SYSTEM : 0;
}

int
acceptor_start(struct acceptor *a, struct worker **workers, unsigned count)
{
	a->pending = mem_zalloc(count, sizeof(*a->pending));
	a->given = mem_zalloc(count, sizeof(*a->given));
	if (!a->pending || !a->given)
		return ERR_MEMORY;
	a->workers = workers;
	a->worker_count = count;
	for (unsigned i = 0; i < a->gate_count; i++) {
		struct gate *g = &a->gates[i];

		io_init(&g->io, a->loop, g->listener.fd, on_ready);
		if (io_watch(&g->io) != 0)
			return ERR_SYSTEM;
	}
	return 0;
}

/* Takes over what has begun to connect: with TCP_DEFER_ACCEPT some connections
 * only come when their first bytes do. */
static void
empty_backlogs(struct acceptor *a)
{
	unsigned looks = 0;

	while (looks < DRAIN_LOOKS) {
		bool is_more = false;

		a->is_paused = false;
		for (unsigned i = 0; i < a->gate_count && !a->is_paused; i++) {
			if (a->gates[i].listener.fd >= 0)
				is_more |= accept_batch(&a->gates[i], BATCH);
		}
		send_pending(a);
		if (is_more && !a->is_paused)
			continue; /* nobody new can come: it has an end */
		usleep(DRAIN_WAIT_US);
		looks++;
	}
}

/* Others may connect to it all the time: who waits now is taken, and who comes
 * later waits for the next process. */
static void
leave_borrowed(struct acceptor *a, struct gate *g)
{
	a->is_paused = false;
	accept_batch(g, (unsigned)g->listener.backlog);
	send_pending(a);
	if (g->io.is_watched)
		io_release(&g->io);
	listener_close(&g->listener);
}

void
acceptor_drain(struct acceptor *a)
{
	for (unsigned i = 0; i < a->gate_count; i++) {
		struct gate *g = &a->gates[i];

		if (g->listener.fd >= 0 && g->listener.is_borrowed)
			leave_borrowed(a, g);
		else if (g->listener.fd >= 0)
			listener_stop_new(&g->listener);
	}
	empty_backlogs(a);
	acceptor_close(a);
}

void
acceptor_close(struct acceptor *a)
{
	for (unsigned i = 0; i < a->gate_count; i++) {
		struct gate *g = &a->gates[i];

		if (g->io.is_watched)
			io_release(&g->io);
		listener_close(&g->listener);
	}
	loop_clear_timer(a->loop, &a->pause);
	loop_forget(a->loop, &a->more);
	mem_free(&a->gates);
	mem_free(&a->pending);
	mem_free(&a->given);
	a->gate_count = 0;
}
