/*
 * What a share takes over from that of the site before.
 */
#include "base/clock.h"
#include "upstream_bed.h"

#include "source/upstream_prior.h"
#include "source/upstream_priv.h"

#include <check.h>
#include <stdio.h>

Suite *suite_source_upstream_prior(void);

enum { FIRST, SECOND, LINES = 512 };

static const char first[] = "http://127.0.0.1:1", second[] = "http://127.0.0.1:2",
		  third[] = "http://127.0.0.1:3";

/* A share of those two servers. */
static struct bed *
share_of(const char *one, const char *other, const char *section)
{
	char lines[LINES];

	snprintf(lines, sizeof(lines), "servers = %s, %s\n%s", one, other, section);
	return bed_open(lines, "", BED_JOINED);
}

/* The same after a reload, with these lines instead. */
static struct bed *
reload_as(struct bed *b, const char *one, const char *other, const char *section)
{
	struct bed *next = share_of(one, other, section);

	upstream_prior_take(bed_share(next), bed_share(b));
	bed_close(b);
	return next;
}

static struct bed *
reload(struct bed *b, const char *section)
{
	return reload_as(b, first, second, section);
}

static struct upstream_peer *
peer(struct bed *b, unsigned server)
{
	return bed_share(b)->peers[server];
}

static uint64_t
now_of(struct bed *b)
{
	return loop_now(&bed_env(b)->loop);
}

static void
note(struct bed *b, unsigned server, unsigned times, bool has_failed)
{
	struct upstream_errand e = { .share = bed_share(b), .begun_ns = now_of(b) };

	for (unsigned i = 0; i < times; i++)
		upstream_share_note(&e, peer(b, server), has_failed);
}

static bool
is_out(struct bed *b, unsigned server)
{
	return upstream_eject_is_out(peer(b, server), now_of(b));
}

/* --- ejections ------------------------------------------------------------------------ */

static const char ejects[] = "eject_after = 3\neject_for = 1h";

START_TEST(who_was_ejected_is_out_for_as_long_as_before)
{
	struct bed *b = share_of(first, second, ejects);
	uint64_t until;

	note(b, SECOND, 3, true);
	until = peer(b, SECOND)->out_until_ns;
	b = reload(b, ejects);
	ck_assert(is_out(b, SECOND));
	ck_assert(!is_out(b, FIRST));
	ck_assert_uint_eq(peer(b, SECOND)->out_until_ns, until);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_EJECTED), 0);
	note(b, SECOND, 1, false);
	ck_assert(!is_out(b, SECOND));
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_RETURNED), 1);
	bed_close(b);
}
END_TEST

START_TEST(servers_are_known_by_their_address_not_by_their_place)
{
	struct bed *b = share_of(first, second, ejects);

	note(b, SECOND, 3, true);
	b = reload_as(b, second, third, ejects);
	ck_assert(is_out(b, FIRST));
	ck_assert(!is_out(b, SECOND));
	b = reload_as(b, first, third, ejects);
	ck_assert(!is_out(b, FIRST));
	bed_close(b);
}
END_TEST

START_TEST(failures_in_a_row_go_on)
{
	struct bed *b = share_of(first, second, ejects);

	note(b, FIRST, 2, true);
	b = reload(b, ejects);
	ck_assert(!is_out(b, FIRST));
	note(b, FIRST, 1, true);
	ck_assert(is_out(b, FIRST));
	bed_close(b);
}
END_TEST

START_TEST(an_ejection_ends_as_the_new_keys_say)
{
	struct bed *b = share_of(first, second, ejects);

	note(b, FIRST, 3, true);
	b = reload(b, "eject_after = 2\neject_for = 1m");
	ck_assert(is_out(b, FIRST));
	ck_assert_uint_eq(peer(b, FIRST)->failures, 2);
	ck_assert_uint_le(peer(b, FIRST)->out_until_ns, now_of(b) + 60 * CLOCK_SEC);
	b = reload(b, "eject_after = 0");
	ck_assert(!is_out(b, FIRST));
	bed_close(b);
}
END_TEST

START_TEST(servers_that_are_spoken_to_otherwise_begin_anew)
{
	struct bed *b = share_of(first, second, ejects);

	note(b, FIRST, 3, true);
	b = reload(b, "eject_after = 3\ntls_name = other.example");
	ck_assert(!is_out(b, FIRST));
	bed_close(b);
}
END_TEST

/* --- health --------------------------------------------------------------------------- */

static const char checked[] = "health_path = /a\nhealth_interval = 10m\nhealth_timeout = 10s\n"
			      "slow_start = 1h";

START_TEST(who_is_down_stays_so_until_its_checks_say_otherwise)
{
	struct bed *b = share_of(first, second, checked);
	uint64_t at = now_of(b);

	gauge_set(&peer(b, FIRST)->server->up_ns, at);
	gauge_set(&peer(b, SECOND)->server->down, 1);
	b = reload(b, checked);
	ck_assert(is_out(b, SECOND));
	ck_assert(!is_out(b, FIRST));
	ck_assert_uint_eq(gauge_read(&peer(b, FIRST)->server->up_ns), at);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_WENT_DOWN), 0);
	bed_close(b);
}
END_TEST

