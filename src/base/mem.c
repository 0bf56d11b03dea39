/*
 * The only door to the heap; see mem.h. The failure switch is per thread, so
 * that a test under TSan may use it while other threads go on undisturbed.
 */
#include "base/mem.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

static _Thread_local unsigned long count;
static _Thread_local unsigned long fail_at;
static _Thread_local bool fail_onward;

static bool
is_failed(void)
{
	count++;
	if (fail_at == 0)
		return false;
	return count == fail_at || (fail_onward && count > fail_at);
}

void *
mem_alloc(size_t bytes)
{
	ASSERT(bytes > 0);
	return is_failed() ? NULL : malloc(bytes);
}

void *
mem_zalloc(size_t items, size_t size)
{
	ASSERT(size > 0);
	return is_failed() ? NULL : calloc(items > 0 ? items : 1, size);
}

void *
mem_grow(void *old, size_t bytes)
{
	ASSERT(bytes > 0);
	return is_failed() ? NULL : realloc(old, bytes);
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
