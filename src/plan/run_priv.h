/*
 * What the files that execute a plan share: run.c (clock, body, ends), pass.c
 * (one part, passed through), fan.c (parts that are joined), run_part.c, each.c, result.c, join.c,
 * report.c, cause.c; flow_way.c, flow_answer.c (parts that a flow calls). On the worker that owns
 * the exchange.
 */
#ifndef FOREBAY_PLAN_RUN_PRIV_H
#define FOREBAY_PLAN_RUN_PRIV_H

#include "plan/intake.h"
#include "plan/plan_priv.h"
#include "plan/run.h"
#include "plan/spool.h"
#include "source/subrequest.h"

enum { RUN_VALUE_BYTES = 4 << 20 }; /* longest value that a template may make */

/* How a result is spliced. */
enum result_form { RESULT_NULL, RESULT_JSON, RESULT_TEXT, RESULT_BASE64, RESULT_FALLBACK };

/* What is kept of a response's head: its fields are the source's. */
struct result_head {
	int status; /* 0: none came */
	bool is_json; /* by its media type */
	bool is_expected;
	struct fields kept; /* those that templates use */
	struct slice challenge, retry_after; /* for the client, of a refusal that it is told */
	struct slice type; /* of a result that may be the response */
};

/* One part of one run. Whether it is waiting, running or ended is in the masks of the run. */
struct run_part {
	struct subrequest q;
	struct run *run;
	const struct plan_part *plan;
	struct timer timer; /* its own timeout */
	uint64_t began_ns, ended_ns; /* 0: it did not get there */
	struct intake body;
	struct result_head head;
	struct template_result
	    result; /* for templates of others; run->results says if it is there */
	enum result_form form;
	enum outcome outcome;
	struct each *each; /* of a part for each element of a list, once it has started */
	int err; /* why it failed, when its source or a value said so */
	struct flight *flight; /* that it waits for, in the place of its source; NULL: none */
	struct list seat; /* among those who wait for the flight */
	struct slice stash_key; /* of what is kept of it; empty: nothing is */
	struct cache_entry *kept; /* of the exchange: it is answered by that; NULL: by its source */
	struct cache_entry *old; /* of the exchange: stale, and asked about by q.condition; NULL:
				    nothing is */
	bool is_confirmed; /* the answer is old's, which holds */
	bool is_stale; /* it failed, and kept is the result all the same */
	const struct run_part *blame; /* whose failure made this one fail; mostly its own */
};

struct cache_entry;
struct flight;
struct run_way;

/* What templates see: only when some value of the plan holds a variable. */
struct run_scope {
	struct template_scope of;
	struct intake body; /* of the request, collected; kept until the exchange ends */
	struct shared_text *long_body; /* when it was long; the intake is empty then */
};

struct heading;
struct run_flow;

/* A part is in at most one of ready, running and ended; in none while it waits for others. */
struct run {
	struct exchange *x;
	struct env *env;
	struct lease *lease; /* the exchange's */
	const struct plan *plan;
	const struct run_way *way;
	struct spool *spool; /* of the request's body; NULL: it is not kept */
	struct run_scope *scope; /* NULL: not needed so far */
	const struct template_result **result; /* by part; NULL: it has none, or not yet */
	struct run_flow *flow; /* that decides in place of the plan's order; NULL: none */
	const struct slice *captures;
	struct slice rest;
	uint64_t deadline_ns; /* absolute */
	uint64_t
	    asked_ns; /* since when the client's body is waited for: the clock stands; 0: it runs */
	struct timer timer; /* fires at deadline_ns or before */
	struct bytes_waiter waiter; /* to ask for more of the body */
	struct deferred later; /* of the way: what must not run inside a source's call */
	uint64_t ready, running, ended, succeeded, reserved;
	const struct run_part *failed; /* the required part that decides the answer */
	bool is_stored; /* the last of the request's body is in the spool */
	bool is_collecting; /* the request's body; nothing has started yet */
	bool is_fed; /* the last of the request's body has been handed to the part */
	bool is_hurried; /* as in subrequest: the route allows more */
	bool is_settling;
	bool is_broken; /* the exchange is failing: cancel will follow */
	bool is_cut; /* what is passed through is dropped: there is no room for it */
	bool is_degraded; /* a part failed that may */
	struct run_part part[];
};

