/*
 * Small text files of /proc and /sys, read whole. Blocking: for start-up.
 */
#ifndef FOREBAY_SERVER_TEXT_FILE_H
#define FOREBAY_SERVER_TEXT_FILE_H

#include "base/buffer.h"

/* Appends what root followed by path holds. 0; ERR_NOT_FOUND when it cannot be
 * opened or read; ERR_TOO_LARGE or ERR_MEMORY of the buffer. */
int text_file_read(struct buffer *b, const char *root, const char *path) MUST_CHECK;

/* The next line of *rest without its end; false when there is none. */
bool text_file_line(struct slice *rest, struct slice *line);

#endif
