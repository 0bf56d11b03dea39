/*
 * Encoders: one stream of one content coding, whichever library makes it. Bytes
 * go in, coded bytes come out, behind what a buffer holds already. Any thread,
 * one at a time: an encoder travels to a pool and back with its job.
 *
 *   encoder_open -> run(GO_ON | FLUSH)... -> run(END) -> reset -> run...
 *                                                     '-> encoder_close
 *
 * Memory is bounded by the window below and the highest levels, whatever the body:
 * about 270 KiB for gzip, 1.8 MiB for zstd, 2.1 MiB for br (4.1 MiB at level 6).
 */
#ifndef FOREBAY_COMPRESS_ENCODER_H
#define FOREBAY_COMPRESS_ENCODER_H

#include "base/buffer.h"
#include "http/coding.h"

/* Of what is coded on the fly at most so many bytes are looked back at: 256 KiB, for br and zstd.
 */
enum { ENCODER_WINDOW_BITS = 18 };

enum encoder_mode {
	ENCODER_GO_ON, /* may keep bytes back */
	ENCODER_FLUSH, /* all that went in can be decoded from what came out */
	ENCODER_END, /* the last; then only reset and close */
};

struct encoder;

struct encoder_ops {
	enum coding coding;
	unsigned least, most, standard; /* levels */
	/* NULL without memory. bytes: how many will go in, if that is known; else 0. */
	struct encoder *(*open)(unsigned level, uint64_t bytes);
	/* Optional: as it was opened, but for another body. ERR_UNSUPPORTED: it cannot. */
	int (*reset)(struct encoder *e, unsigned level, uint64_t bytes);
	/* Takes all of `in`. 0, ERR_MEMORY, ERR_FAILED, or out->err. */
	int (*run)(struct encoder *e, struct slice in, enum encoder_mode mode, struct buffer *out);
	void (*close)(struct encoder *e);
};

/* First in each kind's own struct. */
struct encoder {
	const struct encoder_ops *ops;
	struct encoder *next; /* of who keeps several */
};

/* NULL: this build has no library for it. */
const struct encoder_ops *encoder_ops_of(enum coding c);

#endif
