/*
 * A worker's side of the access log: lines are gathered in a buffer, full or old
 * buffers go to the log writer by mail and come home empty by mail. No lock, no
 * system call, no wait; memory only while the first buffers are made. When all
 * buffers are on their way, lines are dropped and counted.
 *
 *   put -> current ==mail==> access_writer: write ==mail==> free -> current
 *
 * All of it on the worker's thread.
 */
#ifndef FOREBAY_ACCESSLOG_ACCESS_OUTBOX_H
#define FOREBAY_ACCESSLOG_ACCESS_OUTBOX_H

#include "accesslog/access_line.h"
#include "metrics/counters.h"
#include "thread/mailbox.h"

struct access_buffer {
	struct mail mail;
	struct access_buffer *next; /* on the free list */
	struct access_outbox *outbox; /* where it comes home to */
	uint32_t lines; /* whole lines in it */
	uint32_t lost; /* of them; the writer's word */
	size_t len, cap;
	char at[];
};

struct access_outbox {
	struct mailbox *home; /* borrowed: of the worker */
	struct mailbox *writer; /* borrowed */
	struct counters *counters; /* borrowed */
	struct access_buffer *current; /* NULL: no line waits */
	struct access_buffer *free;
	unsigned made; /* buffers there are */
	unsigned out; /* of them, at the writer or on the way */
	struct access_clock clock;
};

void access_outbox_init(struct access_outbox *o, struct mailbox *home, struct mailbox *writer,
			struct counters *counters);
/* Every buffer must be home. */
void access_outbox_fini(struct access_outbox *o);

/* Writes a line, or drops it. True when it is the first in its buffer: access_outbox_flush is
 * due flush_ns from now. */
bool access_outbox_put(struct access_outbox *o, const struct access_conf *c,
		       const struct access_format *f, struct access_entry *e);
/* Sends what waits. */
void access_outbox_flush(struct access_outbox *o);
/* For the writer, on its thread: it is done with the buffer. */
void access_outbox_send_home(struct access_buffer *b);

#endif
