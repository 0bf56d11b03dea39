/*
 * The second step of a site - pools, sources, routes and their plans - and its
 * life with the workers; see site.h.
 */
#include "server/site.h"

#include "base/assert.h"
#include "base/mem.h"
#include "child/spawner.h"
#include "config/suggest.h"
#include "guard/cache.h"
#include "plan/edits.h"
#include "server/site_priv.h"

/* --- pools ---------------------------------------------------------------------------- */

/* What the builder thread works with. */
struct building {
	struct site *site;
	const struct site *prior; /* NULL: there is none */
	struct budget_claim claim; /* of the next pool that computes and has auto threads */
};

/* The site holds a reference of each of its pools, and shares those that the prior site has. */
static struct pool *
make_pool(void *argument, const struct pool_options *o)
{
	struct building *b = argument;
	struct pool_options own = *o;

	own.limits.is_shadow = b->site->limits_mode == LIMITS_SHADOW;
	return pools_make(&b->site->pools, b->prior ? &b->prior->pools : NULL, &own);
}

static struct pool *
find_pool(void *argument, struct slice name)
{
	struct building *b = argument;
	struct pools_entry *entry = pools_find(&b->site->pools, name);

	return entry ? entry->pool : NULL;
}

static unsigned
pool_room(void *argument, const struct pool *pool)
{
	struct building *b = argument;
	const struct pools_entry *entry = pools_find(&b->site->pools, slice_of(pool_name(pool)));

	return entry->wanted.threads + entry->wanted.max_queue;
}

static const struct source *
find_prior(void *argument, const struct source_ops *ops, struct slice name)
{
	const struct building *b = argument;

	for (unsigned i = 0; b->prior && i < b->prior->source_count; i++) {
		const struct source *s = b->prior->sources[i];

		if (s->ops == ops && slice_eq(s->name, name))
			return s;
	}
	return NULL;
}

/* Files, and programs beside the server: their threads mostly wait. */
static bool
is_computing(const struct conf_section *section)
{
	return !slice_eq(section->name, SLICE("blocking")) &&
	       !slice_eq(section->name, SLICE("exec"));
}

static void
count_claims(struct building *b)
{
	struct conf_section *section = NULL;

	b->claim = (struct budget_claim){ .workers = b->site->workers };
	while ((section = conf_next(b->site->conf, "pool", section)) != NULL) {
		const struct conf_entry *threads = conf_entry(section, "threads");

		b->claim.pools +=
		    is_computing(section) && (!threads || slice_eq(threads->value, SLICE("auto")));
	}
}

static unsigned
count_auto_threads(struct building *b, bool computes, const struct cpus *on)
{
	static const struct budget_claim none;
	unsigned threads = budget_threads(&b->site->budget, computes ? &b->claim : &none, on);

	b->claim.place += computes;
	return threads;
}

static void
build_pool(struct building *b, struct conf_section *section, struct conf_errors *e)
{
	struct pool_conf c = { 0 };
	const struct conf_table table = { pool_keys, &c };
	bool computes = is_computing(section);
	struct pools_entry *entry;
	struct pool_options o;

	if (conf_fill(section, &table, 1, e) != 0)
		return;
	site_check_cpus(b->site, &c.cpus, section, e);
	o = (struct pool_options){
		.name = section->name.at,
		.limits.threads = c.threads ? c.threads : count_auto_threads(b, computes, &c.cpus),
		.limits.cpus = c.cpus,
		.limits.max_queue = c.max_queue,
		.limits.max_wait_ns = c.max_wait,
		.limits.lost_after_ns = c.lost_after,
		.limits.max_lost = c.max_lost,
		.order = c.order,
		.nice = c.nice,
	};
	if (!make_pool(b, &o)) {
		conf_error_at(e, section, "threads", "%u threads cannot be started",
			      o.limits.threads);
		return;
	}
	entry = pools_find(&b->site->pools, section->name);
	entry->is_auto = c.threads == 0;
	entry->computes = computes;
}

static void
build_pools(struct building *b, struct conf_errors *e)
{
	struct conf *conf = b->site->conf;
	struct conf_section *section = NULL;

	if (!conf_need(conf, "pool", "compute") || !conf_need(conf, "pool", "blocking"))
		conf_error(e, "", 0, "out of memory");
	/* Not for those who start none. */
	if (conf_next(conf, "program", NULL) && !conf_need(conf, "pool", "exec"))
		conf_error(e, "", 0, "out of memory");
	count_claims(b);
	while ((section = conf_next(conf, "pool", section)) != NULL)
		build_pool(b, section, e);
}

