/*
 * The kind of guard that answers from a cache, and puts what passes into it. It refuses nobody
 * but those who want what is kept or nothing; it is here because it stands between the router and
 * the plan: behind all who ask whether a client may, and behind compression, so that what is kept
 * is what the plan says and each client gets it in the coding that it takes.
 *
 *   [cache pages]
 *   size = 256m
 *   [route page]
 *   cache = pages
 */
#include "guard/cache.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cache/control.h"
#include "guard/cache_priv.h"
#include "http/forwarded.h"
#include "http/uri.h"
#include "plan/plan.h"
#include "plan/scope.h"
#include "plan/template.h"

enum {
	KEY_BYTES = 8192,
	SHARDED_ENTRIES = 4,
	TARGET_SIGNS = 8, /* what stands between the pieces of a URI */
	MORE_BYTES = 2048,
	NUMBER_BYTES = 24,
};

/* What plain keys begin with. */
#define PLAIN SLICE("GET ")

struct route_conf {
	struct slice cache, key;
};

static const struct conf_key route_keys[] = {
	{ "cache", CONF_TEXT, CONF_FIELD(struct route_conf, cache),
	  .help = "name of a section [cache NAME]: answers are kept there, and requests answered "
		  "from there, as RFC 9111 allows it to a cache that many share" },
	{ "cache_key", CONF_TEMPLATE, CONF_FIELD(struct route_conf, key),
	  .help = "by what answers are told apart, such as "
		  "{request.scheme}{request.host}{request.path}; else "
		  "GET and the URI, with what a trusted proxy says of its host" },
	CONF_KEYS_END
};

/* --- sections ----------------------------------------------------------------------------- */

/* Of a site; in its arena. */
struct state {
	struct cache *all;
};

static struct cache *
find_cache(const struct state *state, struct slice name)
{
	struct cache *c = state ? state->all : NULL;

	while (c && !slice_eq(c->name, name))
		c = c->next;
	return c;
}

static int
open_section(struct cache *c, struct conf_section *section, const struct state *prior,
	     struct guard_build *b)
{
	const struct conf_table table = { cache_keys, &c->conf };
	const struct cache *before = find_cache(prior, section->name);
	int err = conf_fill(section, &table, 1, b->errors);

	c->name = section->name;
	if (err)
		return err == ERR_MEMORY ? err : 0;
	if (c->conf.max_entry > c->conf.size / SHARDED_ENTRIES) {
		conf_error_at(b->errors, section, "max_entry",
			      "is more than a quarter of size (%s)",
			      conf_place(section, "size").text);
		return 0;
	}
	if (before && before->vault && before->conf.size == c->conf.size &&
	    before->conf.max_entry == c->conf.max_entry)
		c->vault = vault_ref(before->vault);
	else
		c->vault = vault_new((size_t)c->conf.size, (size_t)c->conf.max_entry);
	return c->vault ? 0 : ERR_MEMORY;
}

static int
open_cache(void **pointer, const void *prior, struct guard_build *b)
{
	struct state *state = arena_zalloc(b->arena, 1, sizeof(*state));
	struct conf_section *section = NULL;
	int err = 0;

	*pointer = state;
	if (!state)
		return ERR_MEMORY;
	while (!err && (section = conf_next(b->conf, "cache", section)) != NULL) {
		struct cache *c = arena_zalloc(b->arena, 1, sizeof(*c));

		if (!c)
			return ERR_MEMORY;
		c->next = state->all;
		state->all = c;
		err = open_section(c, section, prior, b);
	}
	return err;
}

static void
close_cache(void **pointer)
{
	struct state *state = *pointer;

	for (struct cache *c = state ? state->all : NULL; c; c = c->next)
		vault_unref(&c->vault);
	*pointer = NULL;
}

const struct cache *
guard_caches(void *const *guards)
{
	for (unsigned i = 0; guards && guard_kinds[i]; i++) {
		if (guard_kinds[i] == &guard_cache)
			return guards[i] ? ((const struct state *)guards[i])->all : NULL;
	}
	return NULL;
}

const struct cache *
guard_find_cache(void *const *guards, struct slice name)
{
	const struct cache *c = guard_caches(guards);

	while (c && !slice_eq(c->name, name))
		c = c->next;
	return c;
}

/* --- routes --------------------------------------------------------------------------------- */

