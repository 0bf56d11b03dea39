/*
 * Memory that dies at once: what an exchange and everything under it needs
 * is taken from one arena and given back as a whole. Nothing in an arena is
 * freed singly; resources from outside it register a cleanup.
 *
 * One thread. Bounded: an arena that would pass `limit` bytes returns NULL, as
 * when memory is out, and the exchange fails.
 */
#ifndef FOREBAY_BASE_ARENA_H
#define FOREBAY_BASE_ARENA_H

#include "base/slice.h"
#include "base/store.h"

typedef void (*arena_cleanup_fn)(void *argument);

struct arena_cleanup {
	struct arena_cleanup *next;
	arena_cleanup_fn run;
	void *argument;
};

struct arena {
	char *at, *end; /* room left in the newest page */
	struct page *pages; /* newest first; owned */
	void *large; /* allocations over a page; owned */
	struct arena_cleanup *cleanups;
	struct store *store; /* borrowed */
	size_t used, limit; /* bytes, pages counted whole */
	bool is_short; /* something could not be had: for who builds a whole of many pieces */
};

enum { ARENA_ALIGN = 16 };

void arena_init(struct arena *a, struct store *store, size_t limit);
/* The same with memory to begin with, which stays the caller's and outlives the arena. */
static inline void
arena_init_over(struct arena *a, struct store *store, size_t limit, char *memory, size_t bytes)
{
	size_t skip = (size_t)(-(uintptr_t)memory & (ARENA_ALIGN - 1));

	*a = (struct arena){
		.at = memory + skip, .end = memory + bytes, .store = store, .limit = limit
	};
}
/* Runs the cleanups, last registered first, and frees everything. */
void arena_fini(struct arena *a);

/* The slow half of arena_alloc. */
void *arena_extend(struct arena *a, size_t bytes) __attribute__((warn_unused_result));

/* Aligned for anything, not cleared; NULL without memory or above the limit. */
__attribute__((warn_unused_result)) static inline void *
arena_alloc(struct arena *a, size_t bytes)
{
	size_t rounded = (bytes + (ARENA_ALIGN - 1)) & ~(size_t)(ARENA_ALIGN - 1);
	char *at = a->at;

	if (rounded < bytes || rounded > (size_t)(a->end - at))
		return arena_extend(a, bytes);
	a->at = at + rounded;
	return at;
}

/* Cleared, count items of size bytes each, overflow checked. */
void *arena_zalloc(struct arena *a, size_t count, size_t size) __attribute__((warn_unused_result));
/* A copy of s (NUL-terminated for convenience); at is NULL without memory. */
struct slice arena_copy(struct arena *a, struct slice s);
/* run(argument) will be called by arena_fini. ERR_MEMORY: it will not. */
int arena_on_end(struct arena *a, arena_cleanup_fn run, void *argument)
    __attribute__((warn_unused_result));

#endif
