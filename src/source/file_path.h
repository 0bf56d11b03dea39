/*
 * From the path that a request asks for to the name of a file below a root.
 * Pure. The kernel keeps the name below the root (file_open.h); here is refused
 * what no honest request says.
 */
#ifndef FOREBAY_SOURCE_FILE_PATH_H
#define FOREBAY_SOURCE_FILE_PATH_H

#include "base/writer.h"

enum { FILE_PATH_BYTES = 4096 };

/*
 * Writes the name of a relative path and a NUL; `index` is added where the path
 * is empty or ends with a slash. ERR_NOT_FOUND: a leading slash, a NUL, an empty,
 * "." or ".." segment, a hidden one (leading dot) unless has_hidden or it is the first and
 * `.well-known` (RFC 8615), too long, or no index to add.
 */
int file_path_write(struct writer *w, struct slice path, struct slice index, bool has_hidden)
    __attribute__((warn_unused_result));

#endif
