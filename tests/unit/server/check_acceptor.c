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
static int clients[CROWD + 8];
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
	ck_assert_ptr_null(acceptor->listeners);
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

/* --- those that a reload closes ----------------------------------------------------------- */

enum { CLOSING_MS = 30 }; /* more than it takes */

static struct site_listener other;
static struct site next;

/* The next site listens elsewhere. */
static void
prepare_elsewhere(void)
{
	char text[sizeof(dir) + 16];

	snprintf(text, sizeof(text), "unix:%s/o", dir);
	other = (struct site_listener){ .backlog = 16 };
	ck_assert_int_eq(address_parse(&other.address, slice_of(text)), 0);
	next = site;
	next.listeners = &other;
	ck_assert_int_eq(acceptor_prepare(acceptor, &next, &errors), 0);
	ck_assert_int_eq(acceptor_watch(acceptor), 0);
}

static unsigned
count_listeners(void)
{
	unsigned count = 0;

	for (struct acceptor_listener *l = acceptor->listeners; l; l = l->next)
		count++;
	return count;
}

static int
try_to_connect(const struct site_listener *l)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int failed;

	ck_assert_int_ge(fd, 0);
	failed = connect(fd, &l->address.of.any, l->address.len) == 0 ? 0 : errno;
	clients[client_count++] = fd;
	return failed;
}

START_TEST(who_came_to_a_listener_that_closes_is_taken_and_nobody_waits_for_it)
{
	site.max_connections = 1;
	start();
	connect_clients(CROWD);
	prepare_elsewhere();
	acceptor_take_over(acceptor, &next);
	ck_assert_uint_eq(count_listeners(), 2); /* it is gone on with later */
	ck_assert_int_eq(try_to_connect(&listener), ENOENT);
	for (unsigned i = 0; i < CLOSING_MS; i++)
		pass(CLOCK_MS);
	ck_assert_uint_eq(count_listeners(), 1);
	ck_assert(!timer_is_set(&acceptor->closing));
	ck_assert_uint_eq(count_read(&server->counters, COUNTER_ACCEPTED), CROWD);
	acceptor->max_connections = 2 * CROWD;
	ck_assert_int_eq(try_to_connect(&other), 0);
	pass(CLOCK_MS);
	ck_assert_uint_eq(count_read(&server->counters, COUNTER_ACCEPTED), CROWD + 1);
}
END_TEST

START_TEST(an_address_that_is_being_closed_can_be_had_again_at_once)
{
	start();
	prepare_elsewhere();
	connect_clients(3);
	acceptor_take_over(acceptor, &next);
	ck_assert_int_eq(acceptor_prepare(acceptor, &site, &errors), 0);
	ck_assert_int_eq(acceptor_watch(acceptor), 0);
	acceptor_take_over(acceptor, &site);
	connect_clients(2);
	for (unsigned i = 0; i < CLOSING_MS; i++)
		pass(CLOCK_MS);
	ck_assert_uint_eq(count_listeners(), 1);
	ck_assert_uint_eq(open_conns(), 5);
}
END_TEST

START_TEST(a_drain_ends_what_is_being_closed)
{
	start();
	prepare_elsewhere();
	connect_clients(3);
	acceptor_take_over(acceptor, &next);
	acceptor_drain(acceptor);
	turn();
	ck_assert_ptr_null(acceptor->listeners);
	ck_assert_uint_eq(open_conns(), 3);
}
END_TEST

START_TEST(without_memory_for_its_timer_it_closes_too)
{
	start();
	prepare_elsewhere();
	connect_clients(3);
	loop_turn(&server->loop, false);
	mem_fail_at(1, true);
	acceptor_take_over(acceptor, &next);
	mem_fail_at(0, false);
	for (unsigned i = 0; i < CLOSING_MS; i++)
		pass(CLOCK_MS);
	ck_assert_uint_eq(count_listeners(), 1);
}
END_TEST

START_TEST(without_descriptors_a_listener_closes_all_the_same)
{
	struct rlimit limit, few;
	int last;

	start();
	prepare_elsewhere();
	connect_clients(3);
	last = dup(0);
	close(last);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = (rlim_t)last;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	acceptor_take_over(acceptor, &next);
	for (unsigned i = 0; i < CLOSING_MS; i++)
		pass(CLOCK_MS);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(count_listeners(), 1);
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
	tcase_add_test(t, who_came_to_a_listener_that_closes_is_taken_and_nobody_waits_for_it);
	tcase_add_test(t, an_address_that_is_being_closed_can_be_had_again_at_once);
	tcase_add_test(t, a_drain_ends_what_is_being_closed);
	tcase_add_test(t, without_memory_for_its_timer_it_closes_too);
	tcase_add_test(t, without_descriptors_a_listener_closes_all_the_same);
	return s;
}
