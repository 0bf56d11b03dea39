/*
 * Lines of a child's standard error: cut where they are too long, counted where
 * they are too many.
 */
#include "child/stderr_log.h"

#include "base/log.h"
#include "base/writer.h"

#include <check.h>
#include <fcntl.h>
#include <unistd.h>

Suite *suite_child_stderr_log(void);

static char said[1 << 18];
static struct writer lines;
static int ends[2];
static struct stderr_log shown;

static int
keep_line(enum log_level level, const char *thread, struct slice message)
{
	(void)level;
	(void)thread;
	writer_put(&lines, message);
	writer_char(&lines, '|');
	return 0;
}

static void
set_up(void)
{
	lines = writer_over(said, sizeof(said));
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	log_to_sender(keep_line);
	stderr_log_init(&shown, "x");
}

static void
tear_down(void)
{
	close(ends[0]);
	log_to_fd(STDERR_FILENO, LOG_FORMAT_TEXT);
}

static void
write_end(const char *text, size_t len)
{
	ck_assert_int_eq(write(ends[1], text, len), (int)len);
	while (stderr_log_read(&shown, &ends[0]))
		;
}

/* What the log got, after the end. */
static struct slice
finish(void)
{
	close(ends[1]);
	while (stderr_log_read(&shown, &ends[0]))
		;
	ck_assert_int_eq(ends[0], -1);
	stderr_log_end(&shown);
	return writer_slice(&lines);
}

START_TEST(lines_come_whole_and_the_last_at_the_end)
{
	struct slice got;

	write_end("a", 1);
	write_end("b\n\ncd", 5);
	got = finish();
	ck_assert(slice_eq(got, SLICE("x says: ab|x says: cd|")));
}
END_TEST

START_TEST(a_long_line_goes_on_in_the_next)
{
	char text[STDERR_LINE_BYTES + 3];
	struct slice got, rest;

	memset(text, 'y', sizeof(text));
	write_end(text, sizeof(text));
	got = finish();
	rest = got;
	ck_assert_uint_lt(slice_cut(&rest, '|').len, STDERR_LINE_BYTES + 20);
	ck_assert(slice_eq(rest, SLICE("x says: yyy|")));
}
END_TEST

START_TEST(a_flood_is_read_and_counted)
{
	char text[400];
	struct slice rest;
	unsigned count = 0;

	for (size_t i = 0; i < sizeof(text); i += 2) {
		text[i] = 'z';
		text[i + 1] = '\n';
	}
	write_end(text, sizeof(text));
	rest = finish();
	while (slice_has_prefix(rest, SLICE("x says: z|"))) {
		rest = slice_after(rest, strlen("x says: z|"));
		count++;
	}
	ck_assert_uint_gt(count, 0);
	ck_assert_uint_le(count, STDERR_LINES);
	ck_assert_uint_eq(shown.lines, STDERR_LINES);
	ck_assert_uint_eq(shown.dropped, sizeof(text) - 2 * STDERR_LINES);
}
END_TEST

Suite *
suite_child_stderr_log(void)
{
	Suite *s = suite_create("child_stderr_log");
	TCase *t = tcase_create("lines");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, lines_come_whole_and_the_last_at_the_end);
	tcase_add_test(t, a_long_line_goes_on_in_the_next);
	tcase_add_test(t, a_flood_is_read_and_counted);
	suite_add_tcase(s, t);
	return s;
}
