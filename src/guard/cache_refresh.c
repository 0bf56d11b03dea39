/*
 * What is stale is brought up to date while clients get it as it is (RFC 5861 3); see cache_priv.h.
 *
 *   request --> stale --> the client gets it at once
 *                 '-----> a copy of the request, in an exchange of its own that has no client
 *                              '--> plan --> 304, or head, body, end --> cache
 *
 * The exchange is one like any other, with a protocol that sends nothing: guards behind the cache,
 * plan and filters see no difference but that it makes way (x->is_background). It has its lease on
 * the site, and its end: when it has answered, at the deadline of the route, which here is that of
 * the whole answer, or with the worker's last conn. On the worker that owns it.
 */
#include "base/mem.h"
#include "cache/control.h"
#include "guard/cache_priv.h"
#include "net/background.h"
#include "plan/plan.h"
#include "plan/scope.h"

enum { ARENA_BYTES = 1 << 24 }; /* as of other exchanges */

struct refresh {
	struct exchange x;
	struct background background;
	struct guard_asked asked;
	struct cache_visit visit;
	struct address client, near; /* of the one whose request it was */
	struct slice subject; /* of its certificate; at NULL: it has none */
	struct timer timer; /* until when all of it is to be over */
	struct deferred later;
};

static struct refresh *
refresh_of(const struct exchange *x)
{
	return CONTAINER_OF((struct exchange *)(uintptr_t)x, struct refresh, x);
}

/* --- its end ------------------------------------------------------------------------------ */

static void
free_refresh(struct refresh *r)
{
	arena_fini(&r->x.arena);
	mem_free(&r);
}

static void
free_later(struct deferred *d)
{
	free_refresh(CONTAINER_OF(d, struct refresh, later));
}

/* The exchange is done with. Who has just ended it may still be on the stack, and goes before the
 * lease does. */
static void
end(struct refresh *r)
{
	struct env *env = r->visit.env;
	struct lease *l = r->x.lease;

	count_add(env->counters, r->visit.refreshed, 1);
	background_remove(env, &r->background);
	if (timer_is_set(&r->timer))
		loop_clear_timer(&env->loop, &r->timer);
	loop_forget(&env->loop, &r->later);
	r->later.run = free_later;
	loop_last(&env->loop, &r->later);
	lease_give(l);
}

/* Nobody waits for it. */
static void
give_up(struct refresh *r)
{
	r->x.is_cut = true;
	exchange_cancel(&r->x, ERR_GONE);
	end(r);
}

static void
give_up_later(struct deferred *d)
{
	give_up(CONTAINER_OF(d, struct refresh, later));
}

static void
on_time(struct timer *t)
{
	give_up(CONTAINER_OF(t, struct refresh, timer));
}

static void
stop(struct background *b)
{
	give_up(CONTAINER_OF(b, struct refresh, background));
}

/* --- a protocol without a client ------------------------------------------------------------ */

/* What calls may not do from inside themselves. */
static int
fail(struct exchange *x, int err)
{
	struct refresh *r = refresh_of(x);

	r->later.run = give_up_later;
	loop_soon(&r->visit.env->loop, &r->later);
	return err;
}

static int
on_inform(struct exchange *x, int status)
{
	(void)x;
	(void)status;
	return 0;
}

static int
on_head(struct exchange *x)
{
	(void)x;
	return 0;
}

/* What is not kept need not come. */
static int
on_body(struct exchange *x, struct chunks *list)
{
	const struct cache_visit *v = &refresh_of(x)->visit;

	chunks_clear(list);
	return v->stores || v->is_swapped ? 0 : fail(x, ERR_GONE);
}

static void
on_end(struct exchange *x)
{
	end(refresh_of(x));
}

static void
on_abort(struct exchange *x, int err)
{
	(void)err;
	end(refresh_of(x));
}

/* There is none. */
static void
on_want_body(struct exchange *x)
{
	(void)x;
}

static void
on_whole(struct exchange *x, struct slice body)
{
	(void)body;
	end(refresh_of(x));
}

static int
write_subject(const struct exchange *x, struct writer *w)
{
	struct slice subject = refresh_of(x)->subject;

	if (!subject.at)
		return ERR_MISSING;
	writer_put(w, subject);
	return 0;
}

static const struct exchange_ops no_client = {
	.inform = on_inform,
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.abort = on_abort,
	.fail = fail,
	.want_body = on_want_body,
	.whole = on_whole,
	.write_subject = write_subject,
};

/* --- the copy ------------------------------------------------------------------------------- */

static const struct address *
copy_address(const struct address *from, struct address *memory)
{
	if (!from)
		return NULL;
	*memory = *from;
	return memory;
}

static int
copy_text(struct slice *text, struct arena *a)
{
	if (!text->at)
		return 0;
	*text = arena_copy(a, *text);
	return text->at ? 0 : ERR_MEMORY;
}

