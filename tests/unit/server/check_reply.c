/*
 * Replies to commands, for people and for programs.
 */
#include "base/json.h"
#include "base/mem.h"
#include "config/conf.h"
#include "server/reply.h"

#include <check.h>

Suite *suite_server_reply(void);

static struct reply reply;
static struct buffer text;

static void
set_up(void)
{
	reply_init(&reply);
	buffer_init(&text, REPLY_BYTES);
}

static void
tear_down(void)
{
	reply_fini(&reply);
	buffer_fini(&text);
}

static void
must_be(bool is_json, const char *expected)
{
	struct slice got;

	reply_write(&text, &reply, is_json);
	ck_assert_int_eq(text.err, 0);
	got = buffer_slice(&text);
	ck_assert_msg(slice_eq(got, slice_of(expected)), "%.*s", SLICE_PRINT(got));
	if (is_json)
		ck_assert_int_eq(json_validate(got, JSON_DEPTH_MAX, NULL), 0);
}

START_TEST(what_is_done_is_one_line)
{
	reply_say(&reply, 200, "reloaded: %d workers", 4);
	must_be(false, "reloaded: 4 workers\n");
}
END_TEST

START_TEST(a_refusal_has_the_errors_sorted_below_it)
{
	reply_say(&reply, 422, "refused");
	conf_error(&reply.errors, "b.conf", 9, "second");
	conf_error(&reply.errors, "b.conf", 3, "first");
	conf_error(&reply.errors, "a.conf", 0, "no [listen NAME]");
	must_be(false, "refused\na.conf: no [listen NAME]\nb.conf:3: first\nb.conf:9: second\n");
}
END_TEST

START_TEST(a_program_gets_file_line_and_message_apart)
{
	struct conf_file file = { .name = "a\"b.conf" };
	struct conf_section section = { .kind = SLICE("pool"), .file = &file, .line = 7 };

	reply_say(&reply, 422, "refused");
	conf_error(&reply.errors, "a\"b.conf", 3, "not \"x\"");
	conf_warning_at(&reply.errors, &section, NULL, "odd");
	must_be(true, "{\"ok\":false,\"message\":\"refused\",\"errors\":["
		      "{\"file\":\"a\\\"b.conf\",\"line\":3,\"severity\":\"error\","
		      "\"message\":\"not \\\"x\\\"\"},"
		      "{\"file\":\"a\\\"b.conf\",\"line\":7,\"severity\":\"warning\","
		      "\"message\":\"[pool]: odd\"}]}\n");
}
END_TEST

START_TEST(what_is_begun_is_all_right)
{
	reply_say(&reply, 202, "draining");
	must_be(true, "{\"ok\":true,\"message\":\"draining\",\"errors\":[]}\n");
}
END_TEST

START_TEST(errors_that_were_not_kept_are_counted)
{
	reply_say(&reply, 422, "refused");
	conf_error(&reply.errors, "a.conf", 1, "x");
	mem_fail_at(1, true);
	conf_error(&reply.errors, "a.conf", 2, "x");
	conf_error(&reply.errors, "a.conf", 3, "x");
	mem_fail_at(0, false);
	must_be(false, "refused\na.conf:1: x\n... and 2 more\n");
}
END_TEST

START_TEST(a_long_message_is_cut)
{
	char message[2 * REPLY_MESSAGE_BYTES];

	memset(message, 'm', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';
	reply_say(&reply, 409, "%s", message);
	ck_assert_uint_eq(strlen(reply.message), REPLY_MESSAGE_BYTES - 1);
}
END_TEST

Suite *
suite_server_reply(void)
{
	Suite *s = suite_create("server/reply");
	TCase *t = tcase_create("reply");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, what_is_done_is_one_line);
	tcase_add_test(t, a_refusal_has_the_errors_sorted_below_it);
	tcase_add_test(t, a_program_gets_file_line_and_message_apart);
	tcase_add_test(t, what_is_begun_is_all_right);
	tcase_add_test(t, errors_that_were_not_kept_are_counted);
	tcase_add_test(t, a_long_message_is_cut);
	suite_add_tcase(s, t);
	return s;
}
