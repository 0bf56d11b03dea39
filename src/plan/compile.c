/*
 * plan_compile: the parts' own loading, their templates, what waits for what,
 * and all that a run would otherwise have to work out again: the join's text
 * between results, who is admitted together, which response fields to keep.
 */
#include "base/json.h"
#include "config/suggest.h"
#include "flow/flow.h"
#include "plan/part_key.h"
#include "plan/plan_priv.h"
#include "plan/stash.h"

enum { EACH_DEFAULT = 100, EACH_AT_ONCE_DEFAULT = 8 };

struct compiling {
	struct plan *plan;
	struct plan_build *build;
	struct arena *arena;
	struct conf_errors *errors;
	struct slice names[PLAN_PARTS_MAX]; /* of the parts */
	struct template_names scope;
	struct template_flow flow; /* values that parts use */
};

static int
find_part(const struct compiling *c, struct slice name)
{
	for (unsigned i = 0; i < c->plan->count; i++) {
		if (slice_eq(c->names[i], name))
			return (int)i;
	}
	return -1;
}

/* --- keys of a part ------------------------------------------------------------ */

static void
check_fallback(struct compiling *c, struct plan_part *pp)
{
	struct conf_section *s = pp->part.section;
	bool is_text = c->plan->conf.join == PLAN_JOIN_CONCAT;
	bool is_set = conf_is_set(s, "fallback");
	size_t offset;

	if (stash_read_fallback(pp, is_text, c->errors))
		is_set = pp->fallback.len > 0;
	pp->is_omissible = !is_text && slice_eq(pp->fallback, SLICE("omit"));
	pp->has_fallback = is_set && !pp->is_omissible;
	if (pp->has_fallback && !is_text &&
	    json_validate(pp->fallback, JSON_DEPTH_MAX - 1, &offset) != 0)
		conf_error_at(c->errors, s, "fallback", "%s is not JSON: see its byte %zu",
			      conf_quote(pp->fallback).text, offset + 1);
	if (conf_is_set(s, "fallback") && !pp->conf.is_optional && pp->conf.when.len == 0)
		conf_error_at(
		    c->errors, s, "fallback",
		    "only an optional part, or one with a condition (when), can fall back");
}

static void
check_optional(struct compiling *c, struct plan_part *pp)
{
	pp->is_optional = pp->conf.is_optional;
	if (!pp->is_optional || c->plan->conf.failure == PLAN_PARTIAL)
		return;
	pp->is_optional = false;
	conf_warning_at(c->errors, pp->part.section, "optional",
			"has no effect: the route says failure = all-or-nothing (%s)",
			conf_place(c->plan->section, "failure").text);
}

static void
read_expect(struct compiling *c, struct plan_part *pp)
{
	for (size_t i = 0; i < pp->conf.expect.count; i++) {
		if (statuses_add(&pp->expect, pp->conf.expect.at[i]) != 0)
			conf_error_at(c->errors, pp->part.section, "expect",
				      "%s is no status: write 204, 200-299 or 2xx",
				      conf_quote(pp->conf.expect.at[i]).text);
	}
}

static void
read_after(struct compiling *c, struct plan_part *pp)
{
	for (size_t i = 0; i < pp->conf.after.count; i++) {
		struct slice name = pp->conf.after.at[i];
		int place = find_part(c, name);
		struct suggest near;

		if (place >= 0) {
			pp->after |= PLAN_BIT(place);
			continue;
		}
		suggest_init(&near, name);
		for (unsigned k = 0; k < c->plan->count; k++)
			suggest_offer(&near, c->names[k]);
		conf_error_at(c->errors, pp->part.section, "after", "this route has no part %s%s",
			      conf_quote(name).text, suggest_text(&near));
	}
}

static void
check_timeout(struct compiling *c, const struct plan_part *pp)
{
	if (pp->conf.timeout > c->plan->conf.deadline)
		conf_warning_at(c->errors, pp->part.section, "timeout",
				"has no effect: the route's deadline is shorter (%s)",
				conf_place(c->plan->section, "deadline").text);
}

