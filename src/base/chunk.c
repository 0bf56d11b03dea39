/*
 * Chunk lists; see chunk.h. Runs on the thread that owns the list's store.
 */
#include "base/chunk.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

#include <unistd.h>

void
chunks_init(struct chunks *l, struct store *store)
{
	*l = (struct chunks){ .store = store, .tail = &l->head };
}

void
chunk_file_unref(struct chunk_file *f)
{
	ASSERT(f->refs > 0);
	if (--f->refs > 0)
		return;
	close(f->fd);
	mem_free(&f);
}

static void
release(struct chunk *c)
{
	switch (c->kind) {
	case CHUNK_BLOCK:
		block_unref(c->of.block);
		break;
	case CHUNK_HEAP:
		mem_free(&c->of.heap);
		break;
	case CHUNK_FILE:
		chunk_file_unref(c->of.file);
		break;
	case CHUNK_STATIC:
	case CHUNK_ARENA:
		break;
	}
}

static void
drop_head(struct chunks *l)
{
	struct chunk *c = l->head;

	l->head = c->next;
	if (!l->head)
		l->tail = &l->head;
	l->bytes -= c->len;
	release(c);
	store_give_chunk(l->store, c);
}

void
chunks_clear(struct chunks *l)
{
	while (l->head)
		drop_head(l);
}

static void
append(struct chunks *l, struct chunk *c)
{
	c->next = NULL;
	*l->tail = c;
	l->tail = &c->next;
	l->bytes += c->len;
}

/* An appended chunk of s, or NULL without memory. */
static struct chunk *
add(struct chunks *l, enum chunk_kind kind, struct slice s)
{
	struct chunk *c = store_take_chunk(l->store);

	if (!c)
		return NULL;
	*c = (struct chunk){ .kind = kind, .at = s.at, .len = s.len };
	append(l, c);
	return c;
}

int
chunks_add_static(struct chunks *l, struct slice s)
{
	return s.len == 0 || add(l, CHUNK_STATIC, s) ? 0 : ERR_MEMORY;
}

int
chunks_add_arena(struct chunks *l, struct slice s)
{
	return s.len == 0 || add(l, CHUNK_ARENA, s) ? 0 : ERR_MEMORY;
}

int
chunks_add_block(struct chunks *l, struct block *b, struct slice s)
{
	struct chunk *c;

	if (s.len == 0)
		return 0;
	c = add(l, CHUNK_BLOCK, s);
	if (!c)
		return ERR_MEMORY;
	c->of.block = block_ref(b);
	return 0;
}

int
chunks_add_heap(struct chunks *l, void *owned, struct slice s)
{
	struct chunk *c = s.len ? add(l, CHUNK_HEAP, s) : NULL;

	if (!c) {
		mem_free(&owned);
		return s.len ? ERR_MEMORY : 0;
	}
	c->of.heap = owned;
	return 0;
}

int
chunks_add_file(struct chunks *l, struct chunk_file *f, int64_t offset, size_t len)
{
	struct chunk *c = len ? add(l, CHUNK_FILE, slice_make(NULL, len)) : NULL;

	if (!c) {
		chunk_file_unref(f);
		return len ? ERR_MEMORY : 0;
	}
	c->of.file = f;
	c->offset = offset;
	return 0;
}

/* Copies s, at most a block of it, into a block of its own. */
static int
add_block_copy(struct chunks *l, struct slice s)
{
	struct block *b = block_take(l->store, 0);
	struct chunk *c;

	if (!b)
		return ERR_MEMORY;
	memcpy(b->at, s.at, s.len);
	b->len = (uint32_t)s.len;
	c = add(l, CHUNK_BLOCK, slice_make(b->at, s.len));
	if (!c) {
		block_unref(b);
		return ERR_MEMORY;
	}
	c->of.block = b;
	return 0;
}