static inline struct run_part *
run_part_of(struct subrequest *q)
{
	return CONTAINER_OF(q, struct run_part, q);
}

static inline unsigned
run_place(const struct run_part *p)
{
	return (unsigned)(p - p->run->part);
}

/* For who watches: from now on the worker is at this. part: NULL: at none of its own. */
static inline void
run_mark(const struct run *r, enum stall_at at, const struct run_part *part)
{
	const struct stall_where where = {
		.at = at,
		.generation = r->lease->generation,
		.route = r->x->route,
		.part = part ? run_place(part) + 1 : 0,
	};

	stall_mark(r->env->loop.stall, stall_mark_of(where), r->x->id);
}

/* All that it has. */
static inline uint64_t
run_all_parts(const struct run *r)
{
	unsigned n = r->plan->count;

	return n == 64 ? UINT64_MAX : PLAN_BIT(n) - 1;
}

/* The three ways to run a plan: pass.c, fan.c, flow_way.c. */
struct run_way {
	void (*start)(struct run *r);
	/* Something has ended: what comes next. Does nothing from inside itself. NULL: of one part.
	 */
	void (*settle)(struct run *r);
	/* NULL, both: its parts are not offered the body, nor is theirs passed on as it comes. */
	void (*feed)(struct run *r, struct chunks *body, bool is_last);
	void (*resume)(struct run *r);
	void (*expire)(struct run *r); /* the deadline has passed */
	void (*cancel)(struct run *r);
};

extern const struct run_way pass_way, fan_way, flow_way;

/* --- run.c ------------------------------------------------------------------ */

/* The client sends a body. */
bool run_has_body(const struct run *r);
/* What templates see, made when it is first needed. NULL without memory. */
struct run_scope *run_need_scope(struct run *r) MUST_CHECK;
/* Evaluates the part's values into q.value. ERR_MISSING, ERR_SYNTAX, ERR_TOO_LARGE
 * (told in the log, with the variable's name), ERR_MEMORY. */
int run_evaluate_varying(struct run_part *p) MUST_CHECK;
static inline int
run_evaluate(struct run_part *p)
{
	p->q.value = p->plan->constant;
	return p->q.value ? 0 : run_evaluate_varying(p);
}

/* Fills what sources may want once answer() has declined. ERR_MEMORY. */
int run_identify(struct run_part *p) MUST_CHECK;
/* The deadline's timer; idempotent. ERR_MEMORY. */
int run_arm(struct run *r) MUST_CHECK;
/* Asks the client for (more of) its body; the clock stands until it comes. */
void run_ask_body(struct run *r);
/* Whether so many bytes may be held. If not, the refusal says it: those in flight are used up, and
 * this is large. */
bool run_has_room(struct run *r, uint64_t bytes, struct pool_refusal *refusal);
/* Takes the list, as intake_add() does; or ERR_SHED where there is no room. */
int run_gather(struct run *r, struct intake *in, struct chunks *list,
	       struct pool_refusal *refusal) MUST_CHECK;
/* The part has ended: counted here and nowhere else. */
void run_count(struct run_part *p, enum outcome outcome);
/* Lets go of the exchange and of the loop. Nothing may happen to the run after it but its answer.
 */
void run_leave(struct run *r);
/* Leaves, then answers with the status' own phrase and what belongs to it; refusal may be NULL. */
void run_refuse(struct run *r, int status, const struct pool_refusal *refusal);
/* The same, as the failure of this part decides (cause_status). */
void run_refuse_for(struct run *r, const struct run_part *p);
/* Fields of an answer; without memory for one, the client does without it. */
void run_add_field(struct run *r, enum field_id id, struct slice value);
void run_add_report(struct run *r);

/* Tells the log which variable was in the way; returns err. */
int run_fail_value(const struct run_part *p, const struct template *t, unsigned variable, int err);

/* Head, body and end, when the run has left. Takes the body. */
void run_send(struct exchange *x, int status, struct chunks *body);

/* --- run_part.c: for ways with several parts ------------------------------------ */

