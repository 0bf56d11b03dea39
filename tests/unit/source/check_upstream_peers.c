/*
 * Servers that come and go while they are asked.
 */
#include "upstream_bed.h"

#include "base/mem.h"
#include "source/upstream_priv.h"

#include <check.h>

Suite *suite_source_upstream_peers(void);

enum { FIRST, SECOND };

/* From now on the servers are those of the bits. */
static int
set_servers(struct bed *b, unsigned bits)
{
	struct upstream_server *servers = bed_share(b)->upstream->servers;
	struct upstream_set *set = upstream_set_new(BED_SERVERS);
	int err;

	ck_assert_ptr_nonnull(set);
	for (unsigned i = 0; i < BED_SERVERS; i++) {
		if (bits & 1u << i)
			upstream_set_add(
			    set, (struct upstream_entry){ .server = &servers[i], .weight = 1 });
	}
	err = upstream_peers_set(bed_share(b), set);
	upstream_set_unref(&set);
	return err;
}

static int
take(struct bed *b, unsigned server)
{
	int fd = bed_accept_at(b, server);

	bed_expect(b, fd, "GET ");
	return fd;
}

/* A request that the first server answers, and whose connection is kept. */
static int
leave_idle(struct bed *b)
{
	struct ask *a = bed_ask(b);
	int fd = take(b, FIRST);

	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_uint_eq(bed_open_conns(b), 1);
	return fd;
}

START_TEST(a_server_that_stays_keeps_its_connections_and_what_is_known_of_it)
{
	struct bed *b = bed_open_servers("", "", 2);
	int fd = leave_idle(b);
	struct upstream_peer *p = bed_share(b)->peers[FIRST];
	struct ask *a;

	p->failures = 3;
	ck_assert_int_eq(set_servers(b, 1), 0);
	ck_assert_ptr_eq(bed_share(b)->peers[0], p);
	ck_assert_uint_eq(p->failures, 3);
	ck_assert_uint_eq(bed_share(b)->count, 1);
	a = bed_ask(b);
	bed_expect(b, fd, "GET ");
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_REUSED), 1);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_server_that_went_loses_its_idle_connections)
{
	struct bed *b = bed_open_servers("", "", 2);
	int fd = leave_idle(b);

	ck_assert_int_eq(set_servers(b, 2), 0);
	bed_hear_end(b, fd);
	bed_turn(b);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	ck_assert(list_is_empty(&bed_share(b)->gone));
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_server_that_went_finishes_what_it_has_and_gets_no_more)
{
	struct bed *b = bed_open_servers("", "", 2);
	struct ask *old = bed_ask(b), *fresh;
	int fd = take(b, FIRST), other;

	ck_assert_int_eq(set_servers(b, 2), 0);
	bed_turn(b);
	ck_assert(!list_is_empty(&bed_share(b)->gone));
	for (unsigned i = 0; i < 4; i++) {
		fresh = bed_ask(b);
		other = take(b, SECOND);
		bed_say(b, other, "HTTP/1.1 204 No\r\nConnection: close\r\n\r\n");
		bed_await(b, fresh);
		bed_hang_up(other);
	}
	bed_say_ok(b, fd);
	bed_await(b, old);
	ck_assert_int_eq(old->err, 0);
	bed_hear_end(b, fd);
	bed_turn(b);
	ck_assert(list_is_empty(&bed_share(b)->gone));
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

/* The one that is gone is neither asked again, nor mistaken for the one that came. */
START_TEST(what_fails_at_a_server_that_went_is_tried_at_one_that_is_there)
{
	struct bed *b = bed_open_servers("retries = 1\nretry_budget = 100%", "", 3);
	struct ask *a = bed_ask(b);
	int fd = take(b, FIRST);

	ck_assert_int_eq(set_servers(b, 2 | 4), 0);
	bed_reset(fd);
	fd = take(b, SECOND);
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(only_one_that_comes_later_starts_slowly)
{
	struct bed *b = bed_open_servers("slow_start = 10s", "", 2);

	ck_assert_uint_eq(bed_share(b)->peers[FIRST]->since_ns, 0);
	ck_assert_int_eq(set_servers(b, 1), 0);
	ck_assert_int_eq(set_servers(b, 1 | 2), 0);
	ck_assert_uint_eq(bed_share(b)->peers[FIRST]->since_ns, 0);
	ck_assert_uint_gt(bed_share(b)->peers[SECOND]->since_ns, 0);
	bed_close(b);
}
END_TEST

START_TEST(health_is_asked_of_those_that_are_there)
{
	struct bed *b =
	    bed_open_servers("health_path = /\nhealth_interval = 1h\nhealth_timeout = 1h", "", 2);
	int fd;

	ck_assert_int_eq(set_servers(b, 1), 0);
	fd = take(b, FIRST);
	bed_turn(b);
	ck_assert(!bed_has_accepted_at(b, SECOND));
	ck_assert_int_eq(set_servers(b, 2), 0);
	bed_hear_end(b, fd);
	bed_hang_up(fd);
	fd = bed_accept_at(b, SECOND);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(without_memory_nothing_changes)
{
	struct bed *b = bed_open_servers("health_path = /", "", 4);
	struct upstream_peer *p;
	unsigned n = 1;

	ck_assert_int_eq(set_servers(b, 1), 0);
	p = bed_share(b)->peers[FIRST];
	for (int err = ERR_MEMORY; err; n++) {
		struct upstream_set *set = upstream_set_ref(bed_share(b)->upstream->set);

		mem_fail_at(n, false);
		err = upstream_peers_set(bed_share(b), set);
		mem_fail_at(0, false);
		upstream_set_unref(&set);
		ck_assert(err == 0 || err == ERR_MEMORY);
		ck_assert_uint_eq(bed_share(b)->count, err ? 1 : 4);
		ck_assert_ptr_eq(bed_share(b)->peers[FIRST], p);
	}
	ck_assert_uint_gt(n, 4);
	bed_close(b);
}
END_TEST

Suite *
suite_source_upstream_peers(void)
{
	Suite *s = suite_create("source_upstream_peers");
	TCase *t = tcase_create("peers");

	tcase_add_test(t, a_server_that_stays_keeps_its_connections_and_what_is_known_of_it);
	tcase_add_test(t, a_server_that_went_loses_its_idle_connections);
	tcase_add_test(t, a_server_that_went_finishes_what_it_has_and_gets_no_more);
	tcase_add_test(t, what_fails_at_a_server_that_went_is_tried_at_one_that_is_there);
	tcase_add_test(t, only_one_that_comes_later_starts_slowly);
	tcase_add_test(t, health_is_asked_of_those_that_are_there);
	tcase_add_test(t, without_memory_nothing_changes);
	suite_add_tcase(s, t);
	return s;
}
