/*
 * Client connections; see conn.h. Everything here runs on the worker that
 * owns the conn, for the conn's whole life.
 */
#include "proto/conn.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config.h"
#include "net/tls_context.h"
#include "proto/h1.h"
#include "proto/h2.h"
#include "proto/proxy_in.h"
#include "thread/clients.h"

#include <unistd.h>

enum {
	KEEP_CONNS = 1024, /* free ones kept for reuse */
	LINGER_BYTES = 1 << 20, /* dropped after our FIN, at most */
	LINGER_MS = 2000, /* how long */
	LINGER_READ_BYTES = 16384,
};

/* 240 bytes of memory with glibc and libevent 2.1. */
_Static_assert(sizeof(struct conn) <= sizeof(struct event) + 104,
	       "an idle connection costs what a struct conn does");

/* The first one is spoken where nothing says otherwise. */
static const struct conn_protocol *const protocols[] = {
	&h1_protocol,
#ifdef HAVE_NGHTTP2
	&h2_protocol,
#endif
};

enum { PROTOCOLS = sizeof(protocols) / sizeof(protocols[0]) };

/* For who speaks HTTP where TLS is spoken: there is no connection yet on which it could be said
 * otherwise. */
static const char wrong_port[] = "HTTP/1.1 400 Bad Request\r\n"
				 "Connection: close\r\n"
				 "Content-Type: text/plain\r\n"
				 "Content-Length: 47\r\n"
				 "\r\n"
				 "This port speaks HTTPS: begin with https://...\n";

/* --- the host ---------------------------------------------------------------------- */

static void on_expired(struct wheel_entry *e);

int
conn_host_init(struct conn_host *h, struct env *env, const struct conn_limits *limits,
	       const struct exchange_app *app, void *app_host)
{
	*h = (struct conn_host){ .env = env, .app = app, .app_host = app_host };
	if (conn_host_make_room(h, limits) != 0)
		return ERR_MEMORY;
	backlog_init(&h->backlog, env);
	conn_host_set_limits(h, limits);
	h->next_id = random_next(&env->random);
	wheel_init(&h->wheel, &env->loop, on_expired);
	return 0;
}

void
conn_host_fini(struct conn_host *h)
{
	ASSERT(h->open == 0);
	wheel_fini(&h->wheel);
	backlog_fini(&h->backlog);
	while (h->free_conns) {
		struct conn *c = h->free_conns;
		h->free_conns = c->next;
		mem_free(&c);
	}
	for (unsigned i = 0; i < PROTOCOLS; i++) {
		if (protocols[i]->fini_host)
			protocols[i]->fini_host(h);
	}
	mem_free(&h->field_scratch);
}

/* The one of that name in ALPN, or NULL. */
static const struct conn_protocol *
find_protocol(struct slice name)
{
	for (unsigned i = 0; i < PROTOCOLS; i++) {
		if (slice_eq(protocols[i]->name, name))
			return protocols[i];
	}
	return NULL;
}

const char *
conn_h2_version(void)
{
#ifdef HAVE_NGHTTP2
	return h2_library_version();
#else
	return "no";
#endif
}

/* --- one conn ---------------------------------------------------------------------- */

void
conn_expire_at(struct conn *c, uint64_t at_ns)
{
	wheel_set(&c->host->wheel, &c->timeout, at_ns);
}

void
conn_make_lean(struct conn *c)
{
	c->flags |= CONN_LEAN;
	io_bound_unsent(&c->io);
}

static uint64_t
now_plus(const struct conn *c, uint64_t ns)
{
	return clock_after(loop_now(&c->host->env->loop), ns);
}

static __attribute__((noinline)) void
uncount(struct conn *c)
{
	struct address client;

	conn_client(c, &client);
	clients_give(c->host->clients, &client);
}

/* One more of its client's. True: it is closed, for there are too many. */
static bool
is_one_too_many(struct conn *c)
{
	struct conn_host *h = c->host;
	struct address client;
	enum clients_answer answer;

	if (h->limits.max_client_connections == 0 || !h->clients)
		return false;
	conn_client(c, &client);
	answer = clients_take(h->clients, &client, h->limits.max_client_connections);
	if (answer == CLIENTS_COUNTED)
		c->flags |= CONN_COUNTED;
	if (answer != CLIENTS_TOO_MANY)
		return false;
	count_add(h->env->counters, COUNTER_CONN_REFUSED_CLIENT, 1);
	fault_log(&client, 0, "more connections than max_client_connections");
	conn_close(c);
	return true;
}

