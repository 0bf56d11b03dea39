/*
 * The servers of an upstream, as they stand in `servers`:
 *
 *   http://10.0.0.1:9001, https://users.internal, http://[::1]:9001, unix:/run/users.sock weight=2,
 *   http://_web._tcp.example.internal
 *
 * Addresses, and names that need no DNS, are final here, on the builder thread.
 * Other names are only noted: upstream_names.c looks them up.
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

/* By the system's functions, once. */
static int
resolve_now(struct upstream_server *server, struct slice text, struct source *s,
	    struct source_build *b)
{
	const char *why = NULL;
	int count = resolve_host(host_of(server), server->port, server->addresses,
				 UPSTREAM_ADDRESSES, &why);

	if (count < 0) {
		conf_error_at(b->errors, s->section, "servers", "%s has no address: %s",
			      conf_quote(text).text, why);
		return ERR_SYNTAX;
	}
	server->address_count = (unsigned)count;
	return 0;
}

/* RFC 6761 6.3: never asked of DNS. */
static bool
is_local(struct slice host)
{
	struct slice name = SLICE("localhost");

	if (host.len < name.len)
		return false;
	if (!slice_eq_lower(slice_after(host, host.len - name.len), name))
		return false;
	return host.len == name.len || host.at[host.len - name.len - 1] == '.';
}

/* _SERVICE._PROTOCOL.NAME: servers, ports and weights are in SRV records (RFC 2782). Requests, and
 * certificates, bear the name behind (RFC 6125 6.5.1): what is found by DNS is not trusted so far.
 */
static int
load_service(const struct upstream *u, struct upstream_server *server, struct slice text,
	     bool has_weight, struct source *s, struct source_build *b)
{
	struct slice rest = server->authority, service = slice_cut(&rest, '.');
	struct slice protocol = slice_cut(&rest, '.');
	const char *wrong = NULL;

	if (service.len < 2 || protocol.len < 2 || protocol.at[0] != '_' || rest.len == 0)
		wrong = "the name of a service is _SERVICE._PROTOCOL.NAME";
	else if (uri_host(server->authority).len < server->authority.len)
		wrong = "a service brings its ports";
	else if (has_weight)
		wrong = "a service brings its weights";
	else if (!u->resolver)
		wrong = "services are found by `resolve = dns` alone";
	if (wrong) {
		conf_error_at(b->errors, s->section, "servers", "%s: %s", conf_quote(text).text,
			      wrong);
		return ERR_SYNTAX;
	}
	server->kind = RESOLVER_SERVICE;
	server->authority = rest;
	return 0;
}

/* Whether it needs no DNS. */
static bool
is_known(struct upstream *u, struct upstream_server *server, const char *name)
{
	struct slice host = host_of(server);

	server->address_count = 1;
	if (address_parse_host(server->addresses, host, server->port) == 0)
		return true;
	server->address_count = u->resolver
				    ? resolver_find_in_hosts(u->resolver, name, server->port,
							     server->addresses, UPSTREAM_ADDRESSES)
				    : 0;
	return server->address_count > 0;
}

static int
find_host(struct upstream *u, struct upstream_server *server, struct slice text, struct source *s,
	  struct source_build *b)
{
	const char *name = arena_copy(b->arena, host_of(server)).at; /* a NUL follows */

	if (!name)
		return ERR_MEMORY;
	if (is_known(u, server, name))
		return 0;
	if (!u->resolver || is_local(host_of(server)))
		return resolve_now(server, text, s, b);
	server->lookup = name;
	return 0;
}

static int
resolve(struct upstream *u, struct upstream_server *server, struct slice text, bool is_tls,
	bool has_weight, struct source *s, struct source_build *b)
{
	struct slice whole = server->authority;
	int err;

	server->port = port_of(whole, is_tls ? HTTPS_PORT : HTTP_PORT);
	if (server->port == 0) {
		conf_error_at(b->errors, s->section, "servers", "%s has no address: port 0",
			      conf_quote(text).text);
		return ERR_SYNTAX;
	}
	if (whole.at[0] != '_')
		return find_host(u, server, text, s, b);
	err = load_service(u, server, text, has_weight, s, b);
	if (err)
		return err;
	server->lookup = arena_copy(b->arena, whole).at;
	return server->lookup ? 0 : ERR_MEMORY;
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
load_address(struct upstream *u, struct upstream_server *server, struct slice text,
	     struct source *s, struct source_build *b)
{
	bool is_tls = false, has_weight;
	int err;
	struct slice rest = text, url = slice_cut(&rest, ' ');
	const char *wrong = read_weight(slice_trim(rest), &server->weight);

	has_weight = !slice_is_empty(slice_trim(rest));

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
	err = resolve(u, server, url, is_tls, has_weight, s, b);
	return !err && is_tls ? expect_name(u, server, b->arena) : err;
}

static int
load_server(struct upstream *u, struct upstream_server *server, struct slice text, struct source *s,
	    struct source_build *b)
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

int
upstream_servers_load(struct upstream *u, struct source *s, struct source_build *b)
{
	const struct conf_list *list = &u->conf->servers;
	int result = 0;

	if (list->count > UINT_MAX)
		return ERR_SYNTAX;
	u->resolver = u->conf->resolve == UPSTREAM_RESOLVE_START ? NULL : b->resolver;
	if (u->conf->resolve == UPSTREAM_RESOLVE_DNS && !resolver_library_version())
		conf_error_at(b->errors, s->section, "resolve",
			      "this program was built without c-ares");
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
		result = upstream_names_load(u, s, b);
	if (!result)
		result = load_tls(u, s, b);
	if (result)
		upstream_names_unload(u);
	return result;
}
