/*
 * What both ways to run a plan share: the run's birth and its end, the clock,
 * the request's body, the values of templates; see run.h.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "http/status.h"
#include "plan/run_priv.h"
#include "plan/scope.h"

enum { NUMBER_BYTES = 24 };

/* --- counting ------------------------------------------------------------------ */

static void
count(struct lease *lease, const struct plan_part *pp, enum outcome outcome)
{
	count_word(&lease->parts[pp->part.index]->by_outcome[outcome], 1);
}

void
run_count(struct run_part *p, enum outcome outcome)
{
	p->outcome = outcome;
	p->ended_ns = loop_now(&p->run->env->loop);
	count(p->run->lease, p->plan, outcome);
	if (p->began_ns)
		histogram_add(&p->run->lease->parts[p->plan->part.index]->duration,
			      p->ended_ns - p->began_ns);
}

/* Nothing has started, and nothing will. */
static void
count_all_skipped(struct run *r)
{
	for (unsigned i = 0; i < r->plan->count; i++)
		run_count(&r->part[i], OUTCOME_SKIPPED);
}

/* --- the clock ------------------------------------------------------------------- */

/* The disk may be slow, too. */
static void
expire(struct run *r)
{
	if (!r->is_collecting) {
		r->way->expire(r);
		return;
	}
	count_all_skipped(r);
	run_refuse(r, 504, NULL);
}

static void
on_time(struct timer *t)
{
	struct run *r = CONTAINER_OF(t, struct run, timer);
	uint64_t now = loop_now(&r->env->loop), at = r->deadline_ns;

	if (r->asked_ns)
		at = exchange_within(r->x, clock_after(now, r->plan->conf.deadline));
	if (at <= now) {
		expire(r);
		return;
	}
	/* It has just been taken out of the heap, so that there is room. */
	if (loop_set_timer(&r->env->loop, &r->timer, at) != 0)
		ASSERT(0);
}

/* What the route allows, or less: the one that asks waits for its own body, too. */
static void
set_deadline(struct run *r, uint64_t at)
{
	r->deadline_ns = exchange_within(r->x, at);
	if (r->deadline_ns < at)
		r->is_hurried = true;
}

int
run_arm(struct run *r)
{
	if (timer_is_set(&r->timer))
		return 0;
	timer_init(&r->timer, on_time);
	return loop_set_timer(&r->env->loop, &r->timer, r->deadline_ns);
}

static void
stop_clock(struct run *r)
{
	if (!r->asked_ns)
		r->asked_ns = loop_now(&r->env->loop);
}

static void
start_clock(struct run *r)
{
	if (!r->asked_ns)
		return;
	set_deadline(r, clock_after(r->deadline_ns, loop_now(&r->env->loop) - r->asked_ns));
	r->asked_ns = 0;
	/* Moving a timer that is set needs no memory. */
	if (timer_is_set(&r->timer) && r->timer.at_ns > r->deadline_ns &&
	    loop_set_timer(&r->env->loop, &r->timer, r->deadline_ns) != 0)
		ASSERT(0);
}

/* --- ends ---------------------------------------------------------------------------- */

void
run_leave(struct run *r)
{
	if (timer_is_set(&r->timer))
		loop_clear_timer(&r->env->loop, &r->timer);
	loop_forget(&r->env->loop, &r->later);
	if (r->waiter.link.next)
		bytes_forget(&r->waiter);
	if (r->spool)
		spool_close(r->spool);
	r->x->run = NULL;
}

void
run_add_field(struct run *r, enum field_id id, struct slice value)
{
	if (value.len > 0 && exchange_add_field(r->x, id, value) != 0)
		log_debug("route %.*s: no memory for a response field", SLICE_PRINT(r->plan->name));
}

void
run_add_report(struct run *r)
{
	if (r->plan->is_joined && r->plan->conf.report != PLAN_REPORT_OFF)
		run_add_field(r, FIELD_FOREBAY_PARTS, report_make(r));
}

static void
add_refusal(struct run *r, const struct pool_refusal *refusal)
{
	char *memory = arena_alloc(&r->x->arena, NUMBER_BYTES);
	struct writer w = writer_over(memory, memory ? NUMBER_BYTES : 0);

	writer_u64(&w, refusal->retry_after_s ? refusal->retry_after_s : 1);
	run_add_field(r, FIELD_RETRY_AFTER, writer_slice(&w));
	run_add_field(r, FIELD_FOREBAY_SHED, slice_of(refusal->limit));
}