void
conn_close(struct conn *c)
{
	struct conn_host *h = c->host;

	c->protocol->stop(c);
	conn_wrote(c, false);
	if (c->flags & CONN_HELD)
		backlog_drop(&h->backlog, c);
	if (c->flags & CONN_COUNTED)
		uncount(c);
	wheel_clear(&h->wheel, &c->timeout);
	io_close(&c->io);
	count_add(h->env->counters, COUNTER_CONN_CLOSED, 1);
	h->open--;
	if (h->kept_conns >= KEEP_CONNS) {
		mem_free(&c);
	} else {
		c->next = h->free_conns;
		h->free_conns = c;
		h->kept_conns++;
	}
	if (h->open == 0 && h->on_empty)
		h->on_empty(h);
}

static void
drop_input(struct conn *c)
{
	char dropped[LINGER_READ_BYTES];
	long n;

	do {
		n = io_drop(&c->io, dropped, sizeof(dropped));
		if (n > 0)
			c->lingered += (uint32_t)n;
	} while (n > 0 && c->lingered < LINGER_BYTES);
	if (n != ERR_BUSY)
		conn_close(c);
}

/* Our FIN, then the peer's bytes until it closes: closing at once with unread
 * input would reset the connection, and the peer could lose our last words
 * (RFC 9112 9.6). */
static void
linger(struct conn *c)
{
	c->protocol->stop(c);
	io_shut(&c->io);
	if (c->flags & CONN_HELD)
		backlog_drop(&c->host->backlog, c);
	c->flags |= CONN_LINGERING;
	c->lingered = 0;
	conn_expire_at(c, now_plus(c, LINGER_MS * CLOCK_MS));
	if (io_watch(&c->io) != 0)
		conn_close(c);
	else
		drop_input(c); /* what is there already is no edge any more */
}

/* All is written. The end of a TLS stream is a record of its own, without which it looks cut off:
 * where the socket is full, that waits. */
static void
end(struct conn *c)
{
	c->protocol->stop(c); /* a body that was cut short ends in a reset instead */
	if (io_end(&c->io) == ERR_BUSY)
		linger(c);
	else
		conn_close(c);
}

/* Nothing is pending: the buffers go back. */
static inline void
rest(struct conn *c)
{
	const struct conn_host *h = c->host;
	uint64_t ns =
	    c->flags & CONN_SERVED ? h->limits.idle_timeout_ns : h->limits.header_timeout_ns;

	c->protocol->stop(c);
	if (!io_take_moved(&c->io))
		return; /* woken for nothing: the time-out that is set stands */
	/* Its head was sent before the drain began, and did not say that we close. */
	if (h->is_draining && ns > h->drain_idle_ns)
		ns = h->drain_idle_ns;
	conn_expire_at(c, now_plus(c, ns));
}

/* Carries out what the protocol decided. False when the conn is gone. */
static bool
obey(struct conn *c, enum conn_next next)
{
	switch (next) {
	case CONN_NEXT_WAIT:
		return true;
	case CONN_NEXT_REST:
		rest(c);
		return true;
	case CONN_NEXT_BEGIN: /* advance() has seen to these two */
	case CONN_NEXT_H2:
	case CONN_NEXT_LINGER:
		linger(c);
		return false;
	case CONN_NEXT_CLOSE:
		break;
	}
	end(c);
	return false;
}

/* The last words are plain where the first were. */
static void
refuse_handshake(struct conn *c, int err)
{
	io_strip(&c->io);
	if (err == ERR_UNSUPPORTED &&
	    io_write_bytes(&c->io, slice_make(wrong_port, sizeof(wrong_port) - 1)) < 0)
		err = ERR_CLOSED;
	if (err == ERR_CLOSED)
		conn_close(c);
	else
		linger(c); /* so that the peer hears why */
}

static bool advance(struct conn *c);

/* All of it has one deadline, that of the conn; then the protocol begins. As advance(), which is
 * shorter without it. */
static __attribute__((noinline)) bool
shake_hands(struct conn *c)
{
	const struct conn_protocol *agreed;
	int err = io_handshake(&c->io);

	if (err == ERR_BUSY)
		return true;
	if (err) {
		refuse_handshake(c, err);
		return false;
	}
	c->flags &= ~(unsigned)CONN_HANDSHAKE;
	agreed = find_protocol(tls_protocol(c->io.tls));
	if (agreed)
		c->protocol = agreed;
	/* RFC 9113 3.2: over TLS it is agreed on, or not spoken. */
	c->flags &= ~(unsigned)CONN_H2;
	rest(c);
	return advance(c);
}

