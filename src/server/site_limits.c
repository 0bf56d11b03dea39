/*
 * Limits that contradict each other: what is declared, but can never take
 * effect, or not as it says. Each is a warning at one line that names the
 * other. Looked at when all of a site is there; builder thread.
 */
#include "config/value.h"
#include "server/site_priv.h"

#include <sys/resource.h>

enum { TIME_BYTES = 32, SPARE_FILES = 64 };

/* The longest time that any part of a pool or source has, and the line that says so. */
struct longest {
	uint64_t ns;
	const struct conf_section *section; /* NULL: there is no such part */
	const char *key;
};

/* A duration as text. */
struct time_text {
	char text[TIME_BYTES];
};

static struct time_text
time_text(uint64_t ns)
{
	struct time_text t;
	struct writer w = writer_over(t.text, sizeof(t.text) - 1);

	value_write_duration(&w, ns);
	t.text[w.len] = '\0';
	return t;
}

/* Written, and not as the default: a dump, which writes all defaults, says no more than its
 * original. */
static bool
is_declared(const struct conf_section *s, const struct conf_key *keys, const char *key)
{
	const struct conf_key *k = conf_key_find(keys, slice_of(key));

	return conf_is_set(s, key) &&
	       !(k && k->def && slice_eq(slice_trim(conf_entry(s, key)->value), slice_of(k->def)));
}

/* --- times ---------------------------------------------------------------------------------- */

static void
note_part(struct longest *l, const struct plan *p, const struct plan_part *pp)
{
	uint64_t timeout = pp->conf.timeout, deadline = p->conf.deadline;
	bool has_own = timeout && timeout < deadline;
	uint64_t ns = has_own ? timeout : deadline;

	if (l->section && ns <= l->ns)
		return;
	*l = (struct longest){
		.ns = ns,
		.section = has_own ? pp->part.section : p->section,
		.key = has_own ? "timeout" : "deadline",
	};
}

/* Of the parts of a pool, or of a source where pool is NULL. */
static struct longest
find_longest(const struct site *s, const struct pool *pool, const struct source *source)
{
	struct longest l = { .ns = 0 };

	for (unsigned i = 0; i < s->route_count; i++) {
		const struct plan *p = s->routes[i].plan;

		for (unsigned k = 0; k < p->count; k++) {
			if (pool ? part_pool(&p->part[k].part) == pool
				 : p->part[k].part.source == source)
				note_part(&l, p, &p->part[k]);
		}
	}
	return l;
}

/* What may take longer than anybody waits for it. */
static void
check_time(const struct conf_section *section, const struct conf_key *keys, const char *key,
	   uint64_t ns, const struct longest *l, struct conf_errors *e)
{
	if (!is_declared(section, keys, key) || !l->section || ns <= l->ns)
		return;
	conf_warning_at(e, section, key, "no part there has so much time: %s at most (%s)",
			time_text(l->ns).text, conf_place(l->section, l->key).text);
}

/* Both are there whether somebody declares them or not. */
static bool
is_built_in(const struct pool *pool)
{
	struct slice name = slice_of(pool_name(pool));

	return slice_eq(name, SLICE("compute")) || slice_eq(name, SLICE("blocking"));
}

static bool
is_used(const struct site *s, const struct pool *pool)
{
	for (unsigned i = 0; i < s->part_count; i++) {
		if (part_pool(&s->parts[i]->part) == pool ||
		    part_bounds(&s->parts[i]->part).pool == pool)
			return true;
	}
	return false;
}

/* What guards bring is of any length, and as much as comes. */
static bool
is_guards(const struct site *s, const struct pool *pool)
{
	for (unsigned i = 0; guard_kinds[i]; i++) {
		if (guard_kinds[i]->uses_pool && guard_kinds[i]->uses_pool(s->guards[i], pool))
			return true;
	}
	return false;
}

static void
check_pool(const struct site *s, const struct pools_entry *entry, struct conf_errors *e)
{
	const struct conf_section *section =
	    conf_find(s->conf, SLICE("pool"), slice_of(pool_name(entry->pool)));
	struct longest l = find_longest(s, entry->pool, NULL);

	if (!section || is_guards(s, entry->pool))
		return;
	check_time(section, pool_keys, "max_wait", entry->wanted.max_wait_ns, &l, e);
	if (is_declared(section, pool_keys, "threads") && !is_built_in(entry->pool) &&
	    !is_used(s, entry->pool))
		conf_warning_at(e, section, "threads", "no part runs there");
}

/* --- places ---------------------------------------------------------------------------------- */

/* What the worker with the least has of a number of all workers together. */
static unsigned
least_share(const struct site *s, unsigned total)
{
	unsigned share = total / s->workers;

	return share == 0 && total > 0 ? 1 : share;
}

static void
check_sharing(const struct site *s, const struct source *source, const struct source_bounds *b,
	      struct conf_errors *e)
{
	const struct conf_section *server = conf_find(s->conf, SLICE("server"), SLICE(""));

	if (b->at_once == 0 || b->at_once >= s->workers || b->is_shared ||
	    !is_declared(source->section, source->ops->section_keys, b->at_once_key))
		return;
	conf_warning_at(e, source->section, b->at_once_key,
			"%u cannot be shared out among %u workers (%s): each has one, which makes "
			"%u",
			b->at_once, s->workers, conf_place(server, "workers").text, s->workers);
}

