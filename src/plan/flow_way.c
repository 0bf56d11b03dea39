/*
 * A run that a flow decides: its code runs as a coroutine, calls parts, waits
 * for them, and answers. Parts are started, collected and ended as those of a
 * join (fan.c); each has one entry in the report, called or not.
 *
 *   settle -> turn ==resume==> flow's code -> wait(parts)
 *        ^                                            |
 *        |        <=========pause=====================+
 *        +-- reserve, start; a part has ended, a nap is over
 *
 * A flow that is cancelled, or whose deadline has passed, runs once more: its call says
 * ERR_CANCELLED, and it returns. One that goes on asking is left where it stands.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "flow/coroutine.h"
#include "flow/flow.h"
#include "plan/run_priv.h"
#include "source/heading.h"

enum { LATE_CALLS_MAX = 1000 };

struct run_flow {
	struct flow of;
	struct run *run;
	struct coroutine coroutine;
	struct timer nap;
	struct arena scratch;
	struct slice *value; /* of {flow.NAME} */
	uint64_t wanted; /* parts to be started */
	uint64_t awaited; /* parts that it waits for */
	enum flow_wait how;
	bool is_asleep, is_cut;
	int verdict; /* of what it waits for, once it is over */
	int result; /* of its code */
	unsigned late; /* calls since it was cut */
	const struct run_part *blame; /* whose failure it was last told of; NULL: none */
	struct flow_answer answer;
};

static void settle(struct run *r);

static struct run_flow *
run_flow_of(struct flow *f)
{
	return CONTAINER_OF(f, struct run_flow, of);
}

/* --- the flow's side, on its own stack ---------------------------------------------------- */

/* What is over cannot be waited for. Whoever does not listen would hold the worker for ever. */
static bool
is_late(struct run_flow *f)
{
	if (!f->is_cut)
		return false;
	if (++f->late > LATE_CALLS_MAX) {
		log_error("flow %s of route %.*s does not end when it is cancelled: it is left "
			  "where it stands",
			  f->of.type->name, SLICE_PRINT(f->run->plan->name));
		f->result = ERR_CANCELLED;
		coroutine_abandon(&f->coroutine);
	}
	return true;
}

static int
find_part(const struct run *r, struct slice name)
{
	for (unsigned i = 0; i < r->plan->count; i++) {
		if (slice_eq(r->plan->part[i].part.name, name))
			return (int)i;
	}
	return -1;
}

static int
get(struct flow *of, struct slice name, struct slice *value)
{
	struct run *r = run_flow_of(of)->run;
	const struct plan_flow *plan = r->plan->flow;
	unsigned i = 0, variable;

	while (i < plan->reads && !slice_eq(slice_of(of->type->reads[i]), name))
		i++;
	if (i == plan->reads)
		return ERR_ARGUMENT;
	if (!run_need_scope(r))
		return ERR_MEMORY;
	return template_eval(plan->read[i], &r->scope->of, &r->x->arena, RUN_VALUE_BYTES, value,
			     &variable);
}

static int
set(struct flow *of, struct slice name, struct slice value)
{
	struct run_flow *f = run_flow_of(of);
	const struct plan_flow *plan = f->run->plan->flow;
	struct slice copy;
	unsigned i = 0;

	while (i < plan->values && !slice_eq(plan->value[i], name))
		i++;
	if (i == plan->values)
		return ERR_ARGUMENT;
	/* What is absent stays absent. */
	copy = value.at ? arena_copy(&f->run->x->arena, value) : value;
	f->value[i] = copy;
	return value.at && !copy.at ? ERR_MEMORY : 0;
}

