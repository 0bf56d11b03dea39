/*
 * What a child writes to its standard error, line by line in the log; bounded,
 * so that one that chatters neither waits nor fills the log. Of one run; one thread.
 */
#ifndef FOREBAY_CHILD_STDERR_LOG_H
#define FOREBAY_CHILD_STDERR_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum { STDERR_LINE_BYTES = 1000, STDERR_LINES = 100 };

struct stderr_log {
	const char *name; /* borrowed: before each line */
	size_t len;
	unsigned lines;
	size_t dropped; /* bytes */
	char line[STDERR_LINE_BYTES];
};

void stderr_log_init(struct stderr_log *l, const char *name);
/* Takes in what is there, without waiting; closes *fd at its end. Reads a bounded share at a time,
 * and says whether there was anything. */
bool stderr_log_read(struct stderr_log *l, int *fd);
/* The last line, and how much was not shown. */
void stderr_log_end(struct stderr_log *l);

#endif
