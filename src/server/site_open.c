/*
 * The first step of a site: the file, and the sections that the server itself
 * reads; see site.h.
 */
#include "base/mem.h"
#include "net/network_list.h"
#include "server/site_priv.h"

enum { SITE_ARENA_BYTES = 256 << 20 };

const struct conf_kind site_kinds[] = {
	{ "server", false },     { "admin", false },     { "log", false },
	{ "access_log", false }, { "listen", true },     { "limits", false },
	{ "headers", false },    { "error_page", true }, { "pool", true },
	{ "upstream", true },    { "database", true },   { "module", true },
	{ "route", true },       { "subrequest", true }, { "auth", true },
	{ "rate", true },        { "cache", true },      { "compression", false },
	{ "program", true },     { "resolver", false },  { NULL, false },
};

static const struct conf_include includes = { "server", "include" };

static void
fill(struct conf_section *section, const struct conf_key *keys, void *into, struct conf_errors *e)
{
	const struct conf_table table = { keys, into };

	/* What is wrong is in e; the fields have their defaults. */
	if (conf_fill(section, &table, 1, e) == ERR_MEMORY)
		conf_error(e, "", 0, "out of memory");
}

static struct networks *
read_trusted(const struct conf_list *list, const struct conf_section *section,
	     struct conf_errors *e)
{
	const struct network_key key = { "trusted_proxies", list, 1 };

	return network_list_read(&key, 1, section, e);
}

static void
read_server(struct site *s, struct conf_errors *e)
{
	struct conf_section *section = conf_need(s->conf, "server", "");
	struct server_conf c = { 0 };

	if (!section)
		return;
	fill(section, server_keys, &c, e);
	budget_find(&s->budget, budget_root(), c.cpu_budget);
	site_check_cpus(s, &c.cpus, section, e);
	s->cpus = c.cpus;
	s->has_auto_workers = c.workers == 0;
	s->workers = c.workers ? c.workers : budget_workers(&s->budget, &c.cpus);
	s->dispatch = (enum site_dispatch)c.dispatch;
	s->max_connections = c.max_connections;
	s->grace_ns = c.grace;
	s->user = c.user;
	s->trusted = read_trusted(&c.trusted_proxies, section, e);
	s->forwarded_field = (enum forwarded_field)c.forwarded_field;
	s->odd_paths = (enum site_odd_paths)c.odd_paths;
	s->trace = c.trace;
	s->module_path = c.module_path;
	s->spool.dir = c.spool_dir.at;
}

static void
read_admin(struct site *s, struct conf_errors *e)
{
	struct conf_section *section = conf_find(s->conf, SLICE("admin"), SLICE(""));
	struct admin_conf c = { 0 };

	if (!section)
		return;
	fill(section, admin_keys, &c, e);
	s->admin_socket = c.socket;
	s->admin_listen = c.listen;
}

static void
read_log(struct site *s, struct conf_errors *e)
{
	struct conf_section *section = conf_need(s->conf, "log", "");

	if (section)
		fill(section, log_keys, &s->log, e);
}

/* The format is compiled without a log too, so that its mistakes are seen. */
static void
read_access_log(struct site *s, struct conf_errors *e)
{
	struct conf_section *section = conf_find(s->conf, SLICE("access_log"), SLICE(""));
	const struct access_format *format;

	if (!section)
		return;
	fill(section, access_keys, &s->access, e);
	format = access_format_new(&s->arena, &s->access, section, e);
	if (s->access.path.len > 0)
		s->access_format = format;
}

static void
read_limits(struct site *s, struct conf_errors *e)
{
	struct conf_section *section = conf_need(s->conf, "limits", "");
	struct limits_conf c = { 0 };

	if (!section)
		return;
	fill(section, limits_keys, &c, e);
	s->limits_mode = c.mode;
	s->inflight_bytes = c.inflight_bytes.is_percent
				? budget_memory("") / 100 * c.inflight_bytes.amount
				: c.inflight_bytes.amount;
	s->max_flows = c.max_flows;
	s->stall_after_ns = c.stall_after;
	s->spool.buffer = c.body_buffer;
	s->limits = (struct conn_limits){
		.h1 = { .max_head_bytes = c.max_header_bytes,
			.max_fields = c.max_headers,
			.max_target = c.max_uri },
		.header_timeout_ns = c.header_timeout,
		.body_idle_timeout_ns = c.body_idle_timeout,
		.idle_timeout_ns = c.idle_timeout,
		.send_idle_timeout_ns = c.send_idle_timeout,
		.body_pace = { c.min_body_rate, c.rate_grace },
		.send_pace = { c.min_send_rate, c.rate_grace },
		.max_body = c.max_body,
		.max_client_connections = c.max_client_connections,
		.worker_wait_ns = c.worker_wait,
		.is_shadow = c.mode == LIMITS_SHADOW,
	};
	if (c.max_uri >= c.max_header_bytes)
		conf_error_at(e, section, "max_uri",
			      "a target of max_uri does not fit into a head of max_header_bytes");
}

