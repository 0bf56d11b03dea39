/*
 * A response on its way through: what may be kept is copied as it passes, and kept when it is
 * whole; and what is kept takes the place of a 304, or of an error. See cache_priv.h.
 *
 * Its head is looked at before any edits of the operator's, which are applied anew each time that
 * it is sent, and its body before any filter.
 */
#include "guard/cache_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/siphash.h"

#include <time.h>

/* --- who fills what ----------------------------------------------------------------------- */

static struct cache_visit **
bucket_of(const struct cache_visit *v)
{
	const struct siphash_key seed = { { (uintptr_t)v->desk, (uintptr_t)v->guard->cache } };

	return &v->desk->fill[siphash(&seed, v->key) % CACHE_FILLS];
}

static bool
is_overdue(const struct cache_visit *v)
{
	uint64_t patience = v->guard->cache->conf.wait;

	return patience > 0 && loop_now(&v->env->loop) - v->since_ns >= patience;
}

/* The newest is the first of its key. */
static struct cache_visit *
find_fill(const struct cache_visit *v, bool is_refresh)
{
	struct cache_visit *f = *bucket_of(v);

	while (f && (f->guard->cache != v->guard->cache || f->is_refresh != is_refresh ||
		     !slice_eq(f->key, v->key)))
		f = f->next;
	return f;
}

struct cache_visit *
cache_find_fill(const struct cache_visit *v)
{
	struct cache_visit *f = find_fill(v, false);

	return f && !is_overdue(f) ? f : NULL;
}

bool
cache_is_refreshing(const struct cache_visit *v)
{
	return find_fill(v, true) != NULL;
}

void
cache_end_fill(struct cache_visit *v, bool is_vain)
{
	struct cache_visit **at = bucket_of(v);
	struct list *seat;

	if (!v->is_filling)
		return;
	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	v->is_filling = false;
	while ((seat = list_take(&v->waiters)) != NULL) {
		struct cache_visit *waiter = CONTAINER_OF(seat, struct cache_visit, seat);

		waiter->goes_alone |= is_vain;
		loop_soon(&v->env->loop, &waiter->later);
	}
}

/* --- what is kept instead of what came ------------------------------------------------------ */

static int
swap(struct cache_visit *v, struct cache_entry *e, const char *words)
{
	int err;

	ref_take(&e->item.ref);
	v->used = e;
	v->is_swapped = true;
	err = cache_shape(v->x, e, loop_now(&v->env->loop), &v->text);
	cache_end_fill(v, false);
	return err ? err : cache_tell(v, words);
}

/* Whoever asks has said who that is: by a field, to a guard, or by a certificate, which the plan
 * may hand on. */
static bool
is_authorized(const struct exchange *x)
{
	struct writer nowhere = writer_over(NULL, 0);

	return x->user.len > 0 || x->claims.len > 0 ||
	       fields_find(&x->request.fields, FIELD_AUTHORIZATION) ||
	       exchange_write_subject(x, &nowhere) != ERR_MISSING;
}

static struct freshness_question
question(const struct cache_visit *v, const struct response *r)
{
	const struct exchange *x = v->x;
	const struct cache_guard *g = v->guard;
	int64_t now = (int64_t)time(NULL);

	return (struct freshness_question){
		.request = &x->request,
		.response = r,
		.is_authorized = !g->knows_user && is_authorized(x),
		.now_s = now,
		.delay_s = now > v->asked_s ? now - v->asked_s : 0,
		.unsaid_s = (int64_t)(g->cache->conf.cache_for / CLOCK_SEC),
		.stale_if_error_s = (int64_t)(g->cache->conf.stale_if_error / CLOCK_SEC),
		.stale_while_revalidate_s =
		    (int64_t)(g->cache->conf.stale_while_revalidate / CLOCK_SEC),
	};
}