/* ERR_ARGUMENT: not parts that can be called now. */
static int
collect(const struct run *r, const char *const *parts, size_t count, uint64_t *mask)
{
	*mask = 0;
	for (size_t i = 0; i < count; i++) {
		int place = find_part(r, slice_of(parts[i]));

		if (place < 0 || ((r->ended | *mask) & PLAN_BIT(place))) {
			log_warning("flow of route %.*s: part %s %s", SLICE_PRINT(r->plan->name),
				    parts[i],
				    place < 0 ? "is not declared" : "is called a second time");
			return ERR_ARGUMENT;
		}
		*mask |= PLAN_BIT(place);
	}
	return count > 0 ? 0 : ERR_ARGUMENT;
}

static int
wait_for(struct flow *of, const char *const *parts, size_t count, enum flow_wait how)
{
	struct run_flow *f = run_flow_of(of);
	uint64_t mask;
	int place = 0, err;

	if (is_late(f))
		return ERR_CANCELLED;
	err = collect(f->run, parts, count, &mask);
	if (err)
		return err;
	f->wanted = f->awaited = mask;
	f->how = how;
	coroutine_pause(&f->coroutine);
	if (f->verdict || how == FLOW_ALL)
		return f->verdict;
	while (!(f->run->succeeded & PLAN_BIT(find_part(f->run, slice_of(parts[place])))))
		place++;
	return place;
}

static int
sleep_for(struct flow *of, uint64_t ns)
{
	struct run_flow *f = run_flow_of(of);
	struct run *r = f->run;
	int err;

	if (is_late(f))
		return ERR_CANCELLED;
	err = run_arm(r);
	if (!err)
		err = loop_set_timer(&r->env->loop, &f->nap,
				     clock_after(loop_now(&r->env->loop), ns));
	if (err)
		return err;
	f->is_asleep = true;
	coroutine_pause(&f->coroutine);
	return f->verdict;
}

static int
status_of(struct flow *of, struct slice part)
{
	struct run *r = run_flow_of(of)->run;
	int place = find_part(r, part);

	return place < 0 ? ERR_ARGUMENT : r->part[place].head.status;
}

static int
result(struct flow *of, struct slice part, struct slice *text)
{
	struct run *r = run_flow_of(of)->run;
	int place = find_part(r, part);

	if (place < 0)
		return ERR_ARGUMENT;
	if (!r->result[place])
		return ERR_MISSING;
	*text = r->result[place]->body;
	return 0;
}

static int
write_text(struct flow *of, struct slice text)
{
	struct run_flow *f = run_flow_of(of);

	return flow_answer_write(&f->answer, &f->run->x->arena, text);
}

static int
splice(struct flow *of, struct slice part)
{
	struct run_flow *f = run_flow_of(of);
	int place = find_part(f->run, part);

	return place < 0 ? ERR_ARGUMENT : flow_answer_splice(&f->answer, &f->run->part[place]);
}

static int
set_status(struct flow *of, int status)
{
	if (status < 200 || status > 599)
		return ERR_ARGUMENT;
	run_flow_of(of)->answer.status = status;
	return 0;
}

static int
set_field(struct flow *of, struct slice name, struct slice value)
{
	return heading_set(&run_flow_of(of)->answer.heading, name, value);
}

static void *
alloc(struct flow *of, size_t bytes)
{
	return arena_alloc(&run_flow_of(of)->scratch, bytes);
}

static uint64_t
deadline(const struct flow *of)
{
	return CONTAINER_OF_CONST(of, struct run_flow, of)->run->deadline_ns;
}

static const struct flow_ops ops = {
	.get = get,
	.set = set,
	.wait = wait_for,
	.sleep = sleep_for,
	.status = status_of,
	.result = result,
	.write = write_text,
	.splice = splice,
	.set_status = set_status,
	.set_field = set_field,
	.alloc = alloc,
	.deadline = deadline,
};

static void
run_code(void *argument)
{
	struct run_flow *f = argument;

	f->result = f->of.type->run(&f->of);
}

/* --- its turns ------------------------------------------------------------------------------- */

/* To the stall record. */
static void
tell_stall(struct run_flow *f, uint64_t begun, uint64_t ns)
{
	struct stall_report told = {
		.began_ns = begun,
		.lasted_ns = ns,
	};
	struct writer name = writer_over(told.name, sizeof(told.name) - 1);

	writer_text(&name, f->of.type->name);
	stall_tell(f->run->env->loop.stall, &told);
}

