/*
 * Prometheus' text back into pools; see pool_reading.h. Families are a table:
 * where a value goes.
 */
#include "ctl/pool_reading.h"

#include "planner/moments.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 40 };

enum shape {
	SHAPE_VALUE,
	SHAPE_BUCKET,
	SHAPE_SUM,
	SHAPE_SHED,
	SHAPE_DROPPED,
};

struct family {
	struct slice name; /* up to its labels */
	enum shape shape;
	size_t at; /* of a double; of the struct pool_times */
};

#define AT(field) offsetof(struct pool_reading, field)

static const struct family families[] = {
	{ SLICE_INIT("forebay_pool_threads{"), SHAPE_VALUE, AT(threads) },
	{ SLICE_INIT("forebay_pool_queued{"), SHAPE_VALUE, AT(queued) },
	{ SLICE_INIT("forebay_pool_running{"), SHAPE_VALUE, AT(running) },
	{ SLICE_INIT("forebay_pool_run_squares_total{"), SHAPE_VALUE, AT(run_squares) },
	{ SLICE_INIT("forebay_jobs_dropped_total{"), SHAPE_DROPPED, 0 },
	{ SLICE_INIT("forebay_shed_total{"), SHAPE_SHED, 0 },
	{ SLICE_INIT("forebay_pool_wait_seconds_bucket{"), SHAPE_BUCKET, AT(wait) },
	{ SLICE_INIT("forebay_pool_wait_seconds_sum{"), SHAPE_SUM, AT(wait) },
	{ SLICE_INIT("forebay_pool_run_seconds_bucket{"), SHAPE_BUCKET, AT(run) },
	{ SLICE_INIT("forebay_pool_run_seconds_sum{"), SHAPE_SUM, AT(run) },
};

enum { FAMILIES = sizeof(families) / sizeof(families[0]) };

struct line {
	struct slice labels; /* between the braces */
	double value;
};

/* The value of name="..."; names and limits of pools need no escapes. */
static struct slice
label(struct slice labels, struct slice name)
{
	while (labels.len > 0) {
		struct slice rest = labels;
		struct slice key = slice_cut(&rest, '=');

		if (rest.len < 2 || rest.at[0] != '"')
			break;
		rest = slice_after(rest, 1);
		labels = rest;
		rest = slice_cut(&labels, '"');
		if (slice_eq(key, name))
			return rest;
		if (labels.len > 0 && labels.at[0] == ',')
			labels = slice_after(labels, 1);
	}
	return SLICE("");
}

static bool
read_value(struct slice s, double *value)
{
	char digits[NUMBER_MAX + 1], *end;

	if (s.len == 0 || s.len > NUMBER_MAX)
		return false;
	memcpy(digits, s.at, s.len);
	digits[s.len] = '\0';
	*value = strtod(digits, &end);
	return *end == '\0';
}

struct pool_reading *
pool_readings_find(struct pool_readings *r, struct slice name)
{
	for (unsigned i = 0; i < r->count; i++) {
		if (slice_eq(slice_of(r->pool[i].name), name))
			return &r->pool[i];
	}
	return NULL;
}

static int
find_or_add(struct pool_readings *r, struct slice name, struct pool_reading **p)
{
	*p = pool_readings_find(r, name);
	if (*p)
		return 0;
	if (name.len == 0 || name.len >= POOL_READING_NAME)
		return ERR_SYNTAX;
	if (r->count == POOL_READINGS)
		return ERR_TOO_MANY;
	*p = &r->pool[r->count++];
	memset(*p, 0, sizeof(**p));
	memcpy((*p)->name, name.at, name.len);
	return 0;
}

/* Buckets come in order, each with all that were before it. */
static int
add_bucket(struct pool_times *t, const struct line *l)
{
	double bound;

	if (t->buckets == POOL_READING_BUCKETS ||
	    !read_value(label(l->labels, SLICE("le")), &bound) || l->value < t->total)
		return ERR_SYNTAX;
	t->bound[t->buckets] = bound;
	t->count[t->buckets++] = l->value - t->total;
	t->total = l->value;
	return 0;
}

/* limit="pool.NAME.KIND"; other limits are not of pools, and what only would have been refused
 * (mode="shadow") was not. */
