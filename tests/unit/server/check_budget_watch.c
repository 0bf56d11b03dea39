/*
 * What follows when the CPU budget of a running server changes: which pools get
 * other sizes, which keep theirs, and that nothing is forgotten while something
 * else is under way. Main and the monitor are the test, the machine is a folder.
 */
#include "base/mem.h"
#include "fake_root.h"
#include "server/command.h"
#include "server/server.h"

Suite *suite_server_budget_watch(void);

enum { AUTO, FIXED, TIED, POOLS };

static struct server *server;
static struct budget_watch *watch;
static struct site site;
static unsigned answers;

static void
make_pool(const char *name, unsigned threads, const char *cpus)
{
	struct pool_options o = { .name = name, .limits = { .max_queue = 9 } };
	struct pools_entry *entry;

	if (cpus)
		ck_assert_int_eq(cpus_parse(&o.limits.cpus, slice_of(cpus)), 0);
	o.limits.threads = threads ? threads : site.pools.count == AUTO ? 2 : 1;
	ck_assert_ptr_nonnull(pools_make(&site.pools, NULL, &o));
	entry = pools_find(&site.pools, slice_of(name));
	entry->is_auto = threads == 0;
	entry->computes = true;
}

static void
put_quota(const char *text)
{
	put("/sys/fs/cgroup/cpu.max", text);
}

/* A quota of six processors: three workers, three threads of two pools. */
static void
set_up(void)
{
	fake_root_make();
	ck_assert_int_eq(setenv("FOREBAY_TEST_ROOT", root, 1), 0);
	put("/proc/self/cgroup", "0::/\n");
	put("/proc/self/mountinfo", HEAD_2);
	put_quota("600000 100000\n");
	server = mem_zalloc(1, sizeof(*server));
	watch = &server->budget_watch;
	answers = 0;
	site = (struct site){ .workers = 3, .has_auto_workers = true };
	budget_find(&site.budget, root, 0);
	server->site = &site;
	server->shown = &site;
	ck_assert_int_eq(loop_init(&server->loop, server), 0);
	ck_assert_int_eq(loop_init(&server->monitor.env.loop, &server->monitor), 0);
	server->monitor.has_loop = true;
	crew_init(&server->crew, server);
	reload_init(&server->reload, server, "/nowhere/at.all");
	setting_init(&server->setting, &server->reload);
	budget_watch_init(watch, server);
	budget_watch_take(watch, &site.budget);
	budget_watch_show(watch, &site.budget);
	make_pool("auto", 0, NULL);
	make_pool("fixed", 5, NULL);
	make_pool("tied", 0, "0-1");
}

static void
tear_down(void)
{
	budget_watch_stop(watch);
	setting_stop(&server->setting);
	reload_stop(&server->reload);
	loop_turn(&server->monitor.env.loop, false);
	pools_release(&site.pools);
	loop_fini(&server->monitor.env.loop);
	loop_fini(&server->loop);
	mem_free(&server);
	fake_root_remove();
}

static void
await_home(void)
{
	loop_turn(&server->monitor.env.loop, false);
	while (watch->is_out) {
		loop_turn(&server->loop, true);
		loop_turn(&server->monitor.env.loop, false);
	}
}

/* All that follows from one look. */
static void
look(void)
{
	budget_watch_look(watch);
	await_home();
}

static void
expect(unsigned automatic, unsigned fixed, unsigned tied)
{
	ck_assert_uint_eq(pool_threads(site.pools.at[AUTO].pool), automatic);
	ck_assert_uint_eq(pool_threads(site.pools.at[FIXED].pool), fixed);
	ck_assert_uint_eq(pool_threads(site.pools.at[TIED].pool), tied);
	ck_assert_int_eq(server->reload.step, RELOAD_IDLE);
}

static void
on_answer(struct mail *m, void *receiver)
{
	struct command *c = CONTAINER_OF(m, struct command, mail);

	(void)receiver;
	ck_assert_int_eq(c->reply.status, 200);
	answers++;
	command_free(&c);
}

static void
set(const char *name, const char *value)
{
	struct command *c =
	    command_new(server, command_find(SLICE("set")), slice_of(name), slice_of(value));
	unsigned before = answers;

	ck_assert_ptr_nonnull(c);
	c->on_answer = on_answer;
	setting_change(&server->setting, c);
	while (answers == before) {
		loop_turn(&server->loop, true);
		loop_turn(&server->monitor.env.loop, false);
	}
}

START_TEST(nothing_follows_where_nothing_has_changed)
{
	budget_watch_look(watch);
	ck_assert(!watch->is_out);
	expect(2, 5, 1);
}
END_TEST

START_TEST(pools_whose_threads_are_auto_follow_the_quota)
{
	put_quota("200000 100000\n");
	look();
	expect(1, 5, 1);
	ck_assert_uint_eq(watch->seen.milli, 2000);
	ck_assert_uint_eq(site.workers, 3);
	put_quota("max 100000\n");
	look();
	expect(8, 5, 2);
	budget_watch_look(watch);
	ck_assert(!watch->is_out);
}
END_TEST