/* --- names ------------------------------------------------------------------------------ */

static void
open_resolver(struct site *s, struct conf_errors *e)
{
	const struct conf_section *section = conf_find(s->conf, SLICE("resolver"), SLICE(""));
	unsigned before = e->errors;

	if (!section || !conf_next(s->conf, "upstream", NULL))
		return;
	if (!resolver_library_version()) {
		if (conf_is_set(section, "servers"))
			conf_warning_at(e, section, "servers",
					"has no effect: this program was built without c-ares");
		return;
	}
	s->resolver = resolver_new(&s->dns, section, e);
	if (!s->resolver && e->errors == before)
		conf_error(e, "", 0, "out of memory");
}

/* --- sources -------------------------------------------------------------------------- */

/* A source in its place, loaded. NULL: errors say why. */
static struct source *
build_source(struct site *s, const struct source_ops *ops, struct conf_section *section,
	     struct source_build *b)
{
	struct source *source = arena_zalloc(&s->arena, 1, sizeof(*source));
	size_t conf_bytes = ops->section_size ? ops->section_size : 1;
	int err = 0;

	if (!source || s->source_count == s->source_cap)
		return NULL;
	*source = (struct source){ .ops = ops, .section = section, .index = s->source_count };
	source->conf = arena_zalloc(&s->arena, 1, conf_bytes);
	if (!source->conf)
		return NULL;
	if (section) {
		const struct conf_table table = { ops->section_keys, source->conf };

		source->name = section->name;
		err = conf_fill(section, &table, 1, b->errors);
	}
	if (err || (ops->load && ops->load(source, b) != 0))
		return NULL;
	s->sources[s->source_count++] = source;
	return source;
}

static unsigned
count_sections(const struct conf *c, const char *kind)
{
	const struct conf_section *section = NULL;
	unsigned count = 0;

	while ((section = conf_next(c, kind, section)) != NULL)
		count++;
	return count;
}

/* What they keep for loading parts can go. */
static void
settle_sources(struct site *s)
{
	for (unsigned i = 0; i < s->source_count; i++) {
		if (s->sources[i]->ops->settle)
			s->sources[i]->ops->settle(s->sources[i]);
	}
}

static void
build_sources(struct site *s, struct source_build *b)
{
	size_t kinds;
	const struct source_ops *const *ops = source_all_ops(&kinds);

	for (size_t i = 0; i < kinds; i++)
		s->source_cap += ops[i]->section ? count_sections(s->conf, ops[i]->section) : 1;
	s->sources = arena_zalloc(&s->arena, s->source_cap, sizeof(struct source *));
	if (!s->sources) {
		s->source_cap = 0;
		return;
	}
	for (size_t i = 0; i < kinds; i++) {
		struct conf_section *section = NULL;

		if (!ops[i]->section)
			build_source(s, ops[i], NULL, b);
		while (ops[i]->section &&
		       (section = conf_next(s->conf, ops[i]->section, section)) != NULL)
			build_source(s, ops[i], section, b);
	}
}

static struct source *
find_source(void *argument, const struct source_ops *ops, struct slice name)
{
	const struct site *s = argument;

	for (unsigned i = 0; i < s->source_count; i++) {
		if (s->sources[i]->ops == ops && slice_eq(s->sources[i]->name, name))
			return s->sources[i];
	}
	return NULL;
}

/* --- header fields of all responses ---------------------------------------------------- */

/* ERR_MEMORY alone: what is wrong is in e. */
static int
read_headers(struct site *s, struct conf_errors *e)
{
	struct conf_section *section = conf_find(s->conf, SLICE("headers"), SLICE(""));
	const struct template_names names = { .rest = TEMPLATE_NO_REST };
	struct edits_conf conf = { 0 };
	const struct conf_table table = { edits_keys, &conf };
	int err;

	if (!section)
		return 0;
	err = conf_fill(section, &table, 1, e);
	if (err != ERR_MEMORY)
		err = edits_read(&s->edits, &conf, section, NULL, &names, &s->arena, e);
	return err == ERR_MEMORY ? err : 0;
}

/* --- routes ---------------------------------------------------------------------------- */

