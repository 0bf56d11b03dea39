/*
 * Health checks: what is asked, which answers are good, and when it matters.
 */
#include "base/clock.h"
#include "upstream_bed.h"

#include "source/upstream_priv.h"

#include <check.h>
#include <stdio.h>

Suite *suite_source_upstream_health(void);

enum { FIRST, SECOND };

/* One server is checked at a time: its checks follow one another quickly. */
static const char quick[] =
    "health_path = /healthz?q=1\nhealth_interval = 10ms\nhealth_timeout = 10s";

static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
static const char bad[] = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";

static bool
is_down(struct bed *b, unsigned server)
{
	return gauge_read(&bed_share(b)->peers[server]->server->down);
}

static unsigned
checks(struct bed *b)
{
	return (unsigned)(bed_count(b, COUNTER_UPSTREAM_CHECK_GOOD) +
			  bed_count(b, COUNTER_UPSTREAM_CHECK_BAD));
}

/* One check, and its answer. */
static void
answer(struct bed *b, unsigned server, const char *text)
{
	unsigned before = checks(b);
	int fd = bed_accept_at(b, server);

	bed_expect(b, fd, "GET /healthz?q=1 HTTP/1.1\r\n");
	bed_say(b, fd, text);
	bed_hang_up(fd);
	while (checks(b) == before)
		loop_turn(&bed_env(b)->loop, true);
}

START_TEST(a_check_is_a_request_of_its_own)
{
	struct bed *b = bed_open_servers(quick, "", 1);
	int fd = bed_accept(b);
	const char *head = bed_expect(b, fd, "GET /healthz?q=1 HTTP/1.1\r\nHost: 127.0.0.1:");

	ck_assert_ptr_nonnull(strstr(head, "\r\nConnection: close\r\n"));
	bed_say(b, fd, good);
	bed_hear_end(b, fd);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_CHECK_GOOD), 1);
	ck_assert_uint_eq(bed_open_conns(b), 0);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(the_first_check_decides_alone)
{
	struct bed *b = bed_open_servers(quick, "", 2);

	ck_assert(!is_down(b, SECOND));
	answer(b, SECOND, bad);
	ck_assert(is_down(b, SECOND));
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_WENT_DOWN), 1);
	bed_close(b);
}
END_TEST

START_TEST(then_it_takes_several_in_a_row)
{
	static const struct {
		const char *says;
		bool is_down;
	} steps[] = { { good, false }, { bad, false }, { bad, false }, { good, false },
		      { bad, false },  { bad, false }, { bad, true },  { good, true },
		      { bad, true },   { good, true }, { good, false } };
	struct bed *b = bed_open_servers(quick, "", 1);

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		answer(b, FIRST, steps[i].says);
		ck_assert_msg(is_down(b, FIRST) == steps[i].is_down, "after step %u", i);
	}
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_WENT_DOWN), 1);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_CAME_UP), 1);
	bed_close(b);
}
END_TEST

static const struct reply {
	const char *says;
	bool is_good;
} replies[] = {
	{ "HTTP/1.1 204 Fine\r\n\r\n", true },
	{ "HTTP/1.1 302 There\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", true },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", true },
	{ "HTTP/1.1 103 Soon\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", true },
	{ "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", false },
	{ "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", false },
	{ "nonsense\r\n\r\n", false },
	{ "HTTP/1.1 200 OK\r\n", false },
	{ "", false },
};

enum { REPLIES = sizeof(replies) / sizeof(replies[0]) };

START_TEST(which_answers_are_good)
{
	struct bed *b = bed_open_servers(quick, "", 1);

	answer(b, FIRST, replies[_i].says);
	ck_assert_int_eq(is_down(b, FIRST), !replies[_i].is_good);
	bed_close(b);
}
END_TEST

