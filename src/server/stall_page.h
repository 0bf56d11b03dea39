/*
 * The stall record as text for people and as JSON; monitor thread.
 */
#ifndef FOREBAY_SERVER_STALL_PAGE_H
#define FOREBAY_SERVER_STALL_PAGE_H

#include "base/buffer.h"
#include "server/stalls.h"

/* What stands above the list. */
struct stall_page {
	const struct stalls *stalls;
	uint64_t limit_ns; /* longest turn that is no stall; 0: none is */
	uint64_t throttled_ns; /* how long the control group was stopped, ever */
	uint64_t now_ns, now_unix_ms; /* both at the same time */
};

/* Everything that is kept, the newest first. */
void stall_page_write_json(struct buffer *b, const struct stall_page *p);
void stall_page_write_text(struct buffer *b, const struct stall_page *p);

#endif
