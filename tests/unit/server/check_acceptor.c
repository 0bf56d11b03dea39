/*
 * The acceptor and the workers' side of it, all on one thread: who gets a
 * connection, what happens when there is no room, and the last ones.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "server/server.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *suite_server_acceptor(void);

enum { WORKERS = 2, CROWD = 600 };

static struct server *server;
static struct site site;
static struct site_listener listener;
static struct ledger *ledger;
static struct conf_errors errors;
static struct worker *workers[WORKERS];
static struct acceptor *acceptor;
static int clients[CROWD];
static unsigned client_count;
static uint64_t passed_ns; /* beyond what the clock says */
static char dir[] = "/tmp/check_acceptor_XXXXXX";

static void
set_up(void)
{
	char text[sizeof(dir) + 16];

	signal(SIGPIPE, SIG_IGN);
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(text, sizeof(text), "unix:%s/s", dir);
	listener = (struct site_listener){ .backlog = 1024 };
	ck_assert_int_eq(address_parse(&listener.address, slice_of(text)), 0);
	site = (struct site){
		.listeners = &listener,
		.listener_count = 1,
		.max_connections = 1000,
		.limits = { .h1 = { .max_head_bytes = 4096, .max_fields = 16, .max_target = 1024 },
			    .header_timeout_ns = 3600 * CLOCK_SEC,
			    .idle_timeout_ns = 3600 * CLOCK_SEC },
	};
	server = mem_zalloc(1, sizeof(*server));
	site.route_ledgers = &ledger;
	site.workers = WORKERS;
	server->site = &site;
	crew_init(&server->crew, server);
	reload_init(&server->reload, server, "");
	acceptor = &server->acceptor;
	client_count = 0;
	passed_ns = 0;
	ck_assert_int_eq(loop_init(&server->loop, server), 0);
	ledger = ledger_new(sizeof(struct route_series));
	ck_assert_ptr_nonnull(ledger);
	conf_errors_init(&errors);
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i] = mem_zalloc(1, sizeof(*workers[i]));
		ck_assert_int_eq(worker_init(workers[i], server, i, &site, i, WORKERS), 0);
		server->crew.place[i] = server->crew.serving[i] = workers[i];
	}
	gauge_set(&server->crew.places, WORKERS);
	server->crew.serving_count = WORKERS;
	site.holders++; /* the test: it is not freed */
}

/* After what a test has changed of the site. */
static void
start(void)
{
	acceptor_init(acceptor, &server->loop, &server->crew, &server->counters);
	ck_assert_int_eq(acceptor_prepare(acceptor, &site, &errors), 0);
	ck_assert_int_eq(acceptor_watch(acceptor), 0);
	acceptor_take_over(acceptor, &site);
}

static void
tear_down(void)
{
	acceptor_close(acceptor);
	for (unsigned i = 0; i < WORKERS; i++) {
		loop_turn(&workers[i]->env.loop, false);
		conn_host_close_all(&workers[i]->host);
		worker_fini(workers[i]);
		mem_free(&workers[i]);
	}
	ledger_unref(&ledger);
	conf_errors_fini(&errors);
	loop_fini(&server->loop);
	mem_free(&server);
	for (unsigned i = 0; i < client_count; i++)
		close(clients[i]);
	ck_assert_int_eq(rmdir(dir), 0); /* the socket is gone */
}

static void
connect_clients(unsigned count)
{
	while (count-- > 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(connect(fd, &listener.address.of.any, listener.address.len), 0);
		clients[client_count++] = fd;
	}
}

/* Everybody turns, until all mail is read. */
static void
turn(void)
{
	for (unsigned i = 0; i < 6; i++) {
		loop_turn(&server->loop, false);
		for (unsigned k = 0; k < WORKERS; k++)
			loop_turn(&workers[k]->env.loop, false);
	}
}

/* Time passes for main: a pause is over. */
static void
pass(uint64_t ns)
{
	passed_ns += ns;
	loop_turn_at(&server->loop, clock_monotonic() + passed_ns);
	turn();
}

static unsigned
open_conns(void)
{
	return workers[0]->host.open + workers[1]->host.open;
}

START_TEST(connections_go_to_the_workers_in_turn)
{
	start();
	connect_clients(5);
	turn();
	ck_assert_uint_eq(workers[0]->host.open, 3);
	ck_assert_uint_eq(workers[1]->host.open, 2);
	ck_assert_uint_eq(acceptor_active(acceptor), 5);
}
END_TEST

START_TEST(or_to_the_one_with_the_fewest)
{
	site.dispatch = SITE_LEAST_ACTIVE;
	start();
	connect_clients(6);
	turn();
	conn_host_close_all(&workers[1]->host);
	connect_clients(3);
	turn();
	ck_assert_uint_eq(workers[0]->host.open, 3);
	ck_assert_uint_eq(workers[1]->host.open, 3);
}
END_TEST

