/*
 * A bench for sources; see rig.h.
 */
#include "rig.h"

#include "base/clock.h"
#include "base/mem.h"

#include <check.h>
#include <sched.h>

/* --- a site ---------------------------------------------------------------------- */

static struct pool *
find_pool(void *argument, struct slice name)
{
	struct rig *r = argument;

	for (unsigned i = 0; i < r->pool_count; i++) {
		if (slice_eq(slice_of(pool_name(r->pools[i])), name))
			return r->pools[i];
	}
	return NULL;
}

static struct pool *
find_same(const struct rig *prior, const struct pool_options *o)
{
	for (unsigned i = 0; prior && i < prior->pool_count; i++) {
		if (pool_is_same(prior->pools[i], o))
			return prior->pools[i];
	}
	return NULL;
}

static struct pool *
make_pool(void *argument, const struct pool_options *o)
{
	struct rig *r = argument;
	struct pool *p = find_same(r->prior, o);
	int err;

	ck_assert_uint_lt(r->pool_count, RIG_POOLS);
	if (p) {
		pool_options_free_argument(o);
		pool_ref(p);
	} else {
		p = pool_new(o, &err);
	}
	if (p)
		r->pools[r->pool_count++] = p;
	return p;
}

struct pool *
rig_add_pool(struct rig *r, const char *name, unsigned threads, unsigned max_queue)
{
	struct pool_options o = { .name = name,
				  .limits.threads = threads,
				  .limits.max_queue = max_queue };

	return make_pool(r, &o);
}

void
rig_open(struct rig *r, const char *conf)
{
	*r = (struct rig){ .pool_count = 0 };
	store_init(&r->env.store);
	store_init(&r->site_store);
	arena_init(&r->site, &r->site_store, 16 << 20);
	random_init(&r->env.random, 1);
	ck_assert_int_eq(loop_init(&r->env.loop, &r->env), 0);
	conf_errors_init(&r->errors);
	r->conf = conf_read(slice_of(conf), "test.conf", &r->errors);
	ck_assert_ptr_nonnull(r->conf);
	ck_assert_msg(r->errors.errors == 0, "%s", rig_errors(r));
	r->build = (struct source_build){
		.arena = &r->site,
		.errors = &r->errors,
		.find_pool = find_pool,
		.make_pool = make_pool,
		.argument = r,
	};
	for (struct conf_section *s = conf_next(r->conf, "pool", NULL); s;
	     s = conf_next(r->conf, "pool", s))
		rig_add_pool(r, s->name.at, 2, 8);
}

void
rig_close(struct rig *r)
{
	for (unsigned i = 0; i < r->pool_count; i++)
		pool_unref(&r->pools[i]);
	loop_turn(&r->env.loop, false);
	loop_fini(&r->env.loop);
	conf_free(&r->conf);
	conf_errors_fini(&r->errors);
	arena_fini(&r->site);
	ck_assert_uint_eq(r->env.store.out, 0);
	ck_assert_uint_eq(r->site_store.out, 0);
	store_fini(&r->env.store);
	store_fini(&r->site_store);
}

const char *
rig_errors(struct rig *r)
{
	struct writer w = writer_over(r->text, sizeof(r->text) - 1);

	conf_errors_write(&r->errors, &w);
	/* Without the last newline. */
	r->text[w.len > 0 ? w.len - 1 : 0] = '\0';
	return r->text;
}

static void *
site_alloc(struct rig *r, size_t bytes)
{
	void *at = arena_zalloc(&r->site, 1, bytes ? bytes : 1);

	ck_assert_ptr_nonnull(at);
	return at;
}

struct source *
rig_load_source(struct rig *r, const struct source_ops *ops, const char *name)
{
	struct source *s = site_alloc(r, sizeof(*s));
	unsigned before = r->errors.errors;

	s->ops = ops;
	s->name = slice_of(name);
	s->conf = site_alloc(r, ops->section_size);
	if (ops->section) {
		struct conf_table table = { ops->section_keys, s->conf };
		s->section = conf_find(r->conf, slice_of(ops->section), s->name);
		ck_assert_ptr_nonnull(s->section);
		if (conf_fill(s->section, &table, 1, &r->errors) != 0)
			return NULL;
	}
	if (ops->load && ops->load(s, &r->build) != 0) {
		ck_assert_uint_gt(r->errors.errors, before);
		return NULL;
	}
	return s;
}

/* What plan_read knows of every part. */
static const struct conf_key plan_keys[] = {
	{ .name = "source", .type = CONF_KNOWN },
	CONF_KEYS_END,
};