static void
check_source(const struct site *s, const struct source *source, struct conf_errors *e)
{
	struct longest l = find_longest(s, NULL, source);

	for (unsigned i = 0; i < s->part_count && source->section; i++) {
		struct source_bounds b;

		if (s->parts[i]->part.source != source)
			continue;
		b = part_bounds(&s->parts[i]->part);
		if (b.work_ns)
			check_time(source->section, source->ops->section_keys, b.work_key,
				   b.work_ns, &l, e);
		check_sharing(s, source, &b, e);
		return; /* the same for each part */
	}
}

static unsigned
count_bits(uint64_t set)
{
	return (unsigned)__builtin_popcountll(set);
}

/* Parts of a batch are admitted as one: they must fit into what one worker has. */
static void
check_batch(const struct site *s, const struct plan *p, const struct plan_batch *batch,
	    struct conf_errors *e)
{
	const struct plan_part *first = &p->part[__builtin_ctzll(batch->parts)];
	struct source_bounds b = part_bounds(&first->part);
	unsigned room = b.is_shared ? b.at_once + b.waiting
				    : least_share(s, b.at_once) + least_share(s, b.waiting);
	unsigned count = count_bits(batch->parts);

	if (b.at_once == 0 || count <= room)
		return;
	if (b.is_shared) {
		conf_warning_at(e, p->section, NULL,
				"%u parts ask [%s %.*s] at once, which has room for %u: they are "
				"always refused (%s)",
				count, batch->source->ops->section,
				SLICE_PRINT(batch->source->name), room,
				conf_place(batch->source->section, b.at_once_key).text);
		return;
	}
	conf_warning_at(e, p->section, NULL,
			"%u parts ask [%s %.*s] at once, of which one of %u workers has room for "
			"%u: there they are always refused (%s)",
			count, batch->source->ops->section, SLICE_PRINT(batch->source->name),
			s->workers, room, conf_place(batch->source->section, b.at_once_key).text);
}

/* --- methods ---------------------------------------------------------------------------------- */

/* RFC 9110 9.2.1: whoever sends GET asks for no change, so it is repeated, prefetched and cached.
 */
static void
check_methods(const struct route *t, struct conf_errors *e)
{
	const unsigned safe = 1u << METHOD_GET | 1u << METHOD_HEAD;

	for (unsigned i = 0; i < t->plan->count && (t->pattern.methods & safe); i++) {
		const struct part *p = &t->plan->part[i].part;

		if (p->writes_by)
			conf_warning_at(e, p->section, p->writes_by,
					"changes data, and GET and HEAD are methods that should "
					"not: clients and caches repeat them (%s)",
					conf_place(t->section, "match").text);
	}
}

/* --- descriptors ------------------------------------------------------------------------------ */

/* Most that parts of one source in one plan hold, for all connections; counted at the first of
 * them, 0 at the others. */
static uint64_t
descriptors_of(const struct site *s, const struct plan *p, unsigned first)
{
	struct source_bounds b = part_bounds(&p->part[first].part);
	unsigned count = 0;
	uint64_t all;

	for (unsigned i = 0; i < p->count; i++) {
		if (p->part[i].part.source != p->part[first].part.source)
			continue;
		if (i < first)
			return 0;
		count += p->part[i].each ? p->part[i].conf.each_at_once : 1;
	}
	all = (uint64_t)s->max_connections * count * b.descriptors;
	return b.at_once && b.at_once < all ? b.at_once : all;
}

static void
check_descriptors(const struct site *s, struct conf_errors *e)
{
	const struct conf_section *server = conf_find(s->conf, SLICE("server"), SLICE(""));
	const struct plan *widest = NULL;
	uint64_t most = 0, need;
	struct rlimit limit;

	for (unsigned i = 0; i < s->route_count; i++) {
		uint64_t all = 0;

		for (unsigned k = 0; k < s->routes[i].plan->count; k++)
			all += descriptors_of(s, s->routes[i].plan, k);
		if (all > most) {
			widest = s->routes[i].plan;
			most = all;
		}
	}
	need = s->max_connections + most + SPARE_FILES;
	/* A start takes all that it may have. */
	if (!widest || !is_declared(server, server_keys, "max_connections") ||
	    getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max >= need)
		return;
	conf_warning_at(e, server, "max_connections",
			"they and what [route %.*s] asks for each (%s) take %llu descriptors; "
			"there may be %llu",
			SLICE_PRINT(widest->name), conf_place(widest->section, NULL).text,
			(unsigned long long)need, (unsigned long long)limit.rlim_max);
}

void
site_check_limits(const struct site *s, struct conf_errors *e)
{
	for (unsigned i = 0; i < s->pools.count; i++)
		check_pool(s, &s->pools.at[i], e);
	for (unsigned i = 0; i < s->source_count; i++)
		check_source(s, s->sources[i], e);
	for (unsigned i = 0; i < s->route_count; i++) {
		const struct plan *p = s->routes[i].plan;

		for (unsigned k = 0; k < p->batches; k++)
			check_batch(s, p, &p->batch[k], e);
		check_methods(&s->routes[i], e);
	}
	check_descriptors(s, e);
}
