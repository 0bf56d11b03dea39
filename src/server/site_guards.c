/*
 * The guards of a site: built with it, shown in its dump, known to each of its
 * workers; see guard/guard.h.
 */
#include "base/mem.h"
#include "cache/cache.h"
#include "guard/cache.h"
#include "server/site_priv.h"

/* What caches hold is bounded by their sizes, and must not leave the less for requests. */
static void
make_room_for_caches(struct site *s)
{
	for (const struct cache *c = guard_caches(s->guards); c && s->inflight_bytes > 0;
	     c = c->next)
		s->inflight_bytes += c->conf.size;
}

int
site_open_guards(struct site *s, const struct site *prior, struct guard_build *b)
{
	s->guards = arena_zalloc(&s->arena, guard_kinds_count() + 1, sizeof(*s->guards));
	if (!s->guards)
		return ERR_MEMORY;
	for (unsigned i = 0; guard_kinds[i]; i++) {
		const void *before = prior ? prior->guards[i] : NULL;

		if (guard_kinds[i]->open &&
		    guard_kinds[i]->open(&s->guards[i], before, b) == ERR_MEMORY)
			return ERR_MEMORY;
	}
	make_room_for_caches(s);
	return 0;
}

void
site_close_guards(struct site *s)
{
	for (unsigned i = 0; s->guards && guard_kinds[i]; i++) {
		if (guard_kinds[i]->close)
			guard_kinds[i]->close(&s->guards[i]);
	}
}

unsigned
site_guard_tables(struct site *s, struct conf_table *tables)
{
	unsigned count = 0;

	for (; guard_kinds[count]; count++) {
		void *conf = arena_zalloc(&s->arena, 1, guard_kinds[count]->conf_size + 1);

		tables[count] = (struct conf_table){ guard_kinds[count]->keys, conf };
	}
	return count;
}

void
site_load_guards(struct site *s, struct route *route, const struct conf_table *tables,
		 struct guard_build *b)
{
	struct guard_list *list = &route->guards;
	const struct pattern *p = &route->pattern;

	list->at = arena_zalloc(&s->arena, guard_kinds_count() + 1, sizeof(*list->at));
	if (!list->at)
		return;
	b->param = p->capture;
	b->params = p->captures;
	b->rest = pattern_rest(p);
	for (unsigned i = 0; guard_kinds[i]; i++) {
		const struct guard *g = NULL;

		if (tables[i].into)
			g = guard_kinds[i]->load(s->guards[i], tables[i].into, route->section, b);
		if (g)
			list->at[list->count++] = g;
	}
}

/* A site that was never completed has none. */
static const void *
state_of(const struct site *s, unsigned kind)
{
	return s->guards ? s->guards[kind] : NULL;
}

int
site_attach_guards(const struct site *s, struct lease *l)
{
	int err = 0;

	l->guards = mem_zalloc(guard_kinds_count() + 1, sizeof(*l->guards));
	if (!l->guards)
		return ERR_MEMORY;
	for (unsigned i = 0; guard_kinds[i] && !err; i++) {
		if (guard_kinds[i]->attach)
			err = guard_kinds[i]->attach(state_of(s, i), l, &l->guards[i]);
	}
	return err;
}

void
site_detach_guards(struct lease *l)
{
	for (unsigned i = 0; l->guards && guard_kinds[i]; i++) {
		if (guard_kinds[i]->detach)
			guard_kinds[i]->detach(state_of(l->site, i), l, &l->guards[i]);
	}
	mem_free(&l->guards);
}
