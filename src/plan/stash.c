/*
 * Answers that are kept, found, and used; see stash.h.
 */
#include "plan/stash.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cache/cache.h"
#include "cache/control.h"
#include "plan/flight.h"
#include "plan/part_key.h"
#include "plan/run_priv.h"
#include "plan/template.h"
#include "plan/when.h"

#include <time.h>

/* What only stands in for failures is not kept anew for each request: a copy that is younger than
 * this part of what it may be, or than a second, does as well. */
enum { RENEW_PART = 8 };

static uint64_t
now_of(const struct run_part *p)
{
	return loop_now(&p->q.env->loop);
}

static uint64_t
age_ns(const struct run_part *p, const struct cache_entry *e)
{
	uint64_t now = now_of(p);

	/* Workers read the clock at different times. */
	return now > e->stored_ns ? now - e->stored_ns : 0;
}

/* --- its key ------------------------------------------------------------------------------ */

int
stash_name(struct run_part *p)
{
	int err = part_key_make_kept(p, &p->stash_key);

	if (err)
		p->stash_key = slice_make(NULL, 0);
	return err == ERR_MEMORY ? err : 0;
}

/* One that was refused before its turn came has none so far. */
static bool
has_key(struct run_part *p)
{
	if (p->stash_key.len > 0)
		return true;
	if (!p->q.value && run_evaluate(p) != 0)
		return false;
	return stash_name(p) == 0 && p->stash_key.len > 0;
}

/* --- what is there ------------------------------------------------------------------------ */

/* Counted; NULL: nothing. */
static struct cache_entry *
find(const struct run_part *p)
{
	struct vault_item *item = vault_find(p->plan->stash->cache->vault, p->stash_key);
	struct cache_entry *e = item ? CONTAINER_OF(item, struct cache_entry, item) : NULL;

	/* A name is no target, so that no route's key is like ours. */
	if (e && e->is_marker)
		cache_entry_unref(&e);
	return e;
}

static void
let_go(void *argument)
{
	struct cache_entry *e = argument;

	cache_entry_unref(&e);
}

/* It stays until the exchange ends, whose response may be made of it. Takes the count. */
static bool
hold(struct run_part *p, struct cache_entry *e)
{
	if (arena_on_end(p->q.arena, let_go, e) != 0) {
		cache_entry_unref(&e);
		return false;
	}
	p->kept = e;
	p->q.response = (struct response){
		.status = e->status,
		.fields = e->fields,
		.framing = BODY_LENGTH,
		.content_length = e->body->text.len,
	};
	return true;
}

static bool
may_stand_in(const struct run_part *p, const struct cache_entry *e)
{
	return age_ns(p, e) <= p->plan->stash->stale_ns &&
	       cache_entry_ttl(e, now_of(p)) + e->freshness.stale_if_error_s > 0;
}

/* --- a fresh answer ------------------------------------------------------------------------- */

/* The run may cancel it from inside each of these. */
static void
give(struct run_part *p)
{
	struct subrequest *q = &p->q;
	struct chunks list;
	int err;

	chunks_init(&list, &q->env->store);
	err = chunks_add_arena(&list, p->kept->body->text);
	if (err) {
		subrequest_done(q, err);
		return;
	}
	subrequest_head(q);
	if (q->state_now == SUBREQUEST_HEAD && subrequest_body(q, &list) >= 0 &&
	    q->state_now == SUBREQUEST_HEAD)
		subrequest_done(q, 0);
	chunks_clear(&list);
}

/* --- a stale one, which may hold (RFC 9111 4.3) -------------------------------------------- */

/* Takes the count. Without memory nothing is asked. */
static void
ask_about(struct run_part *p, struct cache_entry *e)
{
	struct arena *a = p->q.arena;
	struct fields *f = NULL;

	if (p->plan->stash->asks && cache_entry_has_validators(e))
		f = arena_zalloc(a, 1, sizeof(*f));
	if (f)
		f->at = arena_zalloc(a, CACHE_CONDITIONS, sizeof(*f->at));
	if (!f || !f->at || arena_on_end(a, let_go, e) != 0) {
		cache_entry_unref(&e);
		return;
	}
	f->cap = CACHE_CONDITIONS;
	if (cache_entry_ask(e, f) != 0)
		return;
	p->old = e;
	p->q.condition = f;
}

