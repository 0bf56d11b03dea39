/*
 * Which server is asked: shares by weight, load, and keys that stay where they are.
 */
#include "upstream_bed.h"

#include "source/upstream_priv.h"

#include <check.h>
#include <stdio.h>

extern const struct source_ops source_upstream;

Suite *suite_source_upstream_balance(void);

enum { A, B, C, PEERS };

static const char three[] = "servers = http://127.0.0.1:1 weight=%s, http://127.0.0.1:2, "
			    "http://127.0.0.1:3\nbalance = %s";

static struct bed *
open_three(const char *weight, const char *balance, const char *part)
{
	char section[256];

	snprintf(section, sizeof(section), three, weight, balance);
	return bed_open(section, part, BED_JOINED);
}

/* Reserved and not started. */
static struct upstream_errand *
errand(struct bed *b)
{
	struct subrequest *q = &bed_prepare(b)->q;

	ck_assert_int_eq(source_upstream.reserve(&q, 1), 0);
	q->state_now = SUBREQUEST_STARTED;
	return q->state;
}

static unsigned
pick(struct bed *b, const struct upstream_errand *e)
{
	const struct upstream_peer *p = upstream_balance_pick(bed_share(b), e);
	unsigned i = 0;

	while (bed_share(b)->peers[i] != p)
		i++;
	return i;
}

static void
pick_many(struct bed *b, const struct upstream_errand *e, unsigned n, unsigned got[PEERS])
{
	memset(got, 0, PEERS * sizeof(*got));
	for (unsigned i = 0; i < n; i++)
		got[pick(b, e)]++;
}

START_TEST(servers_take_turns)
{
	struct bed *b = open_three("1", "round-robin", "");
	struct upstream_errand *e = errand(b);

	for (unsigned i = 0; i < 2 * PEERS; i++)
		ck_assert_uint_eq(pick(b, e), i % PEERS);
	bed_close(b);
}
END_TEST

START_TEST(a_heavier_server_has_more_turns_and_never_all_of_them_in_a_row)
{
	static const unsigned turns[] = { A, B, A, C, A, A, B, A, C, A };
	struct bed *b = open_three("3", "round-robin", "");
	struct upstream_errand *e = errand(b);

	for (unsigned i = 0; i < sizeof(turns) / sizeof(turns[0]); i++)
		ck_assert_uint_eq(pick(b, e), turns[i]);
	bed_close(b);
}
END_TEST

START_TEST(least_requests_asks_the_freest_by_weight)
{
	struct bed *b = open_three("4", "least-requests", "");
	struct upstream_errand *e = errand(b);
	struct upstream_peer **p = bed_share(b)->peers;

	p[A]->active = 3;
	p[B]->active = p[C]->active = 1;
	ck_assert_uint_eq(pick(b, e), A);
	p[A]->active = 8;
	p[C]->active = 2;
	ck_assert_uint_eq(pick(b, e), B);
	p[A]->active = p[B]->active = p[C]->active = 0;
	bed_close(b);
}
END_TEST

START_TEST(least_requests_takes_turns_by_weight_when_all_are_free)
{
	struct bed *b = open_three("2", "least-requests", "");
	unsigned got[PEERS];

	pick_many(b, errand(b), 40, got);
	ck_assert_uint_eq(got[A], 20);
	ck_assert_uint_eq(got[B], 10);
	ck_assert_uint_eq(got[C], 10);
	bed_close(b);
}
END_TEST

START_TEST(p2c_draws_by_weight_and_never_takes_the_fullest)
{
	struct bed *b = open_three("2", "p2c", "");
	struct upstream_errand *e = errand(b);
	struct upstream_peer **p = bed_share(b)->peers;
	unsigned got[PEERS];

	pick_many(b, e, 4000, got);
	ck_assert_uint_gt(got[A], 1800);
	ck_assert_uint_lt(got[A], 2200);
	ck_assert_uint_gt(got[B], 800);
	ck_assert_uint_gt(got[C], 800);
	p[B]->active = 9;
	pick_many(b, e, 1000, got);
	ck_assert_uint_eq(got[B], 0);
	ck_assert_uint_gt(got[C], 0);
	p[B]->active = 0;
	bed_close(b);
}
END_TEST

/* Where each of n keys goes. */
static void
place_keys(struct bed *b, struct upstream_errand *e, unsigned n, unsigned char *place)
{
	for (unsigned i = 0; i < n; i++) {
		char key[16];

		snprintf(key, sizeof(key), "user-%u", i);
		CONTAINER_OF(e->q, struct ask, q)->value[0] = slice_of(key);
		place[i] = (unsigned char)pick(b, e);
	}
}

