/*
 * What is read of a running server, from one that is made up.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "http/status.h"
#include "server/metrics.h"
#include "server/sample.h"
#include "server/server.h"

#include <check.h>

Suite *suite_server_sample(void);

enum { WORKERS = 2, SERIES = 3 };

static struct server *server;
static struct site site;
static struct worker *workers[WORKERS];
static struct ledger *routes[SERIES], *parts[SERIES];
static struct route_series *route[WORKERS][SERIES];
static struct part_series *part[WORKERS][SERIES];

static void
set_up(void)
{
	memset(&site, 0, sizeof(site));
	server = mem_zalloc(1, sizeof(*server));
	ck_assert_ptr_nonnull(server);
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i] = mem_zalloc(1, sizeof(*workers[i]));
		ck_assert_ptr_nonnull(workers[i]);
		server->crew.place[i] = workers[i];
	}
	gauge_set(&server->crew.places, WORKERS);
	for (unsigned i = 0; i < SERIES; i++) {
		routes[i] = ledger_new(sizeof(struct route_series));
		parts[i] = ledger_new(sizeof(struct part_series));
		for (unsigned k = 0; k < WORKERS; k++) {
			route[k][i] = ledger_series(routes[i], k);
			part[k][i] = ledger_series(parts[i], k);
		}
	}
	site.route_ledgers = routes;
	site.part_ledgers = parts;
	server->shown = &site;
}

static void
tear_down(void)
{
	mem_fail_at(0, false);
	for (unsigned i = 0; i < WORKERS; i++)
		mem_free(&workers[i]);
	for (unsigned i = 0; i < SERIES; i++) {
		ledger_unref(&routes[i]);
		ledger_unref(&parts[i]);
	}
	mem_free(&server);
}

START_TEST(counters_of_main_and_of_every_worker_add_up)
{
	struct sample s;

	count_add(&server->counters, COUNTER_ACCEPTED, 1);
	count_add(&workers[0]->counters, COUNTER_ACCEPTED, 10);
	count_add(&workers[1]->counters, COUNTER_ACCEPTED, 100);
	ck_assert_int_eq(sample_take(&s, server), 0);
	ck_assert_uint_eq(sample_counter(&s, COUNTER_ACCEPTED), 111);
	sample_release(&s);
}
END_TEST

START_TEST(routes_and_parts_are_summed_over_the_workers)
{
	struct sample_route of_route;
	struct sample_part of_part;
	struct sample s;

	for (unsigned i = 0; i < WORKERS; i++) {
		count_word(&route[i][1]->by_status[status_index(200)], 2);
		count_word(&route[i][1]->by_status[0], 1);
		histogram_add(&route[i][1]->duration, CLOCK_MS);
		count_word(&part[i][2]->by_outcome[OUTCOME_SHED], 4);
		histogram_add(&part[i][2]->duration, CLOCK_SEC);
	}
	ck_assert_int_eq(sample_take(&s, server), 0);
	sample_route_sum(&s, 1, &of_route);
	ck_assert_uint_eq(of_route.by_status[status_index(200)], 4);
	ck_assert_uint_eq(of_route.requests, 6);
	ck_assert_uint_eq(of_route.duration.sum_ns, 2 * CLOCK_MS);
	sample_route_sum(&s, 2, &of_route);
	ck_assert_uint_eq(of_route.requests, 0);
	sample_part_sum(&s, 2, &of_part);
	ck_assert_uint_eq(of_part.by_outcome[OUTCOME_SHED], 8);
	ck_assert_uint_eq(histogram_sum_count(&of_part.duration), 2);
	sample_release(&s);
}
END_TEST

START_TEST(open_connections_are_never_negative)
{
	struct counters *c = &workers[0]->counters;

	count_add(c, COUNTER_CONN_OPENED, 5);
	count_add(c, COUNTER_CONN_CLOSED, 3);
	ck_assert_uint_eq(sample_connections(c), 2);
	count_add(c, COUNTER_CONN_CLOSED, 3);
	ck_assert_uint_eq(sample_connections(c), 0);
}
END_TEST

START_TEST(saturation_is_that_of_the_fullest_pool)
{
	struct pool_sample pools[] = {
		{ .name = "a", .threads = 2, .max_queue = 6, .running = 2, .queued = 0 },
		{ .name = "b", .threads = 1, .max_queue = 3, .running = 1, .queued = 2 },
		{ .name = "c", .threads = 4, .max_queue = 0 },
	};
	struct sample s = { .server = server, .pools = pools, .pool_count = 3 };

	ck_assert_uint_eq(sample_saturation_milli(&s), 750);
	pools[1].queued = 0;
	ck_assert_uint_eq(sample_saturation_milli(&s), 250);
	/* Between two reads of a pool's numbers a job may count as waiting and as running. */
	pools[2].running = 4;
	pools[2].queued = 1;
	ck_assert_uint_eq(sample_saturation_milli(&s), 1000);
	s.pool_count = 0;
	ck_assert_uint_eq(sample_saturation_milli(&s), 0);
}
END_TEST

START_TEST(without_memory_there_is_no_sample_and_no_text)
{
	struct buffer b;
	struct sample s;

	mem_fail_at(1, false);
	ck_assert_int_eq(sample_take(&s, server), ERR_MEMORY);
	buffer_init(&b, metrics_limit(server));
	mem_fail_at(1, true);
	metrics_write(&b, server);
	ck_assert_int_eq(b.err, ERR_MEMORY);
	mem_fail_at(0, false);
	buffer_fini(&b);
}
END_TEST

/* Every status that the server knows must have a place of its own. */
START_TEST(series_have_room_for_every_status)
{
	ck_assert_int_eq(status_at(SERIES_STATUSES), 0);
}
END_TEST

Suite *
suite_server_sample(void)
{
	Suite *s = suite_create("server/sample");
	TCase *t = tcase_create("sample");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, counters_of_main_and_of_every_worker_add_up);
	tcase_add_test(t, routes_and_parts_are_summed_over_the_workers);
	tcase_add_test(t, open_connections_are_never_negative);
	tcase_add_test(t, saturation_is_that_of_the_fullest_pool);
	tcase_add_test(t, without_memory_there_is_no_sample_and_no_text);
	tcase_add_test(t, series_have_room_for_every_status);
	suite_add_tcase(s, t);
	return s;
}