/* False when the conn is gone, or on its way. */
static bool
give_up(struct conn *c)
{
	count_add(c->host->env->counters, COUNTER_CLOSE_MEMORY, 1);
	conn_close(c);
	return false;
}

/* What was read under one protocol is the beginning of another. False when the conn is gone. */
static bool
change_protocol(struct conn *c, const struct conn_protocol *to)
{
	struct block *in = c->protocol->yield(c->active);

	c->protocol->stop(c);
	c->protocol = to;
	c->active = to->start(c);
	if (!c->active) {
		block_unref(in);
		return give_up(c);
	}
	to->take(c->active, in);
	return obey(c, to->advance(c->active));
}

static void
set_peer(struct conn *c, const struct address *peer)
{
	const struct sockaddr_in *v4 = &peer->of.v4;
	const struct sockaddr_in6 *v6 = &peer->of.v6;

	if (v4->sin_family == AF_INET)
		c->peer = (struct conn_peer){ .family = AF_INET,
					      .port = v4->sin_port,
					      .host.v4 = v4->sin_addr };
	else if (v4->sin_family == AF_INET6)
		c->peer = (struct conn_peer){ .family = AF_INET6,
					      .port = v6->sin6_port,
					      .scope = v6->sin6_scope_id,
					      .host.v6 = v6->sin6_addr };
	else
		c->flags |= CONN_UNIX;
}

static const struct conn_protocol *
first_protocol(uint32_t flags)
{
	return protocols[flags & CONN_NO_H1 ? PROTOCOLS - 1 : 0];
}

/* Behind the proxy's header all begins anew, with the client's own time for it. */
static __attribute__((noinline)) bool
begin_behind_proxy(struct conn *c)
{
	struct tls_context *tls;
	struct address client;
	int err = 0;

	conn_client(c, &client);
	tls = proxy_in_finish(c->active, &client);
	c->protocol->stop(c);
	c->protocol = first_protocol(c->flags);
	c->flags &= ~(unsigned)CONN_UNIX; /* of the proxy */
	c->flags |= CONN_READABLE;
	set_peer(c, &client);
	if (is_one_too_many(c)) {
		tls_context_unref(&tls);
		return false;
	}
	if (tls) {
		c->flags |= CONN_HANDSHAKE;
		err = io_secure(&c->io, tls, c->host->env->counters);
		tls_context_unref(&tls);
	}
	if (err)
		return give_up(c);
	conn_expire_at(c, now_plus(c, c->host->limits.header_timeout_ns));
	return advance(c);
}

static bool
advance(struct conn *c)
{
	enum conn_next next;

	if (c->flags & CONN_HANDSHAKE)
		return shake_hands(c);
	if (!c->active)
		c->active = c->protocol->start(c);
	if (!c->active)
		return give_up(c);
	next = c->protocol->advance(c->active);
	if (next == CONN_NEXT_H2)
		return change_protocol(c, find_protocol(SLICE("h2")));
	if (next == CONN_NEXT_BEGIN)
		return begin_behind_proxy(c);
	return obey(c, next);
}

/* While there is a backlog, who would begin something waits, and is not read. True: there is
 * nothing else to do for the conn. */
static __attribute__((noinline)) bool
waits_its_turn(struct conn *c)
{
	const struct conn_protocol *p = c->protocol;
	bool is_under_way = c->active && p->is_multiplexed;

	if (is_under_way && !(c->flags & CONN_READABLE))
		return false;
	if (c->active && p->is_between && !p->is_between(c->active))
		return false;
	if (!(c->flags & CONN_HELD) && backlog_hold(&c->host->backlog, c) != 0)
		return false;
	c->flags &= ~(unsigned)CONN_READABLE;
	return !is_under_way;
}

static bool
takes_turn(struct conn *c)
{
	return !c->host->backlog.is_on || !waits_its_turn(c);
}

void
conn_go_on(struct conn *c)
{
	if (takes_turn(c))
		advance(c);
}

void
conn_serve(struct conn *c)
{
	c->flags |= CONN_READABLE;
	advance(c);
}

