/*
 * Small pieces of memory by size; see h2_memory.h.
 *
 *   piece: | head: its size | bytes ... |       kept: | head: the next one | ... |
 */
#include "proto/h2_memory.h"

#include "base/mem.h"

#include <stdalign.h>
#include <string.h>

/* As large as what stands behind it is aligned. */
union head {
	size_t bytes; /* of what follows */
	union head *next;
	max_align_t align;
};

struct h2_memory {
	union head *kept[H2_MEMORY_SIZES];
	unsigned count[H2_MEMORY_SIZES];
};

struct h2_memory *
h2_memory_new(void)
{
	return mem_zalloc(1, sizeof(struct h2_memory));
}

void
h2_memory_free(struct h2_memory **pointer)
{
	struct h2_memory *m = *pointer;

	for (unsigned i = 0; m && i < H2_MEMORY_SIZES; i++) {
		while (m->kept[i]) {
			union head *head = m->kept[i];

			m->kept[i] = head->next;
			mem_free(&head);
		}
	}
	mem_free(pointer);
}

static size_t
size_of(size_t bytes)
{
	return bytes > 0 ? (bytes - 1) / H2_MEMORY_STEP : 0;
}

static void *
take_fresh(size_t bytes)
{
	union head *head = NULL;
	size_t all;

	if (mem_add(bytes, sizeof(*head), &all))
		head = mem_alloc(all);
	if (!head)
		return NULL;
	head->bytes = bytes;
	return head + 1;
}

void *
h2_memory_take(struct h2_memory *m, size_t bytes)
{
	size_t size = size_of(bytes);
	union head *head;

	if (size >= H2_MEMORY_SIZES)
		return take_fresh(bytes);
	head = m->kept[size];
	if (!head)
		return take_fresh((size + 1) * H2_MEMORY_STEP);
	m->kept[size] = head->next;
	m->count[size]--;
	head->bytes = (size + 1) * H2_MEMORY_STEP;
	return head + 1;
}

void *
h2_memory_take_clear(struct h2_memory *m, size_t count, size_t size)
{
	size_t bytes;
	void *piece = mem_multiply(count, size, &bytes) ? h2_memory_take(m, bytes) : NULL;

	if (piece)
		memset(piece, 0, bytes);
	return piece;
}

void
h2_memory_give(struct h2_memory *m, void *piece)
{
	union head *head;
	size_t size;

	if (!piece)
		return;
	head = (union head *)piece - 1;
	size = size_of(head->bytes);
	if (size >= H2_MEMORY_SIZES || m->count[size] + 1 > H2_MEMORY_KEPT) {
		mem_free(&head);
		return;
	}
	head->next = m->kept[size];
	m->kept[size] = head;
	m->count[size]++;
}

void *
h2_memory_grow(struct h2_memory *m, void *piece, size_t bytes)
{
	size_t before = piece ? ((union head *)piece - 1)->bytes : 0;
	void *larger;

	if (piece && bytes <= before)
		return piece;
	larger = h2_memory_take(m, bytes);
	if (!larger)
		return NULL;
	if (piece)
		memcpy(larger, piece, before);
	h2_memory_give(m, piece);
	return larger;
}
