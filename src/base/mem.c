/*
 * The only door to the heap; see mem.h. The failure switch is per thread, so
 * that a test under TSan may use it while other threads go on undisturbed.
 */
#include "base/mem.h"

#include "base/assert.h"
#include "base/mem_kept.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local unsigned long count;
static _Thread_local unsigned long fail_at;
static _Thread_local bool fail_onward;

/* Blocks of MEM_LARGE bytes and more: what this thread took, less what it gave back, since it has
 * told all others. The heap is the process', and so is this sum. */
static _Thread_local int64_t large;
static _Atomic int64_t all_large;

static bool
is_failed(void)
{
	count++;
	if (fail_at == 0)
		return false;
	return count == fail_at || (fail_onward && count > fail_at);
}

void
mem_settle(void)
{
	atomic_fetch_add_explicit(&all_large, large, memory_order_relaxed);
	large = 0;
}

uint64_t
mem_large_bytes(void)
{
	int64_t all = atomic_load_explicit(&all_large, memory_order_relaxed);

	return all > 0 ? (uint64_t)all : 0;
}

static inline void
count_large(void *block, int sign)
{
	size_t usable = malloc_usable_size(block);

	if (usable < MEM_LARGE)
		return;
	large += sign * (int64_t)usable;
	if (large >= MEM_STEP || large <= -MEM_STEP)
		mem_settle();
}

/* A block is never twice as large as it was asked for, when that is much. */
static inline void *
counted(void *block, size_t bytes)
{
	if (bytes >= MEM_LARGE / 2)
		count_large(block, 1);
	return block;
}

void
mem_set_aside(void *block)
{
	count_large(block, -1);
}

void
mem_take_back(void *block)
{
	count_large(block, 1);
}

void *
mem_alloc(size_t bytes)
{
	ASSERT(bytes > 0);
	return is_failed() ? NULL : counted(malloc(bytes), bytes);
}

void *
mem_zalloc(size_t items, size_t size)
{
	void *block;

	ASSERT(size > 0);
	if (is_failed())
		return NULL;
	block = calloc(items > 0 ? items : 1, size);
	return block ? counted(block, items * size) : NULL;
}

void *
mem_grow(void *old, size_t bytes)
{
	void *block;

	ASSERT(bytes > 0);
	if (is_failed())
		return NULL;
	count_large(old, -1);
	block = realloc(old, bytes);
	if (!block)
		count_large(old, 1);
	return counted(block, bytes);
}

char *
mem_copy_text(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = mem_alloc(bytes);

	if (copy)
		memcpy(copy, text, bytes);
	return copy;
}

void
mem_release(void *block)
{
	count_large(block, -1);
	free(block);
}

void
mem_fail_at(unsigned long n, bool onward)
{
	count = 0;
	fail_at = n;
	fail_onward = onward;
}

unsigned long
mem_count(void)
{
	return count;
}
