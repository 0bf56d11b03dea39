/*
 * Clients of a route whose answers are kept; see kept.h.
 */
#include "kept.h"

#include <check.h>

struct world *
kept_run(const char *conf)
{
	struct world *w = world_open(conf);

	w->client.x.request.query = SLICE("k=1");
	w->client.x.request.has_query = true;
	client_start(w);
	world_run(w, 100);
	ck_assert_int_eq(w->client.status, 200);
	return w;
}

struct client *
kept_ask(struct world *w, uint64_t ms, const char *query)
{
	struct client *c = world_client(w);

	c->x.request.query = slice_of(query);
	c->x.request.has_query = true;
	world_run(w, ms);
	other_start(c);
	world_run(w, ms + 100);
	return c;
}

struct slice
kept_field(const struct client *c, const char *name)
{
	for (unsigned i = 0; i < c->fields; i++) {
		if (slice_eq_nocase(c->field_name[i], slice_of(name)))
			return c->field_value[i];
	}
	return SLICE("");
}

uint64_t
kept_counted(struct world *w, enum counter c)
{
	return count_read(&w->counters, c);
}
