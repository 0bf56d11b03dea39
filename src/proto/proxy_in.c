/*
 * PROXY protocol headers at the start of connections; see proxy_in.h.
 */
#include "proto/proxy_in.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/network_list.h"
#include "net/tls_context.h"
#include "wire/proxy.h"

enum { PEER_BYTES = 64 };

struct proxy_in {
	struct conn *conn; /* borrowed */
	struct tls_context *tls; /* counted */
	struct networks *access; /* counted */
	struct address source; /* once the header is read */
};

static void *
start(struct conn *c)
{
	struct proxy_in *p = mem_zalloc(1, sizeof(*p));

	if (p)
		p->conn = c;
	return p;
}

static void
stop(struct conn *c)
{
	struct proxy_in *p = c->active;

	if (!p)
		return;
	c->active = NULL;
	tls_context_unref(&p->tls);
	networks_unref(&p->access);
	mem_free(&p);
}

void
proxy_in_expect(void *active, struct tls_context *context, struct networks *access)
{
	struct proxy_in *p = active;

	p->tls = context ? tls_context_ref(context) : NULL;
	p->access = access ? networks_ref(access) : NULL;
}

struct tls_context *
proxy_in_finish(void *active, struct address *client)
{
	struct proxy_in *p = active;
	struct tls_context *tls = p->tls;

	p->tls = NULL;
	if (p->source.len > 0)
		*client = p->source;
	return tls;
}

/* --- what went wrong -------------------------------------------------------------------- */

static enum conn_next
refuse(struct proxy_in *p, enum counter reason, const char *why)
{
	char text[PEER_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	struct address peer;

	count_add(p->conn->host->env->counters, reason, 1);
	conn_client(p->conn, &peer);
	address_write_host(&peer, &w);
	log_debug("%.*s: PROXY protocol: %s", SLICE_PRINT(writer_slice(&w)), why);
	return CONN_NEXT_CLOSE;
}

static enum conn_next
refuse_header(struct proxy_in *p, int err)
{
	if (err == ERR_MISSING)
		return refuse(p, COUNTER_PROXY_MISSING, "the connection begins without a header");
	if (err == ERR_TOO_LARGE)
		return refuse(p, COUNTER_PROXY_LONG, "the header is too long");
	return refuse(p, COUNTER_PROXY_SYNTAX, "the header is malformed");
}

static enum conn_next
expire(void *active)
{
	return refuse(active, COUNTER_PROXY_TIMEOUT, "no whole header within header_timeout");
}

/* --- reading ------------------------------------------------------------------------------ */

/* What was looked at, and no byte more. */
static int
take_bytes(struct conn *c, char *memory, size_t bytes)
{
	while (bytes > 0) {
		long n = io_drop(&c->io, memory, bytes);

		if (n <= 0)
			return ERR_CLOSED;
		bytes -= (size_t)n;
	}
	return 0;
}

static enum conn_next
judge_client(struct proxy_in *p)
{
	char text[PEER_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	struct address client = p->source;

	if (client.len == 0)
		conn_client(p->conn, &client);
	if (!p->access || networks_find(p->access, &client) != NETWORK_DENIED)
		return CONN_NEXT_BEGIN;
	count_add(p->conn->host->env->counters, COUNTER_CONN_REFUSED_ACCESS, 1);
	address_write_host(&client, &w);
	log_debug("%.*s: refused by the listener", SLICE_PRINT(writer_slice(&w)));
	return CONN_NEXT_CLOSE;
}

static enum conn_next
advance(void *active)
{
	struct proxy_in *p = active;
	struct conn *c = p->conn;
	char memory[PROXY_MAX_BYTES];
	struct proxy_header header;
	long n = io_peek(&c->io, memory, sizeof(memory));
	int err;

	if (n == ERR_BUSY)
		return CONN_NEXT_WAIT;
	if (n <= 0)
		return refuse(p, COUNTER_PROXY_CLOSED, "closed without a header");
	err = proxy_parse(&header, slice_make(memory, (size_t)n));
	if (err < 0)
		return refuse_header(p, err);
	if (err == PROXY_MORE && (c->flags & CONN_PEER_CLOSED))
		return refuse(p, COUNTER_PROXY_CLOSED, "closed within the header");
	if (err == PROXY_MORE)
		return CONN_NEXT_WAIT; /* bytes that come are a new edge */
	if (take_bytes(c, memory, header.bytes) != 0)
		return refuse(p, COUNTER_PROXY_CLOSED, "closed within the header");
	count_add(c->host->env->counters, COUNTER_PROXY_TAKEN, 1);
	p->source = header.source;
	return judge_client(p);
}

/* It may still send a request that was on its way. */
static void
drain(void *active)
{
	struct proxy_in *p = active;

	conn_expire_at(p->conn, p->conn->host->drain_until_ns);
}

const struct conn_protocol proxy_in_protocol = {
	.name = SLICE_INIT("PROXY"),
	.start = start,
	.stop = stop,
	.advance = advance,
	.expire = expire,
	.drain = drain,
};
