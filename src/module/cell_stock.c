/*
 * The stock of a module: cells that the builder has started before any request
 * comes for them, so that no request waits for an init, at start or after a
 * reload. One for each thread of the pools that will run its jobs; the first
 * job of a thread takes one, which is the thread's from then on.
 *
 *   builder: module_start_cells, for each pool > module_await_cells > the site is published
 *   pool thread: cell_stock_take
 */
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "child/spawner.h"
#include "module/cell_priv.h"
#include "module/cell_wire.h"
#include "module/module_priv.h"

#include <sched.h>
#include <sys/socket.h>

enum { WHY_BYTES = 600, BUSY_MS = 100 };

/* --- taking --------------------------------------------------------------------------- */

static struct cell *
take_first(struct cell **at, const struct pool *p)
{
	struct cell *c;

	while (*at && p && (*at)->pool != p)
		at = &(*at)->next;
	c = *at;
	if (c)
		*at = c->next;
	return c;
}

struct cell *
cell_stock_take(struct module *m, const struct pool *p)
{
	struct cell *c;

	lock_take(&m->lock);
	c = take_first(&m->stock, p);
	lock_give(&m->lock);
	return c;
}

/* --- filling -------------------------------------------------------------------------- */

/* As the threads of the pool have it; where it says nothing they are as this thread is. */
static struct order_share
share_of(const struct pool *p, const struct pool_limits *l)
{
	struct order_share share = order_share_of_thread();

	share.policy = SCHED_BATCH;
	if (pool_nice(p) != 0)
		share.nice = pool_nice(p);
	if (!cpus_is_empty(&l->cpus))
		share.cpus = l->cpus;
	return share;
}

/* A spawner that has just died comes back within a second. */
static int
start(struct cell *c, const struct order_share *share)
{
	struct talk t = { .cell = c };
	uint64_t until = clock_after(clock_monotonic(), CELL_END_NS);
	int err;

	do {
		err = cell_start(&t, share);
		if (err == ERR_BUSY)
			poll(NULL, 0, BUSY_MS);
	} while (err == ERR_BUSY && clock_monotonic() < until);
	return err == ERR_CLOSED ? 0 : err; /* it has ended: whoever awaits it says how */
}

int
module_start_cells(struct module *m, const struct pool *p, const struct pool_limits *l)
{
	const struct order_share share = share_of(p, l);
	int err = 0;

	for (unsigned i = 0; i < l->threads && !err; i++) {
		struct cell *c = cell_new(m);

		if (!c)
			return ERR_MEMORY;
		c->pool = p;
		c->next = m->stock;
		m->stock = c;
		err = start(c, &share);
	}
	return err;
}

/* Why it does not serve, but for what it says itself. */
static void
explain(struct cell *c, int err, struct writer *why)
{
	if (err == ERR_CLOSED) {
		cell_await_end(c);
		child_explain(&c->child, why);
	} else if (err == ERR_TIMEOUT) {
		writer_format(why, "it was not ready within %llu ms",
			      (unsigned long long)(c->module->ready_ns / CLOCK_MS));
		child_close(&c->child); /* and is not waited for at its end */
	} else if (why->len == 0) {
		writer_text(why, err_text(err));
	}
}

int
module_await_cells(struct module *m, const struct flag *stop, struct conf_errors *e)
{
	char text[WHY_BYTES];
	struct writer why = writer_over(text, sizeof(text));
	int err = 0;

	for (struct cell *c = m->stock; c && !err; c = c->next) {
		struct talk t = { .cell = c, .stop = stop, .why = &why };

		err = cell_await_ready(&t);
		if (err == ERR_CANCELLED)
			return err;
		if (err)
			explain(c, err, &why);
	}
	if (err)
		conf_error_at(e, m->section, "path", "a process of its own cannot serve: %.*s",
			      SLICE_PRINT(writer_slice(&why)));
	return err ? ERR_SYNTAX : 0;
}

/* --- ending --------------------------------------------------------------------------- */

/* Whether its init is done, also when nobody has heard that yet. */
static bool
is_up(const struct cell *c)
{
	struct cell_frame frame;
	ssize_t got;

	if (c->is_ready)
		return true;
	got = recv(c->child.input, &frame, sizeof(frame), MSG_PEEK | MSG_DONTWAIT);
	return got == (ssize_t)sizeof(frame) && frame.kind == CELL_READY;
}

/* All of them at once, and one time for all. One whose init is not done has nothing to end, and
 * may never come to see that it should. */
void
cell_stock_end(struct module *m)
{
	uint64_t until;
	struct cell *c;

	for (c = m->stock; c; c = c->next) {
		c->is_ready = is_up(c);
		child_close_fd(&c->child.input);
		if (!c->is_ready)
			child_stop(&c->child, false);
	}
	until = clock_after(clock_monotonic(), CELL_END_NS);
	while ((c = take_first(&m->stock, NULL)) != NULL)
		cell_end_by(&c, until);
}
