/*
 * The servers of an upstream, as they stand in `servers`:
 *
 *   http://10.0.0.1:9001, http://[::1]:9001, http://users.internal, unix:/run/users.sock weight=2
 *
 * Names are resolved here, once, on the builder thread.
 */
#include "http/uri.h"
#include "net/resolve.h"
#include "source/upstream_priv.h"

#include <limits.h>

enum { HTTP_PORT = 80 };

/* What stands behind the address. What is wrong with it, or NULL. */
static const char *
read_weight(struct slice text, unsigned *weight)
{
	uint64_t number;

	*weight = 1;
	if (slice_is_empty(text))
		return NULL;
	if (!slice_has_prefix(text, SLICE("weight=")))
		return "behind the address of a server only weight=N may stand";
	if (slice_to_u64(slice_after(text, 7), &number) != 0 || number < 1 ||
	    number > UPSTREAM_WEIGHT_MAX)
		return "a weight is a number from 1 to 256";
	*weight = (unsigned)number;
	return NULL;
}

/* What is wrong with the address of a server, or NULL. */
static const char *
split(struct slice url, struct slice *authority)
{
	if (slice_has_prefix(url, SLICE("https://")))
		return "https to upstreams is not in this version";
	if (!slice_has_prefix(url, SLICE("http://")))
		return "a server is http://HOST[:PORT] or unix:/PATH";
	*authority = slice_after(url, 7);
	if (slice_find(*authority, '/') < authority->len)
		return "a path belongs to the part's `path`, not to the server";
	if (!uri_is_authority(*authority) || slice_is_empty(uri_host(*authority)))
		return "a server is http://HOST[:PORT] or unix:/PATH";
	return NULL;
}

/* The port behind the host of a valid authority; 0 if it is not a port. */
static uint16_t
port_of(struct slice authority)
{
	struct slice tail = slice_after(authority, uri_host(authority).len);
	uint64_t port;

	if (tail.len <= 1)
		return HTTP_PORT;
	if (slice_to_u64(slice_after(tail, 1), &port) != 0 || port > UINT16_MAX)
		return 0;
	return (uint16_t)port;
}

/* Literal addresses take the same way: the resolver knows them. */
static int
resolve(struct upstream_server *server, struct slice text, struct source *s, struct source_build *b)
{
	struct slice host = uri_host(server->authority);
	uint16_t port = port_of(server->authority);
	const char *why = "port 0";
	int count = ERR_NOT_FOUND;

	if (host.len >= 2 && host.at[0] == '[')
		host = slice_make(host.at + 1, host.len - 2);
	if (port != 0)
		count = resolve_host(host, port, server->addresses, UPSTREAM_ADDRESSES, &why);
	if (count < 0) {
		conf_error_at(b->errors, s->section, "servers", "%s has no address: %s",
			      conf_quote(text).text, why);
		return ERR_SYNTAX;
	}
	server->address_count = (unsigned)count;
	return 0;
}

static int
load_unix(struct upstream_server *server, struct slice text, struct source *s,
	  struct source_build *b)
{
	if (address_parse(server->addresses, text) != 0) {
		conf_error_at(b->errors, s->section, "servers", "%s is not a usable path",
			      conf_quote(text).text);
		return ERR_SYNTAX;
	}
	server->address_count = 1;
	server->authority = SLICE("localhost");
	return 0;
}

static int
load_address(struct upstream_server *server, struct slice text, struct source *s,
	     struct source_build *b)
{
	struct slice rest = text, url = slice_cut(&rest, ' ');
	const char *wrong = read_weight(slice_trim(rest), &server->weight);

	server->identity = upstream_balance_hash(url);
	server->addresses = arena_zalloc(b->arena, UPSTREAM_ADDRESSES, sizeof(*server->addresses));
	if (!server->addresses)
		return ERR_MEMORY;
	if (!wrong && slice_has_prefix(url, SLICE("unix:")))
		return load_unix(server, url, s, b);
	if (!wrong)
		wrong = split(url, &server->authority);
	if (wrong) {
		conf_error_at(b->errors, s->section, "servers", "%s: %s", conf_quote(text).text,
			      wrong);
		return ERR_SYNTAX;
	}
	return resolve(server, url, s, b);
}

static int
load_server(const struct upstream *u, struct upstream_server *server, struct slice text,
	    struct source *s, struct source_build *b)
{
	int err = load_address(server, text, s, b);

	if (err || u->conf->health_path.len == 0)
		return err;
	server->health = upstream_health_request(u, server->authority, b->arena);
	return server->health.len > 0 ? 0 : ERR_MEMORY;
}

int
upstream_servers_load(struct upstream *u, struct source *s, struct source_build *b)
{
	const struct conf_list *list = &u->conf->servers;
	int result = 0;

	if (list->count > UINT_MAX)
		return ERR_SYNTAX;
	u->count = (unsigned)list->count;
	u->servers = arena_zalloc(b->arena, u->count, sizeof(*u->servers));
	if (!u->servers)
		return ERR_MEMORY;
	for (unsigned i = 0; i < u->count; i++) {
		int err = load_server(u, &u->servers[i], list->at[i], s, b);

		if (err)
			result = err;
	}
	return result;
}
