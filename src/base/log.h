/*
 * The error log: one line per fact, to standard error, written by one
 * write(2) each, so that lines of several threads never mix. Not for the hot
 * path: peers' faults are logged at debug level only, which is off by default,
 * and every level is rate-limited so that a flood cannot stall a thread.
 *
 * A line says who, what, and errno's text where there is one:
 *   2026-01-02T03:04:05.678Z warning worker 1: accept: Too many open files
 */
#ifndef FOREBAY_BASE_LOG_H
#define FOREBAY_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_DEBUG };

/* Lines of the calling thread above `level` are dropped. A new thread is given
 * its parent's level by thread_start(). */
void log_set_level(enum log_level level);
enum log_level log_level(void);
/* The name that lines of the calling thread bear; borrowed, NULL for none. */
void log_set_thread(const char *name);
int log_is_on(enum log_level level);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
/* Costs one comparison when debug lines are off. */
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_is_on(LOG_LEVEL_DEBUG))                                                    \
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__);                                    \
	} while (0)

#endif
