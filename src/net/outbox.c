/*
 * What waits to be written; see outbox.h.
 */
#include "net/outbox.h"

void
outbox_init(struct outbox *o, struct store *store)
{
	*o = (struct outbox){ 0 };
	chunks_init(&o->list, store);
}

static void
drop_block(struct outbox *o)
{
	if (o->block)
		block_unref(o->block);
	o->block = NULL;
	o->from = 0;
}

void
outbox_clear(struct outbox *o)
{
	chunks_clear(&o->list);
	drop_block(o);
}

/* Bytes gathered in the block go to the list: something will stand behind them. */
static int
list_gathered(struct outbox *o)
{
	struct block *b = o->block;
	int err;

	if (!b || b->len == o->from)
		return 0;
	err = chunks_add_block(&o->list, b, slice_make(b->at + o->from, b->len - o->from));
	if (!err)
		o->from = b->len;
	return err;
}

int
outbox_put(struct outbox *o, struct slice s)
{
	struct block *b = o->block;

	if (!b || block_room(b) < s.len) {
		if (list_gathered(o) != 0)
			return ERR_MEMORY;
		drop_block(o);
		b = o->block = block_take(o->list.store, s.len);
	}
	if (!b)
		return ERR_MEMORY;
	memcpy(b->at + b->len, s.at, s.len);
	b->len += (uint32_t)s.len;
	return 0;
}

static bool
is_copied(const struct chunk *c, size_t bytes)
{
	return c->kind == CHUNK_ARENA || (c->kind != CHUNK_FILE && bytes <= OUTBOX_COPY_BYTES);
}

int
outbox_move(struct outbox *o, struct chunks *from, size_t bytes)
{
	int err = 0;

	while (!err && bytes > 0 && from->head) {
		const struct chunk *c = from->head;
		size_t n = c->len < bytes ? c->len : bytes;

		if (is_copied(c, n)) {
			err = outbox_put(o, slice_make(c->at, n));
			if (!err)
				chunks_drop(from, n);
		} else {
			err = list_gathered(o);
			if (!err)
				err = chunks_move_some(&o->list, from, n);
		}
		bytes -= n;
	}
	return err;
}

int
outbox_write(struct outbox *o, struct io *io, size_t limit)
{
	int err = list_gathered(o);

	if (!err)
		err = io_write(io, &o->list, limit);
	if (outbox_bytes(o) == 0)
		drop_block(o);
	return err;
}