static int
open_place(struct cache_visit *v, const struct response *r)
{
	const struct freshness_question q = question(v, r);

	return cache_open(v->guard->cache, v->key, &q, loop_now(&v->env->loop),
			  random_next(&v->env->random), &v->x->arena, &v->place);
}

bool
cache_may_store_again(const struct cache_visit *v)
{
	const struct cache_entry *e = v->old;
	const struct response kept = { .status = e->status, .fields = e->fields };
	struct freshness_question q = question(v, &kept);
	struct freshness f;

	freshness_read(&q, &f);
	return f.may_store;
}

static void
keep(struct cache_visit *v)
{
	unsigned evicted = cache_keep(v->guard->cache, &v->place);

	if (v->refreshed == COUNTER_CACHE_REFRESH_FAILED)
		v->refreshed = COUNTER_CACHE_REFRESH_STORED;
	count_add(v->env->counters, COUNTER_CACHE_STORED, 1);
	count_add(v->env->counters, COUNTER_CACHE_EVICTED, evicted);
}

/* What became of a request; a refresh is none, and counted when it ends. */
static void
count_request(const struct cache_visit *v, enum counter outcome)
{
	if (!v->is_refresh)
		count_add(v->env->counters, outcome, 1);
}

static int
revalidate(struct cache_visit *v)
{
	struct cache_entry *e = v->old;
	struct response merged;
	int err = cache_entry_update(e, &v->x->response.fields, &v->x->arena, &merged);

	if (!err)
		err = open_place(v, &merged);
	if (err)
		return err;
	count_request(v, COUNTER_CACHE_REVALIDATED);
	v->refreshed = COUNTER_CACHE_REFRESH_REVALIDATED;
	if (!v->place.entry) {
		vault_remove(v->guard->cache->vault, v->key);
		return swap(v, e, "fwd=stale; fwd-status=304");
	}
	cache_entry_share(v->place.entry, e);
	e = v->place.entry;
	ref_take(&e->item.ref);
	keep(v);
	err = swap(v, e, "fwd=stale; fwd-status=304; stored");
	cache_entry_unref(&e);
	return err;
}

static bool
is_error(int status)
{
	return status == 500 || status == 502 || status == 503 || status == 504;
}

/* RFC 5861 4. */
static bool
may_stand_in(const struct cache_visit *v, int status)
{
	const struct cache_entry *e = v->old;

	return is_error(status) && e && !e->freshness.is_always_asked &&
	       cache_entry_ttl(e, loop_now(&v->env->loop)) + e->freshness.stale_if_error_s > 0;
}

static int
stand_in(struct cache_visit *v)
{
	char words[] = "fwd=stale; fwd-status=500; detail=stale-if-error";

	words[24] = (char)('0' + v->x->response.status % 10);
	count_add(v->env->counters, COUNTER_CACHE_STALE, 1);
	return swap(v, v->old, words);
}

/* --- what came ----------------------------------------------------------------------------------
 */

static int
take_head(struct cache_visit *v)
{
	const struct response *r = &v->x->response;
	char words[64];
	struct writer w = writer_over(words, sizeof(words) - 1);
	int err = v->x->request.method == METHOD_GET ? open_place(v, r) : 0;

	if (err)
		return err;
	v->stores = v->place.entry != NULL;
	v->has_length = r->framing == BODY_LENGTH;
	v->length = r->content_length;
	buffer_init(&v->body, v->guard->cache->conf.max_entry);
	if (!v->stores)
		cache_end_fill(v, true);
	count_request(v, v->old ? COUNTER_CACHE_EXPIRED : COUNTER_CACHE_MISS);
	writer_text(&w, "fwd=");
	writer_text(&w, v->why);
	if (v->stores)
		writer_text(&w, "; stored");
	words[w.len] = '\0';
	return cache_tell(v, words);
}

/* Its origin has another answer now, which nobody may keep: the old one has no successor, and must
 * not go on in its place. Who may not ask (401, 403) learns nothing about it. */