enum { KEYS = 3000 };

START_TEST(a_key_stays_where_it_is_when_another_server_leaves)
{
	static unsigned char before[KEYS], after[KEYS];
	struct bed *b = open_three("1", "hash", "hash_key = k");
	unsigned moved = 0;

	place_keys(b, errand(b), KEYS, before);
	bed_close(b);
	b = bed_open("servers = http://127.0.0.1:1, http://127.0.0.1:3\nbalance = hash",
		     "hash_key = k", BED_JOINED);
	place_keys(b, errand(b), KEYS, after);
	bed_close(b);
	for (unsigned i = 0; i < KEYS; i++) {
		if (before[i] == B)
			moved++;
		else
			ck_assert_uint_eq(after[i], before[i] == A ? 0 : 1);
	}
	/* And each had a third of them. */
	ck_assert_uint_gt(moved, KEYS / 3 - KEYS / 20);
	ck_assert_uint_lt(moved, KEYS / 3 + KEYS / 20);
}
END_TEST

START_TEST(a_heavier_server_has_more_keys)
{
	static unsigned char place[KEYS];
	struct bed *b = open_three("2", "hash", "hash_key = k");
	unsigned first = 0;

	place_keys(b, errand(b), KEYS, place);
	for (unsigned i = 0; i < KEYS; i++)
		first += place[i] == A;
	ck_assert_uint_gt(first, KEYS / 2 - KEYS / 20);
	ck_assert_uint_lt(first, KEYS / 2 + KEYS / 20);
	bed_close(b);
}
END_TEST

START_TEST(a_request_without_a_key_takes_its_turn)
{
	struct bed *b = open_three("1", "hash", "hash_key = k");
	struct upstream_errand *e = errand(b);

	CONTAINER_OF(e->q, struct ask, q)->value[0] = (struct slice){ 0 };
	for (unsigned i = 0; i < 2 * PEERS; i++)
		ck_assert_uint_eq(pick(b, e), i % PEERS);
	bed_close(b);
}
END_TEST

START_TEST(hash_and_its_key_need_one_another)
{
	const char *servers = "servers = http://127.0.0.1:1\nbalance = hash";

	ck_assert_ptr_nonnull(
	    strstr(bed_complaint(servers, "", BED_JOINED), "say by which hash_key"));
	ck_assert_str_eq(bed_complaint(servers, "hash_key = {id}", BED_JOINED), "");
	ck_assert_ptr_nonnull(
	    strstr(bed_complaint("servers = http://127.0.0.1:1", "hash_key = {id}", BED_JOINED),
		   "hash_key: upstream \"u\" has no balance = hash"));
}
END_TEST

/* Asks with this key; whoever takes it answers. Its end of the connection. */
static int
ask_with(struct bed *b, const char *key, unsigned server, int fd)
{
	struct ask *a = bed_prepare(b);

	a->value[0] = slice_of(key);
	ck_assert_int_eq(ask_start(a), 0);
	if (fd < 0)
		fd = bed_accept_at(b, server);
	bed_expect(b, fd, "");
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	return fd;
}

/* A key that goes to that server. */
static const char *
key_of(struct bed *b, unsigned server)
{
	static _Thread_local char keys[PEERS][16];
	struct upstream_errand *e = errand(b);
	struct ask *a = CONTAINER_OF(e->q, struct ask, q);

	for (unsigned i = 0;; i++) {
		snprintf(keys[server], sizeof(keys[server]), "%u", i);
		a->value[0] = slice_of(keys[server]);
		if (pick(b, e) == server)
			break;
	}
	ask_cancel(a);
	return keys[server];
}

START_TEST(room_is_made_for_the_server_of_a_key)
{
	struct bed *b = bed_open_servers("balance = hash\nmax_connections = 1", "hash_key = k", 2);
	int a = ask_with(b, key_of(b, A), A, -1), c;

	ask_with(b, key_of(b, A), A, a);
	c = ask_with(b, key_of(b, B), B, -1);
	bed_hear_end(b, a);
	ck_assert_uint_eq(bed_open_conns(b), 1);
	bed_hang_up(a);
	bed_hang_up(c);
	bed_close(b);
}
END_TEST