/* One check of b, answered well by the server of that bed. */
static void
answer_well(struct bed *b, struct bed *server)
{
	uint64_t before = bed_count(b, COUNTER_UPSTREAM_CHECK_GOOD);
	int fd = bed_try_accept(server);

	while (fd < 0) {
		loop_turn(&bed_env(b)->loop, false);
		fd = bed_try_accept(server);
	}
	bed_say(server, fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	while (bed_count(b, COUNTER_UPSTREAM_CHECK_GOOD) == before)
		loop_turn(&bed_env(b)->loop, false);
	bed_hang_up(fd);
}

START_TEST(one_good_check_is_no_more_than_before)
{
	static const char quick[] = "health_path = /\nhealth_interval = 10ms\n"
				    "health_timeout = 10m\nhealth_rise = 2";
	struct bed *server = bed_open("", "", BED_JOINED), *b;
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", bed_port(server));
	b = share_of(url, first, quick);
	gauge_set(&peer(b, FIRST)->server->down, 1);
	b = reload_as(b, url, first, quick);
	answer_well(b, server);
	ck_assert(is_out(b, FIRST));
	answer_well(b, server);
	ck_assert(!is_out(b, FIRST));
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_CAME_UP), 1);
	bed_close(b);
	bed_close(server);
}
END_TEST

static const char *const other_checks[] = { "health_path = /b", "" };

START_TEST(what_other_checks_said_is_forgotten)
{
	struct bed *b = share_of(first, second, checked);

	gauge_set(&peer(b, SECOND)->server->down, 1);
	b = reload(b, other_checks[_i]);
	ck_assert(!is_out(b, SECOND));
	bed_close(b);
}
END_TEST

/* --- slow start ----------------------------------------------------------------------- */

START_TEST(a_server_that_is_new_beside_known_ones_starts_slowly)
{
	struct bed *b = share_of(first, second, "slow_start = 1h");

	b = reload_as(b, second, third, "slow_start = 1h");
	ck_assert_uint_eq(peer(b, FIRST)->since_ns, 0);
	ck_assert_uint_gt(peer(b, SECOND)->since_ns, 0);
	b = reload_as(b, second, third, "slow_start = 1h");
	ck_assert_uint_gt(peer(b, SECOND)->since_ns, 0);
	b = reload_as(b, "http://127.0.0.1:4", "http://127.0.0.1:5", "slow_start = 1h");
	ck_assert_uint_eq(peer(b, FIRST)->since_ns, 0);
	ck_assert_uint_eq(peer(b, SECOND)->since_ns, 0);
	bed_close(b);
}
END_TEST

/* --- the breaker ------------------------------------------------------------------------ */

static const char guarded[] = "eject_after = 0\nbreaker_error_rate = 50%\n"
			      "breaker_min_requests = 4\nbreaker_open_for = 1h";

static bool
admits(struct bed *b)
{
	return upstream_breaker_admits(bed_share(b), 1);
}

START_TEST(a_breaker_stays_open_and_its_window_goes_on)
{
	struct bed *b = share_of(first, second, guarded);

	note(b, FIRST, 3, true);
	b = reload(b, guarded);
	ck_assert(admits(b));
	note(b, FIRST, 1, true);
	ck_assert(!admits(b));
	b = reload(b, guarded);
	ck_assert(!admits(b));
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_BREAKER_OPEN), 0);
	b = reload(b, "");
	ck_assert(admits(b));
	b = reload(b, guarded);
	ck_assert(admits(b));
	bed_close(b);
}
END_TEST

/* A reload is the way out when all were dead. */
START_TEST(a_breaker_says_nothing_of_other_servers)
{
	struct bed *b = share_of(first, second, guarded);

	note(b, FIRST, 4, true);
	ck_assert(!admits(b));
	b = reload_as(b, first, third, guarded);
	ck_assert(admits(b));
	bed_close(b);
}
END_TEST

START_TEST(a_breaker_that_was_half_open_has_trials_of_its_own)
{
	struct bed *b = share_of(first, second, guarded);
	struct upstream_errand e;

	note(b, FIRST, 4, true);
	bed_share(b)->breaker.until_ns = now_of(b);
	ck_assert(admits(b));
	e = (struct upstream_errand){ .share = bed_share(b) };
	upstream_breaker_mark(&e);
	b = reload(b, guarded);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(admits(b));
		e = (struct upstream_errand){ .share = bed_share(b), .begun_ns = now_of(b) };
		upstream_breaker_mark(&e);
		upstream_breaker_note(&e, false);
	}
	ck_assert_int_eq(bed_share(b)->breaker.state, BREAKER_CLOSED);
	bed_close(b);
}
END_TEST

Suite *
suite_source_upstream_prior(void)
{
	Suite *s = suite_create("source_upstream_prior");
	TCase *t = tcase_create("prior");

	tcase_add_test(t, who_was_ejected_is_out_for_as_long_as_before);
	tcase_add_test(t, servers_are_known_by_their_address_not_by_their_place);
	tcase_add_test(t, failures_in_a_row_go_on);
	tcase_add_test(t, an_ejection_ends_as_the_new_keys_say);
	tcase_add_test(t, servers_that_are_spoken_to_otherwise_begin_anew);
	tcase_add_test(t, who_is_down_stays_so_until_its_checks_say_otherwise);
	tcase_add_test(t, one_good_check_is_no_more_than_before);
	tcase_add_loop_test(t, what_other_checks_said_is_forgotten, 0, 2);
	tcase_add_test(t, a_server_that_is_new_beside_known_ones_starts_slowly);
	tcase_add_test(t, a_breaker_stays_open_and_its_window_goes_on);
	tcase_add_test(t, a_breaker_says_nothing_of_other_servers);
	tcase_add_test(t, a_breaker_that_was_half_open_has_trials_of_its_own);
	suite_add_tcase(s, t);
	return s;
}
