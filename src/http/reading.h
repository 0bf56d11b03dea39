/*
 * The other readings of a path. A server may take "//" for one slash, leave out what follows a ';'
 * in a segment, and take %2F or a backslash for a slash, each or all of them: then a path that was
 * matched here is another one there. Pure functions; who routes asks where the others lead.
 */
#ifndef FOREBAY_HTTP_READING_H
#define FOREBAY_HTTP_READING_H

#include "base/slice.h"

/* All that may be left of one path; made with reading_init(). */
struct reading {
	struct slice path; /* borrowed */
	unsigned odd; /* what there is in it, a bit each */
	unsigned how; /* those of them that the last reading took otherwise */
};

/* Whether there are other readings of a path that uri_path_decode() has made. For every request. */
bool reading_is_odd(struct slice path);
void reading_init(struct reading *r, struct slice path);
/*
 * The next one, into `memory` of at least path.len bytes; false: that was all, at most 15. *text is
 * empty where it has a dot segment, which nobody means who does not hide it.
 */
bool reading_next(struct reading *r, char *memory, struct slice *text);

#endif
