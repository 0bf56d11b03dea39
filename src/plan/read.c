/*
 * plan_read: from the sections of a route to its parts, their sources and
 * their keys. What depends on the names of others is compile.c's matter.
 */
#include "base/assert.h"
#include "plan/plan_priv.h"

/* Keys of parts that are joined; of a single part they would mean nothing. */
static const struct conf_key *const joined_only[] = { plan_report_keys, plan_join_keys,
						      plan_flow_keys, plan_part_keys };
/* So that a misspelt `source` is told what it is near to. */
static const struct conf_key missed_source[] = { { "source", CONF_KNOWN }, CONF_KEYS_END };

/* The name of the part, when the section [subrequest ROUTE.NAME] is of that route. */
static bool
is_of_route(const struct conf_section *s, struct slice route, struct slice *name)
{
	size_t dot = s->name.len;

	while (dot > 0 && s->name.at[dot - 1] != '.')
		dot--;
	*name = slice_after(s->name, dot);
	return dot > 0 && slice_eq(slice_make(s->name.at, dot - 1), route);
}

static unsigned
count_parts(const struct conf *c, struct slice route)
{
	const struct conf_section *s;
	struct slice name;
	unsigned n = 0;

	for (s = conf_next(c, "subrequest", NULL); s; s = conf_next(c, "subrequest", s))
		n += is_of_route(s, route, &name);
	return n;
}

static bool
is_name(struct slice s)
{
	if (s.len == 0 || s.at[0] < 'a' || s.at[0] > 'z')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if (!(c >= 'a' && c <= 'z') && !ascii_is_digit(c) && c != '_' && c != '-')
			return false;
	}
	return true;
}

static bool
is_reserved(struct slice s)
{
	static const char *const words[] = { "query", "header", "body", "request", "client", NULL };

	for (size_t i = 0; words[i]; i++) {
		if (slice_eq(s, slice_of(words[i])))
			return true;
	}
	return false;
}

static void
check_name(const struct plan_part *pp, struct conf_errors *e)
{
	if (!is_name(pp->part.name))
		conf_error_at(e, pp->part.section, NULL,
			      "%s is no name for a part: a lower-case letter, then lower-case "
			      "letters, digits, _ and -",
			      conf_quote(pp->part.name).text);
	else if (is_reserved(pp->part.name))
		conf_error_at(
		    e, pp->part.section, NULL,
		    "%s cannot be the name of a part: in templates it means something else",
		    conf_quote(pp->part.name).text);
}

/* The table is kept for the dump, unless its keys are only known to be refused. */
static void
add_table(struct conf_table *table, unsigned *tables, const struct conf_key *keys, void *into)
{
	ASSERT(*tables < PLAN_TABLES_MAX);
	table[(*tables)++] = (struct conf_table){ keys, into };
}

static int
read_part(struct plan *p, struct plan_build *b, struct conf_section *s, struct slice name)
{
	struct plan_part *pp = &p->part[p->count++];
	int err, fill_err;

	pp->part.name = name;
	pp->part.section = s;
	pp->part.index = b->parts++;
	check_name(pp, plan_errors(b));
	add_table(pp->table, &pp->tables, plan_source_keys, NULL);
	add_table(pp->table, &pp->tables, plan_part_keys, &pp->conf);
	add_table(pp->table, &pp->tables, plan_result_keys, &pp->conf);
	add_table(pp->table, &pp->tables, plan_stash_keys, &pp->conf);
	err = origin_find(pp, b);
	if (err == ERR_MEMORY)
		return err;
	fill_err = conf_fill(s, pp->table, pp->tables, plan_errors(b));
	return err ? err : fill_err;
}

static int
read_parts(struct plan *p, struct plan_build *b)
{
	struct conf_section *s;
	struct slice name;
	int err;

	for (s = conf_next(b->conf, "subrequest", NULL); s;
	     s = conf_next(b->conf, "subrequest", s)) {
		if (p->count == PLAN_PARTS_MAX || !is_of_route(s, p->name, &name))
			continue;
		err = read_part(p, b, s, name);
		if (err == ERR_MEMORY)
			return err;
		p->is_faulty |= err != 0;
	}
	return 0;
}

static void
refuse_keys(const struct conf_section *s, const struct conf_key *keys, const char *why,
	    struct conf_errors *e)
{
	for (const struct conf_key *k = keys; k->name; k++) {
		if (conf_entry(s, k->name))
			conf_error_at(e, s, k->name, "%s", why);
	}
}

/* A key that is not of a route with its own source is told by what it is. */
static void
refuse_joined_keys(const struct conf_section *s, struct conf_errors *e)
{
	for (size_t i = 0; i < sizeof(joined_only) / sizeof(joined_only[0]); i++)
		refuse_keys(s, joined_only[i],
			    "is for routes with [subrequest] sections: this one has a source of "
			    "its own, whose answer is passed through",
			    e);
}

