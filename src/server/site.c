/*
 * The second step of a site - pools, sources, routes and their plans - and its
 * life with the workers; see site.h.
 */
#include "server/site.h"

#include "base/assert.h"
#include "base/mem.h"
#include "config/suggest.h"
#include "server/site_priv.h"

/* --- pools ---------------------------------------------------------------------------- */

static int
keep_pool(struct site *s, struct pool *pool)
{
	unsigned cap = s->pool_cap ? s->pool_cap * 2 : 8;
	struct pool **grown;

	if (s->pool_count < s->pool_cap) {
		s->pools[s->pool_count++] = pool;
		return 0;
	}
	grown = mem_grow(s->pools, cap * sizeof(struct pool *));
	if (!grown)
		return ERR_MEMORY;
	s->pools = grown;
	s->pool_cap = cap;
	s->pools[s->pool_count++] = pool;
	return 0;
}

/* The site holds a reference of each of its pools, so that another site may hold one, too. */
static struct pool *
make_pool(void *argument, const struct pool_options *o)
{
	struct site *s = argument;
	int err = 0;
	struct pool *pool = pool_new(o, &err);

	if (!pool)
		return NULL;
	if (keep_pool(s, pool) != 0)
		pool_unref(&pool);
	return pool;
}

static struct pool *
find_pool(void *argument, struct slice name)
{
	struct site *s = argument;

	for (unsigned i = 0; i < s->pool_count; i++) {
		if (slice_eq(slice_of(pool_name(s->pools[i])), name))
			return s->pools[i];
	}
	return NULL;
}

static void
build_pool(struct site *s, struct conf_section *section, struct conf_errors *e)
{
	struct pool_conf c = { 0 };
	const struct conf_table table = { pool_keys, &c };
	struct pool_options o;

	if (conf_fill(section, &table, 1, e) != 0)
		return;
	o = (struct pool_options){
		.name = section->name.at,
		.limits.threads = c.threads ? c.threads : s->budget.threads,
		.limits.max_queue = c.max_queue,
		.limits.max_wait_ns = c.max_wait,
		.nice = c.nice,
	};
	if (!make_pool(s, &o))
		conf_error_at(e, section, "threads", "%u threads cannot be started",
			      o.limits.threads);
}

static void
build_pools(struct site *s, struct conf_errors *e)
{
	struct conf_section *section = NULL;

	if (!conf_need(s->conf, "pool", "compute") || !conf_need(s->conf, "pool", "blocking"))
		conf_error(e, "", 0, "out of memory");
	while ((section = conf_next(s->conf, "pool", section)) != NULL)
		build_pool(s, section, e);
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

/* --- routes ---------------------------------------------------------------------------- */

/* Which capture is the {rest...}; -1: none. It can only be the last. */
static int
rest_of(const struct pattern *p)
{
	bool has_rest = p->count > 0 && p->segment[p->count - 1].kind == SEGMENT_REST;

	return has_rest ? (int)p->captures - 1 : -1;
}

static void
build_route(struct site *s, struct conf_section *section, struct plan_build *b)
{
	struct conf_errors *e = b->source->errors;
	struct route *route = &s->routes[s->route_count];
	struct route_conf *conf = arena_zalloc(&s->arena, 1, sizeof(*conf));
	const struct conf_table table = { route_keys, conf };
	struct plan *plan;
	int err;

	if (!conf)
		return;
	plan = plan_read(b, section, &table, 1);
	err = route_init(route, section, conf, s->limits.max_body, &s->arena, e);
	if (!plan || err)
		return;
	route->plan = plan;
	route->index = ++s->route_count;
	if (plan_compile(plan, b, route->pattern.capture, route->pattern.captures,
			 rest_of(&route->pattern)) == 0)
		err = route_add(s->router, route, e);
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

static int
build_routes(struct site *s, struct source_build *source)
{
	struct plan_build b = {
		.source = source,
		.conf = s->conf,
		.find_source = find_source,
		.argument = s,
	};
	unsigned count = count_sections(s->conf, "route");
	struct conf_section *section = NULL;

	s->routes = arena_zalloc(&s->arena, count ? count : 1, sizeof(*s->routes));
	s->router = router_new(&s->arena);
	if (!s->routes || !s->router)
		return ERR_MEMORY;
	while ((section = conf_next(s->conf, "route", section)) != NULL)
		build_route(s, section, &b);
	plan_check_strays(s->conf, source->errors);
	if (router_finish(s->router) != 0)
		return ERR_MEMORY;
	return index_parts(s, b.parts);
}

/* A throttled control group stops the workers too: they and the compute threads
 * together must fit into its quota. */
static void
check_budget(const struct site *s, struct conf_errors *e)
{
	struct pool *compute = find_pool((void *)(uintptr_t)s, SLICE("compute"));
	struct pool_sample sample;

	if (s->budget.quota_milli == 0 || !compute)
		return;
	pool_sample(compute, &sample);
	if ((s->workers + sample.threads) * UINT64_C(1000) > s->budget.quota_milli)
		conf_warning_at(e, conf_find(s->conf, SLICE("server"), SLICE("")), "workers",
				"%u workers and %u compute threads are more than the quota of "
				"%.2f processors",
				s->workers, sample.threads, (double)s->budget.quota_milli / 1000);
}

int
site_complete(struct site *s, struct conf_errors *e)
{
	struct source_build b = {
		.arena = &s->arena,
		.errors = e,
		.find_pool = find_pool,
		.make_pool = make_pool,
		.argument = s,
	};
	int err;

	build_pools(s, e);
	check_budget(s, e);
	build_sources(s, &b);
	site_build_modules(s, &b);
	err = build_routes(s, &b);
	if (err)
		return err;
	return e->errors ? ERR_SYNTAX : 0;
}

/* --- life ------------------------------------------------------------------------------ */

void
site_stop_pools(struct site *s)
{
	for (unsigned i = s->pool_count; i-- > 0;)
		pool_stop(s->pools[i]);
}

void
site_free(struct site **site)
{
	struct site *s = *site;

	if (!s)
		return;
	for (unsigned i = s->source_count; i-- > 0;) {
		if (s->sources[i]->ops->unload)
			s->sources[i]->ops->unload(s->sources[i]);
	}
	site_close_modules(s);
	while (s->pool_count > 0)
		pool_unref(&s->pools[--s->pool_count]);
	mem_free(&s->pools);
	arena_fini(&s->arena);
	store_fini(&s->store);
	conf_free(&s->conf);
	mem_free(site);
}

int
site_attach(const struct site *s, struct env *env)
{
	int err = 0;

	env->routes = mem_zalloc(s->route_count + 1, sizeof(*env->routes));
	env->parts = mem_zalloc(s->part_count, sizeof(*env->parts));
	env->attached = mem_zalloc(s->source_count, sizeof(*env->attached));
	if (!env->routes || !env->parts || !env->attached)
		err = ERR_MEMORY;
	for (unsigned i = 0; i < s->source_count && !err; i++) {
		if (s->sources[i]->ops->attach)
			err = s->sources[i]->ops->attach(s->sources[i], env);
	}
	return err;
}

void
site_detach(const struct site *s, struct env *env)
{
	for (unsigned i = s->source_count; env->attached && i-- > 0;) {
		if (s->sources[i]->ops->detach)
			s->sources[i]->ops->detach(s->sources[i], env);
	}
	mem_free(&env->routes);
	mem_free(&env->parts);
	mem_free(&env->attached);
}
