/*
 * Pieces of bodies and their jobs; see piece.h.
 */
#include "compress/piece.h"

#include "base/mem.h"

#include <errno.h>
#include <unistd.h>

/* --- on the pool thread -------------------------------------------------------------- */

/* A file that has become shorter has no such bytes. */
static int
read_all(struct piece *p)
{
	size_t got = 0;

	while (got < p->len) {
		ssize_t n =
		    pread(p->file->fd, p->memory + got, p->len - got, (off_t)(p->offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_FAILED;
		got += (size_t)n;
	}
	return 0;
}

static int
run(struct job *j, struct pool_thread *t)
{
	struct piece *p = CONTAINER_OF(j, struct piece, job);
	int err = 0;

	(void)t;
	if (job_is_cancelled(j))
		return ERR_CANCELLED;
	if (p->file)
		err = read_all(p);
	return err ? err
		   : p->encoder->ops->run(p->encoder, slice_make(p->memory, p->len), p->mode,
					  &p->out);
}

/* --- on the worker ---------------------------------------------------------------------- */

struct piece *
piece_new(struct shelf *shelf)
{
	struct piece *p = mem_alloc(sizeof(*p));

	if (!p)
		return NULL;
	/* All but the memory. */
	memset(p, 0, offsetof(struct piece, memory));
	p->job.run = run;
	p->shelf = shelf;
	buffer_init(&p->out, PIECE_OUT_BYTES);
	return p;
}

static void
drop_file(struct piece *p)
{
	if (p->file)
		chunk_file_unref(p->file);
	p->file = NULL;
}

void
piece_release(struct piece *p)
{
	if (!p)
		return;
	drop_file(p);
	shelf_give(p->shelf, &p->encoder);
	buffer_fini(&p->out);
	if (p->lease)
		lease_give(p->lease);
	mem_free(&p);
}

size_t
piece_in_memory(const struct chunks *l, size_t most)
{
	size_t n = 0;

	for (const struct chunk *c = l->head; c && c->kind != CHUNK_FILE && n < most; c = c->next)
		n += c->len;
	return n < most ? n : most;
}

void
piece_fill(struct piece *p, struct chunks *from)
{
	const struct chunk *c = from->head;

	drop_file(p);
	p->len = 0;
	if (c && c->kind == CHUNK_FILE) {
		p->file = c->of.file;
		p->file->refs++;
		p->offset = (uint64_t)c->offset;
		p->len = c->len < PIECE_BYTES ? c->len : PIECE_BYTES;
	} else if (c) {
		p->len = chunks_copy_out(from, p->memory, piece_in_memory(from, PIECE_BYTES));
	}
	chunks_drop(from, p->len);
}
