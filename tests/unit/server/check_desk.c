/*
 * Commands on their way from a client to main and home, in a server that is
 * made up: both loops turn on the test's thread, when the test says so.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "server/server.h"

#include <check.h>
#include <unistd.h>

Suite *suite_server_desk(void);

enum {
	NOBODY = 65534,
	SAID_BYTES = 1024,
	PATIENCE_MS = 600000,
	CLIENTS = DESK_MAX + 1,
	RELOADS = DESK_MAX - 1
};

/* One that asks. */
struct client {
	struct exchange x;
	struct address address;
	uint32_t uid;
	unsigned answers; /* heads that came */
	char said[SAID_BYTES];
};

static struct server *server;
static struct site site;
static struct store store;
static struct client clients[CLIENTS];

/* --- a client ------------------------------------------------------------------------------- */

static int
on_head(struct exchange *x)
{
	CONTAINER_OF(x, struct client, x)->answers++;
	return 0;
}

static int
on_body(struct exchange *x, struct chunks *list)
{
	struct client *c = CONTAINER_OF(x, struct client, x);
	size_t n = chunks_copy_out(list, c->said, sizeof(c->said) - 1);

	c->said[n] = '\0';
	chunks_clear(list);
	return 0;
}

static void
on_end(struct exchange *x)
{
	(void)x;
}

static int
on_peer_user(struct exchange *x, uint32_t *uid)
{
	*uid = CONTAINER_OF(x, struct client, x)->uid;
	return 0;
}

static const struct exchange_ops ops = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.peer_user = on_peer_user,
};

static void
client_open(struct client *c)
{
	*c = (struct client){ .x = { .ops = &ops, .store = &store } };
	c->address.of.any.sa_family = AF_UNIX;
	c->x.client = &c->address;
	c->x.request.method = METHOD_POST;
	arena_init(&c->x.arena, &store, 1 << 16);
}

static void
client_close(struct client *c)
{
	arena_fini(&c->x.arena);
}

/* It asks for a path; false when the desk is not for that. */
static bool
ask(struct client *c, const char *path, const char *query)
{
	c->x.request.path = slice_of(path);
	c->x.request.query = slice_of(query);
	return desk_take(&server->monitor.desk, server, &c->x);
}

static void
must_hear(struct client *c, int status, const char *said)
{
	ck_assert_uint_eq(c->answers, 1);
	ck_assert_int_eq(c->x.response.status, status);
	ck_assert_msg(strstr(c->said, said) != NULL, "%s", c->said);
}

/* --- the server --------------------------------------------------------------------------------
 */

static void
main_turns(void)
{
	loop_turn(&server->loop, false);
}

static void
monitor_turns(void)
{
	loop_turn(&server->monitor.env.loop, false);
}

static unsigned
commands_out(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < DESK_MAX; i++)
		count += server->monitor.desk.out[i] != NULL;
	return count;
}

static uint64_t
counted(const char *name, enum desk_outcome o)
{
	unsigned kind = command_index(command_find(slice_of(name)));

	return server->monitor.desk.counts[kind][o];
}

static void
set_up(void)
{
	server = mem_zalloc(1, sizeof(*server));
	ck_assert_ptr_nonnull(server);
	ck_assert_int_eq(loop_init(&server->loop, server), 0);
	ck_assert_int_eq(loop_init(&server->monitor.env.loop, &server->monitor), 0);
	memset(&site, 0, sizeof(site));
	server->site = &site;
	server->monitor.server = server;
	server->monitor.has_loop = true;
	desk_init(&server->monitor.desk, &server->monitor.env.loop);
	/* Every command but drain is refused then, which is an answer like any other. */
	gauge_set(&server->state, SERVER_DRAINING);
	store_init(&store);
	for (unsigned i = 0; i < CLIENTS; i++)
		client_open(&clients[i]);
}

