/*
 * Free lists of one thread; see store.h. Blocks larger than usual are never
 * kept: they serve rare long heads and go straight back to the heap.
 */
#include "base/store.h"

#include "base/assert.h"
#include "base/chunk.h"
#include "base/mem.h"

struct page {
	struct page *next;
};

void
store_init(struct store *s)
{
	*s = (struct store){ 0 };
}

void
store_fini(struct store *s)
{
	ASSERT(s->out == 0);
	while (s->free_blocks) {
		struct block *b = s->free_blocks;
		s->free_blocks = b->next;
		mem_free(&b);
	}
	while (s->free_chunks) {
		struct chunk *c = s->free_chunks;
		s->free_chunks = c->next;
		mem_free(&c);
	}
	while (s->free_pages) {
		struct page *p = s->free_pages;
		s->free_pages = p->next;
		mem_free(&p);
	}
}

struct block *
block_take_slow(struct store *s, size_t bytes)
{
	size_t cap = bytes > STORE_BLOCK_BYTES ? bytes : STORE_BLOCK_BYTES;
	struct block *b;

	if (cap > UINT32_MAX - sizeof(*b))
		return NULL;
	b = mem_alloc(sizeof(*b) + cap);
	if (!b)
		return NULL;
	*b = (struct block){ .store = s, .refs = 1, .cap = (uint32_t)cap };
	s->out++;
	return b;
}

void
block_give(struct block *b)
{
	struct store *s = b->store;

	ASSERT(b->refs == 0);
	s->out--;
	if (b->cap != STORE_BLOCK_BYTES || s->kept_blocks >= STORE_KEEP_BLOCKS) {
		mem_free(&b);
		return;
	}
	b->next = s->free_blocks;
	s->free_blocks = b;
	s->kept_blocks++;
}

void *
store_take_page(struct store *s)
{
	struct page *p = s->free_pages;

	if (p) {
		s->free_pages = p->next;
		s->kept_pages--;
	} else {
		p = mem_alloc(STORE_PAGE_BYTES);
		if (!p)
			return NULL;
	}
	s->out++;
	return p;
}

void
store_give_page(struct store *s, void *page)
{
	struct page *p = page;

	s->out--;
	if (s->kept_pages >= STORE_KEEP_PAGES) {
		mem_free(&p);
		return;
	}
	p->next = s->free_pages;
	s->free_pages = p;
	s->kept_pages++;
}

struct chunk *
store_take_chunk(struct store *s)
{
	struct chunk *c = s->free_chunks;

	if (c) {
		s->free_chunks = c->next;
		s->kept_chunks--;
	} else {
		c = mem_alloc(sizeof(*c));
		if (!c)
			return NULL;
	}
	s->out++;
	return c;
}

void
store_give_chunk(struct store *s, struct chunk *c)
{
	s->out--;
	if (s->kept_chunks >= STORE_KEEP_CHUNKS) {
		mem_free(&c);
		return;
	}
	c->next = s->free_chunks;
	s->free_chunks = c;
	s->kept_chunks++;
}