int
stash_confirm(struct subrequest *q, const struct cache_entry *e, struct intake *body)
{
	struct chunks list;
	struct response r;
	int err = cache_entry_update(e, &q->response.fields, q->arena, &r);

	if (err)
		return err;
	q->response = r;
	q->response.framing = BODY_LENGTH;
	q->response.content_length = e->body->text.len;
	chunks_init(&list, &q->env->store);
	err = chunks_add_arena(&list, e->body->text);
	if (!err)
		err = intake_add(body, &list);
	chunks_clear(&list);
	if (!err)
		count_add(q->env->counters, COUNTER_CACHE_PART_REVALIDATED, 1);
	return err;
}

int
stash_take_head(struct run_part *p)
{
	int err = 0;

	p->is_confirmed = p->old && p->q.response.status == 304;
	if (p->is_confirmed)
		err = stash_confirm(&p->q, p->old, &p->body);
	return err ? err : result_take_head(p);
}

/* --- what is there, for a part that starts --------------------------------------------------- */

bool
stash_answer(struct run_part *p)
{
	const struct stash *s = p->plan->stash;
	struct cache_entry *e = s->answers && p->stash_key.len > 0 ? find(p) : NULL;

	if (!s->answers)
		return false;
	if (!e || !cache_entry_is_fresh(e, now_of(p))) {
		count_add(p->q.env->counters, COUNTER_CACHE_PART_MISS, 1);
		if (e)
			ask_about(p, e);
		return false;
	}
	if (!hold(p, e))
		return false;
	count_add(p->q.env->counters, COUNTER_CACHE_PART_HIT, 1);
	give(p);
	return true;
}

/* --- a good answer, as it came --------------------------------------------------------------- */

/* What the part is asked is ours: of the client's request it has what is in the key. */
static const struct request plain = { .method = METHOD_GET };

/* *f becomes what an entry says of itself; false: it may not be kept. */
static bool
judge(const struct run_part *p, struct freshness *f)
{
	const struct stash *s = p->plan->stash;
	struct freshness_question q = {
		.request = &plain,
		.response = &p->q.response,
		.now_s = (int64_t)time(NULL),
		.delay_s = p->began_ns ? (int64_t)((now_of(p) - p->began_ns) / CLOCK_SEC) : 0,
		.unsaid_s = s->unsaid_s,
	};
	bool is_fresh = false, stands_in = false;
	struct freshness spare;

	if (s->answers) {
		freshness_read(&q, f);
		is_fresh = f->may_store && !f->is_always_asked && f->lifetime_s > f->age_s;
	}
	/* How long is said in nanoseconds, apart; here it counts what the answer does not want. */
	q.unsaid_s = q.stale_if_error_s = INT32_MAX;
	freshness_read(&q, &spare);
	if (s->stale_ns)
		stands_in =
		    spare.may_store && spare.lifetime_s + spare.stale_if_error_s > spare.age_s;
	if (!is_fresh) {
		*f = spare;
		f->is_always_asked = true;
	}
	f->stale_if_error_s = stands_in ? spare.stale_if_error_s : 0;
	return is_fresh || stands_in;
}

static bool
is_recent(const struct run_part *p)
{
	const struct stash *s = p->plan->stash;
	uint64_t enough = s->stale_ns / RENEW_PART;
	struct cache_entry *e = s->answers ? NULL : find(p);
	bool is_there = e && age_ns(p, e) < (enough < CLOCK_SEC ? enough : CLOCK_SEC);

	cache_entry_unref(&e);
	return is_there;
}

/* Who looks at fields of the client's own, and says so, has no place here: they are of no key. Of
 * an upstream all that it gets of them is. */
static bool
varies(const struct run_part *p)
{
	return !p->q.part->source->ops->forwards &&
	       fields_find(&p->q.response.fields, FIELD_VARY) != NULL;
}

static bool
is_for_keeping(const struct run_part *p)
{
	struct cache_control asked;

	if (!p->plan->stash || p->kept || p->stash_key.len == 0 || varies(p) ||
	    intake_text(&p->body).len > p->plan->stash->cache->conf.max_entry || is_recent(p))
		return false;
	cache_control_read(&p->q.request->fields, &asked);
	return !asked.no_store && (!p->flight || flight_is_first(p));
}

