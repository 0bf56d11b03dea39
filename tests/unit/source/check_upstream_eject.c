/*
 * Who is left out after failures, for how long, and how it comes back.
 */
#include "base/clock.h"
#include "upstream_bed.h"

#include "source/upstream_priv.h"

#include <check.h>

Suite *suite_source_upstream_eject(void);

enum { FIRST, SECOND, THIRD };

static const char quick[] = "retries = 0\neject_after = 3\neject_for = 1h";

static void
fall(struct bed *b, unsigned server, unsigned times)
{
	struct upstream_errand e = { .share = bed_share(b),
				     .begun_ns = loop_now(&bed_env(b)->loop) };

	for (unsigned i = 0; i < times; i++)
		upstream_share_note(&e, e.share->peers[server], true);
}

static void
succeed(struct bed *b, unsigned server)
{
	struct upstream_errand e = { .share = bed_share(b),
				     .begun_ns = loop_now(&bed_env(b)->loop) };

	upstream_share_note(&e, e.share->peers[server], false);
}

static bool
is_out(struct bed *b, unsigned server)
{
	return upstream_eject_is_out(bed_share(b)->peers[server], loop_now(&bed_env(b)->loop));
}

static void
end_time(struct bed *b, unsigned server)
{
	bed_share(b)->peers[server]->out_until_ns = 0;
}

/* Asks once; the server's end of the connection, when it has heard the request. */
static int
ask_at(struct bed *b, unsigned server, struct ask **a)
{
	int fd;

	*a = bed_ask(b);
	fd = bed_accept_at(b, server);
	bed_expect(b, fd, "");
	return fd;
}

START_TEST(failures_in_a_row_take_a_server_out)
{
	struct bed *b = bed_open_servers(quick, "", 2);

	fall(b, FIRST, 2);
	succeed(b, FIRST);
	fall(b, FIRST, 2);
	ck_assert(!is_out(b, FIRST));
	fall(b, FIRST, 1);
	ck_assert(is_out(b, FIRST));
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_EJECTED), 1);
	bed_close(b);
}
END_TEST

START_TEST(one_that_is_out_is_not_asked_and_keeps_no_connection)
{
	struct bed *b = bed_open_servers(quick, "", 2);
	struct ask *a;
	int fd = ask_at(b, FIRST, &a), other;

	bed_say_ok(b, fd);
	bed_await(b, a);
	fall(b, FIRST, 3);
	bed_hear_end(b, fd);
	other = ask_at(b, SECOND, &a);
	bed_say_ok(b, other);
	bed_await(b, a);
	for (unsigned i = 0; i < 4; i++) {
		a = bed_ask(b);
		bed_expect(b, other, "");
		bed_say_ok(b, other);
		bed_await(b, a);
		ck_assert_int_eq(a->err, 0);
	}
	bed_hang_up(fd);
	bed_hang_up(other);
	bed_close(b);
}
END_TEST

/* What a server does, and whether it counts against it. */
static const struct move {
	const char *says; /* NULL: resets; "": hangs */
	bool is_failure;
} moves[] = {
	{ NULL, true },
	{ "", true },
	{ "nonsense\r\n\r\n", true },
	{ "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", true },
	{ "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", true },
	{ "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", false },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false },
};

enum { MOVES = sizeof(moves) / sizeof(moves[0]) };

START_TEST(what_counts_as_a_failure)
{
	struct bed *b =
	    bed_open_servers("retries = 0\neject_after = 1\nfirst_byte_timeout = 10ms", "", 2);
	const struct move *move = &moves[_i];
	struct ask *a;
	int fd;

	bed_freeze(b);
	fd = ask_at(b, FIRST, &a);
	if (!move->says)
		bed_reset(fd);
	else if (*move->says)
		bed_say(b, fd, move->says);
	else
		bed_pass(b, 10);
	bed_await(b, a);
	ck_assert_int_eq(is_out(b, FIRST), move->is_failure);
	if (move->says)
		bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_server_that_refuses_is_one_that_fails)
{
	struct bed *b = bed_open_servers("retries = 0\neject_after = 1", "", 2);
	struct ask *a;

	bed_leave(b, FIRST);
	a = bed_ask(b);
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CONNECT);
	ck_assert(is_out(b, FIRST));
	bed_close(b);
}
END_TEST

