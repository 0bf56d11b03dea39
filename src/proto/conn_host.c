/*
 * What all conns of a worker have in common: their limits, the text that begins
 * responses, and what befalls all of them, a drain or a shortage of descriptors;
 * see conn.h. On that worker.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "proto/conn.h"

#include <time.h>

/* --- limits and the date -------------------------------------------------------------- */

int
conn_host_make_room(struct conn_host *h, const struct conn_limits *limits)
{
	struct field *room;

	if (limits->h1.max_fields <= h->field_room)
		return 0;
	room = mem_zalloc(limits->h1.max_fields, sizeof(*room));
	if (!room)
		return ERR_MEMORY;
	/* Nobody is parsing now: a head is parsed in one go. */
	mem_free(&h->field_scratch);
	h->field_scratch = room;
	h->field_room = limits->h1.max_fields;
	return 0;
}

void
conn_host_set_limits(struct conn_host *h, const struct conn_limits *limits)
{
	ASSERT(limits->h1.max_fields <= h->field_room);
	h->limits = *limits;
	backlog_set_limit(&h->backlog, limits->worker_wait_ns, limits->is_shadow);
}

struct slice
conn_host_server_text(struct conn_host *h)
{
	static const struct slice server =
	    SLICE_INIT("HTTP/1.1 200 OK\r\nServer: forebay\r\nDate: ");
	uint64_t now = loop_now(&h->env->loop);

	if (now >= h->date_until_ns) {
		struct writer w = writer_over(h->server_text, sizeof(h->server_text));
		struct timespec wall;

		clock_gettime(CLOCK_REALTIME, &wall);
		h->date_until_ns = now + CLOCK_SEC - (uint64_t)wall.tv_nsec;
		writer_put(&w, server);
		writer_put(&w, date_text(&h->date, wall.tv_sec));
		writer_put(&w, SLICE("\r\n"));
		h->server_len = w.len;
	}
	return slice_make(h->server_text, h->server_len);
}

/* --- all conns ------------------------------------------------------------------------ */

static void
drain_one(struct wheel_entry *e, void *argument)
{
	struct conn *c = CONTAINER_OF(e, struct conn, timeout);
	const uint64_t *until = argument;

	if (c->flags & CONN_LINGERING)
		return;
	if (!c->active)
		conn_expire_at(c, *until);
	else if (c->protocol->drain)
		c->protocol->drain(c->active);
}

void
conn_host_drain(struct conn_host *h, uint64_t grace_ns)
{
	uint64_t until = clock_after(loop_now(&h->env->loop), grace_ns);

	h->is_draining = true;
	h->drain_idle_ns = grace_ns;
	h->drain_until_ns = until;
	wheel_each(&h->wheel, drain_one, &until);
}

static void
close_one(struct wheel_entry *e, void *argument)
{
	(void)argument;
	conn_close(CONTAINER_OF(e, struct conn, timeout));
}

void
conn_host_close_all(struct conn_host *h)
{
	wheel_each(&h->wheel, close_one, NULL);
}

struct quota {
	unsigned left, closed;
};

static bool
is_busy(const struct conn *c)
{
	return c->active && !(c->protocol->is_idle && c->protocol->is_idle(c->active));
}

static void
close_if_idle(struct wheel_entry *e, void *argument)
{
	struct conn *c = CONTAINER_OF(e, struct conn, timeout);
	struct quota *quota = argument;

	if (quota->left == 0 || is_busy(c) ||
	    (c->flags & (CONN_LINGERING | CONN_HANDSHAKE | CONN_HELD)))
		return;
	quota->left--;
	quota->closed++;
	count_add(c->host->env->counters, COUNTER_CLOSE_PRESSURE, 1);
	conn_close(c);
}

unsigned
conn_host_close_idle(struct conn_host *h, unsigned n)
{
	struct quota quota = { .left = n };

	wheel_each(&h->wheel, close_if_idle, &quota);
	return quota.closed;
}
