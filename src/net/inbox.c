/*
 * What came and was not taken; see inbox.h.
 */
#include "net/inbox.h"

#include "base/list.h"

void
inbox_init(struct inbox *i, struct store *store)
{
	i->block = NULL;
	chunks_init(&i->list, store);
}

void
inbox_clear(struct inbox *i)
{
	chunks_clear(&i->list);
	if (i->block)
		block_unref(i->block);
	i->block = NULL;
}

/* Behind what was gathered before, as one chunk with it where it can be. */
static int
gather(struct inbox *i, struct slice s)
{
	struct block *b = i->block;
	struct chunk *last;
	char *at;

	if (!b || block_room(b) < s.len) {
		if (b)
			block_unref(b);
		b = i->block = block_take(i->list.store, s.len);
		if (!b)
			return ERR_MEMORY;
	}
	at = b->at + b->len;
	memcpy(at, s.at, s.len);
	b->len += (uint32_t)s.len;
	last = i->list.head ? CONTAINER_OF(i->list.tail, struct chunk, next) : NULL;
	if (!last || last->kind != CHUNK_BLOCK || last->at + last->len != at)
		return chunks_add_block(&i->list, b, slice_make(at, s.len));
	last->len += s.len;
	i->list.bytes += s.len;
	return 0;
}

int
inbox_put(struct inbox *i, struct block *from, struct slice s)
{
	return s.len > INBOX_COPY_BYTES ? chunks_add_block(&i->list, from, s) : gather(i, s);
}
