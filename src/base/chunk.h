/*
 * Chunk lists: how bodies travel, in both directions, without being copied.
 *
 * A chunk is a run of bytes somewhere: static (outlives everything the chunk
 * can meet), in an arena (outlives the exchange), in a counted block (the
 * chunk holds a reference), on the heap (the chunk owns it), or a range of an
 * open file (the chunk holds a reference; for sendfile). A list owns its
 * chunks; moving a chunk or a list moves ownership.
 */
#ifndef FOREBAY_BASE_CHUNK_H
#define FOREBAY_BASE_CHUNK_H

#include "base/slice.h"
#include "base/store.h"

enum chunk_kind { CHUNK_STATIC, CHUNK_ARENA, CHUNK_BLOCK, CHUNK_HEAP, CHUNK_FILE };

/* An open file shared by chunks and caches of one thread. */
struct chunk_file {
	int fd;
	uint32_t refs;
};

struct chunk {
	struct chunk *next;
	enum chunk_kind kind;
	const char *at; /* not for CHUNK_FILE */
	size_t len; /* bytes left; never 0 on a list */
	union {
		struct block *block; /* CHUNK_BLOCK: counted */
		void *heap; /* CHUNK_HEAP: owned, through mem_free */
		struct chunk_file *file; /* CHUNK_FILE: counted */
	} of;
	int64_t offset; /* CHUNK_FILE: where the range starts */
};

struct chunks {
	struct store *store; /* borrowed: where nodes come from */
	struct chunk *head;
	struct chunk **tail;
	size_t bytes; /* sum of len */
};

void chunks_init(struct chunks *l, struct store *store);
/* Releases every chunk; the list is empty and usable again. */
void chunks_clear(struct chunks *l);

static inline int
chunks_is_empty(const struct chunks *l)
{
	return l->head == NULL;
}

/* Appending nothing (len 0) is no error and takes no chunk. ERR_MEMORY
 * otherwise; then nothing changed, but for chunks_add_heap and
 * chunks_add_file, which release what they were given. */
int chunks_add_static(struct chunks *l, struct slice s) __attribute__((warn_unused_result));
int chunks_add_arena(struct chunks *l, struct slice s) __attribute__((warn_unused_result));
int chunks_add_block(struct chunks *l, struct block *b, struct slice s)
    __attribute__((warn_unused_result)); /* takes a reference of its own */
int chunks_add_heap(struct chunks *l, void *owned, struct slice s)
    __attribute__((warn_unused_result)); /* takes ownership of `owned` */
int chunks_add_file(struct chunks *l, struct chunk_file *f, int64_t offset, size_t len)
    __attribute__((warn_unused_result)); /* takes the caller's reference */
/* Copies s into new blocks. */
int chunks_add_copy(struct chunks *l, struct slice s) __attribute__((warn_unused_result));

/* Moves all of `from` to the end of `to`. Both must be of one store. */
void chunks_move(struct chunks *to, struct chunks *from);
/* Moves the first `bytes` bytes; a chunk on the cut is split. Moves less if there is less.
 * ERR_MEMORY: nothing lost, some moved. */
int chunks_move_some(struct chunks *to, struct chunks *from, size_t bytes)
    __attribute__((warn_unused_result));
/* Appends the same bytes, which stay on `from` too; both lists are of one store. Not for memory of
 * the heap, which has one owner. ERR_UNSUPPORTED or ERR_MEMORY: nothing changed. */
int chunks_share(struct chunks *to, const struct chunks *from) __attribute__((warn_unused_result));
/* Drops the first `bytes` bytes (those that were written). */
void chunks_drop(struct chunks *l, size_t bytes);
/* Copies up to `cap` bytes out without taking them; returns how many. Not for files. */
size_t chunks_copy_out(const struct chunks *l, char *memory, size_t cap);

void chunk_file_unref(struct chunk_file *f); /* closes the descriptor with the last reference */

#endif
