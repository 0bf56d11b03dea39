/*
 * A worker's part in the exchange of sites, on one thread: main's mail is sent
 * and answered in turn, so that everything can be made to happen in between.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "server/server.h"
#include "server/tenancy.h"

#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *suite_server_tenancy(void);

enum { ANSWERS = 1000 }; /* more than there are: no reload goes on by itself */

static struct server *server;
static struct site old_site, new_site;
static struct ledger *ledger;
static struct worker *worker;
static int client;

static void
set_up_site(struct site *s)
{
	*s = (struct site){
		.route_ledgers = &ledger,
		.workers = 1,
		.holders = 1, /* the test: it is not freed */
		.limits = { .h1 = { .max_head_bytes = 4096, .max_fields = 16, .max_target = 1024 },
			    .header_timeout_ns = 3600 * CLOCK_SEC,
			    .idle_timeout_ns = 3600 * CLOCK_SEC },
	};
}

static void
set_up(void)
{
	server = mem_zalloc(1, sizeof(*server));
	crew_init(&server->crew, server);
	reload_init(&server->reload, server, "");
	server->reload.step = RELOAD_ATTACHING;
	server->reload.awaited = ANSWERS;
	ck_assert_int_eq(loop_init(&server->loop, server), 0);
	ledger = ledger_new(sizeof(struct route_series));
	ck_assert_ptr_nonnull(ledger);
	set_up_site(&old_site);
	set_up_site(&new_site);
	worker = mem_zalloc(1, sizeof(*worker));
	ck_assert_int_eq(worker_init(worker, server, 0, &old_site, 0, 1), 0);
	server->crew.place[0] = worker;
	gauge_set(&server->crew.places, 1);
	gauge_set(&worker->state, WORKER_LEAVING);
	client = -1;
}

static void
turn(void)
{
	for (unsigned i = 0; i < 4; i++) {
		loop_turn(&worker->env.loop, false);
		loop_turn(&server->loop, false);
	}
}

static void
tear_down(void)
{
	turn();
	conn_host_close_all(&worker->host);
	turn();
	worker_fini(worker);
	mem_free(&worker);
	ck_assert_uint_eq(old_site.holders, 1);
	ck_assert_uint_eq(new_site.holders, 1);
	ledger_unref(&ledger);
	loop_fini(&server->loop);
	mem_free(&server);
	if (client >= 0)
		close(client);
}

static void
open_conn(void)
{
	struct address peer = { .of.any.sa_family = AF_UNIX };
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
			 0);
	client = pair[1];
	conn_open(&worker->host, pair[0], &peer, 0);
	turn();
	ck_assert_uint_eq(worker->host.open, 1);
}

static void
close_conn(void)
{
	close(client);
	client = -1;
	turn();
	ck_assert_uint_eq(worker->host.open, 0);
}

static void
tell_to_leave(void)
{
	ck_assert_int_eq(worker_send(worker, WORKER_LEAVE, 3600 * CLOCK_SEC), 0);
	turn();
}

static struct tenancy *
attach_new(void)
{
	struct tenancy *t = tenancy_new(worker, &new_site, 1, 1);

	ck_assert_ptr_nonnull(t);
	tenancy_attach(t);
	turn();
	ck_assert_uint_lt(server->reload.awaited, ANSWERS);
	return t;
}

START_TEST(new_exchanges_take_the_new_one_and_an_unused_old_one_ends)
{
	struct tenancy *t = attach_new();

	ck_assert_ptr_eq(worker->lease->site, &old_site);
	ck_assert_uint_eq(old_site.holders, 2);
	tenancy_switch(t);
	turn();
	ck_assert_ptr_eq(worker->lease->site, &new_site);
	ck_assert_uint_eq(old_site.holders, 1);
}
END_TEST

START_TEST(an_old_one_ends_with_its_last_user)
{
	struct tenancy *t = attach_new();
	struct lease *old = worker->lease;

	lease_take(old);
	lease_take(old);
	tenancy_switch(t);
	turn();
	lease_give(old);
	turn();
	ck_assert_uint_eq(old_site.holders, 2);
	lease_give(old);
	turn();
	ck_assert_uint_eq(old_site.holders, 1);
	ck_assert_uint_eq(new_site.holders, 2);
}
END_TEST

START_TEST(what_is_forgotten_leaves_the_old_one_in_its_place)
{
	struct tenancy *t = attach_new();

	tenancy_forget(t);
	turn();
	ck_assert_uint_eq(new_site.holders, 1);
	ck_assert_ptr_eq(worker->lease->site, &old_site);
}
END_TEST

