/*
 * What a route with a flow is compiled to: its type among those that modules
 * bring, its keys, what it reads and calls, and which keys of routes and parts
 * mean nothing where a flow decides. Builder thread.
 */
#include "config/suggest.h"
#include "flow/flow.h"
#include "plan/plan_priv.h"

/* Takes every key that is left: of a route whose flow is not known. */
static const struct conf_key any_keys[] = { { "", CONF_FAMILY, .width = sizeof(struct conf_family),
					      .help = "keys of an unknown flow" },
					    CONF_KEYS_END };

/* --- finding it ------------------------------------------------------------------------ */

static const struct flow_type *
find_type(const struct plan_build *b, struct slice name)
{
	for (unsigned i = 0; i < b->flow_count; i++) {
		if (slice_eq(slice_of(b->flows[i]->name), name))
			return b->flows[i];
	}
	return NULL;
}

static void
refuse_type(const struct plan *p, const struct plan_build *b, struct slice name)
{
	struct suggest near;

	suggest_init(&near, name);
	for (unsigned i = 0; i < b->flow_count; i++)
		suggest_offer(&near, slice_of(b->flows[i]->name));
	conf_error_at(plan_errors(b), p->section, "flow", "there is no flow %s%s%s",
		      conf_quote(name).text, suggest_text(&near),
		      b->source->lacks_modules ? " (but there is a module that could not be loaded)"
					       : "");
}

static unsigned
count_names(const char *const *names)
{
	unsigned count = 0;

	while (names && names[count])
		count++;
	return count;
}

int
flow_find(struct plan *p, struct plan_build *b)
{
	const struct conf_entry *entry = conf_entry(p->section, "flow");
	struct slice name = entry ? slice_trim(entry->value) : SLICE("");
	const struct flow_type *type = find_type(b, name);
	struct arena *a = b->source->arena;
	struct plan_flow *flow;

	if (!entry)
		return 0;
	if (!type) {
		refuse_type(p, b, name);
		p->table[p->tables++] = (struct conf_table){ any_keys, NULL };
		return ERR_SYNTAX;
	}
	flow = arena_zalloc(a, 1, sizeof(*flow));
	if (!flow)
		return ERR_MEMORY;
	*flow = (struct plan_flow){
		.type = type,
		.conf = arena_zalloc(a, 1, type->conf_size + 1),
		.reads = count_names(type->reads),
		.max_live = b->max_flows,
	};
	flow->read = arena_zalloc(a, flow->reads + 1, sizeof(struct template *));
	if (!flow->conf || !flow->read)
		return ERR_MEMORY;
	p->flow = flow;
	p->table[p->tables++] = (struct conf_table){ type->keys, flow->conf };
	return 0;
}

/* --- which keys go together --------------------------------------------------------------- */

static void
check_route(const struct plan *p, struct conf_errors *e)
{
	static const char *const of_joins[] = { "join",       "quorum",  "template",
						"media_type", "failure", NULL };

	for (size_t i = 0; of_joins[i]; i++) {
		if (conf_is_set(p->section, of_joins[i]))
			conf_error_at(e, p->section, of_joins[i],
				      "means nothing here: the flow makes the answer (%s)",
				      conf_place(p->section, "flow").text);
	}
	if (p->conf.report == PLAN_REPORT_BODY)
		conf_error_at(e, p->section, "report",
			      "body is for join = object: here the flow makes the body");
}

static void
check_part(const struct plan *p, const struct plan_part *pp, struct conf_errors *e)
{
	static const char *const of_orders[] = { "when", "after", NULL };

	for (size_t i = 0; of_orders[i]; i++) {
		if (conf_is_set(pp->part.section, of_orders[i]))
			conf_error_at(e, pp->part.section, of_orders[i],
				      "means nothing here: the flow decides what is called when "
				      "(%s)",
				      conf_place(p->section, "flow").text);
	}
	/* Also behind `stale 60s,`; as JSON nothing ends so. */
	if (slice_has_suffix(slice_trim(pp->conf.fallback), SLICE("omit")))
		conf_error_at(e, pp->part.section, "fallback",
			      "omit is for joins: here the flow makes the answer");
	if (slice_eq(pp->part.name, SLICE("flow")))
		conf_error_at(e, pp->part.section, NULL,
			      "flow cannot be the name of a part where a flow decides: {flow.NAME} "
			      "is what it has set");
}

static bool
has_part(const struct plan *p, struct slice name)
{
	for (unsigned i = 0; i < p->count; i++) {
		if (slice_eq(p->part[i].part.name, name))
			return true;
	}
	return false;
}

static bool
is_called(const char *const *calls, struct slice name)
{
	for (; *calls; calls++) {
		if (slice_eq(slice_of(*calls), name))
			return true;
	}
	return false;
}

/* What a flow says that it calls has to be there, and nothing else is of use to it. */
static void
check_calls(const struct plan *p, struct conf_errors *e)
{
	const char *const *calls = p->flow->type->calls;

	for (unsigned i = 0; calls && calls[i]; i++) {
		if (!has_part(p, slice_of(calls[i])))
			conf_error_at(e, p->section, "flow",
				      "flow %s calls a part %s: declare it in [subrequest "
				      "%.*s.%s]",
				      p->flow->type->name, calls[i], SLICE_PRINT(p->name),
				      calls[i]);
	}
	for (unsigned i = 0; calls && i < p->count; i++) {
		if (!is_called(calls, p->part[i].part.name))
			conf_warning_at(e, p->part[i].part.section, NULL,
					"flow %s does not call this part", p->flow->type->name);
	}
}

void
flow_check(const struct plan *p, struct conf_errors *e)
{
	check_route(p, e);
	for (unsigned i = 0; i < p->count; i++)
		check_part(p, &p->part[i], e);
	check_calls(p, e);
}

/* --- afterwards ------------------------------------------------------------------------------ */

int
flow_finish(struct plan *p, const struct template_flow *names, struct arena *a)
{
	for (unsigned i = 0; i < p->count; i++)
		p->part[i].needs = p->part[i].after = p->part[i].followers = 0;
	p->first = 0;
	p->flow->values = names->count;
	p->flow->value = arena_zalloc(a, names->count + 1, sizeof(struct slice));
	if (!p->flow->value)
		return ERR_MEMORY;
	if (names->count)
		memcpy(p->flow->value, names->name, names->count * sizeof(struct slice));
	return 0;
}