static void
check_params(struct compiling *c, const struct plan_part *pp)
{
	for (unsigned i = 0; i < c->plan->params; i++) {
		if (slice_eq(c->plan->param[i], pp->part.name))
			conf_error_at(c->errors, pp->part.section, NULL,
				      "a part cannot bear the name of a path parameter of its "
				      "route: {%.*s} would mean both",
				      SLICE_PRINT(pp->part.name));
	}
}

static int
read_pick(struct compiling *c, struct plan_part *pp)
{
	struct conf_section *s = pp->part.section;
	int err;

	pp->pick = pick_compile(c->arena, &pp->conf.pick, s, c->errors, &err);
	if (pp->pick && pp->conf.as >= PLAN_AS_TEXT)
		conf_error_at(c->errors, s, "pick", "only JSON has members: as says otherwise (%s)",
			      conf_place(s, "as").text);
	return err;
}

/* Keys that are for lists alone. */
static void
check_each(struct compiling *c, const struct plan_part *pp)
{
	static const char *const keys[] = { "foreach_max", "foreach_at_once", "foreach_fallback" };
	struct conf_section *s = pp->part.section;
	struct slice fallback = pp->conf.each_fallback;
	size_t offset;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (conf_is_set(s, keys[i]) && pp->conf.each.len == 0)
			conf_error_at(c->errors, s, keys[i], "is for parts with foreach");
	}
	if (fallback.len && json_validate(fallback, JSON_DEPTH_MAX - 2, &offset) != 0)
		conf_error_at(c->errors, s, "foreach_fallback", "%s is not JSON: see its byte %zu",
			      conf_quote(fallback).text, offset + 1);
}

static int
read_part_keys(struct compiling *c, struct plan_part *pp)
{
	check_params(c, pp);
	check_fallback(c, pp);
	check_optional(c, pp);
	check_timeout(c, pp);
	check_each(c, pp);
	read_expect(c, pp);
	read_after(c, pp);
	return read_pick(c, pp);
}

/* --- templates ------------------------------------------------------------------- */

/* Keeps the name of a response field of that part; once. */
static int
keep_header(struct compiling *c, struct plan_part *of, struct slice name)
{
	struct slice *grown;

	for (unsigned i = 0; i < of->headers; i++) {
		if (slice_eq_nocase(of->header[i], name))
			return 0;
	}
	grown = arena_zalloc(c->arena, of->headers + 1, sizeof(*grown));
	if (!grown)
		return ERR_MEMORY;
	if (of->headers)
		memcpy(grown, of->header, of->headers * sizeof(*grown));
	grown[of->headers++] = name;
	of->header = grown;
	return 0;
}

/* What a variable asks of another part beyond its being there. */
static int
note_variable(struct compiling *c, const struct conf_section *section, const char *key,
	      struct slice variable)
{
	struct slice rest = variable, name;
	bool is_about = slice_find(variable, ':') < variable.len;
	int place;

	name = slice_cut(&rest, is_about ? ':' : '.');
	place = find_part(c, name);
	if (place < 0)
		return 0;
	if (is_about && slice_has_prefix(rest, SLICE("header.")))
		return keep_header(c, &c->plan->part[place], slice_after(rest, 7));
	if (!is_about && c->plan->part[place].conf.as >= PLAN_AS_TEXT)
		conf_error_at(c->errors, section, key,
			      "{%.*s} can never be there: the result of %.*s is not taken as JSON",
			      SLICE_PRINT(variable), SLICE_PRINT(name));
	return 0;
}

static int
note_template(struct compiling *c, const struct conf_section *section, const char *key,
	      const struct template *t)
{
	struct template_needs needs = template_needs(t);
	int err = 0;

	c->plan->needs_body |= needs.has_body || needs.has_body_json;
	c->plan->needs_body_json |= needs.has_body_json;
	for (unsigned i = 0; i < template_variable_count(t) && !err; i++)
		err = note_variable(c, section, key, template_variable_name(t, i));
	return err;
}

