/*
 * Memory for the HTTP/2 library: each request takes and gives back five small
 * pieces of it, and the heap's part of that was an eighth of all instructions.
 * Small pieces go to lists by size, and from there to the next request, of
 * whichever connection of this worker. One thread; bounded.
 */
#ifndef FOREBAY_PROTO_H2_MEMORY_H
#define FOREBAY_PROTO_H2_MEMORY_H

#include "base/err.h"

#include <stddef.h>

/* Sanitizers are to see where each piece ends, and who uses it when it was given back. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define H2_MEMORY_KEPT 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define H2_MEMORY_KEPT 0
#endif
#endif
#ifndef H2_MEMORY_KEPT
#define H2_MEMORY_KEPT 64 /* pieces of each size, at most */
#endif

struct h2_memory;

enum {
	H2_MEMORY_STEP = 64, /* bytes between two sizes */
	H2_MEMORY_SIZES = 8,
};

/* NULL without memory. */
struct h2_memory *h2_memory_new(void) MUST_CHECK;
/* Every piece must have been given back. Harmless with NULL in it. */
void h2_memory_free(struct h2_memory **m);

/* As malloc(3), calloc(3), realloc(3) and free(3). */
void *h2_memory_take(struct h2_memory *m, size_t bytes) MUST_CHECK;
void *h2_memory_take_clear(struct h2_memory *m, size_t count, size_t size) MUST_CHECK;
void *h2_memory_grow(struct h2_memory *m, void *piece, size_t bytes) MUST_CHECK;
void h2_memory_give(struct h2_memory *m, void *piece);

#endif