static bool
is_outdated(const struct cache_visit *v)
{
	static const struct request plain = { .method = METHOD_GET };
	struct freshness_question q = question(v, &v->x->response);
	int status = v->x->response.status;
	struct freshness f;

	q.request = &plain;
	q.is_authorized = false;
	freshness_read(&q, &f);
	return !f.may_store && (status < 400 || status == 404 || status == 410);
}

/* An error changes nothing, nor what some part failed for: the old answer stays for as long as it
 * may. */
static int
take_refreshed(struct cache_visit *v)
{
	const struct response *r = &v->x->response;
	int err;

	if (is_error(r->status) || r->status == 429 || v->x->is_degraded) {
		cache_end_fill(v, false);
		return 0;
	}
	err = take_head(v);
	if (!err && !v->stores &&
	    (is_outdated(v) || (v->has_length && v->length > v->guard->cache->conf.max_entry)))
		vault_remove(v->guard->cache->vault, v->key);
	return err;
}

/* RFC 9111 4.4. */
static void
invalidate(const struct cache_visit *v)
{
	int status = v->x->response.status;

	if (status >= 200 && status < 400 && vault_remove(v->guard->cache->vault, v->key))
		count_add(v->env->counters, COUNTER_CACHE_INVALIDATED, 1);
}

static int
apply(const struct exchange_edits *of, struct exchange *x)
{
	struct cache_visit *v =
	    CONTAINER_OF((struct exchange_edits *)(uintptr_t)of, struct cache_visit, edits);

	if (v->is_unsafe) {
		invalidate(v);
		return 0;
	}
	x->request.fields = v->fields;
	if (v->is_conditional && x->response.status == 304)
		return revalidate(v);
	if (v->is_refresh)
		return take_refreshed(v);
	if (may_stand_in(v, x->response.status))
		return stand_in(v);
	return take_head(v);
}

/* --- the filter ----------------------------------------------------------------------------------
 */

static struct cache_visit *
visit_of(struct filter *f)
{
	return CONTAINER_OF(f, struct cache_visit, filter);
}

static void
give_up(struct cache_visit *v)
{
	v->stores = false;
	cache_drop(&v->place);
	buffer_fini(&v->body);
	cache_end_fill(v, true);
}

/* There is another answer, and it cannot be kept: a refresh has nothing to put in the old one's
 * place. */
static void
outgrow(struct cache_visit *v)
{
	give_up(v);
	if (v->is_refresh)
		vault_remove(v->guard->cache->vault, v->key);
}

/* What is charged is what is held. */
static char *
take_exactly(struct buffer *b, size_t *bytes)
{
	char *memory = buffer_take(b, bytes), *exact = NULL;

	if (memory && *bytes > 0)
		exact = mem_grow(memory, *bytes);
	return exact ? exact : memory;
}

/* It is whole. */
static void
finish(struct cache_visit *v)
{
	size_t bytes = v->body.len;
	char *memory;

	if (!v->stores)
		return;
	if (v->body.err == ERR_TOO_LARGE || v->x->response.trailers.count > 0) {
		outgrow(v);
		return;
	}
	if (v->body.err || (v->has_length && v->length != bytes)) {
		give_up(v);
		return;
	}
	memory = take_exactly(&v->body, &bytes);
	v->stores = false;
	if (cache_entry_complete(v->place.entry, memory, bytes) == 0)
		keep(v);
	else
		cache_drop(&v->place);
	cache_end_fill(v, false);
}

/* All of it at once: what still comes of the other is dropped. */
static int
on_head(struct filter *f)
{
	struct cache_visit *v = visit_of(f);
	int err = filter_pass_head(f);
	struct chunks list;

	if (err || !v->is_swapped || v->text.len == 0)
		return err;
	chunks_init(&list, v->x->store);
	err = chunks_add_arena(&list, v->text);
	if (!err)
		err = filter_pass_body(f, &list);
	chunks_clear(&list);
	return err < 0 ? err : 0;
}

