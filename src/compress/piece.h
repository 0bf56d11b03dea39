/*
 * A piece: so much of a body as one job compresses, and the job. It owns what it
 * touches - the bytes, copied, or a reference to the file that they are read
 * from; the encoder while it is away; what comes out - so a response that ends
 * meanwhile only lets go of it. Made, filled and freed on the worker; run on a
 * thread of a pool.
 *
 *   piece_fill -> pool_submit ===> run: read, encode ===> on_home
 */
#ifndef FOREBAY_COMPRESS_PIECE_H
#define FOREBAY_COMPRESS_PIECE_H

#include "base/chunk.h"
#include "compress/shelf.h"
#include "net/lease.h"
#include "thread/pool.h"

enum {
	PIECE_BYTES = 64 << 10, /* a few milliseconds of work */
	PIECE_OUT_BYTES = 1 << 20, /* most that can come out of one: what was kept back, too */
};

struct piece {
	struct job job;
	void *owner; /* who waits for it; NULL: nobody any more */
	struct lease *lease; /* taken while it is away */
	struct shelf *shelf; /* borrowed, there while the lease is held */
	struct encoder *encoder; /* owned while it is away */
	struct chunk_file *file; /* counted; NULL: the bytes are in memory */
	uint64_t offset; /* in the file */
	size_t len;
	enum encoder_mode mode;
	struct buffer out;
	char memory[PIECE_BYTES];
};

/* NULL without memory. job.on_home is the caller's to set. */
struct piece *piece_new(struct shelf *shelf) MUST_CHECK;
/* NULL is allowed. Gives back the encoder and the lease that it has. On the worker. */
void piece_release(struct piece *p);
#define piece_free(pointer) (piece_release(*(pointer)), (void)(*(pointer) = NULL))

/* Takes bytes off the list, as many as are of one kind and fit in. */
void piece_fill(struct piece *p, struct chunks *from);
/* How many bytes at the start of the list, up to most, are in memory; 0: a file comes first. */
size_t piece_in_memory(const struct chunks *l, size_t most);

#endif