/* Of a part's key, or of the route's. NULL with what is wrong told, or without memory: *err. */
static struct template *
compile_text(struct compiling *c, const struct conf_section *section, const char *key,
	     struct slice text, enum value_coding coding, const struct template_names *names,
	     int *err)
{
	struct template_error error;
	struct template *t = template_compile(c->arena, text, coding, names, &error);

	*err = 0;
	if (!t && error.err == ERR_MEMORY)
		*err = ERR_MEMORY;
	else if (!t)
		conf_error_at(c->errors, section, key, "%s", error.text);
	else
		*err = note_template(c, section, key, t);
	return *err ? NULL : t;
}

static int
compile_value(struct compiling *c, struct plan_part *pp, struct part_value *v,
	      const struct template_names *names, struct template **compiled)
{
	struct slice text;
	int err;

	*compiled = compile_text(c, pp->part.section, v->key, v->text, v->coding, names, &err);
	if (!*compiled)
		return err;
	pp->needs |= template_needs(*compiled).parts;
	v->is_typed = template_is_typed(*compiled);
	v->is_constant = template_is_constant(*compiled, &text);
	if (!v->is_constant)
		return 0;
	v->constant = arena_copy(c->arena, text);
	return v->constant.at ? 0 : ERR_MEMORY;
}

/* It waits for what its condition asks about, but goes on without that. */
static int
compile_when(struct compiling *c, struct plan_part *pp)
{
	struct conf_section *section = pp->part.section;
	const struct template *t;
	struct template_error error;
	int err = 0;

	if (pp->conf.when.len == 0)
		return 0;
	pp->when = when_compile(c->arena, pp->conf.when, &c->scope, &error);
	if (!pp->when && error.err != ERR_MEMORY)
		conf_error_at(c->errors, section, "when", "%s", error.text);
	if (!pp->when)
		return error.err == ERR_MEMORY ? ERR_MEMORY : 0;
	for (unsigned i = 0; (t = when_variable(pp->when, i)) != NULL && !err; i++) {
		pp->after |= template_needs(t).parts;
		err = note_template(c, section, "when", t);
	}
	return err;
}

/* {item} must mean one thing. */
static void
check_item(struct compiling *c, const struct plan_part *pp)
{
	bool is_taken = find_part(c, SLICE("item")) >= 0;

	for (unsigned i = 0; i < c->plan->params; i++)
		is_taken |= slice_eq(c->plan->param[i], SLICE("item"));
	if (is_taken)
		conf_error_at(c->errors, pp->part.section, "foreach",
			      "{item} would mean an element of it, and a part or path parameter of "
			      "that name");
}

/* The list, of which each element becomes {item}. */
static int
compile_each(struct compiling *c, struct plan_part *pp)
{
	struct conf_section *s = pp->part.section;
	int err;

	check_item(c, pp);
	if (pp->conf.each_max == 0)
		pp->conf.each_max = EACH_DEFAULT;
	if (pp->conf.each_at_once == 0)
		pp->conf.each_at_once = EACH_AT_ONCE_DEFAULT;
	pp->each = compile_text(c, s, "foreach", pp->conf.each, VALUE_JSON, &c->scope, &err);
	if (pp->each)
		pp->needs |= template_needs(pp->each).parts;
	return err;
}

/* The key of what several may share. */
static int
compile_key(struct compiling *c, struct plan_part *pp, const char *name, struct slice text,
	    const struct template_names *names, struct template **key)
{
	int err;

	*key = compile_text(c, pp->part.section, name, text, VALUE_RAW, names, &err);
	if (*key)
		pp->after |= template_needs(*key).parts;
	return err;
}

