/*
 * What `forebayctl advise` counts while it watches, from made-up /metrics.
 */
#include "ctl/control_watch.h"

#include "base/clock.h"

#include <check.h>
#include <string.h>

Suite *suite_ctl_control_watch(void);

#define LINE(family, labels, value) family "{pool=\"compute\"" labels "} " value "\n"
#define SHED(kind, count)                                                                          \
	"forebay_shed_total{route=\"\",limit=\"pool.compute." kind "\",mode=\"enforce\"} " count   \
	"\n"
#define DROPPED(reason, count) LINE("forebay_jobs_dropped_total", ",reason=\"" reason "\"", count)

/* As a pool under load tells it: of 100 that left the queue 10 were not run, and are told of twice
 * or three times. */
static const char loaded[] =
    LINE("forebay_pool_threads", "", "2") LINE("forebay_pool_queued", "", "2")
	LINE("forebay_pool_wait_seconds_bucket", ",le=\"0.01\"", "60")
	    LINE("forebay_pool_wait_seconds_bucket", ",le=\"+Inf\"", "100")
		LINE("forebay_pool_wait_seconds_sum", "", "1.5") SHED("queue", "10")
		    SHED("wait", "5") SHED("standing", "4") SHED("share", "3") SHED("deadline", "7")
			SHED("priority", "6") DROPPED("expired", "3") DROPPED("abandoned", "8")
			    DROPPED("hopeless", "7")
				DROPPED("evicted", "6") "forebay_cpu_budget 1.500\n";

static struct control_watch watch;

START_TEST(each_job_is_counted_once)
{
	struct pool_reading *p;

	ck_assert_int_eq(pool_readings_parse(&watch.first, slice_of(loaded)), 0);
	p = pool_readings_find(&watch.first, SLICE("compute"));
	ck_assert(p);
	/* 100 that left the queue, 2 in it, 22 that were refused, 6 evicted, 8 abandoned. */
	ck_assert_double_eq(pool_reading_arrived(p), 138);
	ck_assert_double_eq(pool_reading_lost(p), 22 + 6 + 3 + 7);
	ck_assert_double_eq(watch.first.cpu_budget, 1.5);
}
END_TEST

static void
set(struct pool_readings *r, unsigned at, const char *name, double jobs)
{
	memset(&r->pool[at], 0, sizeof(r->pool[at]));
	strncpy(r->pool[at].name, name, POOL_READING_NAME - 1);
	r->pool[at].wait.total = jobs;
}

/* One after a quarter of a second each, with so many jobs in "b". */
static void
tick(unsigned at, double jobs)
{
	set(&watch.last, at, "b", jobs);
	watch.ended_ns += CONTROL_WATCH_TICK_MS * CLOCK_MS;
	control_watch_tick(&watch);
}

START_TEST(a_pool_keeps_its_count_when_others_go)
{
	const struct control_tally *b;

	memset(&watch, 0, sizeof(watch));
	set(&watch.first, 0, "a", 1000);
	set(&watch.first, 1, "b", 10);
	watch.first.count = 2;
	control_watch_begin(&watch);
	tick(1, 15);
	/* A reload takes the first away, and brings another. */
	watch.last.count = 2;
	set(&watch.last, 1, "c", 7000);
	tick(0, 20);
	tick(0, 25);
	b = control_watch_find(&watch, SLICE("b"));
	ck_assert(b);
	ck_assert_double_eq(b->arrived, 15);
	ck_assert_double_eq(b->counts.count, 15);
	ck_assert_uint_eq(b->counts.intervals, 3);
	ck_assert_double_eq(moments_dispersion(&b->counts), 0);
	b = control_watch_find(&watch, SLICE("c"));
	ck_assert(b && b->arrived == 0);
	ck_assert(!control_watch_find(&watch, SLICE("d")));
}
END_TEST

START_TEST(a_tick_that_comes_too_soon_is_added_to_the_next)
{
	const struct control_tally *b;

	memset(&watch, 0, sizeof(watch));
	set(&watch.first, 0, "b", 10);
	watch.first.count = 1;
	control_watch_begin(&watch);
	set(&watch.last, 0, "b", 14);
	watch.ended_ns += CONTROL_WATCH_TICK_MS * CLOCK_MS / 4;
	control_watch_tick(&watch);
	b = control_watch_find(&watch, SLICE("b"));
	ck_assert(b && b->counts.intervals == 0 && b->arrived == 4);
	tick(0, 15);
	ck_assert(b->counts.intervals == 1 && b->counts.count == 5 && b->arrived == 5);
}
END_TEST

Suite *
suite_ctl_control_watch(void)
{
	Suite *s = suite_create("ctl_control_watch");
	TCase *t = tcase_create("watch");

	tcase_add_test(t, each_job_is_counted_once);
	tcase_add_test(t, a_pool_keeps_its_count_when_others_go);
	tcase_add_test(t, a_tick_that_comes_too_soon_is_added_to_the_next);
	suite_add_tcase(s, t);
	return s;
}