static int
read_edits(struct site *s, struct route *route, const struct edits_conf *conf,
	   struct conf_errors *e)
{
	const struct template_names names = {
		.params = route->pattern.capture,
		.param_count = route->pattern.captures,
		.rest = pattern_rest(&route->pattern),
		.lacks_user = !conf_is_set(route->section, "auth"),
	};
	int err = edits_read(&route->edits, conf, route->section, s->edits, &names, &s->arena, e);

	return err == ERR_MEMORY ? err : 0;
}

static bool
reads_paths(const struct plan *plan)
{
	for (unsigned i = 0; i < plan->count; i++) {
		const struct source *source = plan->part[i].part.source;

		if (source && source->ops->reads_paths)
			return true;
	}
	return false;
}

static void
build_route(struct site *s, struct conf_section *section, struct plan_build *b,
	    struct guard_build *guards)
{
	struct conf_errors *e = b->source->errors;
	struct route *route = &s->routes[s->route_count];
	struct route_conf *conf = arena_zalloc(&s->arena, 1, sizeof(*conf));
	struct conf_table tables[PLAN_MORE_TABLES] = { { route_keys, conf } };
	struct edits_conf *edits = arena_zalloc(&s->arena, 1, sizeof(*edits));
	unsigned more;
	struct plan *plan;
	int err;

	if (!conf || !edits)
		return;
	more = 1 + site_guard_tables(s, &tables[1]);
	tables[more++] = (struct conf_table){ edits_keys, edits };
	plan = plan_read(b, section, tables, more);
	err = route_init(route, section, conf, s->limits.max_body, &s->arena, e);
	if (!plan || err)
		return;
	route->plan = plan;
	route->reads_paths = reads_paths(plan);
	route->index = ++s->route_count;
	site_load_guards(s, route, &tables[1], guards);
	if (plan_compile(plan, b, route->pattern.capture, route->pattern.captures,
			 pattern_rest(&route->pattern)) == 0)
		err = route_add(s->router, route, e);
	if (err != ERR_MEMORY)
		err = read_edits(s, route, edits, e);
	if (err == ERR_MEMORY)
		conf_error(e, "", 0, "out of memory");
}

static int
index_parts(struct site *s, unsigned count)
{
	s->parts = arena_zalloc(&s->arena, count ? count : 1, sizeof(*s->parts));
	if (!s->parts)
		return ERR_MEMORY;
	s->part_count = count;
	for (unsigned i = 0; i < s->route_count; i++) {
		const struct plan *plan = s->routes[i].plan;

		for (unsigned k = 0; k < plan->count; k++)
			s->parts[plan->part[k].part.index] = &plan->part[k];
	}
	return 0;
}

static const struct cache *
find_cache(void *argument, struct slice name)
{
	const struct site *s = argument;

	return guard_find_cache(s->guards, name);
}

static int
build_routes(struct site *s, const struct site *prior, struct source_build *source)
{
	struct guard_build guards = {
		.arena = &s->arena,
		.errors = source->errors,
		.conf = s->conf,
		.find_pool = source->find_pool,
		.argument = source->argument,
	};
	struct plan_build b = {
		.source = source,
		.conf = s->conf,
		.find_source = find_source,
		.find_cache = find_cache,
		.argument = s,
		.spool = &s->spool,
		.flows = s->flows,
		.flow_count = s->flow_count,
		.max_flows = s->max_flows,
	};
	unsigned count = count_sections(s->conf, "route");
	struct conf_section *section = NULL;

	s->routes = arena_zalloc(&s->arena, count ? count : 1, sizeof(*s->routes));
	s->router = router_new(&s->arena);
	if (!s->routes || !s->router || site_open_guards(s, prior, &guards) != 0)
		return ERR_MEMORY;
	s->spool.pool = source->find_pool(source->argument, SLICE("blocking"));
	while ((section = conf_next(s->conf, "route", section)) != NULL)
		build_route(s, section, &b, &guards);
	plan_check_strays(s->conf, source->errors);
	site_check_spool(s, source->errors);
	if (router_finish(s->router) != 0)
		return ERR_MEMORY;
	return index_parts(s, b.parts);
}

/* --- TLS -------------------------------------------------------------------------------- */

/* RFC 7301 6: what we speak, the best first, each behind its length. */
static struct slice
protocols_of(const struct site_listener *l)
{
	if (!l->speaks_h2)
		return SLICE("\x08http/1.1\x08http/1.0");
	return l->speaks_h1 ? SLICE("\x02h2\x08http/1.1\x08http/1.0") : SLICE("\x02h2");
}