static int
add_shed(struct pool_readings *r, const struct line *l)
{
	struct slice limit = label(l->labels, SLICE("limit"));
	struct pool_reading *p;
	size_t dot;
	int err;

	if (!slice_has_prefix(limit, SLICE("pool.")) ||
	    slice_eq(label(l->labels, SLICE("mode")), SLICE("shadow")))
		return 0;
	limit = slice_after(limit, 5);
	for (dot = limit.len; dot > 0 && limit.at[dot - 1] != '.'; dot--)
		;
	if (dot < 2)
		return 0;
	err = find_or_add(r, slice_make(limit.at, dot - 1), &p);
	if (err)
		return err;
	limit = slice_after(limit, dot);
	/* Those were let in: they are told of again by forebay_jobs_dropped_total. */
	if (!slice_eq(limit, SLICE("deadline")) && !slice_eq(limit, SLICE("priority")))
		p->refused += l->value;
	return 0;
}

static void
add_dropped(struct pool_reading *p, const struct line *l)
{
	struct slice reason = label(l->labels, SLICE("reason"));

	if (slice_eq(reason, SLICE("evicted")))
		p->evicted += l->value;
	else if (slice_eq(reason, SLICE("abandoned")))
		p->abandoned += l->value;
	else
		p->unrun += l->value;
}

static int
take_line(struct pool_readings *r, const struct family *f, const struct line *l)
{
	struct pool_reading *p;
	void *at;
	int err;

	if (f->shape == SHAPE_SHED)
		return add_shed(r, l);
	err = find_or_add(r, label(l->labels, SLICE("pool")), &p);
	if (err)
		return err;
	at = (char *)p + f->at;
	if (f->shape == SHAPE_DROPPED) {
		add_dropped(p, l);
		return 0;
	}
	if (f->shape == SHAPE_BUCKET)
		return add_bucket(at, l);
	if (f->shape == SHAPE_SUM)
		((struct pool_times *)at)->sum_s = l->value;
	else
		*(double *)at += l->value;
	return 0;
}

static const struct slice budget = SLICE_INIT("forebay_cpu_budget ");

int
pool_readings_line(struct pool_readings *r, struct slice text)
{
	if (slice_has_prefix(text, budget))
		return read_value(slice_trim(slice_after(text, budget.len)), &r->cpu_budget)
			   ? 0
			   : ERR_SYNTAX;
	for (unsigned i = 0; i < FAMILIES; i++) {
		struct slice rest = text;
		struct line l;

		if (!slice_has_prefix(text, families[i].name))
			continue;
		rest = slice_after(text, families[i].name.len);
		l.labels = slice_cut(&rest, '}');
		if (!read_value(slice_trim(rest), &l.value) || !(l.value >= 0))
			return ERR_SYNTAX;
		return take_line(r, &families[i], &l);
	}
	return 0;
}

int
pool_readings_parse(struct pool_readings *r, struct slice text)
{
	int err = 0;

	memset(r, 0, sizeof(*r));
	while (text.len > 0 && !err)
		err = pool_readings_line(r, slice_cut(&text, '\n'));
	return err;
}

static bool
times_since(struct pool_times *later, const struct pool_times *before)
{
	if (later->buckets != before->buckets || later->total < before->total)
		return false;
	for (unsigned i = 0; i < later->buckets; i++)
		later->count[i] -= before->count[i];
	later->sum_s -= before->sum_s;
	later->total -= before->total;
	return later->sum_s >= 0;
}

double
pool_reading_arrived(const struct pool_reading *p)
{
	return p->wait.total + p->queued + p->refused + p->evicted + p->abandoned;
}

double
pool_reading_cv(const struct pool_reading *p)
{
	const struct pool_times *run = &p->run;
	double mean = run->total > 0 ? run->sum_s / run->total : 0;

	if (p->run_squares > 0 && mean > 0)
		return sqrt(fmax(p->run_squares / run->total / mean / mean - 1, 0));
	return moments_cv(run->bound, run->count, run->buckets, mean);
}

double
pool_reading_lost(const struct pool_reading *p)
{
	return p->refused + p->evicted + p->unrun;
}

int
pool_reading_since(struct pool_reading *later, const struct pool_reading *before)
{
	later->refused -= before->refused;
	later->evicted -= before->evicted;
	later->abandoned -= before->abandoned;
	later->unrun -= before->unrun;
	later->run_squares -= before->run_squares;
	return times_since(&later->wait, &before->wait) && times_since(&later->run, &before->run) &&
		       later->refused >= 0 && later->evicted >= 0 && later->abandoned >= 0 &&
		       later->unrun >= 0 && later->run_squares >= 0
		   ? 0
		   : ERR_CONFLICT;
}
