/*
 * The bytes in flight of the whole process (base/mem.h) against what there may
 * be, as one worker sees it:
 *
 *   80 %  request bodies are asked for one at a time: the others wait, oldest first
 *   90 %  requests with a large body are refused when they come
 *  100 %  what gathers a large result or body gives it up
 *
 * What is small is never asked about. Owned by the worker; one thread.
 */
#ifndef FOREBAY_NET_BYTES_H
#define FOREBAY_NET_BYTES_H

#include "base/list.h"
#include "base/mem.h"
#include "net/loop.h"

enum { BYTES_LARGE = 65536 }; /* a body or result that is worth while */

enum bytes_level { BYTES_FREE, BYTES_TIGHT, BYTES_SHORT, BYTES_GONE };

struct bytes_waiter;
typedef void (*bytes_fn)(struct bytes_waiter *w);

/* Embedded in who waits; zeroed memory is one that does not. */
struct bytes_waiter {
	struct list link;
	bytes_fn go_on;
};

struct bytes {
	struct loop *loop; /* borrowed */
	struct list waiters;
	struct list mark; /* among them while they go on: those before it were there */
	struct timer timer; /* set while somebody waits */
	uint64_t limit; /* 0: none */
	bool is_shadow;
};

void bytes_init(struct bytes *b, struct loop *l);
/* Nobody may wait. */
void bytes_fini(struct bytes *b);
/* limit: 0: none. */
void bytes_set_limit(struct bytes *b, uint64_t limit, bool is_shadow);

/* Of so many of a limit. */
enum bytes_level bytes_level_of(uint64_t used, uint64_t limit);
static inline enum bytes_level
bytes_level(const struct bytes *b)
{
	return bytes_level_of(mem_large_bytes(), b->limit);
}

/* False: no need to wait. True: w->go_on comes once, from the loop, unless it is forgotten. */
bool bytes_wait(struct bytes *b, struct bytes_waiter *w) __attribute__((warn_unused_result));
void bytes_forget(struct bytes_waiter *w);

#endif
