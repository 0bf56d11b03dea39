/*
 * The chunked coding (RFC 9112 7.1): a pure decoder that never copies. It is
 * fed what was read and says which part of it is data.
 *
 * Bounded: the size has at most 15 hexadecimal digits, extensions and the
 * trailer section have a budget of bytes. Strict: CRLF only.
 */
#ifndef FOREBAY_WIRE_CHUNKED_H
#define FOREBAY_WIRE_CHUNKED_H

#include "base/slice.h"
#include "base/writer.h"

enum chunked_state {
	CHUNKED_SIZE_FIRST, CHUNKED_SIZE, CHUNKED_EXTENSION, CHUNKED_SIZE_LF, CHUNKED_DATA,
	CHUNKED_DATA_CR, CHUNKED_DATA_LF, CHUNKED_TRAILER_START, CHUNKED_TRAILER_LINE,
	CHUNKED_TRAILER_LF, CHUNKED_END_LF, CHUNKED_END,
};

struct chunked {
	enum chunked_state state;
	uint64_t left;      /* bytes of the current chunk still to come */
	uint32_t overhead;  /* extension and trailer bytes seen so far */
	uint32_t max_overhead;
	uint8_t digits;
};

void chunked_init(struct chunked *c, uint32_t max_overhead);
/*
 * Reads from *in, which is moved forward by what was used, until a run of data
 * is found (returned in *data; empty if there is none in this input), or the
 * input ends, or the body does (state is CHUNKED_END; the rest of *in belongs
 * to what follows). Trailer fields are checked for form and dropped. Call
 * again while *in is not empty. 0, ERR_PROTOCOL or ERR_TOO_LARGE.
 */
int chunked_decode(struct chunked *c, struct slice *in, struct slice *data) __attribute__((warn_unused_result));
/* The size line of a chunk of n bytes (n > 0), CRLF included. */
void chunked_write_size(struct writer *w, uint64_t n);

#endif
