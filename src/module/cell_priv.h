/*
 * Cells from inside: for cell.c, cell_life.c and cell_stock.c.
 */
#ifndef FOREBAY_MODULE_CELL_PRIV_H
#define FOREBAY_MODULE_CELL_PRIV_H

#include "base/clock.h"
#include "child/child.h"
#include "child/order.h"
#include "child/stderr_log.h"
#include "module/cell.h"
#include "thread/flag.h"

#include <poll.h>

enum { CELL_TICK_MS = 10, CELL_NAME_BYTES = 160 };

/* For its fini, and for the word about its end. */
#define CELL_END_NS (2 * CLOCK_SEC)

struct cell {
	struct cell *next; /* of the module's stock */
	const struct pool *pool; /* in the stock: whose threads may have it */
	struct module *module;
	struct child child;
	struct stderr_log log;
	struct order_share share; /* of the processors */
	uint64_t until_ns; /* when it has to be ready */
	bool is_ready;
	char name[CELL_NAME_BYTES]; /* for the log */
};

/* One exchange with a cell. */
struct talk {
	struct cell *cell;
	const struct job *job; /* NULL: nobody waits */
	const struct flag *stop; /* borrowed: raised, nobody waits; NULL: there is none */
	struct writer *why; /* of the builder; NULL: the log hears why the cell does not serve */
	uint64_t until_ns; /* for the whole */
	uint64_t cancelled_ns; /* when it was seen that nobody waits; 0: somebody does */
	bool is_running; /* it gets the run, or has it: a byte of it is out */
	bool is_given; /* all of it: it can be told to stop */
	bool is_overrun; /* it did not */
	bool has_answered;
};

/* cell_life.c. One that has not been started; NULL without memory. */
struct cell *cell_new(struct module *m) MUST_CHECK;
/* Ends it, in its own time. Clears *c. */
void cell_end(struct cell **c);
/* The same, but it is killed at until_ns. */
void cell_end_by(struct cell **c, uint64_t until_ns);
/* Gives the order and the section, and does not wait for more; what was there before is gone. */
int cell_start(struct talk *t, const struct order_share *share) MUST_CHECK;
/* Until it says that it is ready. ERR_FAILED: it said why not. */
int cell_await_ready(struct talk *t) MUST_CHECK;
/* The same of one that may have ended, or never begun; on the thread that it works for. */
int cell_make_ready(struct talk *t) MUST_CHECK;
/* Its last words, when its socket has ended. */
void cell_await_end(struct cell *c);
/* Whether that was its own doing: it was started, and has not gone with the spawner. */
bool cell_ended_itself(const struct cell *c);

/* Bytes there and back. ERR_CLOSED: the cell has ended; ERR_TIMEOUT, ERR_CANCELLED: it was waited
 * for long enough. *has_begun: a byte of them is out. */
int cell_send(struct talk *t, struct slice bytes, bool *has_begun) MUST_CHECK;
int cell_receive(struct talk *t, void *into, size_t bytes) MUST_CHECK;
/* That nobody waits. */
void cell_tell_to_stop(struct talk *t);

/* cell_stock.c. One that was started for the pool's threads; NULL: there is none left. */
struct cell *cell_stock_take(struct module *m, const struct pool *p);

#endif