static void
tear_down(void)
{
	mem_fail_at(0, false);
	for (unsigned i = 0; i < CLIENTS; i++)
		client_close(&clients[i]);
	loop_fini(&server->monitor.env.loop);
	loop_fini(&server->loop);
	mem_free(&server);
	ck_assert_uint_eq(store.out, 0);
	store_fini(&store);
}

/* --- tests ---------------------------------------------------------------------------------------
 */

START_TEST(a_command_is_answered_when_it_comes_home)
{
	struct client *c = &clients[0];

	ck_assert(ask(c, "/reload", ""));
	main_turns();
	ck_assert_uint_eq(c->answers, 0);
	monitor_turns();
	must_hear(c, 409, "the server is draining\n");
	ck_assert_uint_eq(commands_out(), 0);
	ck_assert_uint_eq(counted("reload", DESK_REFUSED), 1);
}
END_TEST

START_TEST(other_paths_are_not_taken)
{
	ck_assert(!ask(&clients[0], "/status", ""));
	ck_assert(!ask(&clients[0], "/reload/", ""));
	ck_assert(!ask(&clients[0], "/", ""));
	ck_assert_uint_eq(clients[0].answers, 0);
}
END_TEST

START_TEST(only_post_is_a_command)
{
	clients[0].x.request.method = METHOD_GET;
	ck_assert(ask(&clients[0], "/drain", ""));
	must_hear(&clients[0], 405, "POST");
	ck_assert_ptr_nonnull(fields_find(&clients[0].x.response.fields, FIELD_ALLOW));
	ck_assert_uint_eq(commands_out(), 0);
}
END_TEST

START_TEST(nobody_commands_over_tcp)
{
	clients[0].address.of.any.sa_family = AF_INET;
	ck_assert(ask(&clients[0], "/drain", ""));
	must_hear(&clients[0], 403, "admin socket only");
	ck_assert_uint_eq(commands_out(), 0);
}
END_TEST

START_TEST(other_users_do_not_command)
{
	clients[0].uid = geteuid() + NOBODY;
	ck_assert(ask(&clients[0], "/drain", ""));
	must_hear(&clients[0], 403, "may not");
	ck_assert_uint_eq(counted("drain", DESK_FORBIDDEN), 1);
	ck_assert_uint_eq(commands_out(), 0);
}
END_TEST

START_TEST(root_and_the_servers_users_command)
{
	server->monitor.desk.started_as = 12345;
	clients[0].uid = 0;
	clients[1].uid = 12345;
	clients[2].uid = geteuid();
	for (unsigned i = 0; i < 3; i++)
		ck_assert(ask(&clients[i], "/reload", ""));
	ck_assert_uint_eq(commands_out(), 3);
	main_turns();
	monitor_turns();
	for (unsigned i = 0; i < 3; i++)
		must_hear(&clients[i], 409, "draining");
}
END_TEST

START_TEST(more_than_a_few_are_refused)
{
	for (unsigned i = 0; i < RELOADS; i++)
		ck_assert(ask(&clients[i], "/reload", ""));
	ck_assert(ask(&clients[RELOADS], "/reload", ""));
	must_hear(&clients[RELOADS], 503, "waiting already");
	main_turns();
	monitor_turns();
	for (unsigned i = 0; i < RELOADS; i++)
		must_hear(&clients[i], 409, "draining");
}
END_TEST

START_TEST(reloads_do_not_hold_a_drain_back)
{
	for (unsigned i = 0; i < RELOADS; i++)
		ck_assert(ask(&clients[i], "/reload", ""));
	ck_assert(ask(&clients[RELOADS], "/drain", ""));
	ck_assert(ask(&clients[DESK_MAX], "/drain", ""));
	must_hear(&clients[DESK_MAX], 503, "waiting already");
	main_turns();
	monitor_turns();
	must_hear(&clients[RELOADS], 202, "draining already");
	ck_assert_uint_eq(counted("drain", DESK_DONE), 1);
	ck_assert_uint_eq(counted("drain", DESK_BUSY), 1);
}
END_TEST