void
run_refuse(struct run *r, int status, const struct pool_refusal *refusal)
{
	struct exchange *x = r->x;

	if (refusal && refusal->limit)
		add_refusal(r, refusal);
	run_add_report(r);
	run_leave(r);
	exchange_refuse(x, status);
}

void
run_refuse_for(struct run *r, const struct run_part *p)
{
	if (p->outcome == OUTCOME_CONFLICT && p->q.conflict)
		run_add_field(r, FIELD_FOREBAY_CONFLICT, slice_of(p->q.conflict));
	if (p->outcome == OUTCOME_STATUS && cause_status(p) == p->head.status) {
		run_add_field(r, FIELD_WWW_AUTHENTICATE, p->head.challenge);
		run_add_field(r, FIELD_RETRY_AFTER, p->head.retry_after);
	}
	run_refuse(r, cause_status(p), p->outcome == OUTCOME_SHED ? &p->q.refusal : NULL);
}

void
run_send(struct exchange *x, int status, struct chunks *body)
{
	bool has_body = status_has_body(status);
	int err;

	x->response.status = status;
	x->response.framing = has_body ? BODY_LENGTH : BODY_NONE;
	x->response.content_length = body->bytes;
	err = exchange_head(x);
	if (!err && has_body)
		err = exchange_body(x, body);
	if (err >= 0)
		exchange_end(x);
	chunks_clear(body);
}

/* --- the request's body ------------------------------------------------------------ */

bool
run_has_body(const struct run *r)
{
	const struct request *q = &r->x->request;

	return q->framing == BODY_CHUNKED || (q->framing == BODY_LENGTH && q->content_length > 0);
}

static void
ask_body(struct bytes_waiter *w)
{
	struct run *r = CONTAINER_OF(w, struct run, waiter);

	stop_clock(r);
	exchange_want_body(r->x);
}

/* Who waits for memory, and not for the client, does so on his own time. */
void
run_ask_body(struct run *r)
{
	r->waiter.go_on = ask_body;
	if (!bytes_wait(&r->env->bytes, &r->waiter))
		ask_body(&r->waiter);
	else
		count_add(r->env->counters, COUNTER_BYTES_PAUSED, 1);
}

bool
run_has_room(struct run *r, uint64_t bytes, struct pool_refusal *refusal)
{
	struct bytes *b = &r->env->bytes;

	if (bytes <= BYTES_LARGE || bytes_level(b) < BYTES_GONE)
		return true;
	if (b->is_shadow) {
		count_add(r->env->counters, COUNTER_SPARED_BYTES, 1);
		return true;
	}
	count_add(r->env->counters, COUNTER_CUT_BYTES, 1);
	*refusal = (struct pool_refusal){ .limit = "bytes",
					  .retry_after_s =
					      1 + (unsigned)random_next(&r->env->random) % 4 };
	return false;
}

int
run_gather(struct run *r, struct intake *in, struct chunks *list, struct pool_refusal *refusal)
{
	if (run_has_room(r, in->text.len + in->piece.bytes + list->bytes, refusal))
		return intake_add(in, list);
	chunks_clear(list);
	return ERR_SHED;
}

/* Requests that lack what the key is made of share one place. */
static void
find_share(struct run *r)
{
	struct slice share = SLICE("");
	unsigned variable;

	if (run_need_scope(r)) {
		struct template_scope scope = r->scope->of;

		scope.client_address = scope_client_share(r->x);
		if (template_eval(r->plan->fairness, &scope, &r->x->arena, RUN_VALUE_BYTES, &share,
				  &variable) != 0)
			share = SLICE("");
	}
	for (unsigned i = 0; i < r->plan->count; i++)
		r->part[i].q.share = share;
}

static void
begin(struct run *r)
{
	r->is_collecting = false;
	if (r->plan->fairness)
		find_share(r);
	r->way->start(r);
}

static void
take_whole_body(struct run *r)
{
	struct template_scope *scope = &r->scope->of;
	struct shared_text *t = intake_share(&r->scope->body);

	r->scope->long_body = t;
	scope->body = t ? t->text : intake_text(&r->scope->body);
	if (r->plan->needs_body_json && json_validate(scope->body, JSON_DEPTH_MAX, NULL) == 0)
		scope->body_json = scope->body;
	begin(r);
}