static void
on_ready(struct io *io, unsigned ready)
{
	struct conn *c = CONTAINER_OF(io, struct conn, io);

	if (c->flags & CONN_LINGERING) {
		if (c->io.tls)
			io_shut(&c->io); /* the end of its stream has waited for room */
		drop_input(c);
		return;
	}
	if (ready & IO_READ)
		c->flags |= CONN_READABLE;
	if (ready & IO_CLOSED)
		c->flags |= CONN_PEER_CLOSED | CONN_READABLE;
	if ((c->active || (c->flags & (CONN_READABLE | CONN_HANDSHAKE))) && takes_turn(c))
		advance(c);
}

static struct conn *
take_conn(struct conn_host *h)
{
	struct conn *c = h->free_conns;

	if (!c)
		return mem_alloc(sizeof(*c));
	h->free_conns = c->next;
	h->kept_conns--;
	return c;
}

/* Without memory for a conn: counted as one all the same, for the balance. */
static void
refuse_conn(struct conn_host *h, int fd)
{
	count_add(h->env->counters, COUNTER_CLOSE_MEMORY, 1);
	count_add(h->env->counters, COUNTER_CONN_OPENED, 1);
	count_add(h->env->counters, COUNTER_CONN_CLOSED, 1);
	close(fd);
}

static struct conn *
make_conn(struct conn_host *h, int fd, const struct address *peer, uint32_t flags)
{
	struct conn *c = take_conn(h);

	if (!c) {
		refuse_conn(h, fd);
		return NULL;
	}
	c->host = h;
	c->protocol = first_protocol(flags);
	c->active = NULL;
	c->flags = flags | CONN_READABLE;
	c->lingered = 0;
	c->timeout = (struct wheel_entry){ 0 };
	set_peer(c, peer);
	io_init(&c->io, &h->env->loop, fd, on_ready);
	h->open++;
	count_add(h->env->counters, COUNTER_CONN_OPENED, 1);
	conn_expire_at(c, now_plus(c, h->limits.header_timeout_ns));
	return c;
}

/* Reads first: a short connection is answered before it is registered. */
static void
begin(struct conn *c)
{
	if ((!takes_turn(c) || advance(c)) && io_watch(&c->io) != 0)
		conn_close(c);
}

void
conn_open(struct conn_host *h, int fd, const struct address *peer, uint32_t flags)
{
	struct conn *c = make_conn(h, fd, peer, flags);

	if (c && !is_one_too_many(c))
		begin(c);
}

void
conn_open_secure(struct conn_host *h, int fd, const struct address *peer, uint32_t flags,
		 struct tls_context *context)
{
	struct conn *c = make_conn(h, fd, peer, flags | CONN_HANDSHAKE);

	if (!c || is_one_too_many(c))
		return;
	if (io_secure(&c->io, context, h->env->counters) == 0) {
		begin(c);
	} else {
		count_add(h->env->counters, COUNTER_CLOSE_MEMORY, 1);
		conn_close(c);
	}
}

void
conn_open_proxied(struct conn_host *h, int fd, const struct address *peer, uint32_t flags,
		  struct tls_context *context, struct networks *access)
{
	struct conn *c = make_conn(h, fd, peer, flags | CONN_PROXIED);

	if (!c)
		return;
	c->protocol = &proxy_in_protocol;
	c->active = c->protocol->start(c);
	if (!c->active) {
		give_up(c);
		return;
	}
	proxy_in_expect(c->active, context, access);
	begin(c);
}

/* --- time ------------------------------------------------------------------------------ */

static void
expire_idle(struct conn *c)
{
	if (!c->host->is_draining) {
		count_add(c->host->env->counters, COUNTER_CLOSE_IDLE, 1);
		conn_close(c);
		return;
	}
	/* A request that is there already came before our FIN: it is answered. */
	c->flags |= CONN_READABLE;
	io_look_again(&c->io);
	if (advance(c) && !c->active) {
		count_add(c->host->env->counters, COUNTER_CLOSE_DRAIN, 1);
		linger(c);
	}
}

static void
expire_handshake(struct conn *c)
{
	tls_count_timeout(c->host->env->counters);
	conn_close(c);
}

static void
on_expired(struct wheel_entry *e)
{
	struct conn *c = CONTAINER_OF(e, struct conn, timeout);

	conn_expire_at(c, CLOCK_NEVER); /* every open conn stays in the wheel */
	if (c->flags & CONN_LINGERING)
		conn_close(c);
	else if (c->flags & CONN_HANDSHAKE)
		expire_handshake(c);
	else if (c->active)
		obey(c, c->protocol->expire(c->active));
	else
		expire_idle(c);
}
