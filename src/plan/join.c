/*
 * The join: results as one list of chunks, with the plan's ready-made text
 * between them. Nothing is copied that need not be: the run keeps results, and
 * the site its texts, until the exchange ends.
 */
#include "base/json.h"
#include "plan/run_priv.h"

static bool
is_left_out(const struct run *r, unsigned i)
{
	return r->plan->part[i].is_omissible && !(r->succeeded & PLAN_BIT(i)) &&
	       !r->part[i].is_stale;
}

/* A member or element. The lead of any but the first part begins with a comma, which becomes a
 * bracket where nothing stands before it. */
static int
add_member(struct run *r, unsigned i, bool is_first, struct chunks *out)
{
	struct slice lead = r->plan->part[i].lead;
	int err = 0;

	if (is_first && i > 0) {
		err = chunks_add_static(out, r->plan->part[0].lead.at[0] == '{' ? SLICE("{")
										: SLICE("["));
		lead = slice_after(lead, 1);
	}
	if (!err && lead.len)
		err = chunks_add_arena(out, lead);
	return err ? err : result_splice(&r->part[i], out);
}

/* `_parts` cannot be the name of a part. */
static int
add_report(struct run *r, bool is_first, struct chunks *out)
{
	struct slice report = report_make_json(r);
	int err = report.at ? 0 : ERR_MEMORY;

	if (!err)
		err = chunks_add_static(out,
					is_first ? SLICE("{\"_parts\":") : SLICE(",\"_parts\":"));
	return err ? err : chunks_add_arena(out, report);
}

static int
join_members(struct run *r, struct chunks *out)
{
	const struct plan *p = r->plan;
	bool is_first = true;
	int err = 0;

	for (unsigned i = 0; i < p->count && !err; i++) {
		if (is_left_out(r, i))
			continue;
		err = add_member(r, i, is_first, out);
		is_first = false;
	}
	if (!err && p->conf.report == PLAN_REPORT_BODY)
		err = add_report(r, is_first, out);
	else if (!err && is_first)
		err = chunks_add_static(out,
					p->conf.join == PLAN_JOIN_OBJECT ? SLICE("{") : SLICE("["));
	return err ? err : chunks_add_static(out, p->tail);
}

static int
add_bytes(struct run_part *p, struct chunks *out)
{
	struct slice text = SLICE("");

	if (p->is_stale || (p->run->succeeded & PLAN_BIT(run_place(p))))
		text = intake_text(&p->body);
	else if (p->plan->has_fallback)
		text = p->plan->fallback;
	return text.len ? chunks_add_arena(out, text) : 0;
}

static int
join_bytes(struct run *r, struct chunks *out)
{
	int err = 0;

	for (unsigned i = 0; i < r->plan->count && !err; i++)
		err = add_bytes(&r->part[i], out);
	return err;
}

static int
join_template(struct run *r, struct chunks *out)
{
	struct run_scope *scope = run_need_scope(r);
	struct template_scope lenient;
	struct slice text;
	unsigned variable;
	int err;

	if (!scope)
		return ERR_MEMORY;
	lenient = scope->of;
	lenient.absent_is_null = true;
	err = template_eval(r->plan->template, &lenient, &r->x->arena, RUN_VALUE_BYTES, &text,
			    &variable);
	return err ? err : chunks_add_arena(out, text);
}

int
join_results(struct run *r, struct chunks *out, struct slice *type)
{
	*type = SLICE("application/json");
	switch (r->plan->conf.join) {
	case PLAN_JOIN_OBJECT:
	case PLAN_JOIN_ARRAY:
		return join_members(r, out);
	case PLAN_JOIN_CONCAT:
		*type = r->plan->conf.type;
		return join_bytes(r, out);
	case PLAN_JOIN_FIRST:
		*type = r->part[__builtin_ctzll(r->succeeded)].head.type;
		return join_bytes(r, out);
	case PLAN_JOIN_TEMPLATE:
		break;
	}
	return join_template(r, out);
}
