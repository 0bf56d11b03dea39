/*
 * The coding zstd (RFC 8878), by libzstd, with a window that any client takes
 * (RFC 9659 asks for 8 MiB at most; this is far below it).
 */
#include "compress/encoder_priv.h"

#include "base/mem.h"

#include <zstd.h>

struct zstd {
	struct encoder encoder;
	ZSTD_CCtx *state; /* owned */
};

/* From level 5 on its tables would grow to tens of megabytes, for windows that we do not have. */
enum { TABLE_LEVEL = 5, TABLE_BITS = 17 };

static bool
has_small_tables(ZSTD_CCtx *c, unsigned level)
{
	return level < TABLE_LEVEL ||
	       (!ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_hashLog, TABLE_BITS)) &&
		!ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_chainLog, TABLE_BITS)));
}

static int
set_up(struct zstd *z, unsigned level, uint64_t bytes)
{
	ZSTD_CCtx *c = z->state;

	/* A length that is promised would be written into the frame, and is: a source that
	 * breaks its promise fails the response anyhow. */
	if (ZSTD_isError(ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, (int)level)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, ENCODER_WINDOW_BITS)) ||
	    !has_small_tables(c, level) ||
	    (bytes > 0 && ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(c, bytes))))
		return ERR_FAILED;
	return 0;
}

static void
close_zstd(struct encoder *e)
{
	struct zstd *z = CONTAINER_OF(e, struct zstd, encoder);

	ZSTD_freeCCtx(z->state);
	mem_free(&z);
}

static struct encoder *
open_zstd(unsigned level, uint64_t bytes)
{
	struct zstd *z = mem_zalloc(1, sizeof(*z));

	if (!z)
		return NULL;
	z->encoder.ops = &encoder_zstd;
	z->state = ZSTD_createCCtx();
	if (!z->state || set_up(z, level, bytes) != 0) {
		close_zstd(&z->encoder);
		return NULL;
	}
	return &z->encoder;
}

static int
reset_zstd(struct encoder *e, unsigned level, uint64_t bytes)
{
	return set_up(CONTAINER_OF(e, struct zstd, encoder), level, bytes);
}

static int
run_zstd(struct encoder *e, struct slice in, enum encoder_mode mode, struct buffer *out)
{
	static const ZSTD_EndDirective directives[] = { ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end };
	ZSTD_inBuffer from = { .src = in.at, .size = in.len };
	ZSTD_CCtx *state = CONTAINER_OF(e, struct zstd, encoder)->state;
	size_t left;

	do {
		struct writer w = encoder_room(out, from.size - from.pos);
		ZSTD_outBuffer to = { .dst = w.at + w.len, .size = w.cap - w.len };

		if (w.is_full)
			return out->err;
		left = ZSTD_compressStream2(state, &to, &from, directives[mode]);
		if (ZSTD_isError(left))
			return ERR_FAILED;
		w.len += to.pos;
		buffer_wrote(out, &w);
	} while (from.pos < from.size || (mode != ENCODER_GO_ON && left > 0));
	return 0;
}

const struct encoder_ops encoder_zstd = {
	.coding = CODING_ZSTD,
	.least = 1,
	.most = 12,
	.standard = 3,
	.open = open_zstd,
	.reset = reset_zstd,
	.run = run_zstd,
	.close = close_zstd,
};
