/*
 * What is left to send of a file; see file_body.h.
 */
#include "source/file_body.h"

#include "base/clock.h"

enum {
	COPY_BYTES = 64 << 10, /* copied by the worker itself */
	WARM_MS = 1000, /* how long pages that were cached are taken to be */
};

int
file_body_open(struct file_body *b, struct subrequest *q, struct file_entry *e)
{
	b->conf = q->part->conf;
	b->entry = e;
	b->span = 0;
	b->is_text_added = false;
	b->takes_ranges = q->part->passes_through;
	return file_reply_make(&b->reply, q, e);
}

uint64_t
file_body_at(const struct file_body *b)
{
	return b->reply.span[b->span].from;
}

size_t
file_body_left(const struct file_body *b, size_t most)
{
	const struct file_span *s = &b->reply.span[b->span];
	uint64_t left = s->end - s->from;

	return left < most ? (size_t)left : most;
}

int
file_body_add_texts(struct file_body *b, struct chunks *list)
{
	for (; b->span < b->reply.spans; b->span++, b->is_text_added = false) {
		const struct file_span *s = &b->reply.span[b->span];
		int err = b->is_text_added ? 0 : chunks_add_arena(list, s->text);

		if (err)
			return err;
		b->is_text_added = true;
		if (s->from < s->end)
			break;
	}
	return 0;
}

int
file_body_pass(struct file_body *b, struct chunks *list, size_t n)
{
	b->reply.span[b->span].from += n;
	return file_body_add_texts(b, list);
}

/* Whether sendfile will not wait. What was just found cached, as a whole, is so for a while. */
static bool
is_warm(struct file_entry *e, uint64_t from, size_t len, uint64_t now_ns)
{
	if (now_ns < e->warm_ns)
		return true;
	if (!file_is_cached(e->file->fd, from, len))
		return false;
	if (len == e->facts.size)
		e->warm_ns = clock_after(now_ns, WARM_MS * CLOCK_MS);
	return true;
}

/* A range for sendfile. */
static int
add_range(struct file_body *b, struct chunks *list, size_t n)
{
	b->entry->file->refs++;
	return chunks_add_file(list, b->entry->file, (int64_t)file_body_at(b), n);
}

/* What the page cache has, copied. *n is 0 when it has nothing. */
static int
add_copy(struct file_body *b, struct chunks *list, size_t *n)
{
	size_t len = file_body_left(b, COPY_BYTES);
	struct block *block = block_take(list->store, len);
	long got;
	int err;

	*n = 0;
	if (!block)
		return ERR_MEMORY;
	got = file_read_now(b->entry->file->fd, block->at, len, file_body_at(b));
	if (got > 0) {
		*n = (size_t)got;
		block->len = (uint32_t)got;
		err = chunks_add_block(list, block, slice_make(block->at, *n));
	} else {
		err = got == ERR_BUSY ? 0 : got < 0 ? (int)got : ERR_FAILED;
	}
	block_unref(block);
	return err;
}

/* Bytes of the span at hand. */
static int
add_bytes(struct file_body *b, struct chunks *list, uint64_t now_ns, size_t *n)
{
	*n = file_body_left(b, FILE_PIECE_BYTES);
	if (b->entry->content)
		return chunks_add_arena(list, slice_make(b->entry->content + file_body_at(b), *n));
	if (!b->conf->is_cold) {
		if (b->takes_ranges && is_warm(b->entry, file_body_at(b), *n, now_ns))
			return add_range(b, list, *n);
		return add_copy(b, list, n);
	}
	*n = 0;
	return 0;
}

int
file_body_add_piece(struct file_body *b, struct chunks *list, uint64_t now_ns, size_t *n)
{
	int err = file_body_add_texts(b, list);

	*n = 0;
	if (!err)
		err = add_bytes(b, list, now_ns, n);
	return !err && *n > 0 ? file_body_pass(b, list, *n) : err;
}

static bool
is_all_at_hand(const struct file_body *b, uint64_t now_ns)
{
	if (b->entry->content)
		return true;
	if (b->conf->is_cold || !b->takes_ranges)
		return false;
	for (unsigned i = b->span; i < b->reply.spans; i++) {
		const struct file_span *s = &b->reply.span[i];

		if (s->from < s->end &&
		    !is_warm(b->entry, s->from, (size_t)(s->end - s->from), now_ns))
			return false;
	}
	return true;
}

int
file_body_add_all(struct file_body *b, struct chunks *list, uint64_t now_ns)
{
	int err = is_all_at_hand(b, now_ns) ? 0 : ERR_BUSY;

	/* The same places again: each was just found to be there. */
	while (!err && !file_body_is_done(b)) {
		err = file_body_add_texts(b, list);
		if (!err && !file_body_is_done(b)) {
			size_t n = file_body_left(b, FILE_PIECE_BYTES);

			err = b->entry->content
				  ? chunks_add_arena(
					list, slice_make(b->entry->content + file_body_at(b), n))
				  : add_range(b, list, n);
			if (!err)
				err = file_body_pass(b, list, n);
		}
	}
	return err;
}
