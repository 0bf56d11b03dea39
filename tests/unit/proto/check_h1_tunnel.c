/*
 * A client's connection after a 101: nothing is parsed, each direction ends for itself.
 */
#include "stand.h"

#include <check.h>
#include <string.h>
#include <sys/socket.h>

Suite *suite_proto_h1_tunnel(void);

#define ASK                                                                                        \
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"                                     \
	"Upgrade: chaos\r\n\r\n"
#define NEXT "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"

static struct stand stand;

static void
keep(struct stand *b, struct exchange *x)
{
	(void)b;
	(void)x;
}

/* Takes one piece after the other. */
static void
take(struct stand *b, struct exchange *x, struct chunks *body, bool is_last)
{
	(void)b;
	(void)body;
	if (!is_last)
		exchange_want_body(x);
}

static void
setup(void)
{
	stand_open(&stand);
	stand.begin = keep;
	stand.feed = take;
	stand_connect(&stand, SOCK_STREAM, 0);
}

static void
teardown(void)
{
	stand_close(&stand);
}

static void
open_tunnel(const char *said)
{
	stand_say(&stand, said);
	ck_assert_uint_eq(stand.begun, 1);
	ck_assert_int_eq(exchange_add_field(stand.x, FIELD_UPGRADE, SLICE("chaos")), 0);
	ck_assert_int_eq(stand_head(stand.x, 101, BODY_NONE, 0), 0);
	exchange_want_body(stand.x);
	stand_turns(&stand, 4);
}

static void
check_fed(const char *text)
{
	ck_assert_uint_eq(stand.fed_len, strlen(text));
	ck_assert_mem_eq(stand.fed, text, strlen(text));
}

START_TEST(the_head_names_the_protocol_and_no_length)
{
	open_tunnel(ASK);
	ck_assert_str_eq(stand_heard(&stand), "HTTP/1.1 101 Switching Protocols\r\n"
					      "Connection: Upgrade\r\nUpgrade: chaos\r\n\r\n");
}
END_TEST

START_TEST(what_came_behind_the_head_is_not_parsed)
{
	open_tunnel(ASK NEXT);
	check_fed(NEXT);
	stand_say(&stand, NEXT);
	check_fed(NEXT NEXT);
	ck_assert_uint_eq(stand.begun, 1);
}
END_TEST

START_TEST(what_came_behind_the_head_is_a_request_after_another_answer)
{
	stand_say(&stand, ASK NEXT);
	ck_assert_uint_eq(stand.begun, 1);
	stand_answer(stand.x, "no");
	stand_turns(&stand, 4);
	ck_assert_uint_eq(stand.begun, 2);
	ck_assert_uint_eq(stand.fed_len, 0);
}
END_TEST

START_TEST(a_fin_of_the_client_is_its_last_word)
{
	open_tunnel(ASK);
	shutdown(stand.client, SHUT_WR);
	stand_turns(&stand, 4);
	ck_assert_uint_eq(stand.lasts, 1);
	ck_assert_uint_eq(stand.cancels, 0);
	ck_assert_int_eq(stand_body(stand.x, "late", 4), 0);
	exchange_shut(stand.x);
	exchange_end(stand.x);
	stand_turns(&stand, 4);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "\r\n\r\nlate"));
	ck_assert(stand.is_eof && !stand.is_reset);
	ck_assert(!stand.was_cut);
	ck_assert_uint_eq(stand.host.open, 0);
}
END_TEST

START_TEST(our_end_is_a_fin_and_the_client_may_go_on)
{
	open_tunnel(ASK);
	ck_assert_int_eq(stand_body(stand.x, "last", 4), 0);
	exchange_shut(stand.x);
	stand_turns(&stand, 4);
	ck_assert_ptr_nonnull(strstr(stand_heard(&stand), "\r\n\r\nlast"));
	ck_assert(stand.is_eof);
	stand_say(&stand, "more");
	check_fed("more");
	ck_assert_uint_eq(stand.endeds, 0);
}
END_TEST

START_TEST(a_client_that_rests_has_all_the_time)
{
	open_tunnel(ASK);
	stand_wait(&stand, 3600000 * CLOCK_MS);
	ck_assert_uint_eq(stand.endeds, 0);
	stand_say(&stand, "more");
	check_fed("more");
}
END_TEST

START_TEST(an_abort_is_a_reset)
{
	stand_connect_tcp(&stand, 0);
	open_tunnel(ASK);
	exchange_abort(stand.x, ERR_CLOSED);
	stand_turns(&stand, 4);
	stand_hear(&stand);
	ck_assert(stand.is_reset);
}
END_TEST

START_TEST(a_client_that_resets_cancels)
{
	stand_connect_tcp(&stand, 0);
	open_tunnel(ASK);
	stand_hang_up(&stand, true);
	stand_turns(&stand, 4);
	ck_assert_uint_eq(stand.cancels, 1);
	ck_assert_int_eq(stand.cancel_err, ERR_GONE);
}
END_TEST

Suite *
suite_proto_h1_tunnel(void)
{
	Suite *s = suite_create("proto_h1_tunnel");
	TCase *t = tcase_create("tunnel");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_head_names_the_protocol_and_no_length);
	tcase_add_test(t, what_came_behind_the_head_is_not_parsed);
	tcase_add_test(t, what_came_behind_the_head_is_a_request_after_another_answer);
	tcase_add_test(t, a_fin_of_the_client_is_its_last_word);
	tcase_add_test(t, our_end_is_a_fin_and_the_client_may_go_on);
	tcase_add_test(t, a_client_that_rests_has_all_the_time);
	tcase_add_test(t, an_abort_is_a_reset);
	tcase_add_test(t, a_client_that_resets_cancels);
	suite_add_tcase(s, t);
	return s;
}
