/*
 * The error log: one line per fact, whatever a peer put into it.
 */
#include "base/log.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

Suite *suite_base_log(void);

enum { SAID_BYTES = 65536 };

static char said[SAID_BYTES];
static int ends[2];

/* Standard error goes into a pipe; each test runs in a process of its own. */
static void
set_up(void)
{
	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
	log_set_level(LOG_LEVEL_NOTICE);
	log_set_thread(NULL);
}

static const char *
what_was_said(void)
{
	ssize_t n = read(ends[0], said, sizeof(said) - 1);

	said[n > 0 ? n : 0] = '\0';
	return said;
}

static size_t
count_lines(const char *text)
{
	size_t lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

START_TEST(line_has_time_level_thread_and_text)
{
	const char *text;

	log_set_thread("worker 1");
	log_warning("accept: %s", "no");
	text = what_was_said();
	ck_assert_uint_eq(strlen(text),
			  strlen("2026-01-02T03:04:05.678Z warning worker 1: accept: no\n"));
	ck_assert_int_eq(text[10], 'T');
	ck_assert_int_eq(text[23], 'Z');
	ck_assert_str_eq(text + 24, " warning worker 1: accept: no\n");
}
END_TEST

START_TEST(levels_above_the_threads_are_dropped)
{
	log_set_level(LOG_LEVEL_WARNING);
	ck_assert(!log_is_on(LOG_LEVEL_NOTICE));
	log_notice("a");
	log_debug("b");
	ck_assert_str_eq(what_was_said(), "");
	log_error("c");
	ck_assert_uint_eq(count_lines(what_was_said()), 1);
}
END_TEST

START_TEST(control_bytes_cannot_forge_a_line)
{
	log_error("from peer: %s", "x\n2026-01-01T00:00:00.000Z error forged\r\x1b[31m\x7f");
	ck_assert_uint_eq(count_lines(what_was_said()), 1);
	ck_assert_ptr_null(strchr(said, '\r'));
	ck_assert_ptr_null(strchr(said, '\x1b'));
	ck_assert_ptr_null(strchr(said, '\x7f'));
}
END_TEST

START_TEST(long_line_is_cut_and_still_one_line)
{
	char text[5000];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_error("%s", text);
	what_was_said();
	ck_assert_uint_eq(count_lines(said), 1);
	ck_assert_uint_gt(strlen(said), 1000);
	ck_assert_uint_le(strlen(said), 2048);
	ck_assert_int_eq(said[strlen(said) - 1], '\n');
}
END_TEST

START_TEST(flood_is_bounded_and_errno_kept)
{
	errno = ENOSPC;
	for (int i = 0; i < 2000; i++)
		log_error("flood");
	ck_assert_int_eq(errno, ENOSPC);
	what_was_said();
	ck_assert_uint_ge(count_lines(said), 200);
	ck_assert_uint_le(count_lines(said), 600); /* a second may end in between */
}
END_TEST

Suite *
suite_base_log(void)
{
	Suite *s = suite_create("base_log");
	TCase *t = tcase_create("log");

	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_test(t, line_has_time_level_thread_and_text);
	tcase_add_test(t, levels_above_the_threads_are_dropped);
	tcase_add_test(t, control_bytes_cannot_forge_a_line);
	tcase_add_test(t, long_line_is_cut_and_still_one_line);
	tcase_add_test(t, flood_is_bounded_and_errno_kept);
	suite_add_tcase(s, t);
	return s;
}