static int
compile_coalesce(struct compiling *c, struct plan_part *pp)
{
	const struct source_ops *ops = pp->part.source->ops;
	const char *effects = ops->effects ? ops->effects(&pp->part) : NULL;

	if (pp->conf.coalesce.len == 0)
		return 0;
	if (pp->each)
		conf_error_at(c->errors, pp->part.section, "coalesce",
			      "is not for parts with foreach");
	if (effects)
		conf_error_at(c->errors, pp->part.section, "coalesce",
			      "the part cannot share an execution: %s", effects);
	return compile_key(c, pp, "coalesce", pp->conf.coalesce, &c->scope, &pp->coalesce);
}

/* When the values are known: some of them belong to every key. */
static int
compile_keys(struct compiling *c, struct plan_part *pp, const struct template_names *names)
{
	struct template *key = NULL;
	int err = compile_coalesce(c, pp);

	pp->key_values = part_key_values(pp);
	if (!err && pp->conf.cache_key.len > 0)
		err = compile_key(c, pp, "cache_key", pp->conf.cache_key, names, &key);
	if (!err)
		err = stash_compile(pp, key, c->build);
	pp->comes_late = pp->coalesce || (pp->stash && pp->stash->answers);
	return err;
}

/* When no value holds a variable, every run uses the same array. */
static int
share_constants(struct compiling *c, struct plan_part *pp)
{
	struct slice *at;

	for (unsigned i = 0; i < pp->part.values; i++) {
		if (!pp->part.value[i].is_constant)
			return 0;
	}
	at = arena_zalloc(c->arena, pp->part.values + 1, sizeof(*at));
	if (!at)
		return ERR_MEMORY;
	for (unsigned i = 0; i < pp->part.values; i++)
		at[i] = pp->part.value[i].constant;
	pp->constant = at;
	return 0;
}

static int
compile_values(struct compiling *c, struct plan_part *pp)
{
	struct template_names names = c->scope;
	struct part *part = &pp->part;

	names.has_item = pp->conf.each.len > 0;
	if (names.has_item && compile_each(c, pp) != 0)
		return ERR_MEMORY;
	pp->value = arena_zalloc(c->arena, part->values + 1, sizeof(*pp->value));
	if (!pp->value)
		return ERR_MEMORY;
	for (unsigned i = 0; i < part->values; i++) {
		if (part->value[i].line == 0)
			part->value[i].line = conf_line(part->section, part->value[i].key);
		if (compile_value(c, pp, &part->value[i], &names, &pp->value[i]) != 0)
			return ERR_MEMORY;
	}
	pp->after |= pp->needs;
	if (compile_keys(c, pp, &names) != 0 || compile_when(c, pp) != 0)
		return ERR_MEMORY;
	return share_constants(c, pp);
}

/* The source's own loading comes before the templates, of which it says what there are. */
static int
load_part(struct compiling *c, struct plan_part *pp)
{
	const struct source_ops *ops;
	int err = 0;

	if (!pp->part.source)
		return 0;
	ops = pp->part.source->ops;
	pp->part.path_params = c->plan->param;
	pp->part.path_param_count = c->plan->params;
	/* What is passed on as it comes has no such key. */
	pp->part.max_result = pp->conf.max_result ? pp->conf.max_result : PLAN_RESULT_BYTES;
	if (ops->load_part)
		err = ops->load_part(&pp->part, c->build->source);
	if (err == ERR_MEMORY)
		return err;
	c->plan->is_faulty |= err != 0;
	err = compile_values(c, pp);
	if (!err && ops->prepare_part)
		err = ops->prepare_part(&pp->part, c->build->source);
	c->plan->is_faulty |= err != 0;
	return err == ERR_MEMORY ? err : 0;
}

/* --- what runs find ready-made -------------------------------------------------- */

