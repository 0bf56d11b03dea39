/*
 * The log writer and the outboxes that feed it: what is put is written, in order,
 * or counted; files change under it; nothing is lost at the end.
 */
#include "accesslog/access_writer.h"

#include "../thread/home.h"
#include "accesslog/access_outbox.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/log_file.h"
#include "bench.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

Suite *suite_accesslog_access_writer(void);

enum { TEXT_BYTES = 1 << 20 };

static struct bench b;
static struct access_writer writer;
static struct access_outbox outbox;
static struct counters counters;
static struct home home;
static char folder[] = "/tmp/forebay-access-XXXXXX", path[64], moved[64], text[TEXT_BYTES];

static void
set_up(void)
{
	bench_open(&b);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/log", folder);
	snprintf(moved, sizeof(moved), "%s/log.1", folder);
	home_open(&home, NULL);
	ck_assert_int_eq(access_writer_init(&writer), 0);
	access_outbox_init(&outbox, &home.mailbox, &writer.mailbox, &counters);
	bench_read(&b, "format = {request.id} {request.target}\nbuffer = 4k\nbuffers = 4");
	log_to_fd(log_file_open("/dev/null"), LOG_FORMAT_TEXT);
}

/* Sends what waits, and waits until every buffer is home. */
static void
come_home(void)
{
	access_outbox_flush(&outbox);
	while (outbox.out > 0)
		home_turn(&home);
}

static void
tear_down(void)
{
	come_home();
	access_outbox_fini(&outbox);
	access_writer_fini(&writer);
	home_close(&home);
	unlink(path);
	unlink(moved);
	rmdir(folder);
	bench_close(&b);
}

static void
open_log(const char *file)
{
	ck_assert_int_eq(access_writer_prepare(&writer, slice_of(file)), 0);
	access_writer_commit(&writer);
}

static bool
put(uint64_t id)
{
	b.x.id = id;
	return access_outbox_put(&outbox, &b.keys, b.format, &b.e);
}

static const char *
content(const char *file)
{
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n] = '\0';
	return text;
}

START_TEST(lines_are_written_in_order)
{
	char *at;

	open_log(path);
	for (unsigned i = 1; i <= 5000; i++) {
		put(i);
		if (outbox.out == 3)
			home_turn(&home);
	}
	come_home();
	content(path);
	at = text;
	for (unsigned i = 1; i <= 5000; i++) {
		char line[32];
		size_t len = (size_t)snprintf(line, sizeof(line), "%x /a?b=c\n", i);

		ck_assert_int_eq(memcmp(at, line, len), 0);
		at += len;
	}
	ck_assert_int_eq(*at, '\0');
	ck_assert_uint_eq(count_read(&counters, COUNTER_ACCESS_LINES), 5000);
	ck_assert_uint_le(outbox.made, 4);
}
END_TEST

START_TEST(first_line_of_a_buffer_asks_for_a_flush)
{
	open_log(path);
	ck_assert(put(1));
	ck_assert(!put(2));
	access_outbox_flush(&outbox);
	ck_assert(put(3));
	come_home();
	ck_assert_str_eq(content(path), "1 /a?b=c\n2 /a?b=c\n3 /a?b=c\n");
}
END_TEST

START_TEST(full_buffers_drop_lines_and_count_them)
{
	uint64_t dropped;

	open_log(path);
	/* Nobody turns at home, so that no buffer comes back. */
	for (unsigned i = 0; i < 5000; i++)
		put(i);
	dropped = count_read(&counters, COUNTER_ACCESS_DROPPED_BUFFER);
	ck_assert_uint_eq(outbox.out, 4);
	ck_assert_uint_gt(dropped, 1000);
	come_home();
	ck_assert_uint_eq(count_read(&counters, COUNTER_ACCESS_LINES) + dropped, 5000);
	/* And it goes on. */
	put(1);
	come_home();
	ck_assert_uint_eq(count_read(&counters, COUNTER_ACCESS_LINES) + dropped, 5001);
}
END_TEST

START_TEST(line_longer_than_a_buffer_is_shortened)
{
	static char target[8000];

	memset(target, '\1', sizeof(target));
	open_log(path);
	put(1);
	b.x.request.target = slice_make(target, sizeof(target));
	ck_assert(put(2));
	come_home();
	content(path);
	ck_assert_ptr_nonnull(strstr(text, "1 /a?b=c\n2 \\x01\\x01"));
	ck_assert_ptr_nonnull(strstr(text, "\\x01...\n"));
	ck_assert_uint_eq(count_read(&counters, COUNTER_ACCESS_LINES), 2);
}
END_TEST

START_TEST(line_that_cannot_be_shortened_is_dropped)
{
	char keys[1100] = "format = ";

	for (size_t n = strlen(keys); n + 10 < 1000; n += 6)
		memcpy(keys + n, "{host}", 6);
	bench_read(&b, keys);
	b.keys.buffer_bytes = 4096;
	b.x.request.authority = SLICE("01234567890123456789012345678901234567890123456789");
	open_log(path);
	ck_assert(!put(1));
	ck_assert_uint_eq(count_read(&counters, COUNTER_ACCESS_DROPPED_LONG), 1);
	ck_assert_uint_eq(outbox.out, 0);
}
END_TEST

