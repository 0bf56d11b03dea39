/*
 * Purging by command: what is meant by a key, and that main waits for nobody. Main and the monitor
 * turn when the test says so; what looks through a cache is a thread of its own.
 */
#include "base/mem.h"
#include "cache/cache.h"
#include "guard/cache.h"
#include "server/command.h"
#include "server/server.h"

#include <check.h>
#include <stdlib.h>

Suite *suite_server_purge(void);

enum { SAID_BYTES = 1024, KINDS_MAX = 16 };

static struct server *server;
static struct site site;
static void *guards[KINDS_MAX];
static struct conf *conf;
static struct conf_errors errors;
static struct store store;
static struct arena arena;
static const struct cache *cache;
static unsigned answers, released;
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
	said[w.len] = '\0';
	command_free(&c);
}

static void
open_cache(void)
{
	struct guard_build b = { .arena = &arena, .errors = &errors };
	unsigned i = 0;

	conf = conf_read(SLICE("[cache pages]\nsize = 1m\nmax_entry = 1k\n"), "conf", &errors);
	ck_assert_ptr_nonnull(conf);
	b.conf = conf;
	while (guard_kinds[i] != &guard_cache)
		i++;
	ck_assert_int_eq(guard_cache.open(&guards[i], NULL, &b), 0);
	cache = guard_find_cache(guards, SLICE("pages"));
	ck_assert_ptr_nonnull(cache);
}

static void
set_up(void)
{
	server = mem_zalloc(1, sizeof(*server));
	site = (struct site){ .guards = guards };
	server->site = &site;
	answers = released = 0;
	ck_assert_int_eq(loop_init(&server->loop, server), 0);
	ck_assert_int_eq(loop_init(&server->monitor.env.loop, &server->monitor), 0);
	server->monitor.has_loop = true;
	purge_init(&server->purge, server);
	conf_errors_init(&errors);
	store_init(&store);
	arena_init(&arena, &store, 1 << 20);
	open_cache();
}

static void
tear_down(void)
{
	purge_stop(&server->purge);
	loop_turn(&server->monitor.env.loop, false);
	for (unsigned i = 0; guard_kinds[i]; i++) {
		if (guard_kinds[i] == &guard_cache)
			guard_cache.close(&guards[i]);
	}
	conf_free(&conf);
	conf_errors_fini(&errors);
	arena_fini(&arena);
	store_fini(&store);
	loop_fini(&server->monitor.env.loop);
	loop_fini(&server->loop);
	mem_free(&server);
}

static void
release(struct vault_item *item)
{
	released++;
	mem_free(&item);
}

static void
keep(struct slice key)
{
	struct vault_item *item = mem_zalloc(1, sizeof(*item));

	ck_assert_ptr_nonnull(item);
	ref_init(&item->ref);
	list_init(&item->seat);
	item->key = key;
	item->bytes = 1;
	item->release = release;
	vault_put(cache->vault, item);
	vault_item_unref(item);
}

static void
begin(const char *value)
{
	struct command *c =
	    command_new(server, command_find(SLICE("purge")), SLICE("pages"), slice_of(value));

	ck_assert_ptr_nonnull(c);
	c->on_answer = on_answer;
	purge_ask(&server->purge, c);
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

static unsigned
left(void)
{
	struct vault_reading r;

	vault_read(cache->vault, &r);
	return r.items;
}

static const struct {
	const char *value;
	unsigned count;
	bool at_once;
} rows[] = {
	{ "https://a/x", 2, true }, { "GET https://a/x", 1, true },
	{ "GET a/x", 3, true },     { "GET a/none", 0, true },
	{ "GET a/*", 5, false },    { "http://a/*", 3, false },
	{ "r.part 1", 2, false },   { "r.part 1*", 3, false },
	{ "r.part 12", 1, false },  { "r.part", 0, false },
	{ "", 11, false },          { "*", 11, false },
};

START_TEST(what_is_said_is_taken_out)
{
	keep(SLICE("GET http://a/x"));
	keep(SLICE("GET http://a/x\1")); /* what a proxy said more of it */
	keep(SLICE("GET http://a/xy"));
	keep(SLICE("GET https://a/x"));
	keep(SLICE("https://a/x")); /* somebody's cache_key */
	keep(SLICE("GET https://a/y"));
	keep(SLICE("GET https://ab/x"));
	keep(SLICE("r.part 1\0of it"));
	keep(SLICE("r.part 1\0of another"));
	keep(SLICE("r.part 12\0"));
	keep(SLICE("s.part 1\0"));
	begin(rows[_i].value);
	loop_turn(&server->monitor.env.loop, false);
	ck_assert_uint_eq(answers, rows[_i].at_once);
	await_answers(1);
	ck_assert_int_eq(status, 200);
	ck_assert_uint_eq((unsigned)strtoul(said, NULL, 10), rows[_i].count);
	ck_assert_uint_eq(left(), 11 - rows[_i].count);
	ck_assert_uint_eq(released, rows[_i].count);
}
END_TEST

/* What can be had at once does not wait for them. */
START_TEST(those_that_take_long_come_one_after_the_other)
{
	keep(SLICE("GET http://a/x"));
	keep(SLICE("s.part 1\0"));
	begin("r.*");
	begin("s.*");
	begin("GET a/x");
	loop_turn(&server->monitor.env.loop, false);
	ck_assert_uint_eq(answers, 1);
	ck_assert_str_eq(said, "1 taken out of \"pages\"");
	await_answers(3);
	ck_assert_str_eq(said, "1 taken out of \"pages\"");
	ck_assert_uint_eq(left(), 0);
}
END_TEST

START_TEST(no_more_wait_than_may)
{
	for (unsigned i = 0; i < PURGE_SWEEPS_MAX + 2; i++)
		begin("r.*");
	loop_turn(&server->monitor.env.loop, false);
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(status, 503);
	await_answers(PURGE_SWEEPS_MAX + 2);
	ck_assert_int_eq(status, 200);
}
END_TEST

START_TEST(at_the_end_what_is_under_way_is_waited_for_and_no_more)
{
	keep(SLICE("s.part 1\0"));
	begin("r.*");
	begin("s.*");
	purge_stop(&server->purge);
	await_answers(2);
	ck_assert_int_eq(status, 503);
	ck_assert_uint_eq(left(), 1);
	begin("r.*");
	await_answers(3);
	ck_assert_int_eq(status, 503);
}
END_TEST

START_TEST(without_memory_it_says_so)
{
	struct command *c =
	    command_new(server, command_find(SLICE("purge")), SLICE("pages"), SLICE("x"));

	ck_assert_ptr_nonnull(c);
	c->on_answer = on_answer;
	mem_fail_at(1, false);
	purge_ask(&server->purge, c);
	mem_fail_at(0, false);
	await_answers(1);
	ck_assert_int_eq(status, 503);
}
END_TEST

Suite *
suite_server_purge(void)
{
	Suite *s = suite_create("server_purge");
	TCase *t = tcase_create("purge");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, what_is_said_is_taken_out, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(t, those_that_take_long_come_one_after_the_other);
	tcase_add_test(t, no_more_wait_than_may);
	tcase_add_test(t, at_the_end_what_is_under_way_is_waited_for_and_no_more);
	tcase_add_test(t, without_memory_it_says_so);
	suite_add_tcase(s, t);
	return s;
}