/* Else clients that come and go would fill memory. */
START_TEST(a_command_that_nobody_awaits_keeps_its_place_until_it_is_home)
{
	for (unsigned i = 0; i < RELOADS; i++) {
		ck_assert(ask(&clients[i], "/reload", ""));
		desk_cancel(&server->monitor.desk, &clients[i].x);
	}
	ck_assert_uint_eq(commands_out(), RELOADS);
	ck_assert(ask(&clients[RELOADS], "/reload", ""));
	must_hear(&clients[RELOADS], 503, "waiting already");
	main_turns();
	monitor_turns();
	ck_assert_uint_eq(commands_out(), 0);
	ck_assert_uint_eq(clients[0].answers, 0);
}
END_TEST

START_TEST(a_client_waits_no_longer_than_its_patience)
{
	struct loop *l = &server->monitor.env.loop;

	ck_assert(ask(&clients[0], "/reload", ""));
	loop_turn_at(l, loop_now(l) + PATIENCE_MS * CLOCK_MS + CLOCK_SEC);
	must_hear(&clients[0], 504, "goes on");
	ck_assert_uint_eq(commands_out(), 1);
	main_turns();
	monitor_turns();
	ck_assert_uint_eq(commands_out(), 0);
}
END_TEST

START_TEST(a_setting_needs_a_name_and_a_value)
{
	static const char *const wrong[] = { "", "name=a", "value=a", "name=&value=a",
					     "name=%zz&value=a" };

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert(ask(&clients[0], "/set", wrong[i]));
		must_hear(&clients[0], 400, "?name=pool.NAME.threads&value=N");
		client_close(&clients[0]);
		client_open(&clients[0]);
	}
}
END_TEST

START_TEST(name_and_value_are_decoded_and_copied)
{
	const struct command *c;
	char query[] = "name=pool.a%2Eb.threads&value=6+x";

	ck_assert(ask(&clients[0], "/set", query));
	memset(query, '?', sizeof(query));
	c = server->monitor.desk.out[0];
	ck_assert(slice_eq(c->name, SLICE("pool.a.b.threads")));
	ck_assert(slice_eq(c->value, SLICE("6 x")));
	main_turns();
	monitor_turns();
}
END_TEST

START_TEST(what_comes_after_the_monitor_has_ended_is_dropped)
{
	ck_assert(ask(&clients[0], "/drain", ""));
	desk_cancel(&server->monitor.desk, &clients[0].x);
	server->monitor.has_loop = false;
	main_turns();
	ck_assert_uint_eq(clients[0].answers, 0);
}
END_TEST

START_TEST(without_memory_a_command_is_refused)
{
	for (unsigned long n = 1; n <= 2; n++) {
		mem_fail_at(n, false);
		ck_assert(ask(&clients[n], "/reload", ""));
		mem_fail_at(0, false);
		must_hear(&clients[n], 503, "out of memory");
		ck_assert_uint_eq(commands_out(), 0);
	}
}
END_TEST

Suite *
suite_server_desk(void)
{
	Suite *s = suite_create("server/desk");
	TCase *t = tcase_create("desk");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_command_is_answered_when_it_comes_home);
	tcase_add_test(t, other_paths_are_not_taken);
	tcase_add_test(t, only_post_is_a_command);
	tcase_add_test(t, nobody_commands_over_tcp);
	tcase_add_test(t, other_users_do_not_command);
	tcase_add_test(t, root_and_the_servers_users_command);
	tcase_add_test(t, more_than_a_few_are_refused);
	tcase_add_test(t, reloads_do_not_hold_a_drain_back);
	tcase_add_test(t, a_command_that_nobody_awaits_keeps_its_place_until_it_is_home);
	tcase_add_test(t, a_client_waits_no_longer_than_its_patience);
	tcase_add_test(t, a_setting_needs_a_name_and_a_value);
	tcase_add_test(t, name_and_value_are_decoded_and_copied);
	tcase_add_test(t, what_comes_after_the_monitor_has_ended_is_dropped);
	tcase_add_test(t, without_memory_a_command_is_refused);
	suite_add_tcase(s, t);
	return s;
}