START_TEST(a_passed_deadline_counts_and_a_client_that_leaves_does_not)
{
	struct bed *b = bed_open_servers("retries = 0\neject_after = 1", "", 2);
	struct ask *a;
	int fd = ask_at(b, FIRST, &a);

	if (_i)
		a->q.deadline_ns = loop_now(&bed_env(b)->loop);
	ask_cancel(a);
	ck_assert_int_eq(is_out(b, FIRST), _i);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

/* Whoever hurries would else take the servers from those who do not. */
START_TEST(a_deadline_that_the_client_has_lowered_counts_against_nobody)
{
	static const char *const sections[] = { "retries = 0\neject_after = 1",
						"retries = 0\neject_after = 1\nprotocols = h2" };
	struct bed *b = bed_open_servers(sections[_i / 2], "", 2);
	bool is_hurried = _i % 2 == 1;
	struct ask *a = bed_ask(b);
	int fd = bed_accept_at(b, FIRST);

	a->q.is_hurried = is_hurried;
	a->q.deadline_ns = loop_now(&bed_env(b)->loop);
	bed_turn(b);
	ask_cancel(a);
	ck_assert_int_eq(is_out(b, FIRST), !is_hurried);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(the_last_server_is_never_ejected)
{
	struct bed *b = bed_open_servers(quick, "", 3);

	fall(b, FIRST, 3);
	fall(b, SECOND, 3);
	fall(b, THIRD, 3);
	ck_assert(!is_out(b, THIRD));
	bed_close(b);
}
END_TEST

START_TEST(when_the_last_fails_all_are_tried)
{
	struct bed *b = bed_open_servers(quick, "", 2);

	fall(b, FIRST, 3);
	fall(b, SECOND, 2);
	ck_assert(is_out(b, FIRST));
	fall(b, SECOND, 1);
	ck_assert(!is_out(b, FIRST));
	bed_close(b);
}
END_TEST

START_TEST(none_is_out_for_longer_because_all_failed_together)
{
	struct bed *b = bed_open_servers(quick, "", 3);
	struct upstream_peer **p = bed_share(b)->peers;

	for (unsigned i = 0; i < 10; i++) {
		fall(b, FIRST, 3);
		fall(b, SECOND, 3);
		fall(b, THIRD, 3);
	}
	ck_assert(!is_out(b, FIRST));
	ck_assert(!is_out(b, SECOND));
	ck_assert(!is_out(b, THIRD));
	/* Who answers first is not alone: the others have their trial. */
	succeed(b, THIRD);
	ck_assert(!is_out(b, FIRST));
	ck_assert(!is_out(b, SECOND));
	/* What began before says no more than that all failed. */
	upstream_share_note(&(struct upstream_errand){ .share = bed_share(b) }, p[FIRST], true);
	ck_assert(!is_out(b, FIRST));
	/* From now on it is theirs, and the first time is the shortest but one. */
	fall(b, FIRST, 1);
	ck_assert(is_out(b, FIRST));
	ck_assert_uint_eq(p[FIRST]->ejections, 2);
	ck_assert(!is_out(b, SECOND));
	bed_close(b);
}
END_TEST

START_TEST(a_single_server_is_left_alone)
{
	struct bed *b = bed_open_servers(quick, "", 1);

	fall(b, FIRST, 10);
	ck_assert(!is_out(b, FIRST));
	bed_close(b);
}
END_TEST

START_TEST(eject_after_0_ejects_nobody)
{
	struct bed *b = bed_open_servers("eject_after = 0", "", 2);

	fall(b, FIRST, 100);
	ck_assert(!is_out(b, FIRST));
	bed_close(b);
}
END_TEST

START_TEST(one_request_at_a_time_tries_a_server_that_is_back)
{
	struct bed *b = bed_open_servers(quick, "", 2);
	struct upstream_peer **p = bed_share(b)->peers;
	struct ask *a, *c;
	int fd, other;

	fall(b, FIRST, 3);
	end_time(b, FIRST);
	p[FIRST]->credit = p[SECOND]->credit = 0;
	fd = ask_at(b, FIRST, &a);
	ck_assert(is_out(b, FIRST));
	other = ask_at(b, SECOND, &c);
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert(!is_out(b, FIRST));
	ck_assert_uint_eq(p[FIRST]->ejections, 0);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_RETURNED), 1);
	bed_say_ok(b, other);
	bed_await(b, c);
	bed_hang_up(fd);
	bed_hang_up(other);
	bed_close(b);
}
END_TEST

START_TEST(a_failed_trial_doubles_the_time_up_to_a_ceiling)
{
	struct bed *b = bed_open_servers("eject_after = 3\neject_for = 1s", "", 2);
	struct upstream_peer **p = bed_share(b)->peers;
	uint64_t now;

	fall(b, FIRST, 3);
	for (unsigned i = 0; i < 10; i++) {
		now = loop_now(&bed_env(b)->loop);
		ck_assert_uint_eq(p[FIRST]->out_until_ns, now + (CLOCK_SEC << (i < 5 ? i : 5)));
		fall(b, FIRST, 1); /* one that began before */
		ck_assert_uint_eq(p[FIRST]->out_until_ns, now + (CLOCK_SEC << (i < 5 ? i : 5)));
		end_time(b, FIRST);
		fall(b, FIRST, 1);
	}
	bed_close(b);
}
END_TEST

START_TEST(a_retry_is_not_wasted_on_one_that_is_out)
{
	struct bed *b = bed_open_servers("eject_after = 3\neject_for = 1h", "", 2);
	struct ask *a;

	fall(b, SECOND, 3);
	bed_reset(ask_at(b, FIRST, &a));
	bed_await(b, a);
	ck_assert_int_eq(a->err, ERR_CLOSED);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_RETRY_NO_SERVER), 1);
	bed_close(b);
}
END_TEST

Suite *
suite_source_upstream_eject(void)
{
	Suite *s = suite_create("source_upstream_eject");
	TCase *t = tcase_create("eject");

	tcase_add_test(t, failures_in_a_row_take_a_server_out);
	tcase_add_test(t, one_that_is_out_is_not_asked_and_keeps_no_connection);
	tcase_add_loop_test(t, what_counts_as_a_failure, 0, MOVES);
	tcase_add_test(t, a_server_that_refuses_is_one_that_fails);
	tcase_add_loop_test(t, a_passed_deadline_counts_and_a_client_that_leaves_does_not, 0, 2);
	tcase_add_loop_test(t, a_deadline_that_the_client_has_lowered_counts_against_nobody, 0, 4);
	tcase_add_test(t, the_last_server_is_never_ejected);
	tcase_add_test(t, when_the_last_fails_all_are_tried);
	tcase_add_test(t, none_is_out_for_longer_because_all_failed_together);
	tcase_add_test(t, a_single_server_is_left_alone);
	tcase_add_test(t, eject_after_0_ejects_nobody);
	tcase_add_test(t, one_request_at_a_time_tries_a_server_that_is_back);
	tcase_add_test(t, a_failed_trial_doubles_the_time_up_to_a_ceiling);
	tcase_add_test(t, a_retry_is_not_wasted_on_one_that_is_out);
	suite_add_tcase(s, t);
	return s;
}