/* Whoever runs too long holds up all of the worker. */
static void
turn(struct run_flow *f)
{
	const struct plan *plan = f->run->plan;
	uint64_t begun = clock_monotonic(), ns;

	run_mark(f->run, STALL_AT_FLOW, NULL);
	coroutine_resume(&f->coroutine);
	ns = clock_monotonic() - begun;
	if (ns > plan->flow_conf.max_turn)
		tell_stall(f, begun, ns);
	run_mark(f->run, STALL_AT_REQUEST, NULL);
	if (ns <= plan->flow_conf.max_turn)
		return;
	log_warning("flow %s of route %.*s held its worker for %llu ms", f->of.type->name,
		    SLICE_PRINT(plan->name), (unsigned long long)(ns / CLOCK_MS));
}

/* What it waits for is over. */
static bool
is_met(const struct run_flow *f)
{
	const struct run *r = f->run;

	if (!(f->awaited & ~r->ended))
		return true;
	return f->how == FLOW_ANY ? (r->succeeded & f->awaited) != 0 : r->failed != NULL;
}

/* All parts of a call are admitted as one; of those of which any will do, each by itself. */
static void
reserve(struct run_flow *f)
{
	const struct run_part *failed = NULL;
	struct run *r = f->run;
	uint64_t keep;
	unsigned i;

	if (f->how == FLOW_ALL) {
		fan_reserve(r, r->ready);
		return;
	}
	PLAN_EACH(i, keep, f->awaited)
	{
		r->failed = NULL;
		fan_reserve(r, PLAN_BIT(i));
		failed = failed ? failed : r->failed;
	}
	r->failed = failed;
}

static void
start_parts(struct run_flow *f)
{
	struct run *r = f->run;
	uint64_t keep;
	unsigned i;

	if (f->wanted) {
		PLAN_EACH(i, keep, f->wanted)
		fan_foresee(r, &r->part[i]);
		r->ready = f->wanted;
		f->wanted = 0;
		reserve(f);
	}
	while (r->ready && !is_met(f))
		run_part_start(r, &r->part[__builtin_ctzll(r->ready)]);
	if (f->awaited && !is_met(f))
		run_parts_drop_refused(r);
}

/* Tells it how that has ended. */
static void
wake(struct run_flow *f)
{
	struct run *r = f->run;
	bool has_any = (r->succeeded & f->awaited) != 0;

	if (f->awaited) {
		run_parts_stop(r, f->awaited, OUTCOME_CANCELLED, ERR_CANCELLED);
		f->verdict =
		    f->how == FLOW_ANY ? (has_any ? 0 : ERR_FAILED) : (r->failed ? ERR_FAILED : 0);
		f->blame = f->verdict ? r->failed : NULL;
		r->failed = NULL;
		f->awaited = 0;
	}
	turn(f);
}

static void
on_nap_over(struct timer *t)
{
	struct run_flow *f = CONTAINER_OF(t, struct run_flow, nap);

	f->is_asleep = false;
	f->verdict = 0;
	settle(f->run);
}

/* --- its end -----------------------------------------------------------------------------------
 */

static void
end(struct run_flow *f)
{
	ASSERT(f->coroutine.is_over);
	if (timer_is_set(&f->nap))
		loop_clear_timer(&f->run->env->loop, &f->nap);
	coroutine_fini(&f->coroutine);
	arena_fini(&f->scratch);
}

/* Of parts that were not called. */
static void
end_rest(struct run *r, enum outcome outcome)
{
	uint64_t keep, rest = run_all_parts(r) & ~r->ended;
	unsigned i;

	PLAN_EACH(i, keep, rest)
	run_part_end(&r->part[i], outcome);
	r->failed = NULL;
}

