/*
 * Buffers of a worker; see access_outbox.h.
 */
#include "accesslog/access_outbox.h"

#include "accesslog/access_writer.h"
#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"

/* How much of a value is kept in a line that is longer than a buffer. */
enum { VALUE_CUT_BYTES = 128 };

void
access_outbox_init(struct access_outbox *o, struct mailbox *home, struct mailbox *writer,
		   struct counters *counters)
{
	*o = (struct access_outbox){ .home = home, .writer = writer, .counters = counters };
}

static void
free_buffer(struct access_outbox *o, struct access_buffer *b)
{
	o->made--;
	mem_free(&b);
}

void
access_outbox_fini(struct access_outbox *o)
{
	ASSERT(o->out == 0);
	if (o->current)
		free_buffer(o, o->current);
	o->current = NULL;
	while (o->free) {
		struct access_buffer *b = o->free;

		o->free = b->next;
		free_buffer(o, b);
	}
}

/* --- to the writer and home --------------------------------------------------------- */

static void
on_home(struct mail *m, void *receiver)
{
	struct access_buffer *b = CONTAINER_OF(m, struct access_buffer, mail);
	struct access_outbox *o = b->outbox;

	(void)receiver;
	count_add(o->counters, COUNTER_ACCESS_LINES, b->lines - b->lost);
	count_add(o->counters, COUNTER_ACCESS_DROPPED_DISK, b->lost);
	o->out--;
	b->next = o->free;
	o->free = b;
}

void
access_outbox_send_home(struct access_buffer *b)
{
	b->mail.deliver = on_home;
	mailbox_send(b->outbox->home, &b->mail);
}

void
access_outbox_flush(struct access_outbox *o)
{
	struct access_buffer *b = o->current;

	if (!b)
		return;
	o->current = NULL;
	o->out++;
	access_writer_send(o->writer, b);
}

/* --- lines -------------------------------------------------------------------------- */

static struct access_buffer *
make_buffer(struct access_outbox *o, size_t cap)
{
	struct access_buffer *b = mem_alloc(sizeof(*b) + cap);

	if (!b)
		return NULL;
	*b = (struct access_buffer){ .outbox = o, .cap = cap };
	o->made++;
	return b;
}

/* An empty buffer; those of another size, from before a change, are replaced. */
static struct access_buffer *
take_buffer(struct access_outbox *o, const struct access_conf *c)
{
	struct access_buffer *b;

	while ((b = o->free)) {
		o->free = b->next;
		if (b->cap == c->buffer_bytes && o->made <= c->buffers) {
			b->len = b->lines = b->lost = 0;
			return b;
		}
		free_buffer(o, b);
	}
	return o->made < c->buffers ? make_buffer(o, c->buffer_bytes) : NULL;
}

/* False: the line does not fit. */
static bool
put_into(struct access_outbox *o, const struct access_format *f, const struct access_entry *e,
	 size_t value_max)
{
	struct access_buffer *b = o->current;
	struct writer w = writer_over(b->at + b->len, b->cap - b->len);

	access_line_write(f, e, &o->clock, value_max, &w);
	if (w.is_full)
		return false;
	b->len += w.len;
	b->lines++;
	return true;
}

/* In a buffer of its own, in the end with short values: a client cannot keep a request out of
 * the log by making it long. */
static bool
put_first(struct access_outbox *o, const struct access_conf *c, const struct access_format *f,
	  const struct access_entry *e)
{
	o->current = take_buffer(o, c);
	if (!o->current) {
		count_add(o->counters, COUNTER_ACCESS_DROPPED_BUFFER, 1);
		return false;
	}
	if (put_into(o, f, e, SIZE_MAX) || put_into(o, f, e, VALUE_CUT_BYTES))
		return true;
	count_add(o->counters, COUNTER_ACCESS_DROPPED_LONG, 1);
	o->current->next = o->free;
	o->free = o->current;
	o->current = NULL;
	return false;
}

bool
access_outbox_put(struct access_outbox *o, const struct access_conf *c,
		  const struct access_format *f, struct access_entry *e)
{
	e->wall_ns = access_clock_wall(&o->clock, e->x->begun_ns);
	if (o->current) {
		if (put_into(o, f, e, SIZE_MAX))
			return false;
		access_outbox_flush(o);
	}
	return put_first(o, c, f, e);
}