START_TEST(a_head_without_end_is_bad)
{
	static char endless[8192];
	struct bed *b = bed_open_servers(quick, "", 1);
	int fd = bed_accept(b);

	memset(endless, 'x', sizeof(endless) - 1);
	memcpy(endless, "HTTP/1.1 200 OK\r\nA: ", 20);
	bed_expect(b, fd, "GET ");
	bed_say(b, fd, endless);
	ck_assert(is_down(b, FIRST));
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(a_server_that_refuses_is_down)
{
	struct bed *b = bed_open_servers(quick, "", 1);

	bed_leave(b, FIRST);
	while (!is_down(b, FIRST))
		loop_turn(&bed_env(b)->loop, true);
	bed_return(b, FIRST);
	answer(b, FIRST, good);
	answer(b, FIRST, good);
	ck_assert(!is_down(b, FIRST));
	bed_close(b);
}
END_TEST

START_TEST(a_server_that_says_nothing_is_down)
{
	struct bed *b = bed_open_servers("health_path = /\nhealth_timeout = 10ms", "", 1);
	int fd = bed_accept(b);

	bed_expect(b, fd, "GET / ");
	bed_hear_end(b, fd);
	ck_assert(is_down(b, FIRST));
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

/* With long intervals: what is accepted after the first checks are requests. */
static struct bed *
open_judged(const char *first, const char *second)
{
	struct bed *b = bed_open_servers("health_path = /healthz?q=1\nhealth_interval = 1h", "", 2);

	answer(b, FIRST, first);
	answer(b, SECOND, second);
	return b;
}

static void
serve(struct bed *b, unsigned server)
{
	struct ask *a = bed_ask(b);
	int fd = bed_accept_at(b, server);

	bed_expect(b, fd, "GET /client");
	bed_say(b, fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	bed_await(b, a);
	ck_assert_int_eq(a->err, 0);
	bed_hang_up(fd);
}

START_TEST(a_server_that_is_down_is_not_asked)
{
	struct bed *b = open_judged(bad, good);

	for (unsigned i = 0; i < 5; i++)
		serve(b, SECOND);
	ck_assert(!bed_has_accepted_at(b, FIRST));
	bed_close(b);
}
END_TEST

START_TEST(where_all_are_down_all_are_asked)
{
	struct bed *b = open_judged(bad, bad);

	serve(b, FIRST);
	serve(b, SECOND);
	serve(b, FIRST);
	bed_close(b);
}
END_TEST

START_TEST(the_last_that_is_well_is_not_ejected)
{
	struct bed *b = open_judged(bad, good);
	struct upstream_errand e = { .share = bed_share(b) };

	for (unsigned i = 0; i < 10; i++)
		upstream_share_note(&e, e.share->peers[SECOND], true);
	ck_assert_uint_eq(bed_share(b)->peers[SECOND]->ejections, 0);
	bed_close(b);
}
END_TEST

START_TEST(a_check_under_way_ends_with_the_upstream)
{
	struct bed *b = bed_open_servers(quick, "", 2);
	int fd = bed_accept_at(b, FIRST);

	bed_close(b); /* looks whether a timer or a block is left */
	bed_hang_up(fd);
}
END_TEST

START_TEST(without_a_path_nobody_is_checked)
{
	struct bed *b = bed_open_servers("health_interval = 10ms", "", 1);

	bed_pass(b, 15);
	ck_assert(!bed_has_accepted(b));
	bed_close(b);
}
END_TEST

START_TEST(a_path_that_cannot_be_asked_for_is_an_error)
{
	static const char *const wrong[] = { "healthz", "/a b", "/a#b", "/\xc3\xa4" };
	char section[128];

	snprintf(section, sizeof(section), "servers = http://127.0.0.1:1\nhealth_path = %s",
		 wrong[_i]);
	ck_assert_ptr_nonnull(
	    strstr(bed_complaint(section, "", BED_JOINED), "f:3: [upstream u] health_path: "));
}
END_TEST

Suite *
suite_source_upstream_health(void)
{
	Suite *s = suite_create("source_upstream_health");
	TCase *t = tcase_create("health");

	tcase_add_test(t, a_check_is_a_request_of_its_own);
	tcase_add_test(t, the_first_check_decides_alone);
	tcase_add_test(t, then_it_takes_several_in_a_row);
	tcase_add_loop_test(t, which_answers_are_good, 0, REPLIES);
	tcase_add_test(t, a_head_without_end_is_bad);
	tcase_add_test(t, a_server_that_refuses_is_down);
	tcase_add_test(t, a_server_that_says_nothing_is_down);
	tcase_add_test(t, a_server_that_is_down_is_not_asked);
	tcase_add_test(t, where_all_are_down_all_are_asked);
	tcase_add_test(t, the_last_that_is_well_is_not_ejected);
	tcase_add_test(t, a_check_under_way_ends_with_the_upstream);
	tcase_add_test(t, without_a_path_nobody_is_checked);
	tcase_add_loop_test(t, a_path_that_cannot_be_asked_for_is_an_error, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