static void
read_resolver(struct site *s, struct conf_errors *e)
{
	struct conf_section *section = conf_need(s->conf, "resolver", "");

	if (!section)
		return;
	fill(section, resolver_keys, &s->dns, e);
	if (s->dns.min_ttl > s->dns.max_ttl)
		conf_error_at(e, section, "min_ttl", "min_ttl is more than max_ttl");
}

static void
check_address(const struct site *s, const struct site_listener *l, struct conf_section *section,
	      struct conf_errors *e)
{
	for (unsigned i = 0; i < s->listener_count; i++) {
		const struct site_listener *other = &s->listeners[i];

		if (l->address.len && address_eq(&other->address, &l->address))
			conf_error_at(
			    e, section, "address",
			    "is that of [listen %.*s] (%s), too: each needs its own",
			    SLICE_PRINT(other->name),
			    conf_place(conf_find(s->conf, SLICE("listen"), other->name), "address")
				.text);
	}
}

static void
read_networks(struct site_listener *l, const struct listen_conf *c,
	      const struct conf_section *section, struct conf_errors *e)
{
	const struct network_key key = { "proxy_from", &c->proxy_from, 1 };

	l->access = network_list_access(&c->allow, &c->deny, section, e);
	l->proxies = network_list_read(&key, 1, section, e);
	if (c->proxy_from.count && !c->proxy_protocol)
		conf_error_at(e, section, "proxy_from", "there is no proxy_protocol here");
}

static void
read_listeners(struct site *s, struct conf_errors *e)
{
	struct conf_section *section = NULL;
	unsigned count = 0;

	while ((section = conf_next(s->conf, "listen", section)) != NULL)
		count++;
	if (count == 0) {
		conf_error(e, s->conf->files->name, 0,
			   "there is no [listen NAME] section: say where to accept connections");
		return;
	}
	s->listeners = arena_zalloc(&s->arena, count, sizeof(*s->listeners));
	if (!s->listeners)
		return;
	while ((section = conf_next(s->conf, "listen", section)) != NULL) {
		struct site_listener *l = &s->listeners[s->listener_count];
		struct listen_conf c = { 0 };

		fill(section, listen_keys, &c, e);
		l->name = section->name;
		l->address = c.address;
		l->backlog = c.backlog;
		l->allows_half_close = c.half_close != 0;
		l->is_proxied = c.proxy_protocol;
		read_networks(l, &c, section, e);
		l->section = section;
		l->tls_conf = c.tls;
		if (tls_conf_check(&c.tls, section, e) != 0)
			l->tls_conf.is_on = false; /* said; its files are not looked at */
		l->speaks_h1 = (c.protocols & LISTEN_H1) != 0;
		l->speaks_h2 = (c.protocols & LISTEN_H2) != 0;
		l->file = conf_file_name(section, "address");
		l->line = conf_line(section, "address");
		check_address(s, l, section, e);
		s->listener_count++;
	}
}

bool
site_is_short(const struct site *s)
{
	return s->arena.is_short || s->conf->arena.is_short;
}

struct site *
site_open(const char *path, struct conf_errors *e)
{
	struct site *s = mem_zalloc(1, sizeof(*s));

	if (!s)
		return NULL;
	store_init(&s->store);
	arena_init(&s->arena, &s->store, SITE_ARENA_BYTES);
	s->conf = conf_load(path, &includes, e);
	if (!s->conf) {
		site_free(&s);
		return NULL;
	}
	conf_check_kinds(s->conf, site_kinds, e);
	read_server(s, e);
	read_admin(s, e);
	read_log(s, e);
	read_access_log(s, e);
	read_limits(s, e);
	read_resolver(s, e);
	read_listeners(s, e);
	if (site_is_short(s))
		conf_error(e, path, 0, "out of memory");
	return s;
}

void
site_check_live(const struct site *s, const struct site *prior, struct conf_errors *e)
{
	conf_check_live(prior->conf, s->conf, "server", server_keys, e);
	conf_check_live(prior->conf, s->conf, "admin", admin_keys, e);
}
