/*
 * The error log: one line per fact, written by one write(2) each, so that lines
 * of several threads never mix. Not for the hot path: peers' faults are logged
 * at debug level only, which is off by default, and every thread is rate-limited
 * so that a flood cannot stall it.
 *
 * A line says who, what, and errno's text where there is one:
 *   2026-01-02T03:04:05.678Z warning worker 1: accept: Too many open files
 *
 * Level and target are the process', changed live by the main thread. A line that
 * cannot be written (a full disk, a pipe that nobody reads) is counted and dropped,
 * and told of once lines can be written again. Nothing waits for the log but a file
 * on a slow disk.
 */
#ifndef FOREBAY_BASE_LOG_H
#define FOREBAY_BASE_LOG_H

#include "base/slice.h"

#include <stdatomic.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_DEBUG };

enum log_format {
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON, /* an object per line: time, level, thread, message */
	LOG_FORMAT_PREFIXED, /* "<4>thread: message", for readers that know the time (sd-daemon(3))
			      */
};

/* Hands a line to somebody else: 0, or an error when it is lost. Any thread. */
typedef int (*log_send_fn)(enum log_level level, const char *thread, struct slice message);

extern atomic_int log_level_word; /* of log.c; for log_is_on alone */

/* Lines above `level` are dropped, on all threads. */
void log_set_level(enum log_level level);
enum log_level log_level(void);
/* The name that lines of the calling thread bear; borrowed, NULL for main. */
void log_set_thread(const char *name);

static inline bool
log_is_on(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_level_word, memory_order_relaxed);
}

/*
 * Where lines go, from now on; at first, as text to standard error. One thread at a time. log_to_fd
 * takes the descriptor, which must not block and which nobody else may close; standard error is
 * only borrowed. A line that another thread is writing ends where it began.
 */
void log_to_fd(int fd, enum log_format format);
void log_to_sender(log_send_fn send);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
/* Costs one load and a comparison when debug lines are off. */
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_is_on(LOG_LEVEL_DEBUG))                                                    \
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__);                                    \
	} while (0)

#endif
