/*
 * Whole reloads of a server without a process: main and the desk are the test,
 * workers and builder are threads. Everything that can go wrong does, and what
 * serves afterwards is all of the old site or all of the new one.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "server/command.h"
#include "server/server.h"

#include <check.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *suite_server_reload(void);

enum { TEXT_BYTES = 2048, STEPS_MAX = 2000, OVERDUE_S = 11 };

static char dir[] = "/tmp/check_reload_XXXXXX";
static char path[sizeof(dir) + 16];
static struct server *server;
static struct reload *reload;
static unsigned answers;
static int status; /* of the last answer */

/* Two configurations that differ in everything that main has to do. */
static void
write_conf(bool is_large)
{
	char text[TEXT_BYTES];
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	snprintf(text, sizeof(text),
		 "[server]\nworkers = %d\n[listen a]\naddress = unix:%s/a\n"
		 "[listen %s]\naddress = unix:%s/%s\n[pool compute]\nthreads = %d\n"
		 "[access_log]\npath = %s/%s.log\n"
		 "[route hello]\nmatch = GET /hello\nsource = fixed\nbody = hello\n",
		 is_large ? 3 : 1, dir, is_large ? "large" : "small", dir,
		 is_large ? "large" : "small", is_large ? 3 : 1, dir, is_large ? "large" : "small");
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static struct site *
open_site(void)
{
	struct conf_errors errors;
	struct site *site;

	conf_errors_init(&errors);
	site = site_open(path, &errors);
	ck_assert_ptr_nonnull(site);
	ck_assert_int_eq(site_complete(site, NULL, &errors), 0);
	ck_assert_int_eq(logs_prepare(&server->logs, site, &errors), 0);
	logs_commit(&server->logs);
	ck_assert_int_eq(acceptor_prepare(&server->acceptor, site, &errors), 0);
	ck_assert_int_eq(acceptor_watch(&server->acceptor), 0);
	conf_errors_fini(&errors);
	return site;
}

static void
start_serving(void)
{
	acceptor_init(&server->acceptor, &server->loop, &server->crew, &server->counters);
	server->site = server->sites = open_site();
	server->shown = server->site;
	server->site->holders = 2; /* main, and the monitor */
	ck_assert_int_eq(crew_recruit(&server->crew, server->site), 0);
	crew_settle(&server->crew, server->site);
	acceptor_take_over(&server->acceptor, server->site);
	gauge_set(&server->state, SERVER_READY);
}

static void
set_up(void)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/conf", dir);
	write_conf(false);
	server = mem_zalloc(1, sizeof(*server));
	reload = &server->reload;
	answers = 0;
	ck_assert_int_eq(logs_init(&server->logs), 0);
	ck_assert_int_eq(loop_init(&server->loop, server), 0);
	ck_assert_int_eq(loop_init(&server->monitor.env.loop, &server->monitor), 0);
	server->monitor.has_loop = true;
	server->monitor.server = server;
	crew_init(&server->crew, server);
	reload_init(reload, server, path);
	reaper_init(&server->reaper, &server->loop.mailbox);
	start_serving();
}

static void
free_sites(void)
{
	while (server->sites) {
		struct site *site = server->sites;

		server->sites = site->next;
		site_free(&site);
	}
}

