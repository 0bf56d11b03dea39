/*
 * What a join finds ready-made, the text between results, and whether the keys
 * of a joined route go together. Builder thread.
 */
#include "plan/plan_priv.h"

struct joining {
	struct plan *plan;
	struct arena *arena;
	struct conf_errors *errors;
};

static bool
has_members(const struct plan *p)
{
	return p->conf.join == PLAN_JOIN_OBJECT || p->conf.join == PLAN_JOIN_ARRAY;
}

/* --- which keys go together --------------------------------------------------- */

/* Nobody is required where so many of all are enough. */
static void
refuse_optional(const struct joining *j, const char *key)
{
	const struct plan *p = j->plan;

	for (unsigned i = 0; i < p->count; i++) {
		if (p->part[i].conf.is_optional)
			conf_error_at(j->errors, p->part[i].part.section, "optional",
				      "means nothing here: any part may fail as long as enough "
				      "succeed (%s)",
				      conf_place(p->section, key).text);
	}
}

static void
check_quorum(const struct joining *j)
{
	struct plan *p = j->plan;

	if (p->conf.join == PLAN_JOIN_FIRST)
		p->quorum = 1;
	if (p->quorum == 1)
		refuse_optional(j, "join");
	if (p->conf.quorum == 0)
		return;
	if (!has_members(p)) {
		conf_error_at(j->errors, p->section, "quorum",
			      "is for join = object and join = array");
		return;
	}
	if (p->conf.quorum > p->count)
		conf_error_at(j->errors, p->section, "quorum",
			      "%u parts can never succeed: the route has %u", p->conf.quorum,
			      p->count);
	p->quorum = p->conf.quorum;
	refuse_optional(j, "quorum");
}

/* A key that only one way to join has. */
static void
check_only(const struct joining *j, const char *key, enum plan_join join, const char *word)
{
	const struct plan *p = j->plan;

	if (conf_is_set(p->section, key) && p->conf.join != join)
		conf_error_at(j->errors, p->section, key, "is for join = %s", word);
}

static void
check_keys(const struct joining *j)
{
	struct plan *p = j->plan;

	check_only(j, "media_type", PLAN_JOIN_CONCAT, "concat");
	check_only(j, "template", PLAN_JOIN_TEMPLATE, "template");
	if (p->conf.report == PLAN_REPORT_BODY && p->conf.join != PLAN_JOIN_OBJECT)
		conf_error_at(j->errors, p->section, "report",
			      "body is for join = object, which has room for a member _parts");
	for (unsigned i = 0; i < p->count; i++) {
		if (p->part[i].is_omissible && !has_members(p))
			conf_error_at(j->errors, p->part[i].part.section, "fallback",
				      "omit is for join = object and join = array");
	}
	if (p->conf.join == PLAN_JOIN_TEMPLATE && p->conf.template.len == 0)
		conf_error_at(j->errors, p->section, "join",
			      "template needs a key template = JSON");
	if (p->conf.join == PLAN_JOIN_CONCAT && p->conf.type.len == 0)
		p->conf.type = SLICE("application/octet-stream");
}

/* --- texts ----------------------------------------------------------------------- */

static int
write_lead(const struct joining *j, struct plan_part *pp, bool is_first)
{
	bool is_object = j->plan->conf.join == PLAN_JOIN_OBJECT;
	size_t cap = pp->part.name.len + 4;
	char *memory = arena_alloc(j->arena, cap);
	struct writer w;

	if (!memory)
		return ERR_MEMORY;
	w = writer_over(memory, cap);
	writer_char(&w, !is_first ? ',' : is_object ? '{' : '[');
	if (is_object) {
		/* Names of parts hold nothing that JSON would escape. */
		writer_char(&w, '"');
		writer_put(&w, pp->part.name);
		writer_put(&w, SLICE("\":"));
	}
	pp->lead = writer_slice(&w);
	return 0;
}

static int
write_texts(const struct joining *j)
{
	struct plan *p = j->plan;

	p->tail = p->conf.join == PLAN_JOIN_OBJECT ? SLICE("}") : SLICE("]");
	for (unsigned i = 0; i < p->count; i++) {
		/* "name":{"outcome":"too-large","ms":18446744073709551,"cache":"stale"}, is longer
		 * than its like in the header. */
		p->report_bytes += p->part[i].part.name.len + 80;
		if (write_lead(j, &p->part[i], i == 0) != 0)
			return ERR_MEMORY;
	}
	return 0;
}

int
join_compile(struct plan *p, struct plan_build *b)
{
	const struct joining j = { p, b->source->arena, plan_errors(b) };

	check_keys(&j);
	check_quorum(&j);
	return write_texts(&j);
}