/* What is in the key need not be kept apart by other means. */
static bool
knows_user(const struct template *t)
{
	for (unsigned i = 0; i < template_variable_count(t); i++) {
		struct slice name = template_variable_name(t, i);

		if (slice_eq(name, SLICE("request.user")) ||
		    slice_eq(name, SLICE("client.subject")) ||
		    slice_eq_nocase(name, SLICE("header.authorization")))
			return true;
	}
	return false;
}

static void
compile_key(struct cache_guard *g, struct slice text, struct conf_section *route,
	    struct guard_build *b)
{
	const struct template_names names = {
		.params = b->param,
		.param_count = b->params,
		.rest = b->rest < 0 ? TEMPLATE_NO_REST : b->rest,
		.lacks_user = !conf_is_set(route, "auth"),
	};
	struct template_error why;

	g->key = template_compile(b->arena, text, VALUE_RAW, &names, &why);
	if (!g->key)
		conf_error_at(b->errors, route, "cache_key", "%s", why.text);
	else if (template_needs(g->key).has_body)
		conf_error_at(b->errors, route, "cache_key",
			      "the request's body is not there yet when this is asked");
	else
		g->knows_user = knows_user(g->key);
	g->is_like_plain = slice_has_prefix(text, PLAIN);
}

static const struct guard *
load_cache(void *state, const void *conf, struct conf_section *route, struct guard_build *b)
{
	const struct route_conf *rc = conf;
	struct cache_guard *g;

	if (rc->cache.len == 0) {
		if (rc->key.len > 0)
			conf_error_at(b->errors, route, "cache_key", "is for routes with cache");
		return NULL;
	}
	g = arena_zalloc(b->arena, 1, sizeof(*g));
	if (!g)
		return NULL;
	g->guard.kind = &guard_cache;
	g->cache = find_cache(state, rc->cache);
	if (!g->cache)
		conf_error_no_section(b->errors, route, "cache", "cache", rc->cache);
	if (rc->key.len > 0)
		compile_key(g, rc->key, route, b);
	return &g->guard;
}

static int
attach_cache(const void *state, struct lease *l, void **attached)
{
	(void)l;
	if (!state || !((const struct state *)state)->all)
		return 0;
	*attached = mem_zalloc(1, sizeof(struct cache_desk));
	return *attached ? 0 : ERR_MEMORY;
}

static void
detach_cache(const void *state, struct lease *l, void **attached)
{
	struct cache_desk *desk = *attached;

	(void)state;
	(void)l;
	*attached = NULL;
	mem_free(&desk);
}

/* --- keys of requests --------------------------------------------------------------------------
 */

/* The whole target URI (RFC 9111 2), host and port as upstreams are told of them. */
static void
put_target(const struct exchange *x, struct writer *w)
{
	const struct request *q = &x->request;

	writer_put(w, PLAIN);
	writer_put(w, x->scheme);
	writer_text(w, "://");
	for (size_t i = 0; i < q->authority.len; i++)
		writer_char(w, ascii_lower(q->authority.at[i]));
	writer_put(w, q->raw_path);
	if (q->has_query)
		writer_char(w, '?');
	writer_put(w, q->query);
}

static size_t
max_target(const struct exchange *x)
{
	const struct request *q = &x->request;

	return x->scheme.len + q->authority.len + q->raw_path.len + q->query.len + TARGET_SIGNS;
}

/* What a trusted proxy says of the target beside its URI is in the key behind the tag of a marker,
 * whose own key a purge can name without knowing what was said. */
static int
add_more(struct cache_visit *v, struct slice more)
{
	size_t cap = v->key.len + NUMBER_BYTES + more.len + 2;
	char *memory = arena_alloc(&v->x->arena, cap);
	struct writer w = writer_over(memory, memory ? cap : 0);
	unsigned evicted;
	uint64_t tag;
	int err;

	writer_put(&w, v->key);
	writer_char(&w, CACHE_KEY_MORE);
	err = memory ? cache_tag(v->guard->cache, writer_slice(&w), random_next(&v->env->random),
				 &tag, &evicted)
		     : ERR_MEMORY;
	if (err)
		return err;
	count_add(v->env->counters, COUNTER_CACHE_EVICTED, evicted);
	writer_hex(&w, tag);
	writer_char(&w, ' ');
	writer_put(&w, more);
	v->key = writer_slice(&w);
	return w.is_full ? ERR_TOO_LARGE : 0;
}

