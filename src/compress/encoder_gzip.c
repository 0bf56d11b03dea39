/*
 * The coding gzip (RFC 1952), by zlib. Its state takes some 270 KiB and a while
 * to make, so it is made to be used again.
 */
#include "compress/encoder_priv.h"

#include "base/mem.h"

#include <zlib.h>

enum { WINDOW_GZIP = 15 + 16, MEMORY_LEVEL = 8 };

struct gzip {
	struct encoder encoder;
	z_stream stream;
	unsigned level;
};

static void *
take(void *unused, unsigned count, unsigned bytes)
{
	size_t all;

	(void)unused;
	return mem_multiply(count, bytes, &all) ? mem_alloc(all) : NULL;
}

static void
give(void *unused, void *memory)
{
	(void)unused;
	mem_release(memory);
}

static struct encoder *
open_gzip(unsigned level, uint64_t bytes)
{
	struct gzip *g = mem_zalloc(1, sizeof(*g));

	(void)bytes;
	if (!g)
		return NULL;
	g->encoder.ops = &encoder_gzip;
	g->level = level;
	g->stream.zalloc = take;
	g->stream.zfree = give;
	if (deflateInit2(&g->stream, (int)level, Z_DEFLATED, WINDOW_GZIP, MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		mem_free(&g);
		return NULL;
	}
	return &g->encoder;
}

static int
reset_gzip(struct encoder *e, unsigned level, uint64_t bytes)
{
	struct gzip *g = CONTAINER_OF(e, struct gzip, encoder);

	(void)bytes;
	if (deflateReset(&g->stream) != Z_OK)
		return ERR_FAILED;
	if (level != g->level && deflateParams(&g->stream, (int)level, Z_DEFAULT_STRATEGY) != Z_OK)
		return ERR_FAILED;
	g->level = level;
	return 0;
}

static int
run_gzip(struct encoder *e, struct slice in, enum encoder_mode mode, struct buffer *out)
{
	static const int flushes[] = { Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH };
	z_stream *s = &CONTAINER_OF(e, struct gzip, encoder)->stream;
	int code;

	/* zlib does not write through it, but was born before const. */
	s->next_in = (Bytef *)(uintptr_t)in.at;
	s->avail_in = (uInt)in.len;
	do {
		struct writer w = encoder_room(out, s->avail_in);
		size_t room = w.cap - w.len;

		if (w.is_full)
			return out->err;
		s->next_out = (Bytef *)w.at + w.len;
		s->avail_out = (uInt)room;
		code = deflate(s, flushes[mode]);
		w.len += room - s->avail_out;
		buffer_wrote(out, &w);
		if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
			return ERR_FAILED;
	} while (s->avail_in > 0 || s->avail_out == 0 ||
		 (mode == ENCODER_END && code != Z_STREAM_END));
	return 0;
}

static void
close_gzip(struct encoder *e)
{
	struct gzip *g = CONTAINER_OF(e, struct gzip, encoder);

	deflateEnd(&g->stream);
	mem_free(&g);
}

const struct encoder_ops encoder_gzip = {
	.coding = CODING_GZIP,
	.least = 1,
	.most = 9,
	.standard = 5,
	.open = open_gzip,
	.reset = reset_gzip,
	.run = run_gzip,
	.close = close_gzip,
};