START_TEST(reopened_file_goes_on_under_its_name)
{
	open_log(path);
	put(1);
	come_home();
	ck_assert_int_eq(rename(path, moved), 0);
	put(2);
	come_home();
	access_writer_reopen(&writer);
	put(3);
	come_home();
	ck_assert_str_eq(content(moved), "1 /a?b=c\n2 /a?b=c\n");
	ck_assert_str_eq(content(path), "3 /a?b=c\n");
}
END_TEST

START_TEST(file_that_cannot_be_opened_again_is_kept)
{
	char away[80];

	snprintf(away, sizeof(away), "%s.d", folder);
	open_log(path);
	put(1);
	come_home();
	ck_assert_int_eq(rename(folder, away), 0);
	access_writer_reopen(&writer);
	put(2);
	come_home();
	ck_assert_int_eq(rename(away, folder), 0);
	ck_assert_str_eq(content(path), "1 /a?b=c\n2 /a?b=c\n");
	ck_assert_uint_eq(count_read(&counters, COUNTER_ACCESS_DROPPED_DISK), 0);
}
END_TEST

START_TEST(full_disk_is_counted_and_survived)
{
	if (access("/dev/full", W_OK) != 0)
		return;
	open_log("/dev/full");
	put(1);
	put(2);
	come_home();
	ck_assert_uint_eq(count_read(&counters, COUNTER_ACCESS_DROPPED_DISK), 2);
	ck_assert_uint_eq(count_read(&counters, COUNTER_ACCESS_LINES), 0);
	open_log(path);
	put(3);
	come_home();
	ck_assert_str_eq(content(path), "3 /a?b=c\n");
	ck_assert_uint_eq(count_read(&counters, COUNTER_ACCESS_LINES), 1);
}
END_TEST

START_TEST(half_a_line_gets_its_end_when_there_is_room_again)
{
	int ends[2], saved = dup(STDOUT_FILENO);
	ssize_t got, all = 0;

	/* A pipe with room for two pages: of a buffer of four only the first part goes in. */
	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, 8192), 8192);
	b.keys.buffer_bytes = 16384;
	fflush(stdout);
	dup2(ends[1], STDOUT_FILENO);
	open_log("stdout");
	for (unsigned i = 0; i < 1100; i++)
		put(0x1000 + i);
	come_home();
	dup2(saved, STDOUT_FILENO);
	ck_assert_uint_gt(count_read(&counters, COUNTER_ACCESS_DROPPED_DISK), 100);
	while ((got = read(ends[0], text + all, sizeof(text) - 1 - (size_t)all)) > 0)
		all += got;
	ck_assert_int_eq(text[all - 1] == '\n', 0);
	dup2(ends[1], STDOUT_FILENO);
	put(7);
	come_home();
	dup2(saved, STDOUT_FILENO);
	got = read(ends[0], text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	ck_assert_str_eq(text, "\n7 /a?b=c\n");
	close(saved);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(path_that_cannot_be_opened_is_refused_before_anything_changes)
{
	char wrong[96];

	snprintf(wrong, sizeof(wrong), "%s/no/log", folder);
	open_log(path);
	put(1);
	ck_assert_int_eq(access_writer_check(slice_of(wrong)), ERR_SYSTEM);
	ck_assert_int_eq(access_writer_prepare(&writer, slice_of(wrong)), ERR_SYSTEM);
	ck_assert_int_eq(errno, ENOENT);
	put(2);
	come_home();
	ck_assert_str_eq(content(path), "1 /a?b=c\n2 /a?b=c\n");
}
END_TEST

START_TEST(last_lines_are_written_when_there_is_no_log_any_more)
{
	open_log(path);
	put(1);
	open_log("");
	put(2);
	come_home();
	ck_assert_str_eq(content(path), "1 /a?b=c\n2 /a?b=c\n");
}
END_TEST

START_TEST(without_a_path_there_is_no_thread)
{
	open_log("");
	ck_assert(!writer.thread.is_running);
	access_writer_reopen(&writer);
}
END_TEST

START_TEST(buffers_follow_a_change_of_their_size)
{
	open_log(path);
	put(1);
	come_home();
	b.keys.buffer_bytes = 5000;
	put(2);
	ck_assert_uint_eq(outbox.current->cap, 5000);
	ck_assert_uint_eq(outbox.made, 1);
	come_home();
	ck_assert_str_eq(content(path), "1 /a?b=c\n2 /a?b=c\n");
}
END_TEST

Suite *
suite_accesslog_access_writer(void)
{
	Suite *s = suite_create("accesslog_access_writer");
	TCase *t = tcase_create("writer");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, lines_are_written_in_order);
	tcase_add_test(t, first_line_of_a_buffer_asks_for_a_flush);
	tcase_add_test(t, full_buffers_drop_lines_and_count_them);
	tcase_add_test(t, line_longer_than_a_buffer_is_shortened);
	tcase_add_test(t, line_that_cannot_be_shortened_is_dropped);
	tcase_add_test(t, reopened_file_goes_on_under_its_name);
	tcase_add_test(t, file_that_cannot_be_opened_again_is_kept);
	tcase_add_test(t, full_disk_is_counted_and_survived);
	tcase_add_test(t, half_a_line_gets_its_end_when_there_is_room_again);
	tcase_add_test(t, path_that_cannot_be_opened_is_refused_before_anything_changes);
	tcase_add_test(t, last_lines_are_written_when_there_is_no_log_any_more);
	tcase_add_test(t, without_a_path_there_is_no_thread);
	tcase_add_test(t, buffers_follow_a_change_of_their_size);
	suite_add_tcase(s, t);
	return s;
}