/* As the server ends. */
static void
tear_down(void)
{
	char command[sizeof(dir) + 16];

	gauge_set(&server->state, SERVER_DRAINING);
	reload_stop(reload);
	crew_close(&server->crew);
	for (struct site *site = server->sites; site; site = site->next)
		pools_stop(&site->pools);
	reaper_stop(&server->reaper);
	crew_stop(&server->crew);
	mailbox_drain(&server->loop.mailbox, server);
	crew_fini(&server->crew);
	acceptor_close(&server->acceptor);
	free_sites();
	loop_turn(&server->monitor.env.loop, false);
	loop_fini(&server->monitor.env.loop);
	loop_fini(&server->loop);
	logs_fini(&server->logs);
	mem_free(&server);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void
on_answer(struct mail *m, void *receiver)
{
	struct command *c = CONTAINER_OF(m, struct command, mail);

	(void)receiver;
	answers++;
	status = c->reply.status;
	command_free(&c);
}

static void
ask(void)
{
	struct command *c =
	    command_new(server, command_find(SLICE("reload")), SLICE(""), SLICE(""));

	ck_assert_ptr_nonnull(c);
	c->on_answer = on_answer;
	reload_ask(reload, c);
}

static void
hear(void)
{
	loop_turn(&server->monitor.env.loop, false);
}

static void
await_end(void)
{
	while (reload->step != RELOAD_IDLE)
		loop_turn(&server->loop, true);
	hear();
}

static void
await_step(enum reload_step step)
{
	while (reload->step != step)
		loop_turn(&server->loop, true);
}

static unsigned
count_listeners(void)
{
	unsigned count = 0;

	for (struct acceptor_listener *l = server->acceptor.listeners; l; l = l->next)
		count += !l->is_closing;
	return count;
}

/* One of the two serves, in all its parts. */
static void
expect(bool is_large)
{
	unsigned count = is_large ? 3 : 1;
	const struct pools_entry *compute = pools_find(&server->site->pools, SLICE("compute"));

	ck_assert_uint_eq(server->site->workers, count);
	ck_assert_uint_eq(server->crew.serving_count, count);
	ck_assert_uint_eq(server->crew.recruits, 0);
	ck_assert_uint_eq(pool_threads(compute->pool), count);
	ck_assert_uint_eq(count_listeners(), 2);
	ck_assert_ptr_eq(server->shown, server->site);
	for (unsigned i = 0; i < count; i++)
		ck_assert_uint_eq(gauge_read(&server->crew.serving[i]->state), WORKER_SERVING);
	ck_assert_uint_eq(gauge_read(&server->reload_failed), status != 200);
}

static void
await_the_end_of_old_sites(void)
{
	while (server->sites != server->site || server->site->next)
		loop_turn(&server->loop, true);
	ck_assert_uint_ge(server->site->holders, 2);
}

START_TEST(all_of_the_new_site_is_taken_and_the_old_one_ends)
{
	for (unsigned i = 0; i < 4; i++) {
		write_conf(i % 2 == 0);
		ask();
		await_end();
		ck_assert_int_eq(status, 200);
		expect(i % 2 == 0);
		await_the_end_of_old_sites();
	}
}
END_TEST

START_TEST(without_memory_on_main_it_is_taken_or_nothing_has_changed)
{
	bool is_large = false, is_over;
	unsigned refused = 0;
	unsigned long n = 0;

	do {
		write_conf(!is_large);
		ask();
		mem_fail_at(++n, false);
		await_step(RELOAD_IDLE);
		is_over = mem_count() < n;
		mem_fail_at(0, false);
		hear();
		refused += status != 200;
		is_large ^= status == 200;
		expect(is_large);
		await_the_end_of_old_sites();
	} while (!is_over);
	ck_assert_uint_gt(refused, 5);
	ck_assert_int_eq(status, 200);
}
END_TEST

START_TEST(a_drain_at_any_step_but_the_last_leaves_the_old_site)
{
	write_conf(true);
	ask();
	await_step((enum reload_step)_i);
	gauge_set(&server->state, SERVER_DRAINING);
	acceptor_drain(&server->acceptor);
	await_end();
	ck_assert_int_eq(status, 503);
	ck_assert_uint_eq(server->site->workers, 1);
	ck_assert_uint_eq(server->crew.serving_count, 1);
	ck_assert_uint_eq(server->crew.recruits, 0);
	await_the_end_of_old_sites();
}
END_TEST

START_TEST(an_end_at_any_step_is_an_answer)
{
	write_conf(true);
	ask();
	ask(); /* for another, after it */
	await_step((enum reload_step)_i);
	reload_stop(reload);
	hear();
	ck_assert_uint_eq(answers, 2);
	ck_assert_int_eq(status, 503);
}
END_TEST

/* --- a worker that does not turn ----------------------------------------------------------- */

static struct {
	struct mail mail;
	sem_t go;
} wedge;

static void
on_wedge(struct mail *m, void *receiver)
{
	(void)m;
	(void)receiver;
	sem_wait(&wedge.go);
}

static void
drive_in_wedge(void)
{
	sem_init(&wedge.go, 0, 0);
	wedge.mail.deliver = on_wedge;
	mailbox_send(&server->crew.serving[0]->env.loop.mailbox, &wedge.mail);
}

static void
let_much_time_pass(void)
{
	loop_turn_at(&server->loop, clock_monotonic() + OVERDUE_S * CLOCK_SEC);
	hear();
}

START_TEST(a_worker_that_does_not_attach_holds_up_no_asker)
{
	drive_in_wedge();
	write_conf(true);
	ask();
	await_step(RELOAD_ATTACHING);
	let_much_time_pass();
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(status, 503);
	ask();
	hear();
	ck_assert_uint_eq(answers, 2);
	sem_post(&wedge.go);
	await_end();
	expect(false);
	ask();
	await_end();
	ck_assert_int_eq(status, 200);
	expect(true);
}
END_TEST

START_TEST(nor_does_one_that_does_not_switch)
{
	write_conf(true);
	ask();
	await_step(RELOAD_RESIZING);
	drive_in_wedge();
	await_step(RELOAD_SWITCHING);
	let_much_time_pass();
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(status, 503);
	ask();
	hear();
	ck_assert_uint_eq(answers, 2);
	sem_post(&wedge.go);
	await_end();
	status = 200; /* as expect() wants it: it was taken in the end */
	expect(true);
	await_the_end_of_old_sites();
}
END_TEST

Suite *
suite_server_reload(void)
{
	Suite *s = suite_create("server/reload");
	TCase *t = tcase_create("reload");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, all_of_the_new_site_is_taken_and_the_old_one_ends);
	tcase_add_test(t, without_memory_on_main_it_is_taken_or_nothing_has_changed);
	tcase_add_loop_test(t, a_drain_at_any_step_but_the_last_leaves_the_old_site,
			    RELOAD_BUILDING, RELOAD_SWITCHING);
	tcase_add_loop_test(t, an_end_at_any_step_is_an_answer, RELOAD_BUILDING,
			    RELOAD_SWITCHING + 1);
	tcase_add_test(t, a_worker_that_does_not_attach_holds_up_no_asker);
	tcase_add_test(t, nor_does_one_that_does_not_switch);
	return s;
}
