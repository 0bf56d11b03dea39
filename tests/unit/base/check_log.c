/*
 * The error log: one line per fact, whatever a peer put into it.
 */
#include "base/log.h"

#include "base/json.h"
#include "base/log_file.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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

START_TEST(levels_above_are_dropped)
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

START_TEST(json_line_is_one_object_whatever_is_said)
{
	char *end;

	log_to_fd(STDERR_FILENO, LOG_FORMAT_JSON);
	log_set_thread("worker \"1\"");
	log_warning("from peer: %s", "x\n\"}{\\ \xff \xc3\xa9");
	what_was_said();
	ck_assert_uint_eq(count_lines(said), 1);
	end = strchr(said, '\n');
	ck_assert_int_eq(json_validate(slice_make(said, (size_t)(end - said)), 2, NULL), 0);
	ck_assert_ptr_nonnull(strstr(said, "\"level\":\"warning\",\"thread\":\"worker \\\"1\\\"\","
					   "\"message\":\"from peer: x\\n\\\"}{"));
	ck_assert_ptr_nonnull(strstr(said, "\xef\xbf\xbd \xc3\xa9\"}"));
}
END_TEST

START_TEST(json_line_that_is_too_long_once_escaped_is_cut_whole)
{
	char text[1900];
	char *end;

	log_to_fd(STDERR_FILENO, LOG_FORMAT_JSON);
	memset(text, '\1', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_error("%s", text);
	what_was_said();
	ck_assert_uint_eq(count_lines(said), 1);
	ck_assert_uint_le(strlen(said), 4096);
	end = strchr(said, '\n');
	ck_assert_int_eq(json_validate(slice_make(said, (size_t)(end - said)), 2, NULL), 0);
}
END_TEST

START_TEST(prefixed_line_has_a_priority_and_no_time)
{
	log_to_fd(STDERR_FILENO, LOG_FORMAT_PREFIXED);
	log_set_thread("monitor");
	log_error("a");
	log_notice("b");
	ck_assert_str_eq(what_was_said(), "<3>monitor: a\n<5>monitor: b\n");
}
END_TEST

/* Fills the pipe, so that nothing can be written. */
static void
stuff(void)
{
	static char bytes[4096];

	memset(bytes, '.', sizeof(bytes));
	while (write(ends[1], bytes, sizeof(bytes)) > 0)
		continue;
}

static void
drink(void)
{
	while (read(ends[0], said, sizeof(said)) > 0)
		continue;
}

START_TEST(lines_that_cannot_be_written_are_counted_and_told_of_once)
{
	stuff();
	/* As a pipe of somebody else's: writing to it would wait. */
	ck_assert_int_eq(fcntl(ends[1], F_SETFL, 0), 0);
	log_error("lost");
	log_error("lost");
	drink();
	log_error("back");
	log_error("more");
	what_was_said();
	ck_assert_ptr_null(strstr(said, "error lost"));
	ck_assert_uint_eq(count_lines(said), 3);
	ck_assert_ptr_nonnull(strstr(said, "error back\n"));
	ck_assert_ptr_nonnull(strstr(said, "warning log: 2 lines lost\n"));
	ck_assert_ptr_nonnull(strstr(said, "error more\n"));
}
END_TEST

static int
read_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, said, sizeof(said) - 1);

	close(fd);
	said[n > 0 ? n : 0] = '\0';
	return (int)n;
}

START_TEST(files_follow_one_another_under_the_same_descriptor)
{
	char folder[] = "/tmp/forebay-log-XXXXXX", first[64], second[64];
	int before;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(first, sizeof(first), "%s/first", folder);
	snprintf(second, sizeof(second), "%s/second", folder);
	log_to_fd(log_file_open(first), LOG_FORMAT_TEXT);
	log_error("one");
	before = dup(ends[0]);
	log_to_fd(log_file_open(second), LOG_FORMAT_TEXT);
	log_error("two");
	log_to_fd(log_file_open(first), LOG_FORMAT_TEXT);
	log_error("three");
	log_to_fd(STDERR_FILENO, LOG_FORMAT_TEXT);
	log_error("four");
	ck_assert_ptr_nonnull(strstr(what_was_said(), "error four\n"));
	ck_assert_uint_eq(count_lines(said), 1);
	read_file(first);
	ck_assert_uint_eq(count_lines(said), 2);
	ck_assert_ptr_nonnull(strstr(said, "error three\n"));
	read_file(second);
	ck_assert_uint_eq(count_lines(said), 1);
	/* No descriptor was left open by the change. */
	ck_assert_int_eq(dup(ends[0]), before + 1);
	unlink(first);
	unlink(second);
	rmdir(folder);
}
END_TEST

static int refusals;

static int
send_nowhere(enum log_level level, const char *thread, struct slice message)
{
	(void)level;
	ck_assert_str_eq(thread, "main");
	if (refusals-- > 0)
		return -1;
	memcpy(said + strlen(said), message.at, message.len);
	return 0;
}

START_TEST(sender_gets_the_message_alone_and_tells_of_its_own_losses)
{
	log_to_sender(send_nowhere);
	refusals = 1;
	memset(said, 0, sizeof(said));
	log_notice("lost");
	log_notice("x %d", 1);
	ck_assert_str_eq(said, "x 1log: 1 lines lost");
	log_to_fd(STDERR_FILENO, LOG_FORMAT_TEXT);
}
END_TEST

START_TEST(file_is_checked_without_being_made)
{
	char folder[] = "/tmp/forebay-log-XXXXXX", file[64];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/log", folder);
	ck_assert_int_eq(log_file_check(file), 0);
	ck_assert_int_ne(access(file, F_OK), 0);
	ck_assert_int_ne(log_file_check(folder), 0);
	ck_assert_int_eq(errno, EISDIR);
	rmdir(folder);
	ck_assert_int_ne(log_file_check(file), 0);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_nonnull(strstr(log_file_advice(ENOENT), "make its directory"));
}
END_TEST

Suite *
suite_base_log(void)
{
	Suite *s = suite_create("base_log");
	TCase *t = tcase_create("log");

	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_test(t, line_has_time_level_thread_and_text);
	tcase_add_test(t, levels_above_are_dropped);
	tcase_add_test(t, control_bytes_cannot_forge_a_line);
	tcase_add_test(t, long_line_is_cut_and_still_one_line);
	tcase_add_test(t, flood_is_bounded_and_errno_kept);
	tcase_add_test(t, json_line_is_one_object_whatever_is_said);
	tcase_add_test(t, json_line_that_is_too_long_once_escaped_is_cut_whole);
	tcase_add_test(t, prefixed_line_has_a_priority_and_no_time);
	tcase_add_test(t, lines_that_cannot_be_written_are_counted_and_told_of_once);
	tcase_add_test(t, files_follow_one_another_under_the_same_descriptor);
	tcase_add_test(t, sender_gets_the_message_alone_and_tells_of_its_own_losses);
	tcase_add_test(t, file_is_checked_without_being_made);
	suite_add_tcase(s, t);
	return s;
}
