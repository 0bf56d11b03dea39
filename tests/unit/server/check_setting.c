/*
 * One limit of a pool, set by a command: what is asked for, what is said to it,
 * and that a reload and a setting never meet. Main and the monitor turn when
 * the test says so; the builder is a thread of its own.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "server/command.h"
#include "server/server.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *suite_server_setting(void);

enum { SAID_BYTES = 1024 };

static struct server *server;
static struct site site;
static struct setting *setting;
static unsigned answers;
static int status; /* of the last answer */
static char said[SAID_BYTES];

static void
on_answer(struct mail *m, void *receiver)
{
	struct command *c = CONTAINER_OF(m, struct command, mail);
	struct writer w = writer_over(said, sizeof(said) - 1);

	(void)receiver;
	answers++;
	status = c->reply.status;
	writer_text(&w, c->reply.message);
	for (size_t i = 0; i < c->reply.errors.count; i++)
		writer_format(&w, " | %s", c->reply.errors.list[i].text);
	said[w.len] = '\0';
	command_free(&c);
}

static void
make_pool(const char *name)
{
	struct pool_options o = { .name = name,
				  .limits = { .threads = 2, .max_queue = 9, .max_wait_ns = 5 } };

	ck_assert_ptr_nonnull(pools_make(&site.pools, NULL, &o));
}

static void
set_up(void)
{
	server = mem_zalloc(1, sizeof(*server));
	site = (struct site){ .workers = 1, .budget = { .threads = 3 } };
	server->site = &site;
	budget_watch_init(&server->budget_watch, server);
	server->budget_watch.now = site.budget;
	setting = &server->setting;
	answers = 0;
	ck_assert_int_eq(loop_init(&server->loop, server), 0);
	ck_assert_int_eq(loop_init(&server->monitor.env.loop, &server->monitor), 0);
	server->monitor.has_loop = true;
	crew_init(&server->crew, server);
	reload_init(&server->reload, server, "/nowhere/at.all");
	setting_init(setting, &server->reload);
	make_pool("compute");
	make_pool("database.a.b");
}

static void
tear_down(void)
{
	setting_stop(setting);
	reload_stop(&server->reload);
	loop_turn(&server->monitor.env.loop, false);
	pools_release(&site.pools);
	loop_fini(&server->monitor.env.loop);
	loop_fini(&server->loop);
	mem_free(&server);
}

static struct command *
begin(const char *name, const char *value)
{
	struct command *c =
	    command_new(server, command_find(SLICE("set")), slice_of(name), slice_of(value));

	ck_assert_ptr_nonnull(c);
	c->on_answer = on_answer;
	setting_change(setting, c);
	return c;
}

static void
await_answers(unsigned wanted)
{
	loop_turn(&server->monitor.env.loop, false);
	while (answers < wanted) {
		loop_turn(&server->loop, true);
		loop_turn(&server->monitor.env.loop, false);
	}
}

/* The whole of it. */
static void
set(const char *name, const char *value)
{
	unsigned before = answers;

	begin(name, value);
	await_answers(before + 1);
}

static struct pool_limits
limits_of(unsigned i)
{
	return pool_limits(site.pools.at[i].pool);
}

START_TEST(each_word_changes_its_limit_alone)
{
	set("pool.compute.threads", "4");
	ck_assert_int_eq(status, 200);
	ck_assert_str_eq(said, "pool.compute.threads is 4 until the next reload");
	set("pool.compute.max_queue", "7");
	ck_assert_int_eq(status, 200);
	set("pool.compute.max_wait", "2ms");
	ck_assert_int_eq(status, 200);
	ck_assert_uint_eq(limits_of(0).threads, 4);
	ck_assert_uint_eq(limits_of(0).max_queue, 7);
	ck_assert_uint_eq(limits_of(0).max_wait_ns, 2 * CLOCK_MS);
	ck_assert_uint_eq(limits_of(1).threads, 2);
}
END_TEST

START_TEST(auto_is_what_the_budget_says)
{
	set("pool.compute.threads", "auto");
	ck_assert_int_eq(status, 200);
	ck_assert_uint_eq(limits_of(0).threads, 3);
}
END_TEST

START_TEST(the_name_of_a_pool_may_have_dots)
{
	set("pool.database.a.b.threads", "1");
	ck_assert_int_eq(status, 200);
	ck_assert_uint_eq(limits_of(1).threads, 1);
}
END_TEST

