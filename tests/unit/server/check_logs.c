/*
 * Both logs across a reload and a rotation that meets it.
 */
#include "server/logs.h"

#include "base/log.h"
#include "base/mem.h"
#include "server/site.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *suite_server_logs(void);

enum { TEXT_BYTES = 4096 };

static char dir[] = "/tmp/check_logs_XXXXXX";
static char error_path[sizeof(dir) + 16], access_path[sizeof(dir) + 16];
static struct logs logs;
static struct site site;
static struct conf_errors errors;

static void
set_up(void)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(error_path, sizeof(error_path), "%s/error", dir);
	snprintf(access_path, sizeof(access_path), "%s/access", dir);
	conf_errors_init(&errors);
	site = (struct site){
		.conf = conf_read(SLICE("[log]\n[access_log]\n"), "", &errors),
		.log = { .target = slice_of(error_path), .level = LOG_LEVEL_NOTICE },
		.access = { .path = slice_of(access_path) },
	};
	ck_assert_ptr_nonnull(site.conf);
	ck_assert_int_eq(logs_init(&logs), 0);
}

static void
tear_down(void)
{
	char command[sizeof(dir) + 16];

	logs_fini(&logs);
	log_to_fd(STDERR_FILENO, LOG_FORMAT_TEXT);
	conf_free(&site.conf);
	conf_errors_fini(&errors);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* Of a file in the folder; empty: there is none. */
static const char *
text_of(const char *name)
{
	static char text[TEXT_BYTES];
	char path[sizeof(dir) + 16];
	ssize_t len = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		len = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[len > 0 ? len : 0] = '\0';
	return text;
}

static void
rotate(void)
{
	char old[sizeof(dir) + 16];

	snprintf(old, sizeof(old), "%s/error.1", dir);
	ck_assert_int_eq(rename(error_path, old), 0);
	snprintf(old, sizeof(old), "%s/access.1", dir);
	ck_assert_int_eq(rename(access_path, old), 0);
	logs_reopen(&logs);
}

static bool
is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

START_TEST(what_is_prepared_is_taken_when_it_is_committed)
{
	ck_assert_int_eq(logs_prepare(&logs, &site, &errors), 0);
	log_to_fd(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT);
	log_notice("before");
	logs_commit(&logs);
	log_notice("after");
	ck_assert_ptr_nonnull(strstr(text_of("error"), "after"));
	ck_assert_ptr_null(strstr(text_of("error"), "before"));
}
END_TEST

START_TEST(what_is_prepared_and_then_rotated_away_is_opened_anew)
{
	ck_assert_int_eq(logs_prepare(&logs, &site, &errors), 0);
	rotate();
	logs_commit(&logs);
	log_notice("a line");
	ck_assert_ptr_nonnull(strstr(text_of("error"), "a line"));
	ck_assert_ptr_null(strstr(text_of("error.1"), "a line"));
	logs_fini(&logs); /* the writer has done all that it was told */
	ck_assert_int_eq(logs_init(&logs), 0);
	ck_assert(is_there(access_path));
}
END_TEST

START_TEST(what_is_cancelled_is_not_opened)
{
	ck_assert_int_eq(logs_prepare(&logs, &site, &errors), 0);
	logs_cancel(&logs);
	rotate();
	logs_commit(&logs);
	ck_assert(!is_there(error_path));
	ck_assert(!is_there(access_path));
}
END_TEST

START_TEST(without_memory_nothing_is_prepared)
{
	unsigned long n = 0;
	int err;

	do {
		mem_fail_at(++n, false);
		err = logs_prepare(&logs, &site, &errors);
		mem_fail_at(0, false);
		ck_assert(err == 0 || err == ERR_MEMORY);
		ck_assert(logs.is_prepared == !err);
	} while (err);
	ck_assert_uint_gt(n, 2);
	logs_cancel(&logs);
}
END_TEST

Suite *
suite_server_logs(void)
{
	Suite *s = suite_create("server/logs");
	TCase *t = tcase_create("logs");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, what_is_prepared_is_taken_when_it_is_committed);
	tcase_add_test(t, what_is_prepared_and_then_rotated_away_is_opened_anew);
	tcase_add_test(t, what_is_cancelled_is_not_opened);
	tcase_add_test(t, without_memory_nothing_is_prepared);
	return s;
}
