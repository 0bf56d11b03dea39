/*
 * The servers of an upstream, as they stand in `servers`:
 *
 *   http://10.0.0.1:9001, https://users.internal, http://[::1]:9001, unix:/run/users.sock weight=2
 *
 * Names are resolved here, once, on the builder thread.
 */
#include "http/uri.h"
#include "net/resolve.h"
#include "source/upstream_priv.h"

#include <limits.h>

enum { HTTP_PORT = 80, HTTPS_PORT = 443 };

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
split(struct slice url, struct slice *authority, bool *is_tls)
{
	static const char form[] =
	    "a server is http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH";

	*is_tls = slice_has_prefix(url, SLICE("https://"));
	if (!*is_tls && !slice_has_prefix(url, SLICE("http://")))
		return form;
	*authority = slice_after(url, *is_tls ? 8 : 7);
	if (slice_find(*authority, '/') < authority->len)
		return "a path belongs to the part's `path`, not to the server";
	if (!uri_is_authority(*authority) || slice_is_empty(uri_host(*authority)))
		return form;
	return NULL;
}

/* The port behind the host of a valid authority; 0 if it is not a port. */
static uint16_t
port_of(struct slice authority, uint16_t usual)
{
	struct slice tail = slice_after(authority, uri_host(authority).len);
	uint64_t port;

	if (tail.len <= 1)
		return usual;
	if (slice_to_u64(slice_after(tail, 1), &port) != 0 || port > UINT16_MAX)
		return 0;
	return (uint16_t)port;
}

/* Without the brackets of an IPv6 address. */
static struct slice
host_of(const struct upstream_server *server)
{
	struct slice host = uri_host(server->authority);

	if (host.len >= 2 && host.at[0] == '[')
		return slice_make(host.at + 1, host.len - 2);
	return host;
}

/* The name that its certificate must have. */
static int
expect_name(const struct upstream *u, struct upstream_server *server, struct arena *arena)
{
	struct slice name = u->conf->tls.name.len ? u->conf->tls.name : host_of(server);

	server->tls_name = arena_copy(arena, name).at; /* a NUL follows */
	return server->tls_name ? 0 : ERR_MEMORY;
}

/* Literal addresses take the same way: the resolver knows them. */
static int
resolve(struct upstream_server *server, struct slice text, struct source *s, struct source_build *b)
{
	struct slice host = host_of(server);
	uint16_t port = port_of(server->authority, server->tls_name ? HTTPS_PORT : HTTP_PORT);
	const char *why = "port 0";
	int count = ERR_NOT_FOUND;

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
load_address(const struct upstream *u, struct upstream_server *server, struct slice text,
	     struct source *s, struct source_build *b)
{
	bool is_tls = false;
	struct slice rest = text, url = slice_cut(&rest, ' ');
	const char *wrong = read_weight(slice_trim(rest), &server->weight);

	server->identity = upstream_balance_hash(url);
	server->label = url;
	server->addresses = arena_zalloc(b->arena, UPSTREAM_ADDRESSES, sizeof(*server->addresses));
	if (!server->addresses)
		return ERR_MEMORY;
	if (!wrong && slice_has_prefix(url, SLICE("unix:")))
		return load_unix(server, url, s, b);
	if (!wrong)
		wrong = split(url, &server->authority, &is_tls);
	if (!wrong)
		server->label = server->authority;
	if (wrong) {
		conf_error_at(b->errors, s->section, "servers", "%s: %s", conf_quote(text).text,
			      wrong);
		return ERR_SYNTAX;
	}
	if (is_tls && expect_name(u, server, b->arena) != 0)
		return ERR_MEMORY;
	return resolve(server, url, s, b);
}

static int
load_server(const struct upstream *u, struct upstream_server *server, struct slice text,
	    struct source *s, struct source_build *b)
{
	int err = load_address(u, server, text, s, b);

	if (err || u->conf->health_path.len == 0)
		return err;
	server->health = upstream_health_request(u, server->authority, b->arena);
	return server->health.len > 0 ? 0 : ERR_MEMORY;
}

static bool
has_tls(const struct upstream *u)
{
	for (unsigned i = 0; i < u->count; i++) {
		if (u->servers[i].tls_name)
			return true;
	}
	return false;
}

/* Keys that mean nothing without a server with https. A dump has tls_verify = yes anywhere. */
static void
warn_of_keys(const struct upstream *u, struct source *s, struct conf_errors *e)
{
	static const char *const keys[] = { "tls_ca",  "tls_name",   "tls_certificate",
					    "tls_key", "tls_verify", NULL };

	for (size_t i = 0; keys[i]; i++) {
		bool is_default = u->conf->tls.verifies && strcmp(keys[i], "tls_verify") == 0;

		if (conf_is_set(s->section, keys[i]) && !is_default)
			conf_warning_at(e, s->section, keys[i],
					"has no effect: no server is https");
	}
}

/* What we are to servers with https. */
static int
load_tls(struct upstream *u, struct source *s, struct source_build *b)
{
	const struct tls_client_conf *conf = &u->conf->tls;
	unsigned before = b->errors->errors;

	if (!has_tls(u)) {
		warn_of_keys(u, s, b->errors);
		return 0;
	}
	if ((conf->certificate.len > 0) != (conf->key.len > 0))
		conf_error_at(b->errors, s->section, conf->key.len ? "tls_key" : "tls_certificate",
			      "tls_certificate and tls_key go together");
	if (!conf->verifies)
		conf_warning_at(b->errors, s->section, "tls_verify",
				"with no, whoever sits on the way may be the server");
	if (b->errors->errors == before)
		u->tls = tls_client_new(conf, s->section, b->errors);
	if (u->tls)
		return 0;
	return b->errors->errors > before ? ERR_SYNTAX : ERR_MEMORY;
}

static int
make_set(struct upstream *u, struct source *s, struct source_build *b)
{
	u->set = upstream_set_new(u->count);
	if (!u->set) {
		conf_error_at(b->errors, s->section, "servers", "out of memory");
		return ERR_MEMORY;
	}
	for (unsigned i = 0; i < u->count; i++)
		upstream_set_add(u->set, (struct upstream_entry){ .server = &u->servers[i],
								  .weight = u->servers[i].weight });
	return 0;
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
	if (!result)
		result = make_set(u, s, b);
	if (!result)
		result = load_tls(u, s, b);
	if (result)
		upstream_set_unref(&u->set);
	return result;
}