/* The route's own source: keys of both stand in one section. */
static int
read_single(struct plan *p, struct plan_build *b)
{
	struct plan_part *pp = &p->part[p->count++];
	struct conf_table all[PLAN_TABLES_MAX * 2 + 3];
	bool has_result;
	size_t n = 0;
	int err;

	pp->part.section = p->section;
	pp->part.index = b->parts++;
	pp->part.passes_through = true;
	add_table(p->table, &p->tables, plan_source_keys, NULL);
	err = origin_find(pp, b);
	if (err == ERR_MEMORY)
		return err;
	p->is_faulty |= err != 0;
	has_result = pp->part.source && source_answers_whole(pp->part.source->ops);
	if (has_result)
		add_table(p->table, &p->tables, plan_result_keys, &pp->conf);
	else if (pp->part.source)
		refuse_keys(p->section, plan_result_keys,
			    "is for results that are there as a whole: what this source sends is "
			    "passed on as it comes",
			    plan_errors(b));
	for (unsigned i = 0; i < p->tables; i++)
		all[n++] = p->table[i];
	for (unsigned i = 0; i < pp->tables; i++)
		all[n++] = pp->table[i];
	for (size_t i = 0; i < sizeof(joined_only) / sizeof(joined_only[0]); i++)
		all[n++] = (struct conf_table){ joined_only[i], NULL };
	if (!has_result)
		all[n++] = (struct conf_table){ plan_result_keys, NULL };
	refuse_joined_keys(p->section, plan_errors(b));
	return conf_fill(p->section, all, n, plan_errors(b));
}

/* What a join would have is known where a flow answers, and refused with its reason. */
static int
read_flow(struct plan *p, struct plan_build *b)
{
	struct conf_table all[PLAN_TABLES_MAX + 1];
	int err;

	add_table(p->table, &p->tables, plan_report_keys, &p->conf);
	add_table(p->table, &p->tables, plan_flow_keys, &p->flow_conf);
	err = flow_find(p, b);
	if (err == ERR_MEMORY)
		return err;
	p->is_faulty |= err != 0;
	memcpy(all, p->table, p->tables * sizeof(all[0]));
	all[p->tables] = (struct conf_table){ plan_join_keys, NULL };
	return conf_fill(p->section, all, p->tables + 1, plan_errors(b));
}

static int
read_join(struct plan *p, struct plan_build *b)
{
	add_table(p->table, &p->tables, plan_join_keys, &p->conf);
	add_table(p->table, &p->tables, plan_report_keys, &p->conf);
	return conf_fill(p->section, p->table, p->tables, plan_errors(b));
}

static int
read_joined(struct plan *p, struct plan_build *b)
{
	int err;

	p->is_joined = true;
	err = conf_entry(p->section, "flow") ? read_flow(p, b) : read_join(p, b);
	if (err == ERR_MEMORY)
		return err;
	p->is_faulty |= err != 0;
	return read_parts(p, b);
}

/* How many parts there are, and whether that makes sense. */
static void
check_count(const struct plan *p, struct conf_errors *e, unsigned parts, bool has_source)
{
	bool has_flow = conf_entry(p->section, "flow") != NULL;

	if (parts > 0 && has_source)
		conf_error_at(e, p->section, "source",
			      "a route has either a source or [subrequest %.*s.NAME] sections",
			      SLICE_PRINT(p->name));
	else if (parts == 0 && !has_source && !has_flow)
		conf_error_at(e, p->section, NULL,
			      "a route needs a source, or [subrequest %.*s.NAME] sections",
			      SLICE_PRINT(p->name));
	if (parts > PLAN_PARTS_MAX)
		conf_error_at(e, p->section, NULL, "%u parts; at most %d can be joined", parts,
			      PLAN_PARTS_MAX);
}

struct plan *
plan_read(struct plan_build *b, struct conf_section *route, const struct conf_table *more,
	  unsigned more_count)
{
	struct arena *a = b->source->arena;
	unsigned before = plan_errors(b)->errors, parts = count_parts(b->conf, route->name);
	bool has_source = conf_entry(route, "source") != NULL;
	struct plan *p = arena_zalloc(a, 1, sizeof(*p));
	int err;

	if (!p)
		return NULL;
	p->name = route->name;
	p->section = route;
	p->rest = -1;
	check_count(p, plan_errors(b), parts, has_source);
	for (unsigned i = 0; i < more_count; i++)
		add_table(p->table, &p->tables, more[i].keys, more[i].into);
	add_table(p->table, &p->tables, plan_keys, &p->conf);
	p->part =
	    arena_zalloc(a, parts < PLAN_PARTS_MAX ? parts + 1 : PLAN_PARTS_MAX, sizeof(*p->part));
	if (!p->part)
		return NULL;
	if (parts > 0 && has_source)
		add_table(p->table, &p->tables, plan_source_keys, NULL);
	else if (parts == 0 && !has_source && !conf_entry(p->section, "flow"))
		add_table(p->table, &p->tables, missed_source, NULL);
	err = parts > 0 || !has_source ? read_joined(p, b) : read_single(p, b);
	if (err == ERR_MEMORY)
		return NULL;
	p->is_faulty |= plan_errors(b)->errors > before;
	return p;
}

/* --- sections that belong to no route ---------------------------------------- */

void
plan_check_strays(const struct conf *c, struct conf_errors *e)
{
	const struct conf_section *s;

	for (s = conf_next(c, "subrequest", NULL); s; s = conf_next(c, "subrequest", s)) {
		size_t dot = s->name.len;
		struct slice route;

		while (dot > 0 && s->name.at[dot - 1] != '.')
			dot--;
		route = slice_make(s->name.at, dot ? dot - 1 : 0);
		if (dot == 0)
			conf_error_at(e, s, NULL,
				      "the name of a part is ROUTE.NAME, with the route it is of");
		else
			conf_error_no_section(e, s, NULL, "route", route);
	}
}
