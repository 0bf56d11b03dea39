/*
 * The coding br (RFC 7932), by libbrotlienc. Its state cannot be used again.
 *
 * libbrotlienc, as distributions build it, ends the process when it is given no
 * memory. So it is left by longjmp then; what it has taken is on a list of ours
 * and is freed with the encoder.
 */
#include "compress/encoder_priv.h"

#include "base/mem.h"

#include <brotli/encode.h>
#include <setjmp.h>
#include <stdalign.h>

/* In front of each piece of memory. */
struct taken {
	alignas(max_align_t) struct list link;
};

struct br {
	struct encoder encoder;
	BrotliEncoderState *state; /* among what is taken */
	struct list taken;
	jmp_buf out_of_memory; /* set whenever the library runs */
	bool is_lost; /* it was left in the middle */
};

static void *
take(void *of, size_t bytes)
{
	struct br *b = of;
	struct taken *t;
	size_t all;

	if (!mem_add(bytes, sizeof(*t), &all))
		longjmp(b->out_of_memory, 1);
	t = mem_alloc(all);
	if (!t)
		longjmp(b->out_of_memory, 1);
	list_append(&b->taken, &t->link);
	return t + 1;
}

static void
give(void *of, void *memory)
{
	struct taken *t = memory;

	(void)of;
	if (!t)
		return;
	t--;
	list_remove(&t->link);
	mem_free(&t);
}

static void
close_br(struct encoder *e)
{
	struct br *b = CONTAINER_OF(e, struct br, encoder);

	while (!list_is_empty(&b->taken))
		give(b, CONTAINER_OF(b->taken.next, struct taken, link) + 1);
	mem_free(&b);
}

static void
set_up(struct br *b, unsigned level, uint64_t bytes)
{
	uint32_t window = BROTLI_MIN_WINDOW_BITS;

	/* A window that holds the body: memory goes with it. */
	while (window < ENCODER_WINDOW_BITS && (bytes == 0 || ((uint64_t)1 << window) - 16 < bytes))
		window++;
	b->state = BrotliEncoderCreateInstance(take, give, b);
	if (!b->state)
		return;
	BrotliEncoderSetParameter(b->state, BROTLI_PARAM_QUALITY, level);
	BrotliEncoderSetParameter(b->state, BROTLI_PARAM_LGWIN, window);
	BrotliEncoderSetParameter(b->state, BROTLI_PARAM_SIZE_HINT,
				  bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX);
}

static struct encoder *
open_br(unsigned level, uint64_t bytes)
{
	struct br *b = mem_zalloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->encoder.ops = &encoder_br;
	list_init(&b->taken);
	if (setjmp(b->out_of_memory) == 0)
		set_up(b, level, bytes);
	else
		b->state = NULL;
	if (!b->state) {
		close_br(&b->encoder);
		return NULL;
	}
	return &b->encoder;
}

static int
run_some(struct br *b, struct slice in, enum encoder_mode mode, struct buffer *out)
{
	static const BrotliEncoderOperation operations[] = { BROTLI_OPERATION_PROCESS,
							     BROTLI_OPERATION_FLUSH,
							     BROTLI_OPERATION_FINISH };
	const uint8_t *from = (const uint8_t *)in.at;
	size_t left = in.len;

	do {
		struct writer w = encoder_room(out, left);
		uint8_t *to = (uint8_t *)w.at + w.len;
		size_t room = w.cap - w.len, before = room;

		if (w.is_full)
			return out->err;
		if (!BrotliEncoderCompressStream(b->state, operations[mode], &left, &from, &room,
						 &to, NULL))
			return ERR_FAILED;
		w.len += before - room;
		buffer_wrote(out, &w);
	} while (left > 0 || BrotliEncoderHasMoreOutput(b->state) ||
		 (mode == ENCODER_END && !BrotliEncoderIsFinished(b->state)));
	return 0;
}

static int
run_br(struct encoder *e, struct slice in, enum encoder_mode mode, struct buffer *out)
{
	struct br *b = CONTAINER_OF(e, struct br, encoder);

	if (b->is_lost)
		return ERR_MEMORY;
	if (setjmp(b->out_of_memory) == 0)
		return run_some(b, in, mode, out);
	b->is_lost = true;
	return ERR_MEMORY;
}

const struct encoder_ops encoder_br = {
	.coding = CODING_BR,
	.least = 0,
	.most = 6, /* above it, 8 MiB of tables and more */
	.standard = 4,
	.open = open_br,
	.run = run_br,
	.close = close_br,
};
