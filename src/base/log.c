/*
 * The error log; see log.h. The target is the one piece of state that all threads
 * share: atomic words, written by the main thread. A file has one descriptor for as
 * long as the process lives: dup3() puts the next file in the place of the last, under
 * writers that need not know. What is counted of the rate is each thread's own.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	MESSAGE_BYTES = 1920,
	LINE_BYTES = 4096, /* what a pipe that can be written to takes at once (pipe(7)) */
	JSON_TAIL_BYTES = 4, /* what stands behind a message: `"}`, the line's end, and a spare */
	LINES_PER_SECOND = 200, /* of one thread */
};

static const struct {
	const char *name, *prefix;
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", "<3>" },
	[LOG_LEVEL_WARNING] = { "warning", "<4>" },
	[LOG_LEVEL_NOTICE] = { "notice", "<5>" },
	[LOG_LEVEL_DEBUG] = { "debug", "<7>" },
};

atomic_int log_level_word = LOG_LEVEL_NOTICE;

static struct {
	atomic_int fd, format;
	_Atomic(log_send_fn) send; /* NULL: lines go to fd */
	atomic_uint lost; /* lines that could not be written, not told of yet */
	atomic_bool is_torn; /* half a line was written */
	int file_fd; /* kept for all files that come; -1: none came yet. Main thread */
} target = { .fd = STDERR_FILENO, .file_fd = -1 };

static _Thread_local const char *thread_name;
static _Thread_local uint64_t budget_second;
static _Thread_local unsigned budget_used, budget_dropped;

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_level_word, (int)level, memory_order_relaxed);
}

enum log_level
log_level(void)
{
	return (enum log_level)atomic_load_explicit(&log_level_word, memory_order_relaxed);
}

void
log_set_thread(const char *name)
{
	thread_name = name;
}

/* --- the target -------------------------------------------------------------------- */

/* Puts the file behind `from` in the place of the one behind `to`. */
static void
replace_file(int from, int to)
{
	while (dup3(from, to, O_CLOEXEC) < 0 && (errno == EBUSY || errno == EINTR)) {
		/* EBUSY: another thread is opening just this number. */
	}
}

void
log_to_fd(int fd, enum log_format format)
{
	if (target.file_fd >= 0 && fd != target.file_fd) {
		replace_file(fd, target.file_fd);
		if (fd != STDERR_FILENO) {
			close(fd);
			fd = target.file_fd;
		}
	} else if (fd != STDERR_FILENO) {
		target.file_fd = fd;
	}
	atomic_store(&target.format, (int)format);
	atomic_store(&target.fd, fd);
	atomic_store(&target.send, NULL);
}

void
log_to_sender(log_send_fn send)
{
	atomic_store(&target.send, send);
}

/* --- a line ------------------------------------------------------------------------ */

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
put_masked(struct writer *w, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];

		writer_char(w, c < 0x20 || c == 0x7f ? '?' : (char)c);
	}
}

static void
put_text(struct writer *w, enum log_level level, struct slice message)
{
	put_time(w);
	writer_format(w, " %s ", levels[level].name);
	if (thread_name)
		writer_format(w, "%s: ", thread_name);
	put_masked(w, message);
}

static void
put_prefixed(struct writer *w, enum log_level level, struct slice message)
{
	writer_text(w, levels[level].prefix);
	if (thread_name)
		writer_format(w, "%s: ", thread_name);
	put_masked(w, message);
}

/* A message that is too long once it is escaped is cut where a character ends. */
static void
put_json(struct writer *w, enum log_level level, struct slice message)
{
	writer_text(w, "{\"time\":\"");
	put_time(w);
	writer_format(w, "\",\"level\":\"%s\",\"thread\":", levels[level].name);
	json_write_string(w, slice_of(thread_name ? thread_name : "main"));
	writer_text(w, ",\"message\":\"");
	w->cap -= JSON_TAIL_BYTES;
	json_write_some(w, message);
	w->cap += JSON_TAIL_BYTES;
	writer_text(w, "\"}");
}

/* One write, after a look whether it would wait. False: the line is lost, or half of it. */
static bool
write_line(struct slice line)
{
	struct pollfd p = { .fd = atomic_load(&target.fd), .events = POLLOUT };
	ssize_t n = -1;

	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT))
		n = write(p.fd, line.at, line.len);
	/* Half a line, or still half a line: the next one begins with its end. */
	if (n < 0 ? line.at[0] == '\n' : (size_t)n < line.len && n > 0)
		atomic_store(&target.is_torn, true);
	return n >= 0 && (size_t)n == line.len;
}

static bool
emit(enum log_level level, struct slice message)
{
	static void (*const puts[])(struct writer * w, enum log_level level, struct slice m) = {
		[LOG_FORMAT_TEXT] = put_text,
		[LOG_FORMAT_JSON] = put_json,
		[LOG_FORMAT_PREFIXED] = put_prefixed,
	};
	log_send_fn send = atomic_load(&target.send);
	char line[LINE_BYTES];
	struct writer w = writer_over(line, sizeof(line) - 1);

	if (send)
		return send(level, thread_name ? thread_name : "main", message) == 0;
	if (atomic_exchange(&target.is_torn, false))
		writer_char(&w, '\n');
	puts[atomic_load(&target.format)](&w, level, message);
	line[w.len++] = '\n';
	return write_line(slice_make(line, w.len));
}

/* Tells of lines that were lost, once one has got through. */
static void
tell_lost(void)
{
	unsigned lost = atomic_exchange(&target.lost, 0);
	char text[64];
	struct writer w = writer_over(text, sizeof(text));

	if (lost == 0)
		return;
	writer_format(&w, "log: %u lines lost", lost);
	if (!emit(LOG_LEVEL_WARNING, writer_slice(&w)))
		atomic_fetch_add(&target.lost, lost);
}

void
log_line(enum log_level level, const char *format, ...)
{
	char text[MESSAGE_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	int saved = errno;
	unsigned dropped;
	va_list args;
	int n;

	if (!log_is_on(level) || !is_within_budget(&dropped))
		return;
	if (dropped)
		writer_format(&w, "(%u lines dropped) ", dropped);
	va_start(args, format);
	n = vsnprintf(w.at + w.len, w.cap - w.len, format, args);
	va_end(args);
	if (n > 0)
		w.len += (size_t)n < w.cap - w.len ? (size_t)n : w.cap - w.len - 1;
	if (!emit(level, writer_slice(&w)))
		atomic_fetch_add(&target.lost, 1);
	else if (atomic_load_explicit(&target.lost, memory_order_relaxed))
		tell_lost();
	errno = saved;
}
