/*
 * The job zstd. Each thread keeps one context, which grows to what the highest
 * level in use needs.
 */
#include "compress.h"

#include <zstd.h>

const struct forebay_param zstd_params[] = COMPRESS_PARAMS("3", 1, 19);

int
zstd_thread_init(struct forebay_setup *s)
{
	s->thread = ZSTD_createCCtx();
	return s->thread ? 0 : FOREBAY_NO_MEMORY;
}

void
zstd_thread_fini(void *module, void *thread)
{
	(void)module;
	ZSTD_freeCCtx((ZSTD_CCtx *)thread);
}

static int
step(void *state, struct compress_stream *s, bool is_last)
{
	ZSTD_inBuffer in = { .src = s->in, .size = s->in_bytes };
	ZSTD_outBuffer out = { .dst = s->out, .size = s->out_bytes };
	size_t left = ZSTD_compressStream2((ZSTD_CCtx *)state, &out, &in,
					   is_last ? ZSTD_e_end : ZSTD_e_continue);

	if (ZSTD_isError(left))
		return FOREBAY_FAILED;
	s->in += in.pos;
	s->in_bytes -= in.pos;
	s->out += out.pos;
	s->out_bytes -= out.pos;
	return is_last && left == 0;
}

int
zstd_run(struct forebay_call *c)
{
	static const struct compress_coding coding = { "zstd", "application/zstd" };
	const struct compress_params *p = (const struct compress_params *)c->params;
	ZSTD_CCtx *z = (ZSTD_CCtx *)c->thread;
	int result = compress_begin(c, &coding);

	if (result != 1)
		return result;
	ZSTD_CCtx_reset(z, ZSTD_reset_session_and_parameters);
	if (ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, (int)p->level)) ||
	    ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(z, c->input.len)))
		return forebay_fail(c, "zstd cannot be set to level %u", (unsigned)p->level);
	return compress_all(c, step, z);
}
