/*
 * Client connections. A conn is the small thing that stays while a connection
 * is idle: its event, its time-out, the peer's address. All buffers and the
 * protocol's state hang on `active`, which exists only between the first byte
 * of a request and the last byte of its response.
 *
 * conn_host is what a worker lends to its conns. One thread each.
 */
#ifndef FOREBAY_PROTO_CONN_H
#define FOREBAY_PROTO_CONN_H

#include "base/address.h"
#include "http/date.h"
#include "http/exchange.h"
#include "http/fault.h"
#include "net/env.h"
#include "net/io.h"
#include "net/wheel.h"
#include "proto/backlog.h"
#include "proto/pace.h"
#include "wire/h1_head.h"

struct conn;
struct conn_host;
struct h1;
struct networks;
struct h2_memory;
struct tls_context;

/* What a protocol wants done with its conn. */
enum conn_next {
	CONN_NEXT_WAIT, /* go on waiting */
	CONN_NEXT_REST, /* nothing is pending: the active state may go */
	CONN_NEXT_CLOSE, /* close now */
	CONN_NEXT_BEGIN, /* the proxy's header is read: the client's bytes follow */
	CONN_NEXT_H2, /* the client speaks HTTP/2: what it said is to be yielded */
	CONN_NEXT_LINGER, /* written; the peer may still be sending: half-close and drop its bytes
			   */
};

/*
 * A protocol version, as conn.c sees it: one row each, and a conn points at its
 * own. `active` is the protocol's state, which hangs on conn->active.
 */
struct conn_protocol {
	struct slice name; /* as ALPN has it (RFC 7301 6) */
	/* The active state of a conn that has none. NULL without memory. */
	void *(*start)(struct conn *c);
	/* Cancels what runs and gives everything back; harmless without an active state. */
	void (*stop)(struct conn *c);
	/* Reads, parses, answers, writes, as far as it goes without waiting. */
	enum conn_next (*advance)(void *active);
	/* A time-out of the conn's wheel. */
	enum conn_next (*expire)(void *active);
	/* Optional: gives up what was read, to the protocol that takes it over; owned. */
	struct block *(*yield)(void *active);
	void (*take)(void *active, struct block *in);
	/* Optional: the host has begun to drain. */
	void (*drain)(void *active);
	/* Optional: an active state that may be closed under pressure; without it, none may. */
	bool (*is_idle)(const void *active);
	/* Whether what comes next begins a request, which may wait for its turn; NULL: always. */
	bool (*is_between)(const void *active);
	bool is_multiplexed; /* others may be under way meanwhile */
	/* Optional: frees what it keeps for reuse with the host. */
	void (*fini_host)(struct conn_host *h);
};

struct conn_limits {
	struct h1_limits h1;
	uint64_t header_timeout_ns, body_idle_timeout_ns, idle_timeout_ns, send_idle_timeout_ns;
	struct pace_limit body_pace, send_pace; /* what slow clients have to keep up with */
	uint64_t max_body; /* bytes, for routes without one of their own */
	unsigned max_client_connections; /* 0: any number */
	uint64_t worker_wait_ns; /* 0: any time */
	bool is_shadow; /* of worker_wait_ns */
};

enum { CONN_SERVER_TEXT = 96 };

struct conn_host {
	struct env *env; /* borrowed */
	const struct exchange_app *app; /* borrowed */
	void *app_host; /* exchange->host */
	struct conn_limits limits;
	struct wheel wheel; /* every open conn is in it */
	struct backlog backlog; /* those that wait to be read */
	struct field *field_scratch; /* at least limits.h1.max_fields of them; owned */
	uint32_t field_room;
	struct conn *free_conns;
	struct h1 *free_actives;
	struct clients *clients; /* borrowed; NULL: nobody is counted */
	struct h2_memory *h2_memory; /* owned; NULL before the first conn of HTTP/2 */
	unsigned kept_conns, kept_actives;
	unsigned open; /* conns */
	unsigned full; /* of them, those that are CONN_FULL */
	uint64_t next_id; /* of exchanges */
	uint64_t date_until_ns; /* when server_text is to be made anew */
	struct date date;
	/* "HTTP/1.1 200 OK
Server: forebay
Date: ...
" of this second */
	char server_text[CONN_SERVER_TEXT];
	size_t server_len;
	bool is_draining;
	uint64_t drain_idle_ns; /* while draining: how long an idle conn may still ask */
	uint64_t drain_until_ns; /* and until when pipelined requests hold back our close */
	void (*on_empty)(struct conn_host *h); /* the last conn has closed; may be NULL */
};