static const struct ramp {
	unsigned weight;
	uint64_t since_ms, up_ms, now_ms;
	unsigned share;
} ramps[] = {
	{ 1, 0, 0, 0, 100 }, /* there from the beginning */
	{ 1, 1000, 0, 1000, 1 },     { 1, 1000, 0, 900, 1 }, /* another worker's clock is ahead */
	{ 1, 1000, 0, 1500, 5 },     { 1, 1000, 0, 6000, 50 },  { 1, 1000, 0, 10999, 99 },
	{ 1, 1000, 0, 11000, 100 },  { 3, 1000, 0, 6000, 150 }, { 256, 1000, 0, 1001, 2 },
	{ 1, 0, 2000, 7000, 50 }, /* a health check brought it back */
	{ 1, 1000, 2000, 7000, 50 }, /* the later of both */
	{ 1, 2000, 1000, 7000, 50 },
};

enum { RAMPS = sizeof(ramps) / sizeof(ramps[0]) };

START_TEST(a_share_grows_in_a_straight_line)
{
	const struct ramp *r = &ramps[_i];
	struct upstream_server server = { .weight = r->weight };
	struct upstream_peer p = { .server = &server,
				   .weight = r->weight,
				   .since_ns = r->since_ms * CLOCK_MS };

	gauge_set(&server.up_ns, r->up_ms * CLOCK_MS);
	ck_assert_uint_eq(upstream_balance_weight(&p, 10 * CLOCK_SEC, r->now_ms * CLOCK_MS),
			  r->share);
	ck_assert_uint_eq(upstream_balance_weight(&p, 0, r->now_ms * CLOCK_MS), r->weight * 100);
}
END_TEST

START_TEST(a_server_that_came_back_gets_its_share_slowly)
{
	static const char *const balances[] = { "round-robin\nslow_start = 10s",
						"least-requests\nslow_start = 10s",
						"p2c\nslow_start = 10s" };
	struct bed *b = open_three("1", balances[_i], "");
	struct upstream_errand *e;
	unsigned got[PEERS];

	bed_freeze(b);
	e = errand(b);
	bed_share(b)->peers[A]->since_ns = loop_now(&bed_env(b)->loop);
	pick_many(b, e, 2010, got);
	ck_assert_uint_lt(got[A], 50); /* of p2c: one of two draws */
	bed_pass(b, 5000);
	pick_many(b, e, 1000, got);
	ck_assert_uint_gt(got[A], 150);
	ck_assert_uint_lt(got[A], 290);
	bed_pass(b, 5000);
	pick_many(b, e, 900, got);
	ck_assert_uint_gt(got[A], 250);
	bed_close(b);
}
END_TEST

START_TEST(a_higher_rank_is_for_when_no_lower_one_can_be_asked)
{
	struct bed *b = open_three("1", "round-robin", "");
	struct upstream_errand *e = errand(b);
	struct upstream_peer **p = bed_share(b)->peers;
	unsigned got[PEERS];

	p[B]->rank = 1;
	p[C]->rank = 2;
	pick_many(b, e, 10, got);
	ck_assert_uint_eq(got[A], 10);
	gauge_set(&p[A]->server->down, 1);
	pick_many(b, e, 10, got);
	ck_assert_uint_eq(got[B], 10);
	e->asked[e->retries++] = p[B]->number;
	pick_many(b, e, 10, got);
	ck_assert_uint_eq(got[C], 10);
	e->retries = 0;
	gauge_set(&p[B]->server->down, 1);
	gauge_set(&p[C]->server->down, 1);
	pick_many(b, e, 10, got);
	ck_assert_uint_eq(got[A], 10);
	bed_close(b);
}
END_TEST

Suite *
suite_source_upstream_balance(void)
{
	Suite *s = suite_create("source_upstream_balance");
	TCase *t = tcase_create("balance");

	tcase_add_test(t, servers_take_turns);
	tcase_add_test(t, a_heavier_server_has_more_turns_and_never_all_of_them_in_a_row);
	tcase_add_test(t, least_requests_asks_the_freest_by_weight);
	tcase_add_test(t, least_requests_takes_turns_by_weight_when_all_are_free);
	tcase_add_test(t, p2c_draws_by_weight_and_never_takes_the_fullest);
	tcase_add_test(t, a_key_stays_where_it_is_when_another_server_leaves);
	tcase_add_test(t, a_heavier_server_has_more_keys);
	tcase_add_test(t, a_request_without_a_key_takes_its_turn);
	tcase_add_test(t, hash_and_its_key_need_one_another);
	tcase_add_test(t, room_is_made_for_the_server_of_a_key);
	tcase_add_loop_test(t, a_share_grows_in_a_straight_line, 0, RAMPS);
	tcase_add_loop_test(t, a_server_that_came_back_gets_its_share_slowly, 0, 3);
	tcase_add_test(t, a_higher_rank_is_for_when_no_lower_one_can_be_asked);
	suite_add_tcase(s, t);
	return s;
}
