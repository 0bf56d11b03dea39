/*
 * The effective configuration as a configuration; see site.h.
 */
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

static void
dump_route(const struct route *route, struct writer *w)
{
	const struct plan *plan = route->plan;

	conf_dump_section(route->section, plan->table, plan->tables, w);
	for (unsigned i = 0; plan->is_joined && i < plan->count; i++)
		conf_dump_section(plan->part[i].part.section, plan->part[i].table,
				  plan->part[i].tables, w);
}

void
site_dump(const struct site *s, struct writer *w)
{
	dump_kind(s, "server", server_keys, w);
	dump_kind(s, "admin", admin_keys, w);
	dump_kind(s, "listen", listen_keys, w);
	dump_kind(s, "limits", limits_keys, w);
	dump_kind(s, "pool", pool_keys, w);
	dump_sources(s, w);
	for (unsigned i = 0; i < s->route_count; i++)
		dump_route(&s->routes[i], w);
}