static int
make_plain_key(struct cache_visit *v)
{
	char memory[MORE_BYTES], *target = arena_alloc(&v->x->arena, max_target(v->x));
	struct writer w = writer_over(target, target ? max_target(v->x) : 0);
	struct writer more = writer_over(memory, sizeof(memory));

	put_target(v->x, &w);
	forwarded_write_more(v->x, &more);
	v->key = writer_slice(&w);
	if (!target || w.is_full)
		return ERR_MEMORY;
	if (more.is_full)
		return ERR_TOO_LARGE;
	return more.len > 0 ? add_more(v, writer_slice(&more)) : 0;
}

/* Also of HEAD, and of what changes the resource, it is the key of GET. Values of a client's must
 * not spell what another route has kept under a plain key. */
static int
make_key(struct cache_visit *v, const struct guard_asked *a)
{
	struct request as_get = v->x->request;
	struct template_scope scope = { 0 };
	unsigned variable;
	int err;

	if (!v->guard->key)
		return make_plain_key(v);
	as_get.method = METHOD_GET;
	as_get.method_name = SLICE("GET");
	scope_fill(&scope, v->x, a->param, a->rest);
	scope.request = &as_get;
	err = template_eval(v->guard->key, &scope, &v->x->arena, KEY_BYTES, &v->key, &variable);
	if (!err && !v->guard->is_like_plain && slice_has_prefix(v->key, PLAIN))
		return ERR_SYNTAX;
	return err;
}

/* --- requests ----------------------------------------------------------------------------------
 */

enum action { ACTION_ANSWER, ACTION_REFUSE, ACTION_WAIT, ACTION_PASS };

void
cache_end_visit(void *argument)
{
	struct cache_visit *v = argument;

	cache_end_fill(v, false);
	cache_entry_unref(&v->old);
	cache_entry_unref(&v->used);
	cache_drop(&v->place);
	buffer_fini(&v->body);
}

static bool
wants_kept_only(const struct cache_visit *v)
{
	struct cache_control c;

	cache_control_read(&v->x->request.fields, &c);
	return c.only_if_cached;
}

/* RFC 5861 3. */
static bool
may_be_stale(const struct cache_entry *e, uint64_t now)
{
	return !e->freshness.is_always_asked &&
	       cache_entry_ttl(e, now) + e->freshness.stale_while_revalidate_s > 0;
}

static bool
takes_stale(const struct cache_visit *v)
{
	struct cache_control c;

	cache_control_read(&v->x->request.fields, &c);
	return v->x->request.method == METHOD_GET && !c.no_store;
}

static enum action
decide(struct cache_visit *v)
{
	const struct cache *c = v->guard->cache;
	uint64_t now = loop_now(&v->env->loop);
	struct cache_visit *other = cache_find_fill(v);

	cache_entry_unref(&v->old);
	v->old = cache_find(c, v->key, &v->x->request, &v->x->arena);
	v->why = v->old ? "stale" : "miss";
	if (v->old && cache_entry_is_fresh(v->old, now))
		return ACTION_ANSWER;
	if (v->old && may_be_stale(v->old, now) && takes_stale(v) &&
	    (other || cache_is_refreshing(v) || cache_refresh(v)))
		return ACTION_ANSWER;
	if (wants_kept_only(v))
		return ACTION_REFUSE;
	if (other && !v->goes_alone && c->conf.wait > 0 && v->x->request.method == METHOD_GET)
		return ACTION_WAIT;
	return ACTION_PASS;
}

/* --- waiting for another ---- */

static void
leave_seat(struct cache_visit *v)
{
	struct loop *loop = &v->env->loop;

	list_remove(&v->seat);
	loop_forget(loop, &v->later);
	if (timer_is_set(&v->timer))
		loop_clear_timer(loop, &v->timer);
}

/* Until the other is done, or overdue, or v has waited enough. */
static int
take_seat(struct cache_visit *v)
{
	struct cache_visit *other = cache_find_fill(v);
	uint64_t overdue = clock_after(other->since_ns, v->guard->cache->conf.wait);

	list_append(&other->waiters, &v->seat);
	return loop_set_timer(&v->env->loop, &v->timer,
			      overdue < v->until_ns ? overdue : v->until_ns);
}

