/*
 * Workers come and go: real threads, whose main is the test.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "server/server.h"
#include "server/tenancy.h"

#include <check.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *suite_server_crew(void);

static struct server *server;
static struct crew *crew;
static struct site site;
static struct ledger *ledger;

static void
set_up(void)
{
	server = mem_zalloc(1, sizeof(*server));
	site = (struct site){
		.route_ledgers = &ledger,
		.holders = 1, /* the test: it is not freed */
		.grace_ns = 20 * CLOCK_SEC,
		.limits = { .h1 = { .max_head_bytes = 4096, .max_fields = 16, .max_target = 1024 },
			    .header_timeout_ns = 3600 * CLOCK_SEC,
			    .idle_timeout_ns = 3600 * CLOCK_SEC },
	};
	server->site = &site;
	crew = &server->crew;
	ledger = ledger_new(sizeof(struct route_series));
	ck_assert_ptr_nonnull(ledger);
	ck_assert_int_eq(logs_init(&server->logs), 0);
	ck_assert_int_eq(loop_init(&server->loop, server), 0);
	crew_init(crew, server);
	reload_init(&server->reload, server, "");
}

static void
tear_down(void)
{
	crew_close(crew);
	crew_stop(crew);
	mailbox_drain(&server->loop.mailbox, server);
	crew_fini(crew);
	ck_assert_uint_eq(site.holders, 1);
	loop_fini(&server->loop);
	logs_fini(&server->logs);
	mem_free(&server);
	ledger_unref(&ledger);
}

static void
have(unsigned workers)
{
	site.workers = workers;
	ck_assert_int_eq(crew_recruit(crew, &site), 0);
	crew_settle(crew, &site);
	ck_assert_uint_eq(crew->serving_count, workers);
}

static unsigned
count_in(enum worker_state state)
{
	unsigned count = 0;

	for (unsigned i = 0; i < gauge_read(&crew->places); i++)
		count += gauge_read(&crew->place[i]->state) == (uint64_t)state;
	return count;
}

/* Main turns until so many workers leave. */
static void
await_leaving(unsigned count)
{
	while (count_in(WORKER_LEAVING) != count)
		loop_turn(&server->loop, true);
}

/* The other end of a conn of the worker. */
static int
give_conn(struct worker *w)
{
	struct address peer = { .of.any.sa_family = AF_UNIX };
	struct handover *h = handover_new();
	int pair[2];

	ck_assert_ptr_nonnull(h);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
			 0);
	handover_add(h, pair[0], &peer, 0, NULL, NULL);
	handover_send(h, w);
	return pair[1];
}

START_TEST(as_many_serve_as_the_site_wants)
{
	unsigned from = 0, turning = 0;

	have(3);
	ck_assert_uint_eq(count_in(WORKER_SERVING), 3);
	have(1);
	await_leaving(0);
	ck_assert_uint_eq(count_in(WORKER_SERVING), 1);
	while (crew_next(crew, &from))
		turning++;
	ck_assert_uint_eq(turning, 1);
}
END_TEST

START_TEST(places_are_taken_again_with_all_that_was_counted_there)
{
	int fd;

	have(2);
	fd = give_conn(crew->serving[1]);
	close(fd);
	have(1);
	await_leaving(0);
	ck_assert_uint_eq(count_read(&crew->place[1]->counters, COUNTER_CONN_CLOSED), 1);
	have(2);
	ck_assert_uint_eq(gauge_read(&crew->places), 2);
	ck_assert_uint_eq(count_read(&crew->place[1]->counters, COUNTER_CONN_CLOSED), 1);
	ck_assert_uint_eq(crew_place(crew, crew->place[1]), 1);
}
END_TEST