static const struct tls_context *
find_tls(const struct site *prior, struct slice name)
{
	for (unsigned i = 0; prior && i < prior->listener_count; i++) {
		if (slice_eq(prior->listeners[i].name, name))
			return prior->listeners[i].tls;
	}
	return NULL;
}

static void
build_tls(struct site *s, const struct site *prior, struct conf_errors *e)
{
	for (unsigned i = 0; i < s->listener_count; i++) {
		struct site_listener *l = &s->listeners[i];
		const struct tls_wish wish = {
			.conf = &l->tls_conf,
			.section = l->section,
			.protocols = protocols_of(l),
		};

		if (l->tls_conf.is_on)
			l->tls = tls_context_new(&wish, find_tls(prior, l->name), e);
	}
}

int
site_complete(struct site *s, const struct site *prior, struct conf_errors *e)
{
	struct building building = { s, prior };
	struct source_build b = {
		.arena = &s->arena,
		.errors = e,
		.find_pool = find_pool,
		.make_pool = make_pool,
		.pool_room = pool_room,
		.find_prior = find_prior,
		.is_shadow = s->limits_mode == LIMITS_SHADOW,
		.argument = &building,
	};
	int err;

	s->generation = prior ? prior->generation + 1 : 1;
	s->spawner = b.spawner = prior ? spawner_ref(prior->spawner) : spawner_new();
	if (!s->spawner)
		return ERR_MEMORY;
	build_tls(s, prior, e);
	build_pools(&building, e);
	site_check_budget(s, e);
	open_resolver(s, e);
	b.resolver = s->resolver;
	build_sources(s, &b);
	site_build_modules(s, &b);
	site_read_pages(s, e);
	err = read_headers(s, e);
	if (!err)
		err = build_routes(s, prior, &b);
	settle_sources(s);
	if (!err && site_is_short(s))
		err = ERR_MEMORY;
	if (err)
		return err;
	if (e->errors)
		return ERR_SYNTAX;
	site_check_limits(s, e);
	err = site_open_ledgers(s, prior);
	return err ? err : site_open_sheds(s, prior);
}

/* --- life ------------------------------------------------------------------------------ */

void
site_free(struct site **site)
{
	struct site *s = *site;
	bool has_ended;

	if (!s)
		return;
	*site = NULL;
	for (unsigned i = s->source_count; i-- > 0;) {
		if (s->sources[i]->ops->unload)
			s->sources[i]->ops->unload(s->sources[i]);
	}
	resolver_free(&s->resolver);
	for (unsigned i = 0; i < s->listener_count; i++) {
		tls_context_unref(&s->listeners[i].tls);
		networks_unref(&s->listeners[i].access);
		networks_unref(&s->listeners[i].proxies);
	}
	site_close_guards(s);
	has_ended = site_close_modules(s);
	pools_release(&s->pools);
	spawner_unref(&s->spawner);
	site_close_ledgers(s);
	site_close_sheds(s);
	networks_unref(&s->trusted);
	/* What a module needs that cannot be closed stays for as long as the process. */
	if (!has_ended)
		return;
	arena_fini(&s->arena);
	store_fini(&s->store);
	conf_free(&s->conf);
	mem_free(&s);
}

int
site_attach(const struct site *s, struct lease *l)
{
	int err;

	l->site = s;
	l->routes = mem_zalloc(s->route_count + 1, sizeof(*l->routes));
	l->parts = mem_zalloc(s->part_count, sizeof(*l->parts));
	l->attached = mem_zalloc(s->source_count, sizeof(*l->attached));
	if (!l->routes || !l->parts || !l->attached)
		return ERR_MEMORY;
	err = site_lease_ledgers(s, l);
	if (!err)
		err = site_lease_sheds(s, l);
	for (unsigned i = 0; i < s->source_count && !err; i++) {
		if (s->sources[i]->ops->attach)
			err = s->sources[i]->ops->attach(s->sources[i], l);
	}
	return err ? err : site_attach_guards(s, l);
}

void
site_detach(struct lease *l)
{
	const struct site *s = l->site;

	site_detach_guards(l);
	for (unsigned i = s ? s->source_count : 0; l->attached && i-- > 0;) {
		if (s->sources[i]->ops->detach)
			s->sources[i]->ops->detach(s->sources[i], l);
	}
	mem_free(&l->routes);
	mem_free(&l->parts);
	mem_free(&l->sheds);
	mem_free(&l->attached);
}
