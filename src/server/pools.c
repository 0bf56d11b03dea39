/*
 * The pools of a site; see pools.h.
 */
#include "server/pools.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

static struct pools_entry *
add_entry(struct pools *p)
{
	unsigned cap = p->cap ? p->cap * 2 : 8;
	struct pools_entry *grown;

	if (p->count == p->cap) {
		grown = mem_grow(p->at, cap * sizeof(*grown));
		if (!grown)
			return NULL;
		p->at = grown;
		p->cap = cap;
	}
	return &p->at[p->count++];
}

static struct pool *
find_same(const struct pools *prior, const struct pool_options *o)
{
	for (unsigned i = 0; prior && i < prior->count; i++) {
		if (pool_is_same(prior->at[i].pool, o))
			return prior->at[i].pool;
	}
	return NULL;
}

struct pool *
pools_make(struct pools *p, const struct pools *prior, const struct pool_options *o)
{
	struct pool *same = find_same(prior, o), *pool;
	struct pools_entry *entry;
	int err = 0;

	if (same)
		pool_options_free_argument(o);
	pool = same ? pool_ref(same) : pool_new(o, &err);
	entry = pool ? add_entry(p) : NULL;
	if (entry)
		*entry = (struct pools_entry){
			.pool = pool,
			.wanted = o->limits,
			.is_shared = same != NULL,
		};
	else
		pool_unref(&pool);
	return pool;
}

struct pools_entry *
pools_find(const struct pools *p, struct slice name)
{
	for (unsigned i = 0; i < p->count; i++) {
		if (slice_eq(slice_of(pool_name(p->at[i].pool)), name))
			return &p->at[i];
	}
	return NULL;
}

struct budget_claim
pools_claim(const struct pools *p, const struct pools_entry *e, unsigned workers)
{
	struct budget_claim c = { .workers = workers };

	for (unsigned i = 0; i < p->count && e->computes; i++) {
		const struct pools_entry *other = &p->at[i];

		if (other == e)
			c.place = c.pools;
		c.pools += other == e || (other->computes && other->is_auto);
	}
	return c;
}

/* --- limits ------------------------------------------------------------------------------- */

static bool
is_equal(const struct pool_limits *a, const struct pool_limits *b)
{
	return a->threads == b->threads && a->max_queue == b->max_queue &&
	       a->max_wait_ns == b->max_wait_ns && a->is_shadow == b->is_shadow &&
	       a->lost_after_ns == b->lost_after_ns && a->max_lost == b->max_lost &&
	       cpus_eq(&a->cpus, &b->cpus);
}

/* The entry takes the limits that the pool had: to put back. */
static int
exchange_limits(struct pools_entry *e)
{
	struct pool_limits before = pool_limits(e->pool);
	int err = 0;

	if (e->is_shared && !is_equal(&before, &e->wanted))
		err = pool_resize(e->pool, &e->wanted);
	if (!err && e->is_shared)
		e->wanted = before;
	return err;
}

int
pools_resize(struct pools *p, const char *file, struct conf_errors *errors)
{
	unsigned done = 0;
	int err = 0;

	while (done < p->count && !err) {
		err = exchange_limits(&p->at[done]);
		done += !err;
	}
	if (!err)
		return 0;
	conf_error(errors, file, 0, "[pool %s] threads: %u threads cannot be had: %s",
		   pool_name(p->at[done].pool), p->at[done].wanted.threads, err_text(err));
	while (done-- > 0) {
		if (exchange_limits(&p->at[done]) != 0)
			log_error("pool %s keeps its new size", pool_name(p->at[done].pool));
	}
	return err;
}

/* --- life ----------------------------------------------------------------------------------- */

void
pools_stop(struct pools *p)
{
	for (unsigned i = p->count; i-- > 0;)
		pool_stop(p->at[i].pool);
}

void
pools_release(struct pools *p)
{
	while (p->count > 0)
		pool_unref(&p->at[--p->count].pool);
	mem_free(&p->at);
	p->cap = 0;
}