static void
collect(struct run *r, struct chunks *body, bool is_last)
{
	struct pool_refusal refusal = { 0 };
	int err = run_gather(r, &r->scope->body, body, &refusal);

	if (err) {
		count_all_skipped(r);
		run_refuse(r, err == ERR_TOO_LARGE ? 413 : 503, &refusal);
	} else if (is_last) {
		take_whole_body(r);
	} else {
		run_ask_body(r);
	}
}

/* --- a body that is kept until it is whole ------------------------------------------ */

/* Here a source was not asked yet, so that it is told by what the disk said. */
static void
on_stored(struct spool *s, int err)
{
	struct run *r = s->owner;

	if (err) {
		count_all_skipped(r);
		run_refuse(r, err == ERR_FULL ? 507 : 503, err == ERR_SHED ? &s->refusal : NULL);
	} else if (r->is_stored) {
		begin(r);
	} else {
		run_ask_body(r);
	}
}

static void
store(struct run *r, struct chunks *body, bool is_last)
{
	int err = spool_put(r->spool, body);

	r->is_stored = is_last;
	if (err != ERR_BUSY)
		on_stored(r->spool, err);
}

/* Our own clock stands. ERR_MEMORY. */
static int
start_collecting(struct run *r)
{
	int err = r->x->deadline_ns ? run_arm(r) : 0;

	if (err)
		return err;
	r->is_collecting = true;
	run_ask_body(r);
	return 0;
}

/* ERR_MEMORY. */
static int
start_storing(struct run *r)
{
	struct spool *s = arena_zalloc(&r->x->arena, 1, sizeof(*s));
	int err = s ? run_arm(r) : ERR_MEMORY;

	if (err)
		return err;
	*s = (struct spool){
		.conf = r->plan->spool,
		.env = r->env,
		.lease = r->lease,
		.priority = r->plan->conf.priority,
		.ready = on_stored,
		.owner = r,
	};
	spool_open(s);
	r->spool = s;
	r->is_collecting = true;
	run_ask_body(r);
	return 0;
}

/* --- values ---------------------------------------------------------------------------- */

/* What is borrowed by values and by the response lives until the exchange ends. */
static void
release(void *argument)
{
	struct run *r = argument;

	if (r->scope) {
		intake_clear(&r->scope->body);
		shared_text_drop(&r->scope->long_body);
	}
	for (unsigned i = 0; i < r->plan->count && r->plan->is_joined; i++)
		intake_clear(&r->part[i].body);
}

struct run_scope *
run_need_scope(struct run *r)
{
	struct run_scope *s = r->scope;

	if (s)
		return s;
	s = arena_zalloc(&r->x->arena, 1, sizeof(*s));
	if (!s)
		return NULL;
	intake_init(&s->body, &r->env->store, (size_t)r->x->max_body);
	scope_fill(&s->of, r->x, r->captures, r->rest);
	s->of.results = r->result;
	r->scope = s;
	return s;
}

int
run_fail_value(const struct run_part *p, const struct template *t, unsigned variable, int err)
{
	const struct conf_section *s = p->plan->part.section;

	if (err != ERR_MEMORY)
		log_debug("[%.*s %.*s] {%.*s}: %s", SLICE_PRINT(s->kind), SLICE_PRINT(s->name),
			  SLICE_PRINT(template_variable_name(t, variable)), err_text(err));
	return err;
}

int
run_evaluate_varying(struct run_part *p)
{
	const struct part *part = &p->plan->part;
	struct slice *value;

	value = arena_zalloc(p->q.arena, part->values, sizeof(*value));
	if (!value || !run_need_scope(p->run))
		return ERR_MEMORY;
	p->q.value = value;
	p->q.body = p->run->scope->long_body;
	for (unsigned i = 0; i < part->values; i++) {
		unsigned variable = 0;
		int err = template_eval(p->plan->value[i], &p->run->scope->of, p->q.arena,
					RUN_VALUE_BYTES, &value[i], &variable);

		if (err == ERR_MISSING && part->value[i].is_optional)
			value[i] = slice_make(NULL, 0);
		else if (err)
			return run_fail_value(p, p->plan->value[i], variable, err);
	}
	return 0;
}

int
run_identify(struct run_part *p)
{
	struct run_scope *scope = p->run->scope;

	p->q.request_id = scope && scope->of.request_id.len > 0 ? scope->of.request_id
								: scope_request_id(p->run->x);
	if (scope)
		scope->of.request_id = p->q.request_id;
	return p->q.request_id.at ? 0 : ERR_MEMORY;
}

/* --- the exchange's side ------------------------------------------------------------------ */