START_TEST(more_than_a_batch_and_more_than_a_handover)
{
	start();
	connect_clients(CROWD);
	turn();
	ck_assert_uint_eq(open_conns(), CROWD);
}
END_TEST

START_TEST(a_full_server_leaves_its_conns_alone_when_nobody_waits)
{
	site.max_connections = 4;
	start();
	connect_clients(4);
	turn();
	for (unsigned i = 0; i < 5; i++)
		pass(20 * CLOCK_MS);
	ck_assert_uint_eq(open_conns(), 4);
}
END_TEST

START_TEST(a_full_server_closes_idle_conns_for_those_who_wait)
{
	site.max_connections = 4;
	start();
	connect_clients(7);
	turn();
	ck_assert_uint_le(open_conns(), 4);
	for (unsigned i = 0; i < 5; i++)
		pass(20 * CLOCK_MS);
	ck_assert_uint_eq(count_read(&server->counters, COUNTER_ACCEPTED), 7);
	ck_assert_uint_le(open_conns(), 4);
	ck_assert_uint_ge(open_conns(), 3);
}
END_TEST

START_TEST(who_comes_while_it_is_paused_is_not_forgotten)
{
	site.max_connections = 2;
	start();
	connect_clients(3);
	loop_turn(&server->loop, false);
	loop_turn(&server->loop, false);
	ck_assert(acceptor->is_paused);
	connect_clients(1); /* an edge that nobody acts on */
	loop_turn(&server->loop, false);
	for (unsigned i = 0; i < 5; i++)
		pass(20 * CLOCK_MS);
	ck_assert_uint_eq(count_read(&server->counters, COUNTER_ACCEPTED), 4);
}
END_TEST

START_TEST(a_shortage_of_descriptors_ends)
{
	struct rlimit limit, few;
	int next;

	start();
	connect_clients(3);
	next = dup(0);
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = (rlim_t)next + 1; /* room for one */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	loop_turn(&server->loop, false);
	ck_assert(acceptor->is_paused);
	ck_assert_uint_ge(count_read(&server->counters, COUNTER_ACCEPT_FAILED), 1);
	ck_assert_uint_eq(count_read(&server->counters, COUNTER_ACCEPTED), 1);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	pass(20 * CLOCK_MS);
	ck_assert_uint_eq(count_read(&server->counters, COUNTER_ACCEPTED), 3);
}
END_TEST

START_TEST(without_memory_for_a_handover_the_balance_holds)
{
	start();
	connect_clients(3);
	mem_fail_at(1, true);
	loop_turn(&server->loop, false);
	mem_fail_at(0, false);
	turn();
	ck_assert_uint_eq(acceptor_active(acceptor), 0);
	ck_assert_uint_eq(open_conns(), 0);
	ck_assert_uint_eq(count_read(&server->counters, COUNTER_ACCEPT_FAILED), 3);
}
END_TEST

START_TEST(a_drain_takes_what_has_come_though_it_is_paused_and_full)
{
	site.max_connections = 1;
	start();
	connect_clients(50);
	turn();
	acceptor_drain(acceptor);
	turn();
	ck_assert_uint_eq(count_read(&server->counters, COUNTER_ACCEPTED), 50);
	ck_assert_ptr_null(acceptor->gates);
}
END_TEST

START_TEST(a_drain_waits_for_descriptors)
{
	struct rlimit limit, few;
	int next;

	start();
	connect_clients(8);
	loop_turn(&server->loop, false);
	turn();
	connect_clients(4);
	next = dup(0);
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = (rlim_t)next;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	acceptor_drain(acceptor); /* ends, though they cannot be had */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	turn();
	/* Idle conns were asked to make room. */
	ck_assert_uint_lt(open_conns(), 8);
	ck_assert_uint_lt(count_read(&server->counters, COUNTER_ACCEPT_FAILED), 100);
}
END_TEST

Suite *
suite_server_acceptor(void)
{
	Suite *s = suite_create("server/acceptor");
	TCase *t = tcase_create("acceptor");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, connections_go_to_the_workers_in_turn);
	tcase_add_test(t, or_to_the_one_with_the_fewest);
	tcase_add_test(t, more_than_a_batch_and_more_than_a_handover);
	tcase_add_test(t, a_full_server_leaves_its_conns_alone_when_nobody_waits);
	tcase_add_test(t, a_full_server_closes_idle_conns_for_those_who_wait);
	tcase_add_test(t, who_comes_while_it_is_paused_is_not_forgotten);
	tcase_add_test(t, a_shortage_of_descriptors_ends);
	tcase_add_test(t, without_memory_for_a_handover_the_balance_holds);
	tcase_add_test(t, a_drain_takes_what_has_come_though_it_is_paused_and_full);
	tcase_add_test(t, a_drain_waits_for_descriptors);
	return s;
}
