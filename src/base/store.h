/*
 * A thread's free lists: counted blocks, chunk nodes, and the pages that
 * arenas are made of. One store belongs to one thread and is never locked;
 * what was taken from a store goes back to the same store.
 *
 * A counted block is BLOCK_BYTES of memory with a count of its users: reads
 * land in blocks, chunks and exchanges borrow from them, and the last
 * block_unref gives the block back. The free lists keep at most a few of each,
 * so that a burst does not stay in memory.
 */
#ifndef FOREBAY_BASE_STORE_H
#define FOREBAY_BASE_STORE_H

#include <stddef.h>
#include <stdint.h>

enum {
	STORE_BLOCK_BYTES = 16384, /* capacity of an ordinary block */
	STORE_PAGE_BYTES = 4096, /* of an arena page, its link included */
	STORE_KEEP_BLOCKS = 64, /* free ones kept for reuse */
	STORE_KEEP_PAGES = 256,
	STORE_KEEP_CHUNKS = 1024,
};

struct block {
	struct store *store; /* borrowed: where it goes back to */
	struct block *next; /* on the free list */
	uint32_t refs;
	uint32_t len; /* bytes filled, by whoever fills it */
	uint32_t cap; /* usable bytes in at[] */
	char at[];
};

struct chunk;
struct page;

struct store {
	struct block *free_blocks;
	struct chunk *free_chunks;
	struct page *free_pages;
	unsigned kept_blocks, kept_chunks, kept_pages;
	size_t out; /* blocks, chunks and pages in use: 0 when nothing leaks */
};

void store_init(struct store *s);
/* Frees the free lists. Everything taken must have come back. */
void store_fini(struct store *s);

/* A block with one user and len 0; at least STORE_BLOCK_BYTES, or `bytes` if
 * that is more. NULL without memory. */
struct block *block_take_slow(struct store *s, size_t bytes) __attribute__((warn_unused_result));
void block_give(struct block *b); /* the last reference is gone */

__attribute__((warn_unused_result)) static inline struct block *
block_take(struct store *s, size_t bytes)
{
	struct block *b = s->free_blocks;

	if (!b || bytes > STORE_BLOCK_BYTES)
		return block_take_slow(s, bytes);
	s->free_blocks = b->next;
	s->kept_blocks--;
	s->out++;
	b->refs = 1;
	b->len = 0;
	return b;
}

static inline void
block_unref(struct block *b)
{
	if (--b->refs == 0)
		block_give(b);
}

static inline struct block *
block_ref(struct block *b)
{
	b->refs++;
	return b;
}

static inline size_t
block_room(const struct block *b)
{
	return b->cap - b->len;
}

/* For arena.c and chunk.c. NULL without memory. */
void *store_take_page(struct store *s) __attribute__((warn_unused_result));
void store_give_page(struct store *s, void *page);
struct chunk *store_take_chunk(struct store *s) __attribute__((warn_unused_result));
void store_give_chunk(struct store *s, struct chunk *c);

#endif
