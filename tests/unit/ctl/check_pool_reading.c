/*
 * Pools read back from Prometheus' text.
 */
#include "ctl/pool_reading.h"

#include <check.h>
#include <math.h>

Suite *suite_ctl_pool_reading(void);

static struct pool_readings first, second;

#define TEXT(runs, sum, refused) TEXT_AND(runs, sum, refused, "0.125")
#define TEXT_AND(runs, sum, refused, squares)                                                      \
	"# HELP forebay_pool_threads Threads of a pool.\n"                                         \
	"forebay_pool_threads{pool=\"compute\"} 2\n"                                               \
	"forebay_pool_threads{pool=\"database.a.b\"} 4\n"                                          \
	"forebay_pool_queued{pool=\"compute\"} 1\n"                                                \
	"forebay_pool_run_seconds_bucket{pool=\"compute\",le=\"0.01\"} 3\n"                        \
	"forebay_pool_run_seconds_bucket{pool=\"compute\",le=\"+Inf\"} " runs "\n"                 \
	"forebay_pool_run_seconds_sum{pool=\"compute\"} " sum "\n"                                 \
	"forebay_pool_run_squares_total{pool=\"compute\"} " squares "\n"                           \
	"forebay_jobs_dropped_total{pool=\"compute\",reason=\"expired\"} 2\n"                      \
	"forebay_jobs_dropped_total{pool=\"compute\",reason=\"abandoned\"} 5\n"                    \
	"forebay_shed_total{route=\"\",limit=\"pool.compute.queue\",mode=\"enforce\"} " refused    \
	"\n"                                                                                       \
	"forebay_shed_total{route=\"\",limit=\"pool.database.a.b.wait\",mode=\"enforce\"} 9\n"     \
	"forebay_shed_total{route=\"\",limit=\"pool.compute.queue\",mode=\"shadow\"} 40\n"         \
	"forebay_shed_total{route=\"x\",limit=\"worker_wait\",mode=\"enforce\"} 70\n"              \
	"forebay_requests_total{route=\"hash\",status=\"200\"} 4\n"

START_TEST(values_go_to_their_pools)
{
	const struct pool_reading *p;

	ck_assert(pool_readings_parse(&first, SLICE(TEXT("10", "0.5", "3"))) == 0);
	ck_assert_uint_eq(first.count, 2);
	p = pool_readings_find(&first, SLICE("compute"));
	ck_assert(p && p->threads == 2 && p->queued == 1 && p->unrun == 2 && p->abandoned == 5);
	ck_assert(p->refused == 3 && p->evicted == 0);
	ck_assert(p->run.buckets == 2 && p->run.total == 10 && p->run.sum_s == 0.5);
	ck_assert(p->run_squares == 0.125);
	ck_assert(p->run.count[0] == 3 && p->run.count[1] == 7);
	ck_assert(p->run.bound[0] == 0.01 && isinf(p->run.bound[1]));
	p = pool_readings_find(&first, SLICE("database.a.b"));
	ck_assert(p && p->threads == 4 && p->refused == 9);
	ck_assert(!pool_readings_find(&first, SLICE("none")));
}
END_TEST

START_TEST(two_readings_are_what_was_between)
{
	ck_assert(pool_readings_parse(&first, SLICE(TEXT("10", "0.5", "3"))) == 0);
	ck_assert(pool_readings_parse(&second, SLICE(TEXT_AND("25", "1.25", "8", "0.625"))) == 0);
	ck_assert(pool_reading_since(&second.pool[0], &first.pool[0]) == 0);
	ck_assert(second.pool[0].run_squares == 0.5);
	ck_assert(second.pool[0].run.total == 15 && second.pool[0].run.sum_s == 0.75);
	ck_assert(second.pool[0].run.count[0] == 0 && second.pool[0].run.count[1] == 15);
	ck_assert(second.pool[0].refused == 5 && second.pool[0].unrun == 0);
	ck_assert(second.pool[0].threads == 2);
}
END_TEST

START_TEST(counters_that_go_back_are_another_server)
{
	ck_assert(pool_readings_parse(&first, SLICE(TEXT("10", "0.5", "3"))) == 0);
	ck_assert(pool_readings_parse(&second, SLICE(TEXT("9", "0.5", "3"))) == 0);
	ck_assert(pool_reading_since(&second.pool[0], &first.pool[0]) == ERR_CONFLICT);
	ck_assert(pool_readings_parse(&second, SLICE(TEXT("10", "0.5", "2"))) == 0);
	ck_assert(pool_reading_since(&second.pool[0], &first.pool[0]) == ERR_CONFLICT);
}
END_TEST

START_TEST(other_text_is_refused)
{
	static const char backwards[] = "forebay_pool_run_seconds_bucket{pool=\"a\",le=\"1\"} 2\n"
					"forebay_pool_run_seconds_bucket{pool=\"a\",le=\"2\"} 1\n";
	static const char *const wrong[] = {
		"forebay_pool_threads{pool=\"compute\"}",
		"forebay_pool_threads{pool=\"compute\"} two\n",
		"forebay_pool_threads{pool=\"compute\"} -1\n",
		"forebay_pool_threads{pool=\"compute\"} nan\n",
		"forebay_pool_threads{pool=\"compute\" 1\n",
		"forebay_pool_threads{pole=\"compute\"} 1\n",
		"forebay_pool_threads{pool} 1\n",
		"forebay_pool_threads{pool=\"\"} 1\n",
		"forebay_pool_run_seconds_bucket{pool=\"a\",le=\"x\"} 1\n",
		backwards,
	};

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(pool_readings_parse(&first, slice_of(wrong[i])) == ERR_SYNTAX, "%s",
			      wrong[i]);
	ck_assert(pool_readings_parse(&first, SLICE("")) == 0);
	ck_assert_uint_eq(first.count, 0);
}
END_TEST

Suite *
suite_ctl_pool_reading(void)
{
	Suite *s = suite_create("ctl_pool_reading");
	TCase *c = tcase_create("pool_reading");

	tcase_add_test(c, values_go_to_their_pools);
	tcase_add_test(c, two_readings_are_what_was_between);
	tcase_add_test(c, counters_that_go_back_are_another_server);
	tcase_add_test(c, other_text_is_refused);
	suite_add_tcase(s, c);
	return s;
}
