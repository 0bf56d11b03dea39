/*
 * A request's body in memory and in a file; see spool.h.
 */
#include "plan/spool.h"

#include "base/assert.h"
#include "base/mem.h"
#include "net/env.h"

enum {
	PIECE_BYTES = 64 << 10, /* that are read at once */
	FEED_BYTES_MAX = 16 << 20, /* most that one put can bring beyond the buffer */
};

/* --- jobs ------------------------------------------------------------------------------ */

static void
count_error(struct spool *s, int err)
{
	enum counter c = err == ERR_FULL ? COUNTER_SPOOL_FULL : COUNTER_SPOOL_FAILED;

	if (err && err != ERR_SHUTDOWN)
		count_add(s->env->counters, c, 1);
}

static void
on_written(struct spool *s, int err, char *memory, size_t len)
{
	mem_free(&memory);
	if (!err)
		s->written += len;
}

static void
on_done(struct spool_file *f, int err, char *memory, size_t len)
{
	struct spool *s = CONTAINER_OF(f, struct spool, file);

	s->refusal = f->refusal;
	if (s->is_reading)
		s->piece = slice_make(memory, memory ? len : 0);
	else
		on_written(s, err, memory, len);
	count_error(s, err);
	s->ready(s, err);
}

static int
write_tail(struct spool *s)
{
	size_t len;
	char *memory = buffer_take(&s->tail, &len);
	int err = spool_file_write(&s->file, memory, len, s->written);

	s->refusal = s->file.refusal;
	if (err != ERR_BUSY)
		mem_free(&memory);
	return err;
}

static int
read_piece(struct spool *s, size_t len)
{
	int err = spool_file_read(&s->file, len, s->taken);

	s->is_reading = true;
	s->refusal = s->file.refusal;
	return err;
}

/* --- the spool -------------------------------------------------------------------------- */

void
spool_open(struct spool *s)
{
	s->file = (struct spool_file){
		.conf = s->conf,
		.env = s->env,
		.lease = s->lease,
		.priority = s->priority,
		.done = on_done,
	};
	spool_file_open(&s->file);
	buffer_init(&s->tail, s->conf->buffer + FEED_BYTES_MAX);
}

int
spool_put(struct spool *s, struct chunks *list)
{
	int err;

	ASSERT(!spool_is_busy(s));
	for (const struct chunk *c = list->head; c; c = c->next)
		buffer_put(&s->tail, slice_make(c->at, c->len));
	s->bytes += list->bytes;
	chunks_clear(list);
	if (s->tail.err)
		return s->tail.err;
	if (s->tail.len <= s->conf->buffer)
		return 0;
	if (s->written == 0)
		count_add(s->env->counters, COUNTER_SPOOLED, 1);
	err = write_tail(s);
	if (err == ERR_SHED)
		count_add(s->env->counters, COUNTER_SPOOL_REFUSED, 1);
	return err;
}

/* What is in the file comes first; then the rest, from memory. */
int
spool_take(struct spool *s, struct chunks *list, bool *is_last)
{
	uint64_t left = s->written - s->taken;
	size_t len = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
	struct slice piece = s->piece;

	ASSERT(!spool_is_busy(s));
	if (piece.at || left == 0) {
		if (!piece.at)
			piece.at = buffer_take(&s->tail, &piece.len);
		s->piece = slice_make(NULL, 0);
		s->taken += piece.len;
		*is_last = s->taken == s->bytes;
		return chunks_add_heap(list, (void *)(uintptr_t)piece.at, piece);
	}
	return read_piece(s, len);
}

void
spool_close(struct spool *s)
{
	char *piece = (char *)(uintptr_t)s->piece.at;

	spool_file_close(&s->file);
	mem_free(&piece);
	s->piece = slice_make(NULL, 0);
	buffer_fini(&s->tail);
}
