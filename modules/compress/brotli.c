/*
 * The job brotli. Its encoder cannot be used again, so it is made for each run,
 * in scratch memory, which needs no freeing however the run ends.
 *
 * That matters here: libbrotlienc, as distributions build it, ends the process
 * when it is given no memory. So it is left by longjmp then, and what it holds
 * is scratch memory all.
 */
#include "compress.h"

#include <brotli/encode.h>
#include <setjmp.h>

const struct forebay_param brotli_params[] = COMPRESS_PARAMS("5", 0, 11);

struct brotli {
	struct forebay_call *call;
	BrotliEncoderState *encoder;
	jmp_buf out_of_memory;
};

static void *
take(void *state, size_t bytes)
{
	struct brotli *b = (struct brotli *)state;
	void *memory = forebay_alloc(b->call, bytes);

	if (!memory)
		longjmp(b->out_of_memory, 1);
	return memory;
}

static void
give(void *state, void *memory)
{
	(void)state;
	(void)memory;
}

static int
step(void *state, struct compress_stream *s, bool is_last)
{
	BrotliEncoderState *encoder = ((struct brotli *)state)->encoder;
	BrotliEncoderOperation what = is_last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS;

	if (!BrotliEncoderCompressStream(encoder, what, &s->in_bytes, &s->in, &s->out_bytes,
					 &s->out, NULL))
		return FOREBAY_FAILED;
	return BrotliEncoderIsFinished(encoder);
}

/* A window that holds the input: memory goes with it. */
static uint32_t
window_for(size_t bytes)
{
	uint32_t window = BROTLI_MIN_WINDOW_BITS;

	while (window < BROTLI_DEFAULT_WINDOW && ((size_t)1 << window) - 16 < bytes)
		window++;
	return window;
}

static int
encode(struct brotli *b)
{
	const struct compress_params *p = (const struct compress_params *)b->call->params;
	size_t bytes = b->call->input.len;

	b->encoder = BrotliEncoderCreateInstance(take, give, b);
	if (!b->encoder)
		return FOREBAY_NO_MEMORY;
	BrotliEncoderSetParameter(b->encoder, BROTLI_PARAM_QUALITY, p->level);
	BrotliEncoderSetParameter(b->encoder, BROTLI_PARAM_LGWIN, window_for(bytes));
	BrotliEncoderSetParameter(b->encoder, BROTLI_PARAM_SIZE_HINT,
				  bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX);
	return compress_all(b->call, step, b);
}

int
brotli_run(struct forebay_call *c)
{
	static const struct compress_coding coding = { "br", "application/x-brotli" };
	const struct compress_params *p = (const struct compress_params *)c->params;
	struct brotli b = { .call = c };
	int result = compress_begin(c, &coding);

	if (result != 1)
		return result;
	if (setjmp(b.out_of_memory) == 0)
		return encode(&b);
	forebay_fail(c, "level %u over %zu bytes needs more scratch memory than [module] allows",
		     (unsigned)p->level, c->input.len);
	return FOREBAY_NO_MEMORY;
}