START_TEST(without_memory_it_says_so_and_can_be_forgotten)
{
	struct tenancy *t;

	for (unsigned n = 1; n < 100; n++) {
		server->reload.outcome = 0;
		t = tenancy_new(worker, &new_site, 0, 1);
		ck_assert_ptr_nonnull(t);
		tenancy_attach(t);
		mem_fail_at(n, false);
		loop_turn(&worker->env.loop, false);
		mem_fail_at(0, false);
		turn();
		if (!server->reload.outcome)
			break;
		ck_assert_int_eq(server->reload.outcome, ERR_MEMORY);
		tenancy_forget(t);
		turn();
		ck_assert_uint_eq(new_site.holders, 1);
	}
	ck_assert_int_eq(server->reload.outcome, 0);
	conf_errors_fini(&server->reload.errors);
}
END_TEST

/* --- those that leave --------------------------------------------------------------------- */

START_TEST(a_worker_that_leaves_reports_when_conns_and_jobs_are_gone)
{
	open_conn();
	lease_take(worker->lease);
	tell_to_leave();
	ck_assert(!worker->has_reported);
	close_conn();
	ck_assert(!worker->has_reported);
	lease_give(worker->lease);
	turn();
	ck_assert(worker->has_reported);
	ck_assert_uint_eq(old_site.holders, 1);
}
END_TEST

START_TEST(a_worker_that_leaves_keeps_what_main_has_not_decided_about)
{
	struct tenancy *t;

	open_conn();
	tell_to_leave();
	t = attach_new();
	close_conn(); /* nothing is left of it but the new one */
	ck_assert_uint_eq(old_site.holders, 1);
	ck_assert_uint_eq(new_site.holders, 2);
	ck_assert(!worker->has_reported);
	tenancy_switch(t);
	turn();
	ck_assert_uint_eq(new_site.holders, 1);
	ck_assert(worker->has_reported);
}
END_TEST

START_TEST(or_gives_it_up_when_main_forgets_it)
{
	struct tenancy *t;

	open_conn();
	tell_to_leave();
	t = attach_new();
	close_conn();
	tenancy_forget(t);
	turn();
	ck_assert_uint_eq(new_site.holders, 1);
	ck_assert(worker->has_reported);
}
END_TEST

START_TEST(a_worker_that_has_left_can_take_part_and_leaves_again)
{
	struct tenancy *t;

	tell_to_leave();
	ck_assert(worker->has_reported);
	ck_assert_ptr_null(worker->lease);
	t = attach_new();
	ck_assert_uint_eq(new_site.holders, 2);
	tenancy_switch(t);
	turn();
	ck_assert_uint_eq(new_site.holders, 1);
	ck_assert_ptr_null(worker->lease);
}
END_TEST

START_TEST(at_the_end_a_worker_that_leaves_waits_for_its_jobs_without_a_conn)
{
	lease_take(worker->lease); /* a job that nobody waits for */
	tell_to_leave();
	ck_assert(!worker->has_reported);
	server->reload.step = RELOAD_IDLE;
	gauge_set(&server->state, SERVER_DRAINING);
	server->busy_workers = 2;
	worker->thread.is_running = true; /* so it could be told to end */
	ck_assert_int_eq(worker_send(worker, WORKER_DRAIN, 3600 * CLOCK_SEC), 0);
	turn();
	ck_assert(worker->has_reported);
	ck_assert_uint_eq(server->busy_workers, 1);
	ck_assert(!worker->is_ending); /* the job comes home when the pools are stopped */
	worker->thread.is_running = false;
	lease_give(worker->lease);
}
END_TEST

Suite *
suite_server_tenancy(void)
{
	Suite *s = suite_create("server/tenancy");
	TCase *t = tcase_create("tenancy");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, new_exchanges_take_the_new_one_and_an_unused_old_one_ends);
	tcase_add_test(t, an_old_one_ends_with_its_last_user);
	tcase_add_test(t, what_is_forgotten_leaves_the_old_one_in_its_place);
	tcase_add_test(t, without_memory_it_says_so_and_can_be_forgotten);
	tcase_add_test(t, a_worker_that_leaves_reports_when_conns_and_jobs_are_gone);
	tcase_add_test(t, a_worker_that_leaves_keeps_what_main_has_not_decided_about);
	tcase_add_test(t, or_gives_it_up_when_main_forgets_it);
	tcase_add_test(t, a_worker_that_has_left_can_take_part_and_leaves_again);
	tcase_add_test(t, at_the_end_a_worker_that_leaves_waits_for_its_jobs_without_a_conn);
	return s;
}
