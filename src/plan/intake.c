/*
 * Bodies that are needed whole; see intake.h.
 */
#include "plan/intake.h"

void
intake_init(struct intake *in, struct store *store, size_t limit)
{
	chunks_init(&in->piece, store);
	buffer_init(&in->text, limit);
}

void
intake_clear(struct intake *in)
{
	size_t limit = in->text.limit;

	chunks_clear(&in->piece);
	buffer_fini(&in->text);
	buffer_init(&in->text, limit);
}

/* Copies the whole list behind what is there. */
static int
copy(struct intake *in, const struct chunks *list)
{
	for (const struct chunk *c = list->head; c; c = c->next) {
		if (c->kind == CHUNK_FILE)
			return ERR_UNSUPPORTED;
		buffer_put(&in->text, slice_make(c->at, c->len));
	}
	return in->text.err;
}

static int
add(struct intake *in, struct chunks *list)
{
	bool is_first = chunks_is_empty(&in->piece) && in->text.len == 0;
	int err;

	if (list->bytes > in->text.limit - in->text.len - in->piece.bytes)
		return ERR_TOO_LARGE;
	if (chunks_is_empty(list))
		return 0;
	if (is_first && !list->head->next && list->head->kind != CHUNK_FILE) {
		chunks_move(&in->piece, list);
		return 0;
	}
	err = copy(in, &in->piece);
	chunks_clear(&in->piece);
	return err ? err : copy(in, list);
}

int
intake_add(struct intake *in, struct chunks *list)
{
	int err = add(in, list);

	chunks_clear(list);
	return err;
}

void
intake_replace(struct intake *in, struct buffer *b)
{
	size_t limit = in->text.limit;

	intake_clear(in);
	in->text = *b;
	in->text.limit = limit;
	buffer_init(b, limit);
}

struct shared_text *
intake_share(struct intake *in)
{
	return shared_text_take(&in->text);
}

struct slice
intake_text(const struct intake *in)
{
	if (in->piece.head)
		return slice_make(in->piece.head->at, in->piece.head->len);
	return in->text.len ? buffer_slice(&in->text) : SLICE("");
}