/* Its body, which is old's if that holds; false: there is no memory for it. */
static bool
complete(const struct run_part *p, struct cache_entry *e)
{
	struct slice text = intake_text(&p->body);
	char *memory = NULL;

	if (p->is_confirmed) {
		cache_entry_share(e, p->old);
		return true;
	}
	if (text.len > 0)
		memory = mem_alloc(text.len);
	if (text.len > 0 && !memory)
		return false;
	if (memory)
		memcpy(memory, text.at, text.len);
	return cache_entry_complete(e, memory, text.len) == 0;
}

/* A copy; NULL: it is not to be kept, or there is no memory for it. */
static struct cache_entry *
copy(const struct run_part *p)
{
	struct cache_entry *e;
	struct freshness f;

	if (!is_for_keeping(p) || !judge(p, &f))
		return NULL;
	e = cache_entry_new(p->stash_key, &p->q.response, &f, (int64_t)time(NULL), now_of(p));
	if (e && !complete(p, e))
		cache_entry_unref(&e);
	return e;
}

int
stash_take(struct run_part *p)
{
	struct cache_entry *e = copy(p);
	int err = result_take(p);
	unsigned evicted;

	if (e && !err) {
		evicted = vault_put(p->plan->stash->cache->vault, &e->item);
		count_add(p->q.env->counters, COUNTER_CACHE_STORED, 1);
		count_add(p->q.env->counters, COUNTER_CACHE_EVICTED, evicted);
	}
	cache_entry_unref(&e);
	return err;
}

/* --- an older one, in the place of a failure ------------------------------------------------ */

static int
take_kept(struct run_part *p)
{
	struct chunks list;
	int err;

	chunks_init(&list, &p->q.env->store);
	intake_clear(&p->body);
	err = chunks_add_arena(&list, p->kept->body->text);
	if (!err)
		err = intake_add(&p->body, &list);
	if (!err)
		err = result_take_head(p);
	chunks_clear(&list);
	return err ? err : result_take(p);
}

/* RFC 5861 4, and who is too busy for us: that says as little of what was asked as our own queue.
 * Others (401, 404, 410) are its answer, which an older one must not hide. */
static bool
is_error(int status)
{
	return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

/* Nobody needs it, or the run goes on without it. At the deadline a run answers with what it has,
 * but that of a flow does not. */
static bool
is_given_up(const struct run_part *p)
{
	if (p->err == ERR_DEADLINE)
		return p->run->flow && now_of(p) >= p->run->deadline_ns;
	return p->outcome == OUTCOME_UNNEEDED || p->outcome == OUTCOME_CANCELLED ||
	       p->outcome == OUTCOME_SKIPPED;
}

/* Whether this is a failure that a fallback is for. An answer is one as soon as its head is there,
 * whatever becomes of the rest. */
static bool
is_failure(const struct run_part *p)
{
	const struct result_head *head = &p->head;

	return !is_given_up(p) &&
	       (head->status == 0 || head->is_expected || is_error(head->status));
}

/* What its condition is about is known before anything has started. */
static bool
is_decidable(const struct when *w)
{
	const struct template *t;

	for (unsigned i = 0; (t = when_variable(w, i)) != NULL; i++) {
		if (template_needs(t).parts)
			return false;
	}
	return true;
}

/* Its condition, which may say who may have it, holds: one that was refused before its turn came
 * has not been asked for that. */
static bool
is_wanted(struct run_part *p)
{
	const struct when *w = p->plan->when;
	struct run_scope *scope;
	bool holds = false;

	if (!w || p->began_ns)
		return true;
	scope = is_decidable(w) ? run_need_scope(p->run) : NULL;
	return scope && when_holds(w, &scope->of, p->q.arena, &holds) == 0 && holds;
}

bool
stash_stand_in(struct run_part *p)
{
	const struct result_head head = p->head;
	struct cache_entry *e;

	if (!p->plan->stash->stale_ns || !p->plan->is_optional || !is_failure(p) || !is_wanted(p) ||
	    !has_key(p))
		return false;
	e = find(p);
	if (!e || !may_stand_in(p, e)) {
		cache_entry_unref(&e);
		return false;
	}
	if (!hold(p, e))
		return false;
	if (take_kept(p) != 0) {
		p->kept = NULL;
		p->head = head;
		return false;
	}
	p->is_stale = true;
	count_add(p->q.env->counters, COUNTER_CACHE_PART_STALE, 1);
	return true;
}