enum conn_flag {
	CONN_READABLE = 1, /* the socket may hold more than was read */
	CONN_PEER_CLOSED = 2, /* FIN or reset was seen */
	CONN_HALF_CLOSE = 4, /* the listener lets clients half-close while work runs */
	CONN_SERVED = 8, /* a request was answered: from now on idle_timeout applies */
	CONN_LINGERING = 16, /* our FIN is sent, the peer's bytes are dropped */
	CONN_UNIX = 32, /* peer holds no address */
	CONN_EOF = 64, /* the peer's bytes are read to their end */
	CONN_LOST = 128, /* reading or writing failed */
	CONN_HANDSHAKE = 256, /* TLS: hands are not shaken yet */
	CONN_H2 = 512, /* the listener speaks HTTP/2 */
	CONN_NO_H1 = 1024, /* and nothing else */
	CONN_PROXIED = 2048, /* a proxy opened it: its header says first on whose behalf */
	CONN_FULL = 4096, /* what was to be written waits for the peer */
	CONN_LEAN = 8192, /* the kernel holds little of it */
	CONN_COUNTED = 16384, /* among its client's, in host->clients */
	CONN_HELD = 32768, /* in the backlog */
};

/* A socket's address without what nobody asks for. */
struct conn_peer {
	sa_family_t family;
	in_port_t port;
	uint32_t scope; /* of IPv6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} host;
};

/* Beside what libevent and the kernel have of it, all that an idle connection costs. */
struct conn {
	struct io io;
	struct wheel_entry timeout;
	struct conn_host *host; /* borrowed */
	const struct conn_protocol *protocol;
	void *active; /* owned: the protocol's; NULL while idle */
	union {
		struct conn_peer peer; /* not with CONN_UNIX */
		struct conn *next; /* on the free list */
	};
	uint32_t flags; /* enum conn_flag */
	union {
		uint32_t lingered; /* bytes dropped while lingering */
		uint32_t place; /* of the backlog's, while held */
	};
};

/* ERR_MEMORY. limits are copied. */
int conn_host_init(struct conn_host *h, struct env *env, const struct conn_limits *limits,
		   const struct exchange_app *app, void *app_host)
    __attribute__((warn_unused_result));
/* Every conn must be closed. */
void conn_host_fini(struct conn_host *h);
/* So that these limits can be set; harmless if they are not. ERR_MEMORY. */
int conn_host_make_room(struct conn_host *h, const struct conn_limits *limits)
    __attribute__((warn_unused_result));
/* From the next head, body or time-out on. After conn_host_make_room. */
void conn_host_set_limits(struct conn_host *h, const struct conn_limits *limits);

/*
 * Takes over an accepted, non-blocking descriptor: reads and if possible
 * answers it before it is registered with the loop. Without memory the
 * descriptor is closed.
 */
void conn_open(struct conn_host *h, int fd, const struct address *peer, uint32_t flags);
/* The same with TLS: hands are shaken first, within header_timeout. The context is borrowed. */
void conn_open_secure(struct conn_host *h, int fd, const struct address *peer, uint32_t flags,
		      struct tls_context *context);
/* The same with CONN_PROXIED: a header of the PROXY protocol is read first, within a header_timeout
 * of its own. In the clear where context is NULL. Of `access` (or NULL) it takes a user of its own:
 * a client that is NETWORK_DENIED there is closed. */
void conn_open_proxied(struct conn_host *h, int fd, const struct address *peer, uint32_t flags,
		       struct tls_context *context, struct networks *access);
/* Of the library that HTTP/2 is spoken by; "no" without it. */
const char *conn_h2_version(void);
/* Closes at once, cancelling what runs. */
void conn_close(struct conn *c);
/* Sets when the conn times out; only the conn's protocol calls it. */
void conn_expire_at(struct conn *c, uint64_t at_ns);
/*
 * For the protocol, around each write of more than a little: before it, and whether some of it is
 * left. The kernel buffers megabytes for each client that does not read. Where that are many, it is
 * told to take less of the next ones': two thousand of them used up its memory for TCP, and then
 * everybody's connections stand still.
 */
void conn_make_lean(struct conn *c);
enum { CONN_FULL_MANY = 16 };
static inline void
conn_will_write(struct conn *c)
{
	if (c->host->full >= CONN_FULL_MANY && !(c->flags & CONN_LEAN))
		conn_make_lean(c);
}
static inline void
conn_wrote(struct conn *c, bool is_left)
{
	if (is_left == ((c->flags & CONN_FULL) != 0))
		return;
	c->flags ^= CONN_FULL;
	c->host->full += is_left ? 1 : -1u;
}
/* For the protocol, outside on_ready: goes on with the machine. */
void conn_go_on(struct conn *c);
/* For the backlog: the same, now that it is the conn's turn. */
void conn_serve(struct conn *c);

/* Who is at the other end, as exchanges want it. */
static inline void
conn_client(const struct conn *c, struct address *client)
{
	if (c->flags & CONN_UNIX) {
		client->of.any.sa_family = AF_UNIX;
		client->len = sizeof(sa_family_t);
		client->of.path.sun_path[0] = '\0';
	} else if (c->peer.family == AF_INET) {
		client->of.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
						      .sin_port = c->peer.port,
						      .sin_addr = c->peer.host.v4 };
		client->len = sizeof(client->of.v4);
	} else {
		client->of.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
						       .sin6_port = c->peer.port,
						       .sin6_addr = c->peer.host.v6,
						       .sin6_scope_id = c->peer.scope };
		client->len = sizeof(client->of.v6);
	}
}

