/*
 * Shared by the encoder_*.c alone.
 */
#ifndef FOREBAY_COMPRESS_ENCODER_PRIV_H
#define FOREBAY_COMPRESS_ENCODER_PRIV_H

#include "base/list.h"
#include "compress/encoder.h"
#include "config.h"

extern const struct encoder_ops encoder_gzip, encoder_br, encoder_zstd;

/* Room for coded bytes, asked for in steps: what is left of a piece, and a little. */
enum { ENCODER_ROOM = 1024 };

static inline struct writer
encoder_room(struct buffer *out, size_t left)
{
	return buffer_room(out, left / 4 + ENCODER_ROOM);
}

#endif
