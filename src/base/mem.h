/*
 * The only door to the heap. Every allocation of the project passes here, so
 * that tests can make the n-th one fail and arithmetic on sizes from outside
 * is checked in one place.
 *
 * All functions may be called on any thread. A failed allocation returns NULL
 * and is never fatal here: the caller fails its exchange, job or start-up step.
 */
#ifndef FOREBAY_BASE_MEM_H
#define FOREBAY_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* bytes must not be 0. Memory is not cleared. */
void *mem_alloc(size_t bytes) __attribute__((malloc, warn_unused_result));
/* Cleared memory for count items of size bytes each; NULL if the product overflows. */
void *mem_zalloc(size_t count, size_t size) __attribute__((malloc, warn_unused_result));
/* As realloc(3); the old block stays valid when NULL is returned. */
void *mem_grow(void *old, size_t bytes) __attribute__((warn_unused_result));
/* A copy of a C string; NULL if there is no memory. */
char *mem_copy_text(const char *text) __attribute__((malloc, warn_unused_result));
/* NULL is allowed. Prefer mem_free(), which also clears the pointer. */
void mem_release(void *block);

/*
 * What is of the size of requests: all blocks of MEM_LARGE bytes and more that
 * are in use. Each thread tells the others in steps, so that it is short of up
 * to MEM_STEP for each; one that ends settles. Smaller blocks are bounded by the
 * number of connections and cost a comparison.
 */
enum { MEM_LARGE = 16384, MEM_STEP = 256 << 10 };
uint64_t mem_large_bytes(void);
void mem_settle(void);

/* Frees what *pointer owns and leaves no way back to it. */
#define mem_free(pointer) (mem_release(*(pointer)), (void)(*(pointer) = NULL))

/* *sum = a + b and *product = a * b: false when the result does not fit. */
static inline bool
mem_add(size_t a, size_t b, size_t *sum)
{
	return !__builtin_add_overflow(a, b, sum);
}

static inline bool
mem_multiply(size_t a, size_t b, size_t *product)
{
	return !__builtin_mul_overflow(a, b, product);
}

/*
 * For tests: the n-th allocation from now on this thread fails (1 is the
 * next one), and so do all after it when `onward`; 0 turns this off.
 */
void mem_fail_at(unsigned long n, bool onward);
/* Allocations made on this thread since the last mem_fail_at. */
unsigned long mem_count(void);

#endif