/* The client did something wrong: counted, and told to the log; as fault_log. */
static inline void
conn_fault(const struct conn *c, enum counter reason, int status, const char *what)
{
	struct address client;

	count_add(c->host->env->counters, reason, 1);
	conn_client(c, &client);
	fault_log(&client, status, what);
}

/* The same, or the proxy that speaks for it. ERR_SYSTEM: nobody knows any more. */
MUST_CHECK static inline int
conn_peer(const struct conn *c, struct address *peer)
{
	if (c->flags & CONN_PROXIED)
		return io_peer(&c->io, peer);
	conn_client(c, peer);
	return 0;
}

/* Of URIs that lead here. */
static inline struct slice
conn_scheme(const struct conn *c)
{
	return c->io.tls ? SLICE("https") : SLICE("http");
}

/* Every idle conn may send one more request for up to `grace_ns`, then is
 * half-closed; busy ones close after the response to the last request that has
 * come. Pipelined requests that keep coming are cut off after `grace_ns`. */
void conn_host_drain(struct conn_host *h, uint64_t grace_ns);
/* Closes whatever is left. */
void conn_host_close_all(struct conn_host *h);
/* Closes up to n idle conns, those that would time out first; returns how many. */
unsigned conn_host_close_idle(struct conn_host *h, unsigned n);
/* The status line of 200, "Server" and "Date" lines of this second. */
struct slice conn_host_server_text(struct conn_host *h);
/* What of it comes before the "Server" line, and before the "Date" line. */
enum { CONN_STATUS_BYTES = sizeof("HTTP/1.1 200 OK\r\n") - 1 };
enum { CONN_SERVER_BYTES = sizeof("Server: forebay\r\n") - 1 };

#endif