int
chunks_add_copy(struct chunks *l, struct slice s)
{
	struct chunks copy;

	chunks_init(&copy, l->store);
	while (s.len > 0) {
		size_t n = s.len < STORE_BLOCK_BYTES ? s.len : STORE_BLOCK_BYTES;

		if (add_block_copy(&copy, slice_make(s.at, n)) != 0) {
			chunks_clear(&copy);
			return ERR_MEMORY;
		}
		s = slice_after(s, n);
	}
	chunks_move(l, &copy);
	return 0;
}

void
chunks_move(struct chunks *to, struct chunks *from)
{
	if (!from->head)
		return;
	ASSERT(to->store == from->store);
	*to->tail = from->head;
	to->tail = from->tail;
	to->bytes += from->bytes;
	chunks_init(from, from->store);
}

/* A second chunk for the first n bytes of c, which keeps the rest. */
static struct chunk *
split(struct store *store, struct chunk *c, size_t n)
{
	struct chunk *first;

	if (c->kind == CHUNK_HEAP)
		return NULL; /* has one owner: never split */
	first = store_take_chunk(store);
	if (!first)
		return NULL;
	*first = *c;
	first->len = n;
	if (c->kind == CHUNK_BLOCK)
		block_ref(c->of.block);
	if (c->kind == CHUNK_FILE) {
		c->of.file->refs++;
		c->offset += (int64_t)n;
	} else {
		c->at += n;
	}
	c->len -= n;
	return first;
}

/* Copies a part of a heap chunk, which cannot be split. */
static int
copy_part(struct chunks *to, struct chunks *from, size_t n)
{
	struct chunk *c = from->head;
	int err = chunks_add_copy(to, slice_make(c->at, n));

	if (err)
		return err;
	c->at += n;
	c->len -= n;
	from->bytes -= n;
	return 0;
}

static struct chunk *
twin(struct store *store, const struct chunk *c)
{
	struct chunk *t = store_take_chunk(store);

	if (!t)
		return NULL;
	*t = *c;
	t->next = NULL;
	if (c->kind == CHUNK_BLOCK)
		block_ref(c->of.block);
	else if (c->kind == CHUNK_FILE)
		c->of.file->refs++;
	return t;
}

int
chunks_share(struct chunks *to, const struct chunks *from)
{
	struct chunks twins;

	chunks_init(&twins, to->store);
	for (const struct chunk *c = from->head; c; c = c->next) {
		struct chunk *t = c->kind == CHUNK_HEAP ? NULL : twin(to->store, c);

		if (!t) {
			chunks_clear(&twins);
			return c->kind == CHUNK_HEAP ? ERR_UNSUPPORTED : ERR_MEMORY;
		}
		append(&twins, t);
	}
	chunks_move(to, &twins);
	return 0;
}

int
chunks_move_some(struct chunks *to, struct chunks *from, size_t bytes)
{
	while (bytes > 0 && from->head) {
		struct chunk *c = from->head;

		if (c->len > bytes && c->kind == CHUNK_HEAP)
			return copy_part(to, from, bytes);
		if (c->len > bytes) {
			c = split(from->store, c, bytes);
			if (!c)
				return ERR_MEMORY;
		} else {
			from->head = c->next;
			if (!from->head)
				from->tail = &from->head;
		}
		from->bytes -= c->len;
		bytes -= c->len;
		append(to, c);
	}
	return 0;
}

void
chunks_drop(struct chunks *l, size_t bytes)
{
	while (bytes > 0) {
		struct chunk *c = l->head;

		ASSERT(c);
		if (c->len > bytes) {
			if (c->kind == CHUNK_FILE)
				c->offset += (int64_t)bytes;
			else
				c->at += bytes;
			c->len -= bytes;
			l->bytes -= bytes;
			return;
		}
		bytes -= c->len;
		drop_head(l);
	}
}

size_t
chunks_copy_out(const struct chunks *l, char *memory, size_t cap)
{
	size_t done = 0;

	for (const struct chunk *c = l->head; c && done < cap; c = c->next) {
		size_t n = c->len < cap - done ? c->len : cap - done;

		ASSERT(c->kind != CHUNK_FILE);
		memcpy(memory + done, c->at, n);
		done += n;
	}
	return done;
}