/* It is looked at again. */
static void
go_on(struct cache_visit *v)
{
	enum action action = decide(v);

	leave_seat(v);
	if (action == ACTION_WAIT) {
		if (take_seat(v) == 0)
			return;
		list_remove(&v->seat);
		action = ACTION_PASS;
	}
	if (action == ACTION_PASS) {
		cache_fill(v);
		guard_go_on(v->asked);
		return;
	}
	guard_leave(v->asked);
	if (action == ACTION_ANSWER) {
		count_add(v->env->counters, COUNTER_CACHE_COLLAPSED, 1);
		cache_answer(v);
	} else {
		exchange_refuse(v->x, 504);
	}
}

static void
on_later(struct deferred *d)
{
	go_on(CONTAINER_OF(d, struct cache_visit, later));
}

static void
on_time(struct timer *t)
{
	struct cache_visit *v = CONTAINER_OF(t, struct cache_visit, timer);

	v->goes_alone = loop_now(&v->env->loop) >= v->until_ns;
	go_on(v);
}

/* At its deadline the plan tells the client. */
static int
wait_for_other(struct cache_visit *v, struct guard_asked *a)
{
	uint64_t enough = clock_after(loop_now(&v->env->loop), v->guard->cache->conf.wait);
	uint64_t deadline = exchange_deadline(v->x, a->plan->conf.deadline);

	timer_init(&v->timer, on_time);
	v->later.run = on_later;
	v->until_ns = enough < deadline ? enough : deadline;
	a->waiting = v;
	if (take_seat(v) == 0)
		return 0;
	list_remove(&v->seat);
	return ERR_MEMORY;
}

static void
cancel(const struct guard *g, struct guard_asked *a)
{
	(void)g;
	leave_seat(a->waiting);
}

static struct cache_visit *
make_visit(const struct guard *g, struct guard_asked *a)
{
	struct exchange *x = a->x;
	struct cache_visit *v = arena_zalloc(&x->arena, 1, sizeof(*v));

	if (!v)
		return NULL;
	v->x = x;
	v->asked = a;
	v->env = a->lease->env;
	v->guard = (const struct cache_guard *)g;
	v->desk = guard_attached(g, a);
	list_init(&v->waiters);
	list_init(&v->seat);
	/* Without what the key is made of it is nobody's but its own. */
	if (make_key(v, a) != 0 || arena_on_end(&x->arena, cache_end_visit, v) != 0)
		return NULL;
	return v;
}

/* A body may change what is answered, and an upgrade is no answer at all. */
static bool
is_about_us(const struct request *q)
{
	return q->framing == BODY_NONE && !fields_find(&q->fields, FIELD_UPGRADE);
}

static enum guard_verdict
ask(struct cache_visit *v, struct guard_asked *a)
{
	enum action action = decide(v);

	if (action == ACTION_WAIT && wait_for_other(v, a) == 0)
		return GUARD_WAITS;
	if (action == ACTION_ANSWER) {
		cache_answer(v);
		return GUARD_ENDED;
	}
	if (action == ACTION_REFUSE) {
		exchange_refuse(v->x, 504);
		return GUARD_ENDED;
	}
	cache_fill(v);
	return GUARD_PASS;
}

static enum guard_verdict
check(const struct guard *g, struct guard_asked *a)
{
	const struct request *q = &a->x->request;
	bool is_read = q->method == METHOD_GET || q->method == METHOD_HEAD;
	bool is_safe = (method_flags(q->method) & METHOD_SAFE) != 0;
	/* Who would go on in another protocol is not answered by what another was told. */
	bool is_plain = is_about_us(q) && !fields_find(&q->fields, FIELD_UPGRADE);
	struct cache_visit *v;

	if ((is_read && !is_plain) || (!is_read && is_safe))
		return GUARD_PASS;
	v = make_visit(g, a);
	if (!v)
		return GUARD_PASS;
	if (is_read)
		return ask(v, a);
	v->is_unsafe = true;
	cache_fill(v);
	return GUARD_PASS;
}

const struct guard_kind guard_cache = {
	.name = "cache",
	.section = "cache",
	.section_keys = cache_keys,
	.keys = route_keys,
	.conf_size = sizeof(struct route_conf),
	.open = open_cache,
	.load = load_cache,
	.close = close_cache,
	.attach = attach_cache,
	.detach = detach_cache,
	.check = check,
	.cancel = cancel,
};