/* Parts of one source, required ones and optional ones apart. */
static void
add_batches(struct plan *p, bool is_optional)
{
	for (unsigned i = 0; i < p->count; i++) {
		const struct source *s = p->part[i].part.source;
		unsigned k = 0;

		if (!s || !s->ops->reserve || p->part[i].is_optional != is_optional ||
		    p->part[i].each || p->part[i].comes_late)
			continue;
		while (k < p->batches &&
		       (p->batch[k].source != s || p->batch[k].is_optional != is_optional))
			k++;
		if (k == p->batches)
			p->batch[p->batches++] =
			    (struct plan_batch){ .source = s, .is_optional = is_optional };
		p->batch[k].parts |= PLAN_BIT(i);
	}
}

static int
make_batches(struct compiling *c)
{
	struct plan *p = c->plan;

	p->batch = arena_zalloc(c->arena, p->count + 1, sizeof(*p->batch));
	if (!p->batch)
		return ERR_MEMORY;
	add_batches(p, false);
	add_batches(p, true);
	return 0;
}

/* --- texts of the route, and of its flow ----------------------------------------------- */

/* Templates of the route's own section. */
static int
compile_own_texts(struct compiling *c)
{
	/* Whose a request is has to be known before any part starts. */
	struct template_names no_parts = c->scope;
	struct plan *p = c->plan;
	int err = 0;

	no_parts.part_count = 0;
	if (p->conf.fairness.len)
		p->fairness = compile_text(c, p->section, "fairness", p->conf.fairness, VALUE_RAW,
					   &no_parts, &err);
	if (!err && p->conf.join == PLAN_JOIN_TEMPLATE && p->conf.template.len)
		p->template = compile_text(c, p->section, "template", p->conf.template, VALUE_JSON,
					   &c->scope, &err);
	return err;
}

/* What the flow may read, which its own code has named. */
static int
compile_reads(struct compiling *c)
{
	struct plan_flow *flow = c->plan->flow;
	struct template_names names = c->scope;
	char text[FLOW_READ_BYTES];
	int err = 0;

	names.flow = NULL;
	for (unsigned i = 0; i < flow->reads && !err; i++) {
		struct writer w = writer_over(text, sizeof(text));

		writer_char(&w, '{');
		writer_text(&w, flow->type->reads[i]);
		writer_char(&w, '}');
		flow->read[i] = compile_text(c, c->plan->section, "flow", writer_slice(&w),
					     VALUE_RAW, &names, &err);
	}
	return err;
}

int
plan_compile(struct plan *p, struct plan_build *b, const struct slice *params, unsigned param_count,
	     int rest)
{
	struct compiling c = {
		.plan = p,
		.build = b,
		.arena = b->source->arena,
		.errors = plan_errors(b),
	};
	unsigned before = c.errors->errors;

	p->param = params;
	p->params = param_count;
	p->rest = rest;
	for (unsigned i = 0; i < p->count; i++)
		c.names[i] = p->part[i].part.name;
	c.scope = (struct template_names){
		.params = params,
		.param_count = param_count,
		.rest = rest < 0 ? TEMPLATE_NO_REST : rest,
		.parts = c.names,
		.part_count = p->is_joined ? p->count : 0,
		.lacks_user = !conf_is_set(p->section, "auth"),
	};
	if (p->flow) {
		c.scope.flow = &c.flow;
		flow_check(p, c.errors);
	}
	if (compile_own_texts(&c) != 0 || (p->flow && compile_reads(&c) != 0))
		return ERR_MEMORY;
	for (unsigned i = 0; i < p->count; i++) {
		if (p->is_joined && read_part_keys(&c, &p->part[i]) != 0)
			return ERR_MEMORY;
		if (load_part(&c, &p->part[i]) != 0)
			return ERR_MEMORY;
	}
	if (p->is_joined && join_compile(p, b) != 0)
		return ERR_MEMORY;
	if (order_parts(p, c.errors) == 0 && make_batches(&c) != 0)
		return ERR_MEMORY;
	if (spool_compile(p, b) != 0)
		return ERR_MEMORY;
	if (p->flow && flow_finish(p, &c.flow, c.arena) != 0)
		return ERR_MEMORY;
	room_check(p, b);
	return p->is_faulty || c.errors->errors > before ? ERR_SYNTAX : 0;
}
