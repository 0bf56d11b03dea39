/*
 * What waits to be written to a socket: small pieces are copied one behind the
 * other into a block, so that many of them leave in one write; larger ones are
 * queued as they are. One connection's; bounded by whoever fills it.
 */
#ifndef FOREBAY_NET_OUTBOX_H
#define FOREBAY_NET_OUTBOX_H

#include "base/chunk.h"
#include "net/io.h"

struct outbox {
	struct chunks list;
	struct block *block; /* counted: where pieces are gathered; NULL: none */
	uint32_t from; /* first byte of it that is behind `list` */
};

enum { OUTBOX_COPY_BYTES = 4096 }; /* memory chunks up to this are gathered */

void outbox_init(struct outbox *o, struct store *store);
/* Releases what was not written. */
void outbox_clear(struct outbox *o);
/* Copies s behind what is there. ERR_MEMORY. */
int outbox_put(struct outbox *o, struct slice s) __attribute__((warn_unused_result));
/* Takes the first `bytes` bytes of a list: those of an arena, which may end before they are
 * written, and small ones by copy, others as they are. ERR_MEMORY: some may be taken. */
int outbox_move(struct outbox *o, struct chunks *from, size_t bytes)
    __attribute__((warn_unused_result));
/* Writes at most `limit` bytes; as io_write(). */
int outbox_write(struct outbox *o, struct io *io, size_t limit) __attribute__((warn_unused_result));

static inline size_t
outbox_bytes(const struct outbox *o)
{
	return o->list.bytes + (o->block ? o->block->len - o->from : 0);
}

#endif