static int
copy_asked(struct refresh *r, const struct guard_asked *from)
{
	unsigned count = from->plan->params;
	struct arena *a = &r->x.arena;
	struct slice *param = arena_zalloc(a, count + 1u, sizeof(*param));
	int err = param ? 0 : ERR_MEMORY;

	r->asked = *from;
	r->asked.x = &r->x;
	r->asked.param = param;
	for (unsigned i = 0; i < count && !err; i++) {
		param[i] = from->param[i];
		err = copy_text(&param[i], a);
	}
	return err ? err : copy_text(&r->asked.rest, a);
}

/* What the client asks about what it has, or for a part of it, and what it says to caches, as
 * only-if-cached. */
static bool
is_its_own(enum field_id id)
{
	return condition_is_field(id) || id == FIELD_CACHE_CONTROL;
}

/* As the client asked, but for all of it, whatever the client has. */
static int
copy_exchange(struct refresh *r, struct exchange *from)
{
	struct exchange *x = &r->x;
	struct arena *a = &x->arena;
	int err = scope_client_subject(from, a, &r->subject);

	if (err == ERR_MISSING)
		r->subject = slice_make(NULL, 0);
	else if (err)
		return err;
	x->client = copy_address(from->client, &r->client);
	x->near = copy_address(from->near, &r->near);
	trace_take(&from->trace, &from->request.fields, &r->visit.env->random);
	x->trace = from->trace;
	x->user = from->user;
	x->claims = from->claims;
	err = request_copy(&x->request, &from->request, a);
	if (!err)
		err = copy_text(&x->user, a);
	if (!err)
		err = copy_text(&x->claims, a);
	cache_drop_fields(&x->request.fields, is_its_own);
	return err;
}

static int
make_visit(struct refresh *r, const struct cache_visit *from)
{
	struct cache_visit *v = &r->visit;

	v->x = &r->x;
	v->asked = &r->asked;
	v->guard = from->guard;
	v->desk = from->desk;
	v->why = from->why;
	v->is_refresh = true;
	v->refreshed = COUNTER_CACHE_REFRESH_FAILED;
	list_init(&v->waiters);
	list_init(&v->seat);
	v->key = from->key;
	if (copy_text(&v->key, &r->x.arena) != 0 ||
	    arena_on_end(&r->x.arena, cache_end_visit, v) != 0)
		return ERR_MEMORY;
	v->old = from->old;
	ref_take(&v->old->item.ref);
	return 0;
}

static struct refresh *
refresh_new(const struct cache_visit *from)
{
	struct refresh *r = mem_zalloc(1, sizeof(*r));
	uint64_t now = loop_now(&from->env->loop);

	if (!r)
		return NULL;
	r->visit.env = from->env;
	r->x = (struct exchange){
		.ops = &no_client,
		.app = from->x->app,
		.store = from->x->store,
		.scheme = from->x->scheme,
		.vouched = from->x->vouched,
		.host = from->x->host,
		.lease = from->x->lease,
		.route = from->x->route,
		.begun_ns = now,
		.body_done_ns = now,
		.id = from->x->id,
		.max_body = from->x->max_body,
		.is_body_complete = true,
		.is_background = true,
	};
	arena_init(&r->x.arena, r->x.store, ARENA_BYTES);
	if (copy_exchange(r, from->x) == 0 && copy_asked(r, from->asked) == 0 &&
	    make_visit(r, from) == 0)
		return r;
	free_refresh(r);
	return NULL;
}

/* --- its beginning --------------------------------------------------------------------------- */

static void
begin(struct deferred *d)
{
	struct refresh *r = CONTAINER_OF(d, struct refresh, later);

	r->x.asked = &r->asked;
	guard_go_on(&r->asked);
}

/* False: there is no room for it. */
static bool
start(struct cache_visit *v)
{
	struct env *env = v->env;
	struct refresh *r = background_has_room(env) ? refresh_new(v) : NULL;
	uint64_t until;

	if (!r)
		return false;
	timer_init(&r->timer, on_time);
	until = exchange_deadline(&r->x, r->asked.plan->conf.deadline);
	if (loop_set_timer(&env->loop, &r->timer, until) != 0) {
		free_refresh(r);
		return false;
	}
	r->background.stop = stop;
	background_add(env, &r->background);
	lease_take(r->x.lease);
	cache_fill(&r->visit);
	r->later.run = begin;
	loop_soon(&env->loop, &r->later);
	return true;
}

/* --- who asks ----------------------------------------------------------------------------------
 */

bool
cache_refresh(struct cache_visit *v)
{
	const struct env *env = v->env;
	bool is_short = bytes_level(&env->bytes) >= BYTES_SHORT && !env->bytes.is_shadow;

	/* What comes for this one would be for him alone. */
	if (!cache_may_store_again(v))
		return false;
	if (!is_short && start(v))
		return true;
	count_add(env->counters, COUNTER_CACHE_REFRESH_REFUSED, 1);
	return is_short;
}
