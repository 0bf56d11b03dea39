/*
 * Decoders for tests; see decode.h.
 */
#include "decode.h"

#include "config.h"

#include <check.h>
#ifdef HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

#ifdef HAVE_ZLIB
static size_t
decode_gzip(struct slice coded, char *memory, size_t cap, bool *is_whole)
{
	z_stream s = { .next_in = (Bytef *)(uintptr_t)coded.at,
		       .avail_in = (uInt)coded.len,
		       .next_out = (Bytef *)memory,
		       .avail_out = (uInt)cap };
	int code;

	ck_assert_int_eq(inflateInit2(&s, 15 + 16), Z_OK);
	code = inflate(&s, Z_SYNC_FLUSH);
	ck_assert_msg(code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR, "%d", code);
	*is_whole = code == Z_STREAM_END && s.avail_in == 0;
	inflateEnd(&s);
	return cap - s.avail_out;
}
#endif

#ifdef HAVE_ZSTD
static size_t
decode_zstd(struct slice coded, char *memory, size_t cap, bool *is_whole)
{
	ZSTD_DStream *d = ZSTD_createDStream();
	ZSTD_inBuffer in = { .src = coded.at, .size = coded.len };
	ZSTD_outBuffer out = { .dst = memory, .size = cap };
	size_t left = 1;

	ck_assert_ptr_nonnull(d);
	while (in.pos < in.size && left != 0) {
		left = ZSTD_decompressStream(d, &out, &in);
		ck_assert_msg(!ZSTD_isError(left), "%s", ZSTD_getErrorName(left));
	}
	*is_whole = left == 0 && in.pos == in.size;
	ZSTD_freeDStream(d);
	return out.pos;
}
#endif

bool
decode_can(enum coding c)
{
#ifdef HAVE_ZLIB
	if (c == CODING_GZIP)
		return true;
#endif
#ifdef HAVE_ZSTD
	if (c == CODING_ZSTD)
		return true;
#endif
	(void)c;
	return false;
}

size_t
decode(enum coding c, struct slice coded, char *memory, size_t cap, bool *is_whole)
{
#ifdef HAVE_ZLIB
	if (c == CODING_GZIP)
		return decode_gzip(coded, memory, cap, is_whole);
#endif
#ifdef HAVE_ZSTD
	if (c == CODING_ZSTD)
		return decode_zstd(coded, memory, cap, is_whole);
#endif
	(void)coded;
	(void)memory;
	(void)cap;
	(void)is_whole;
	ck_abort_msg("no decoder for coding %d", (int)c);
}