START_TEST(a_place_is_not_taken_while_its_worker_leaves)
{
	int fd;

	have(2);
	fd = give_conn(crew->serving[1]);
	ck_assert_int_eq(write(fd, "GET", 3), 3); /* half a head: it is waited for */
	have(1);
	ck_assert_uint_eq(count_in(WORKER_LEAVING), 1);
	have(2);
	ck_assert_uint_eq(gauge_read(&crew->places), 3);
	ck_assert_ptr_eq(crew->serving[1], crew->place[2]);
	ck_assert_uint_eq(crew_place(crew, crew->place[1]), 2); /* behind them */
	close(fd);
	await_leaving(0);
}
END_TEST

START_TEST(recruits_can_be_dismissed)
{
	have(1);
	site.workers = 4;
	ck_assert_int_eq(crew_recruit(crew, &site), 0);
	ck_assert_uint_eq(crew->recruits, 3);
	ck_assert_uint_eq(crew->serving_count, 1);
	crew_dismiss_recruits(crew);
	ck_assert_uint_eq(crew->recruits, 0);
	mailbox_drain(&server->loop.mailbox, server);
	ck_assert_uint_eq(count_in(WORKER_FREE), 3);
	have(4);
	ck_assert_uint_eq(gauge_read(&crew->places), 4);
}
END_TEST

START_TEST(there_are_no_more_than_all_places)
{
	have(CREW_MAX);
	site.workers = CREW_MAX + 1;
	ck_assert_int_eq(crew_recruit(crew, &site), ERR_FULL);
	ck_assert_uint_eq(crew->recruits, 0);
}
END_TEST

/* True: all could be had. */
static bool
try_for_three(void)
{
	bool is_had = crew_recruit(crew, &site) == 0;

	ck_assert_uint_eq(crew->serving_count, 1);
	if (is_had)
		ck_assert_uint_eq(crew->recruits, 2);
	return is_had;
}

START_TEST(without_memory_those_that_serve_go_on)
{
	unsigned long n = 0;
	bool is_had;

	have(1);
	site.workers = 3;
	do {
		mem_fail_at(++n, false);
		is_had = try_for_three();
		mem_fail_at(0, false);
		crew_dismiss_recruits(crew);
		mailbox_drain(&server->loop.mailbox, server);
		ck_assert_uint_lt(n, 500);
	} while (!is_had);
	ck_assert_uint_gt(n, 5);
	ck_assert_uint_le(gauge_read(&crew->places), 3);
}
END_TEST

START_TEST(without_descriptors_those_that_serve_go_on)
{
	struct rlimit limit, few;
	int first;
	bool is_had = false;

	have(1);
	site.workers = 3;
	first = dup(0);
	close(first);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (unsigned more = 0; !is_had; more++) {
		few = limit;
		few.rlim_cur = (rlim_t)first + more;
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		is_had = try_for_three();
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		crew_dismiss_recruits(crew);
		mailbox_drain(&server->loop.mailbox, server);
		ck_assert_uint_lt(more, 100);
		ck_assert(is_had || more < 40);
	}
	ck_assert_int_eq(dup(0), first); /* none is lost */
	close(first);
}
END_TEST

START_TEST(without_memory_for_the_order_a_worker_leaves_at_the_end)
{
	have(2);
	site.workers = 1;
	mem_fail_at(1, false);
	crew_settle(crew, &site);
	mem_fail_at(0, false);
	ck_assert_uint_eq(crew->serving_count, 1);
	ck_assert_uint_eq(count_in(WORKER_LEAVING), 1);
}
END_TEST

Suite *
suite_server_crew(void)
{
	Suite *s = suite_create("server/crew");
	TCase *t = tcase_create("crew");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, as_many_serve_as_the_site_wants);
	tcase_add_test(t, places_are_taken_again_with_all_that_was_counted_there);
	tcase_add_test(t, a_place_is_not_taken_while_its_worker_leaves);
	tcase_add_test(t, recruits_can_be_dismissed);
	tcase_add_test(t, there_are_no_more_than_all_places);
	tcase_add_test(t, without_memory_those_that_serve_go_on);
	tcase_add_test(t, without_descriptors_those_that_serve_go_on);
	tcase_add_test(t, without_memory_for_the_order_a_worker_leaves_at_the_end);
	return s;
}