/* Before anything else. */
void run_parts_init(struct run *r);
/* When it has to be done, from now on: its timeout counts from its start, within the plan's
 * deadline. */
void run_part_set_deadline(struct run *r, struct run_part *p);
/* Of a part that is ready. It may end before this returns. */
void run_part_start(struct run *r, struct run_part *p);
/* The part has ended; what it failed for is in p->err and p->head. */
void run_part_end(struct run_part *p, enum outcome outcome);
/* Of these, those that run are cancelled, the others never start. */
void run_parts_stop(struct run *r, uint64_t parts, enum outcome running, int err);
/* A required part whose status is not what it should be need not be waited for. */
void run_parts_drop_refused(struct run *r);

/* Of what each.c has in the place of a part, too. */

/* Its source, or the stash, is to say nothing more. */
void run_part_cancel(struct run_part *p);
/* Takes a piece of its body. An error: it has failed by that. */
int run_part_gather(struct run_part *p, struct chunks *list) MUST_CHECK;
/* What it came to when its source has said *err, which becomes why it failed; 0: its answer says
 * it. */
enum outcome run_part_take(struct run_part *p, int *err);

/* --- fan_admit.c ---------------------------------------------------------------- */

/* Before it is admitted: when it has to be done, from now on, and how much there is to do. */
void fan_foresee(struct run *r, struct run_part *p);
/* Places for these parts, required ones first; those that are refused end. */
void fan_reserve(struct run *r, uint64_t parts);

/* --- flow_answer.c --------------------------------------------------------------- */

/* What a flow answers: texts, and results of parts between them. */
struct flow_answer {
	struct chunks body;
	struct writer piece; /* memory of the exchange for small texts */
	size_t sent; /* bytes of it that are in the body */
	size_t bytes, limit;
	int err; /* the first stays */
	int status;
	struct heading *heading; /* NULL: no fields */
};

void flow_answer_init(struct flow_answer *a, struct run *r, size_t limit);
void flow_answer_fini(struct flow_answer *a);
/* Both return a->err. */
int flow_answer_write(struct flow_answer *a, struct arena *arena, struct slice text);
int flow_answer_splice(struct flow_answer *a, struct run_part *p);
/* The response, when every part has ended; then a is as after flow_answer_fini. False: it cannot
 * be made (a->err). */
bool flow_answer_send(struct flow_answer *a, struct run *r);

/* --- cause.c ------------------------------------------------------------------ */

/* How a part ended whose source said err. */
enum outcome cause_outcome(int err);
/* The status of a response that the failure of this part decides. */
int cause_status(const struct run_part *p);

/* --- result.c ------------------------------------------------------------------ */

/* Notes what is needed of q.response. ERR_MEMORY. */
int result_take_head(struct run_part *p) MUST_CHECK;
/* Decides what the collected body is: p->form and p->result. ERR_SYNTAX: not what `as` asks for;
 * ERR_MEMORY; ERR_TOO_LARGE: by the names of `pick`. */
int result_take(struct run_part *p) MUST_CHECK;
/* The same of a part for each element of a list: p->body is the array, known to be JSON. */
void result_take_array(struct run_part *p);
/* Appends the result as JSON; b->err says if there was no room. */
void result_write(struct run_part *p, struct buffer *b);
/* The part failed, but may: its fallback stands for the result, and is one if it is written. */
void result_fall_back(struct run_part *p);
/* Moves the result into `out`, as JSON. ERR_MEMORY. */
int result_splice(struct run_part *p, struct chunks *out) MUST_CHECK;

/* --- join.c --------------------------------------------------------------------- */

/* Moves every result into `out`, as the plan joins them; *type is empty where it is not known.
 * ERR_MEMORY, or ERR_TOO_LARGE, of a template: `out` is of no use. */
int join_results(struct run *r, struct chunks *out, struct slice *type) MUST_CHECK;

/* --- report.c --------------------------------------------------------------------- */

/* The value of Forebay-Parts; at is NULL without memory. */
struct slice report_make(const struct run *r);
/* The same as JSON: {"user":{"outcome":"ok","ms":12}, ...}. */
struct slice report_make_json(const struct run *r);

#endif
