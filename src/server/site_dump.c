/*
 * The effective configuration as a configuration; see site.h.
 */
#include "plan/edits.h"
#include "server/site_priv.h"

static void
dump_kind(const struct site *s, const char *kind, const struct conf_key *keys, struct writer *w)
{
	const struct conf_table table = { keys, NULL };
	const struct conf_section *section = NULL;

	while ((section = conf_next(s->conf, kind, section)) != NULL)
		conf_dump_section(section, &table, 1, w);
}

static void
dump_sources(const struct site *s, struct writer *w)
{
	for (unsigned i = 0; i < s->source_count; i++) {
		const struct source *source = s->sources[i];
		const struct conf_table table = { source->ops->section_keys, NULL };

		if (source->section)
			conf_dump_section(source->section, &table, 1, w);
	}
}

/* The keys of a route's own source stand in the route's section, behind its own. */
static void
dump_single(const struct route *route, struct writer *w)
{
	const struct plan *plan = route->plan;
	const struct plan_part *part = &plan->part[0];
	struct conf_table all[PLAN_TABLES_MAX * 2];
	size_t n = 0;

	for (unsigned i = 0; i < plan->tables; i++)
		all[n++] = plan->table[i];
	for (unsigned i = 0; i < part->tables; i++)
		all[n++] = part->table[i];
	conf_dump_section(route->section, all, n, w);
}

static void
dump_joined(const struct route *route, struct writer *w)
{
	const struct plan *plan = route->plan;

	conf_dump_section(route->section, plan->table, plan->tables, w);
	for (unsigned i = 0; i < plan->count; i++)
		conf_dump_section(plan->part[i].part.section, plan->part[i].table,
				  plan->part[i].tables, w);
}

void
site_dump(const struct site *s, struct writer *w)
{
	dump_kind(s, "server", server_keys, w);
	dump_kind(s, "admin", admin_keys, w);
	dump_kind(s, "listen", listen_keys, w);
	dump_kind(s, "log", log_keys, w);
	dump_kind(s, "access_log", access_keys, w);
	dump_kind(s, "limits", limits_keys, w);
	dump_kind(s, "headers", edits_keys, w);
	dump_kind(s, "error_page", error_page_keys, w);
	dump_kind(s, "pool", pool_keys, w);
	site_dump_modules(s, w);
	dump_sources(s, w);
	for (unsigned i = 0; guard_kinds[i]; i++) {
		if (guard_kinds[i]->section)
			dump_kind(s, guard_kinds[i]->section, guard_kinds[i]->section_keys, w);
	}
	for (unsigned i = 0; i < s->route_count; i++) {
		if (s->routes[i].plan->is_joined)
			dump_joined(&s->routes[i], w);
		else
			dump_single(&s->routes[i], w);
	}
}