static void
answer_failure(struct run_flow *f)
{
	struct run *r = f->run;
	bool is_short = f->result == ERR_MEMORY || f->answer.err == ERR_MEMORY;

	end_rest(r, OUTCOME_SKIPPED);
	if (f->result && f->blame)
		run_refuse_for(r, f->blame);
	else
		run_refuse(r, is_short ? 503 : 500, NULL);
}

static void
answer(struct run_flow *f)
{
	struct run *r = f->run;

	end(f);
	if (!f->result && !f->answer.err) {
		end_rest(r, OUTCOME_UNNEEDED);
		/* Then the exchange may be gone, and f with it. */
		if (flow_answer_send(&f->answer, r))
			return;
	}
	if (f->answer.err)
		log_warning("flow %s of route %.*s: its answer: %s", f->of.type->name,
			    SLICE_PRINT(r->plan->name), err_text(f->answer.err));
	flow_answer_fini(&f->answer);
	answer_failure(f);
}

static void
settle(struct run *r)
{
	struct run_flow *f = r->flow;

	if (r->is_settling)
		return;
	r->is_settling = true;
	while (!f->coroutine.is_over) {
		start_parts(f);
		if (f->is_asleep || !is_met(f))
			break;
		wake(f);
	}
	r->is_settling = false;
	if (f->coroutine.is_over)
		answer(f);
}

/* It may not wait any more: nothing of it is left after this. */
static void
cut(struct run_flow *f, enum outcome running, int err)
{
	run_parts_stop(f->run, run_all_parts(f->run), running, err);
	f->run->ready = 0;
	f->is_cut = true;
	f->verdict = ERR_CANCELLED;
	if (!f->coroutine.is_over)
		turn(f);
	end(f);
	flow_answer_fini(&f->answer);
}

/* --- the run's side ----------------------------------------------------------------------------
 */

static struct run_flow *
make(struct run *r)
{
	const struct plan_flow *plan = r->plan->flow;
	struct run_flow *f = arena_zalloc(&r->x->arena, 1, sizeof(*f));

	if (!f)
		return NULL;
	f->of = (struct flow){ .ops = &ops, .type = plan->type, .conf = plan->conf };
	f->run = r;
	f->value = arena_zalloc(&r->x->arena, plan->values + 1, sizeof(*f->value));
	timer_init(&f->nap, on_nap_over);
	if (!f->value || (plan->values > 0 && !run_need_scope(r)))
		return NULL;
	if (r->scope)
		r->scope->of.flow = f->value;
	return f;
}

/* Refused as a queue that is full refuses. */
static void
refuse(struct run *r, const char *limit)
{
	const struct pool_refusal refusal = { .limit = limit };

	run_parts_stop(r, run_all_parts(r), OUTCOME_SKIPPED, ERR_SHED);
	count_add(r->env->counters, COUNTER_FLOW_REFUSED, 1);
	run_refuse(r, 503, &refusal);
}

static void
start(struct run *r)
{
	struct stacks *stacks = r->env->stacks;
	struct run_flow *f = make(r);

	run_parts_init(r);
	if (stacks->live >= r->plan->flow->max_live) {
		refuse(r, "limits.max_flows");
		return;
	}
	if (!f || coroutine_init(&f->coroutine, stacks, run_code, f) != 0) {
		refuse(r, "memory");
		return;
	}
	arena_init(&f->scratch, &r->env->store, r->plan->flow->type->scratch);
	flow_answer_init(&f->answer, r, r->plan->flow_conf.max_answer);
	r->flow = f;
	settle(r);
}

static void
expire(struct run *r)
{
	cut(r->flow, OUTCOME_TIMEOUT, ERR_DEADLINE);
	run_refuse(r, 504, NULL);
}

static void
cancel(struct run *r)
{
	if (r->flow)
		cut(r->flow, OUTCOME_CANCELLED, ERR_CANCELLED);
}

const struct run_way flow_way = {
	.start = start,
	.settle = settle,
	.expire = expire,
	.cancel = cancel,
};
