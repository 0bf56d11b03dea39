/*
 * The job gzip, on zlib. Each thread keeps one deflate state, which takes some
 * 256 KiB and is only reset between runs.
 */
#include "compress.h"

#include <stdlib.h>
#include <zlib.h>

enum { LEVEL = 6, WINDOW_GZIP = 15 + 16, MEMORY_LEVEL = 8 };

const struct forebay_param gzip_params[] = COMPRESS_PARAMS("6", 1, 9);

struct gzip {
	z_stream stream;
	int level; /* that the stream is set to */
};

int
gzip_thread_init(struct forebay_setup *s)
{
	struct gzip *g = (struct gzip *)calloc(1, sizeof(*g));

	if (!g)
		return FOREBAY_NO_MEMORY;
	g->level = LEVEL;
	if (deflateInit2(&g->stream, LEVEL, Z_DEFLATED, WINDOW_GZIP, MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		free(g);
		return FOREBAY_NO_MEMORY;
	}
	s->thread = g;
	return 0;
}

void
gzip_thread_fini(void *module, void *thread)
{
	struct gzip *g = (struct gzip *)thread;

	(void)module;
	deflateEnd(&g->stream);
	free(g);
}

static int
step(void *state, struct compress_stream *s, bool is_last)
{
	struct gzip *g = (struct gzip *)state;
	uInt room = s->out_bytes < 1 << 30 ? (uInt)s->out_bytes : 1 << 30;
	int code;

	/* zlib does not write through it, but was born before const. */
	g->stream.next_in = (Bytef *)(uintptr_t)s->in;
	g->stream.avail_in = (uInt)s->in_bytes;
	g->stream.next_out = s->out;
	g->stream.avail_out = room;
	code = deflate(&g->stream, is_last ? Z_FINISH : Z_NO_FLUSH);
	s->in = g->stream.next_in;
	s->in_bytes = g->stream.avail_in;
	s->out = g->stream.next_out;
	s->out_bytes -= room - g->stream.avail_out;
	if (code == Z_STREAM_END)
		return 1;
	return code == Z_OK || code == Z_BUF_ERROR ? 0 : FOREBAY_FAILED;
}

/* As after its init, at the level of this run. */
static int
prepare(struct gzip *g, int level)
{
	int code = deflateReset(&g->stream);

	if (code == Z_OK && g->level != level)
		code = deflateParams(&g->stream, level, Z_DEFAULT_STRATEGY);
	g->level = level;
	return code == Z_OK ? 0 : FOREBAY_FAILED;
}

int
gzip_run(struct forebay_call *c)
{
	static const struct compress_coding coding = { "gzip", "application/gzip" };
	const struct compress_params *p = (const struct compress_params *)c->params;
	struct gzip *g = (struct gzip *)c->thread;
	int result = compress_begin(c, &coding);

	if (result != 1)
		return result;
	if (prepare(g, (int)p->level) != 0)
		return forebay_fail(c, "zlib cannot be set to level %u", (unsigned)p->level);
	return compress_all(c, step, g);
}