static void
init_part(struct run *r, struct run_part *p, const struct plan_part *pp)
{
	p->run = r;
	p->plan = pp;
	p->q.part = &pp->part;
	p->q.env = r->env;
	p->q.lease = r->lease;
	p->q.arena = &r->x->arena;
	p->q.request = &r->x->request;
	p->q.client = r->x->client;
	p->q.near = r->x->near;
	p->q.scheme = r->x->scheme;
	p->q.vouched = r->x->vouched;
	p->q.trace = &r->x->trace;
	p->q.deadline_ns = r->deadline_ns;
	p->q.is_hurried = r->is_hurried;
	p->q.priority = r->x->is_background ? CLASS_SHEDDABLE : r->plan->conf.priority;
}

static int
copy_captures(struct run *r, const struct run_captures *c)
{
	size_t bytes = r->plan->params * sizeof(*c->value);
	struct slice *copy;

	if (bytes == 0)
		return 0;
	copy = arena_alloc(&r->x->arena, bytes);
	if (!copy)
		return ERR_MEMORY;
	memcpy(copy, c->value, bytes);
	r->captures = copy;
	r->rest = c->rest;
	return 0;
}

/* What only some plans need. */
static int
make_more(struct run *r)
{
	const struct plan *p = r->plan;

	if (p->is_joined) {
		r->result = arena_zalloc(&r->x->arena, p->count, sizeof(*r->result));
		if (!r->result)
			return ERR_MEMORY;
	}
	if (p->needs_body && !run_need_scope(r))
		return ERR_MEMORY;
	return p->is_joined || p->needs_body ? arena_on_end(&r->x->arena, release, r) : 0;
}

static struct run *
make_run(struct exchange *x, struct lease *lease, const struct plan *p,
	 const struct run_captures *c)
{
	struct run *r = arena_zalloc(&x->arena, 1, sizeof(*r) + p->count * sizeof(r->part[0]));

	if (!r)
		return NULL;
	r->x = x;
	r->env = lease->env;
	r->lease = lease;
	r->plan = p;
	r->way = p->flow ? &flow_way : p->is_joined ? &fan_way : &pass_way;
	set_deadline(r, clock_after(x->begun_ns, p->conf.deadline));
	for (unsigned i = 0; i < p->count; i++)
		init_part(r, &r->part[i], &p->part[i]);
	return copy_captures(r, c) == 0 && make_more(r) == 0 ? r : NULL;
}

void
run_start(struct exchange *x, struct lease *lease, const struct plan *p,
	  const struct run_captures *captures)
{
	struct run *r = make_run(x, lease, p, captures);
	int err = 0;

	if (!r) {
		for (unsigned i = 0; i < p->count; i++)
			count(lease, &p->part[i], OUTCOME_SKIPPED);
		exchange_abort(x, ERR_MEMORY);
		return;
	}
	x->run = r;
	x->ran = r;
	if (exchange_is_late(x)) {
		count_all_skipped(r);
		run_add_field(r, FIELD_FOREBAY_SHED, SLICE("deadline"));
		run_refuse(r, 504, NULL);
	} else if (x->request.framing == BODY_LENGTH && x->request.content_length > x->max_body) {
		count_all_skipped(r);
		run_refuse(r, 413, NULL);
	} else if (p->needs_body && run_has_body(r)) {
		err = start_collecting(r);
	} else if (p->spool && run_has_body(r)) {
		err = start_storing(r);
	} else {
		begin(r);
	}
	if (err) {
		count_all_skipped(r);
		run_refuse(r, 503, NULL);
	}
}

void
run_feed(struct exchange *x, struct chunks *body, bool is_last)
{
	struct run *r = x->run;

	if (!r) {
		chunks_clear(body);
		return;
	}
	start_clock(r);
	if (r->is_collecting && r->spool)
		store(r, body, is_last);
	else if (r->is_collecting)
		collect(r, body, is_last);
	else if (r->way->feed)
		r->way->feed(r, body, is_last);
	else
		chunks_clear(body);
}

void
run_resume(struct exchange *x)
{
	if (x->run && x->run->way->resume)
		x->run->way->resume(x->run);
}

void
run_cancel(struct exchange *x, int err)
{
	struct run *r = x->run;

	if (!r)
		return;
	if (r->is_collecting)
		count_all_skipped(r);
	else
		r->way->cancel(r);
	/* A client that is still there gets an answer, which is not the run's. */
	if (err != ERR_GONE && !x->is_head_sent)
		run_add_report(r);
	run_leave(r);
}