static int
fill_part(struct rig *r, struct part *p)
{
	const struct source_ops *ops = p->source->ops;
	struct conf_table tables[3] = { { plan_keys, NULL }, { ops->part_keys, p->conf } };
	unsigned count = 2;

	if (ops->choose) {
		size_t size = 0;
		tables[2].keys = ops->choose(p, &r->build, &size);
		if (!tables[2].keys)
			return ERR_SYNTAX;
		p->choice_conf = tables[2].into = site_alloc(r, size);
		count = 3;
	}
	return conf_fill(p->section, tables, count, &r->errors);
}

struct part *
rig_load_part(struct rig *r, struct source *s, const char *name, const struct slice *path_params,
	      unsigned path_param_count)
{
	struct part *p = site_alloc(r, sizeof(*p));
	unsigned before = r->errors.errors;

	p->name = slice_of(name);
	p->source = s;
	p->section = conf_find(r->conf, SLICE("subrequest"), p->name);
	ck_assert_ptr_nonnull(p->section);
	p->argument = conf_entry(p->section, "source")->value;
	slice_cut(&p->argument, ' ');
	p->conf = site_alloc(r, s->ops->part_size);
	p->max_result = RIG_BODY_BYTES;
	p->path_params = path_params;
	p->path_param_count = path_param_count;
	if (fill_part(r, p) != 0 || s->ops->load_part(p, &r->build) != 0) {
		ck_assert_uint_gt(r->errors.errors, before);
		return NULL;
	}
	return p;
}

/* --- subrequests ----------------------------------------------------------------- */

static struct rig_ask *
rig_ask_of(struct subrequest *q)
{
	return CONTAINER_OF(q, struct rig_ask, q);
}

static void
on_head(struct subrequest *q)
{
	struct rig_ask *a = rig_ask_of(q);

	a->heads++;
	a->status = q->response.status;
	if (q->response.fields.count > 0)
		a->type = q->response.fields.at[0].value;
	ck_assert(q->response.framing == BODY_LENGTH || q->response.framing == BODY_CHUNKED);
	if (a->on_head)
		a->on_head(a);
}

static int
on_body(struct subrequest *q, struct chunks *list)
{
	struct rig_ask *a = rig_ask_of(q);

	if (a->on_body) {
		a->on_body(a, list);
		return 0;
	}
	ck_assert_uint_le(list->bytes, sizeof(a->body) - a->body_len);
	a->body_len += chunks_copy_out(list, a->body + a->body_len, sizeof(a->body) - a->body_len);
	chunks_clear(list);
	return 0;
}

static void
on_done(struct subrequest *q, int err)
{
	struct rig_ask *a = rig_ask_of(q);

	a->dones++;
	a->err = err;
	if (err == 0 && q->response.framing == BODY_LENGTH)
		ck_assert_uint_eq(q->response.content_length, a->body_len);
}

static void
on_want_body(struct subrequest *q)
{
	(void)q;
	ck_abort_msg("no request body is to be asked for");
}

static const struct subrequest_ops up = {
	.head = on_head,
	.body = on_body,
	.done = on_done,
	.want_body = on_want_body,
};

void
rig_ask_open(struct rig *r, struct rig_ask *a, const struct part *p)
{
	memset(a, 0, sizeof(*a));
	arena_init(&a->arena, &r->env.store, 1 << 20);
	a->q.part = p;
	a->q.up = &up;
	a->q.env = &r->env;
	r->lease.env = &r->env;
	a->q.lease = &r->lease;
	a->q.arena = &a->arena;
	a->q.value = a->value;
	a->q.deadline_ns = CLOCK_NEVER;
	for (unsigned i = 0; i < p->values; i++)
		a->value[i] = p->value[i].text;
}

void
rig_ask_close(struct rig_ask *a)
{
	subrequest_cancel(&a->q);
	arena_fini(&a->arena);
}

int
rig_ask_start(struct rig_ask *a)
{
	const struct source_ops *ops = a->q.part->source->ops;
	struct subrequest *q = &a->q;
	int err = ops->reserve(&q, 1);

	if (err)
		return err;
	q->state_now = SUBREQUEST_STARTED;
	ops->start(q);
	ck_assert_uint_eq(a->heads + a->dones, 0);
	return 0;
}

void
rig_ask_await(struct rig *r, struct rig_ask *a)
{
	while (a->dones == 0)
		loop_turn(&r->env.loop, true);
	ck_assert_uint_eq(a->dones, 1);
}

int
rig_ask_run(struct rig *r, struct rig_ask *a)
{
	ck_assert_int_eq(rig_ask_start(a), 0);
	rig_ask_await(r, a);
	return a->err;
}

void
rig_settle(struct rig *r, struct pool *p)
{
	struct pool_sample s;

	do {
		loop_turn(&r->env.loop, false);
		sched_yield();
		pool_sample(p, &s);
	} while (s.queued + s.running > 0);
	loop_turn(&r->env.loop, false);
}