static const struct {
	const char *name, *value, *said;
} wrong[] = {
	{ "", "1", "cannot be set" },
	{ ".", "1", "cannot be set" },
	{ "pool", "1", "cannot be set" },
	{ "pool.", "1", "cannot be set" },
	{ "pool.threads", "1", "cannot be set" },
	{ "pool..threads", "1", "cannot be set" },
	{ "pools.compute.threads", "1", "cannot be set" },
	{ "pool.compute.", "1", "cannot be set" },
	{ "pool.compute.nice", "1", "\"nice\" cannot be set" },
	{ "pool.compute.thread", "1", "did you mean" },
	{ "pool.compote.threads", "1", "there is no pool \"compote\"" },
	{ "pool.database.a.threads", "1", "there is no pool" },
	{ "pool.compute.threads", "", "pool.compute.threads: a value is missing" },
	{ "pool.compute.threads", "-1", "pool.compute.threads: \"-1\" is out of range" },
	{ "pool.compute.threads", "1\nnice = 3", "one line" },
	{ "pool.compute.threads", "99999999999999999999", "threads" },
	{ "pool.compute.threads", "${HOME}", "threads" },
	{ "pool.compute.max_wait", "5", "pool.compute.max_wait: \"5\" is not a duration" },
};

START_TEST(what_is_wrong_is_said_and_changes_nothing)
{
	set(wrong[_i].name, wrong[_i].value);
	ck_assert_int_eq(status, 422);
	ck_assert_msg(strstr(said, wrong[_i].said) != NULL, "%s", said);
	ck_assert_uint_eq(limits_of(0).threads, 2);
	ck_assert_uint_eq(limits_of(1).threads, 2);
	ck_assert_int_eq(server->reload.step, RELOAD_IDLE);
}
END_TEST

START_TEST(a_value_that_is_too_long_is_refused)
{
	char value[1024];

	memset(value, '1', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	set("pool.compute.threads", value);
	ck_assert_int_eq(status, 422);
}
END_TEST

START_TEST(one_change_at_a_time)
{
	begin("pool.compute.threads", "3");
	begin("pool.compute.threads", "4");
	loop_turn(&server->monitor.env.loop, false);
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(status, 409);
	await_answers(2);
	ck_assert_int_eq(status, 200);
	ck_assert_uint_eq(limits_of(0).threads, 3);
}
END_TEST

START_TEST(a_reload_that_is_asked_for_meanwhile_comes_after_it)
{
	begin("pool.compute.threads", "3");
	reload_ask(&server->reload, NULL);
	ck_assert_int_eq(server->reload.step, RELOAD_RESIZING);
	await_answers(1);
	ck_assert_int_eq(status, 200);
	ck_assert_int_eq(server->reload.step, RELOAD_BUILDING);
}
END_TEST

START_TEST(or_not_at_all_when_the_server_drains)
{
	begin("pool.compute.threads", "3");
	reload_ask(&server->reload, NULL);
	gauge_set(&server->state, SERVER_DRAINING);
	await_answers(1);
	ck_assert_int_eq(server->reload.step, RELOAD_IDLE);
}
END_TEST

START_TEST(what_is_under_way_at_the_end_is_waited_for)
{
	begin("pool.compute.threads", "3");
	setting_stop(setting);
	await_answers(1);
	ck_assert_int_eq(status, 200);
}
END_TEST

START_TEST(without_memory_it_says_so)
{
	unsigned long n = 1;

	do {
		struct command *c = command_new(server, command_find(SLICE("set")),
						SLICE("pool.compute.threads"), SLICE("3"));

		ck_assert_ptr_nonnull(c);
		c->on_answer = on_answer;
		mem_fail_at(n, false);
		setting_change(setting, c);
		mem_fail_at(0, false);
		await_answers((unsigned)n++);
		ck_assert_uint_lt(n, 100);
	} while (status != 200);
	ck_assert_uint_gt(n, 3);
}
END_TEST

Suite *
suite_server_setting(void)
{
	Suite *s = suite_create("server/setting");
	TCase *t = tcase_create("setting");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, each_word_changes_its_limit_alone);
	tcase_add_test(t, auto_is_what_the_budget_says);
	tcase_add_test(t, the_name_of_a_pool_may_have_dots);
	tcase_add_loop_test(t, what_is_wrong_is_said_and_changes_nothing, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, a_value_that_is_too_long_is_refused);
	tcase_add_test(t, one_change_at_a_time);
	tcase_add_test(t, a_reload_that_is_asked_for_meanwhile_comes_after_it);
	tcase_add_test(t, or_not_at_all_when_the_server_drains);
	tcase_add_test(t, what_is_under_way_at_the_end_is_waited_for);
	tcase_add_test(t, without_memory_it_says_so);
	return s;
}