START_TEST(pools_that_mostly_wait_do_not_share)
{
	site.pools.at[AUTO].computes = false;
	put_quota("800000 100000\n");
	look();
	expect(4, 5, 2);
	put_quota("200000 100000\n");
	look();
	expect(1, 5, 1);
}
END_TEST

START_TEST(and_the_processors_that_the_process_may_use)
{
	put_processors("0-7\n", "0-3");
	look();
	expect(4, 5, 2);
	ck_assert_uint_eq(watch->now.threads, 4);
}
END_TEST

START_TEST(a_pool_that_was_set_by_hand_keeps_that)
{
	set("pool.auto.threads", "7");
	put_quota("200000 100000\n");
	look();
	expect(7, 5, 1);
}
END_TEST

START_TEST(other_limits_set_by_hand_are_kept_and_threads_follow)
{
	set("pool.auto.max_queue", "77");
	put_quota("200000 100000\n");
	look();
	expect(1, 5, 1);
	ck_assert_uint_eq(pool_limits(site.pools.at[AUTO].pool).max_queue, 77);
}
END_TEST

START_TEST(a_pool_that_was_set_to_auto_by_hand_follows)
{
	/* The others have their shares until the next look. */
	set("pool.fixed.threads", "auto");
	expect(2, 1, 1);
	put_quota("200000 100000\n");
	look();
	expect(1, 1, 1);
	put_quota("800000 100000\n");
	look();
	expect(2, 1, 1);
	set("pool.auto.threads", "9");
	set("pool.auto.threads", "auto");
	expect(2, 1, 1);
}
END_TEST

START_TEST(while_something_else_changes_it_waits_for_the_next_look)
{
	ck_assert(reload_take_turn(&server->reload));
	put_quota("200000 100000\n");
	look();
	ck_assert_uint_eq(pool_threads(site.pools.at[AUTO].pool), 2);
	ck_assert_uint_eq(watch->seen.milli, 2000);
	reload_end_turn(&server->reload);
	look();
	expect(1, 5, 1);
}
END_TEST

START_TEST(news_that_are_older_than_the_site_are_followed_by_newer_ones)
{
	put_quota("200000 100000\n");
	budget_watch_look(watch);
	/* Meanwhile the quota is what it was, and a reload has built a site by it. */
	put_quota("600000 100000\n");
	budget_watch_take(watch, &site.budget);
	budget_watch_show(watch, &site.budget);
	await_home();
	ck_assert_uint_eq(pool_threads(site.pools.at[AUTO].pool), 1);
	look();
	expect(2, 5, 1);
}
END_TEST

START_TEST(a_declared_budget_is_not_what_the_kernel_says)
{
	budget_find(&site.budget, root, 4000);
	budget_watch_take(watch, &site.budget);
	budget_watch_show(watch, &site.budget);
	put_quota("700000 100000\n");
	look();
	ck_assert_uint_eq(watch->seen.milli, 4000);
	expect(4, 5, 2);
}
END_TEST

START_TEST(what_is_under_way_at_the_end_is_waited_for)
{
	put_quota("200000 100000\n");
	budget_watch_look(watch);
	loop_turn(&server->loop, true); /* the builder runs */
	budget_watch_stop(watch);
	expect(1, 5, 1);
	/* And no more begins. */
	loop_turn(&server->monitor.env.loop, false);
	put_quota("600000 100000\n");
	look();
	expect(1, 5, 1);
}
END_TEST

START_TEST(without_memory_it_is_tried_again)
{
	unsigned long n = 1;

	put_quota("200000 100000\n");
	do {
		budget_watch_look(watch);
		mem_fail_at(n++, false);
		if (watch->is_out)
			loop_turn(&server->loop, true);
		mem_fail_at(0, false);
		await_home();
		ck_assert_uint_lt(n, 100);
	} while (pool_threads(site.pools.at[AUTO].pool) != 1);
	ck_assert_uint_gt(n, 2);
	expect(1, 5, 1);
}
END_TEST

Suite *
suite_server_budget_watch(void)
{
	Suite *s = suite_create("server/budget_watch");
	TCase *t = tcase_create("budget_watch");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, nothing_follows_where_nothing_has_changed);
	tcase_add_test(t, pools_whose_threads_are_auto_follow_the_quota);
	tcase_add_test(t, pools_that_mostly_wait_do_not_share);
	tcase_add_test(t, and_the_processors_that_the_process_may_use);
	tcase_add_test(t, a_pool_that_was_set_by_hand_keeps_that);
	tcase_add_test(t, other_limits_set_by_hand_are_kept_and_threads_follow);
	tcase_add_test(t, a_pool_that_was_set_to_auto_by_hand_follows);
	tcase_add_test(t, while_something_else_changes_it_waits_for_the_next_look);
	tcase_add_test(t, news_that_are_older_than_the_site_are_followed_by_newer_ones);
	tcase_add_test(t, a_declared_budget_is_not_what_the_kernel_says);
	tcase_add_test(t, what_is_under_way_at_the_end_is_waited_for);
	tcase_add_test(t, without_memory_it_is_tried_again);
	return s;
}
