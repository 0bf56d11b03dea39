/*
 * The time of day for log lines: read once a second, its texts made once a
 * second. One per worker.
 */
#ifndef FOREBAY_ACCESSLOG_ACCESS_CLOCK_H
#define FOREBAY_ACCESSLOG_ACCESS_CLOCK_H

#include "base/slice.h"

enum {
	ACCESS_CLOCK_RFC_BYTES = 19, /* 2026-11-23T07:50:16, of RFC 3339; UTC */
	ACCESS_CLOCK_CLF_BYTES = 26, /* 23/Nov/2026:07:50:16 +0000 */
};

struct access_text {
	uint64_t second;
	char at[32];
};

struct access_clock {
	uint64_t offset_ns; /* from the monotonic clock to that of the day */
	uint64_t until_ns; /* monotonic: when it is read again */
	struct access_text rfc, clf;
};

/* Nanoseconds since 1970 at a time of the monotonic clock that is about now. */
uint64_t access_clock_wall(struct access_clock *c, uint64_t monotonic_ns);
/* Good until the next call. */
struct slice access_clock_rfc(struct access_clock *c, uint64_t wall_ns);
struct slice access_clock_clf(struct access_clock *c, uint64_t wall_ns);

#endif
