/*
 * The error log; see log.h. All state is the calling thread's own, so that
 * logging takes no lock and shares nothing.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/writer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048, LINES_PER_SECOND = 200 };

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_DEBUG] = "debug",
};

static _Thread_local enum log_level max_level = LOG_LEVEL_NOTICE;
static _Thread_local const char *thread_name;
static _Thread_local uint64_t budget_second;
static _Thread_local unsigned budget_used, budget_dropped;

void
log_set_level(enum log_level level)
{
	max_level = level;
}

enum log_level
log_level(void)
{
	return max_level;
}

void
log_set_thread(const char *name)
{
	thread_name = name;
}

int
log_is_on(enum log_level level)
{
	return level <= max_level;
}

/* False when this thread has written its share of this second. */
static bool
is_within_budget(unsigned *dropped)
{
	uint64_t second = clock_monotonic() / CLOCK_SEC;

	*dropped = 0;
	if (second != budget_second) {
		*dropped = budget_dropped;
		budget_second = second;
		budget_used = budget_dropped = 0;
	}
	if (budget_used++ < LINES_PER_SECOND)
		return true;
	budget_dropped++;
	return false;
}

static void
put_time(struct writer *w)
{
	struct timespec now;
	struct tm parts;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	writer_format(w, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", parts.tm_year + 1900,
		      parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
		      now.tv_nsec / 1000000);
}

/* What a peer sent may be in a line: control bytes must not forge another. */
static void
mask_controls(char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)at[i] < 0x20 || at[i] == 0x7f)
			at[i] = '?';
	}
}

void
log_line(enum log_level level, const char *format, ...)
{
	char line[LINE_BYTES];
	struct writer w = writer_over(line, sizeof(line) - 1);
	int saved = errno;
	unsigned dropped;
	size_t start;
	va_list args;
	int n;

	if (!log_is_on(level) || !is_within_budget(&dropped))
		return;
	put_time(&w);
	writer_format(&w, " %s ", level_names[level]);
	if (thread_name)
		writer_format(&w, "%s: ", thread_name);
	if (dropped)
		writer_format(&w, "(%u lines dropped) ", dropped);
	start = w.len;
	va_start(args, format);
	n = vsnprintf(w.at + w.len, w.cap - w.len, format, args);
	va_end(args);
	if (n > 0)
		w.len += (size_t)n < w.cap - w.len ? (size_t)n : w.cap - w.len - 1;
	mask_controls(line + start, w.len - start);
	line[w.len++] = '\n';
	if (write(STDERR_FILENO, line, w.len) < 0) {
		/* There is no other place to say so. */
	}
	errno = saved;
}
