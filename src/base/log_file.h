/*
 * Files that logs are written to: opened for appending, never waited for, and
 * checked without being made. Any thread.
 */
#ifndef FOREBAY_BASE_LOG_FILE_H
#define FOREBAY_BASE_LOG_FILE_H

#include "base/err.h"

/* A descriptor, or ERR_SYSTEM with errno; makes the file, readable by owner and group. It does not
 * block: neither is a reader of a FIFO waited for, nor later its room. */
int log_file_open(const char *path) MUST_CHECK;
/* Whether log_file_open would do; opens what is there, makes nothing. ERR_SYSTEM with errno. */
int log_file_check(const char *path) MUST_CHECK;
/* What to do about it, for errno values with one usual cause: ": make its directory". Else "". */
const char *log_file_advice(int number);

#endif