static int
on_body(struct filter *f, struct chunks *list)
{
	struct cache_visit *v = visit_of(f);

	if (v->is_swapped) {
		chunks_clear(list);
		return 0;
	}
	for (const struct chunk *c = list->head; c && v->stores; c = c->next) {
		if (c->kind != CHUNK_FILE)
			buffer_put(&v->body, slice_make(c->at, c->len));
		if (c->kind == CHUNK_FILE || v->body.err == ERR_TOO_LARGE)
			outgrow(v);
		else if (v->body.err)
			give_up(v);
	}
	return filter_pass_body(f, list);
}

static void
on_end(struct filter *f)
{
	finish(visit_of(f));
	filter_pass_end(f);
}

static void
on_whole(struct filter *f, struct slice body)
{
	struct cache_visit *v = visit_of(f);

	if (v->is_swapped) {
		body = v->text;
	} else if (v->stores) {
		buffer_put(&v->body, body);
		finish(v);
	}
	filter_pass_whole(f, body);
}

static void
on_abort(struct filter *f, int err)
{
	struct cache_visit *v = visit_of(f);

	if (v->is_swapped) {
		filter_pass_end(f);
		return;
	}
	give_up(v);
	filter_pass_abort(f, err);
}

/* What is swapped in came at once: nobody above was told to pause. */
static void
on_resume(struct filter *f)
{
	if (!visit_of(f)->is_swapped)
		filter_pass_resume(f);
}

static void
on_cancel(struct filter *f)
{
	struct cache_visit *v = visit_of(f);

	v->stores = false;
	cache_end_fill(v, false);
}

static const struct filter_ops filter_ops = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.whole = on_whole,
	.abort = on_abort,
	.resume = on_resume,
	.cancel = on_cancel,
};

/* --- the request
 * ------------------------------------------------------------------------------------ */

void
cache_drop_fields(struct fields *f, bool (*goes)(enum field_id))
{
	unsigned kept = 0;

	for (unsigned i = 0; i < f->count; i++) {
		if (!goes(f->at[i].id))
			f->at[kept++] = f->at[i];
	}
	f->count = kept;
}

/* RFC 9111 4.3.1: our own validators, in the place of the client's, whose question is answered when
 * ours is. Without memory nothing is asked. */
static void
ask_condition(struct cache_visit *v)
{
	const struct fields *from = &v->fields;
	struct fields to = { .cap = from->count + CACHE_CONDITIONS };

	to.at = arena_zalloc(&v->x->arena, to.cap, sizeof(*to.at));
	if (!to.at)
		return;
	if (from->count > 0)
		memcpy(to.at, from->at, from->count * sizeof(*to.at));
	to.count = from->count;
	cache_drop_fields(&to, condition_is_field);
	if (cache_entry_ask(v->old, &to) != 0)
		return;
	v->x->request.fields = to;
	v->is_conditional = true;
}

void
cache_fill(struct cache_visit *v)
{
	struct exchange *x = v->x;
	bool is_get = x->request.method == METHOD_GET && !v->is_unsafe;
	/* A part of it, or that it has not changed, is of no use to others. */
	bool is_partial = !v->old && condition_is_asked(&x->request);

	v->fields = x->request.fields;
	v->asked_s = (int64_t)time(NULL);
	v->edits = (struct exchange_edits){ .apply = apply, .next = x->edits };
	x->edits = &v->edits;
	if (v->is_unsafe)
		return;
	filter_add_first(x, &v->filter, &filter_ops);
	if (is_get && !is_partial && !cache_find_fill(v)) {
		struct cache_visit **bucket = bucket_of(v);

		v->next = *bucket;
		*bucket = v;
		v->since_ns = loop_now(&v->env->loop);
		v->is_filling = true;
	}
	if (is_get && v->old && cache_entry_has_validators(v->old))
		ask_condition(v);
}
