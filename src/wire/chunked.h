/*
 * The chunked coding (RFC 9112 7.1): a pure decoder that never copies. It is
 * fed what was read and says which part of it is data.
 *
 * Bounded: the size has at most 15 hexadecimal digits, extensions and the
 * trailer section of a body have one budget of bytes. Strict: CRLF only, no
 * blanks around the size or within extensions (which RFC 9112 7.1.1 calls bad
 * and forbids to send), extensions and trailers of their grammar.
 */
#ifndef FOREBAY_WIRE_CHUNKED_H
#define FOREBAY_WIRE_CHUNKED_H

#include "base/slice.h"
#include "base/writer.h"

enum chunked_state {
	CHUNKED_SIZE_FIRST, /* the first digit of a size */
	CHUNKED_SIZE, /* digits, ';' or CR */
	CHUNKED_EXT_START, /* after ';': a name */
	CHUNKED_EXT_NAME, /* up to '=', ';' or CR */
	CHUNKED_EXT_VALUE_START, /* after '=': a token or a quoted string */
	CHUNKED_EXT_VALUE, /* up to ';' or CR */
	CHUNKED_EXT_QUOTED, /* up to the closing quote */
	CHUNKED_EXT_ESCAPED, /* after a backslash in it */
	CHUNKED_EXT_QUOTED_END, /* ';' or CR */
	CHUNKED_SIZE_LF, /* then data, or the trailer section after size 0 */
	CHUNKED_DATA, /* `left` bytes */
	CHUNKED_DATA_CR,
	CHUNKED_DATA_LF, /* then the next size */
	CHUNKED_TRAILER_START, /* CR, or the first byte of a name */
	CHUNKED_TRAILER_NAME, /* up to ':' */
	CHUNKED_TRAILER_VALUE, /* up to CR */
	CHUNKED_TRAILER_LF, /* then the next line */
	CHUNKED_END_LF,
	CHUNKED_END,
};

struct chunked {
	enum chunked_state state;
	uint64_t left; /* bytes of the current chunk still to come; the size while it is read */
	uint32_t overhead; /* extension and trailer bytes seen so far */
	uint32_t max_overhead;
	uint8_t digits; /* of the size so far */
	struct slice trailer; /* what the last call found of the trailer section, in its input */
};

void chunked_init(struct chunked *c, uint32_t max_overhead);
/*
 * Reads from *in, which is moved forward by what was used, until a run of data
 * is found (returned in *data; empty if there is none in this input), or the
 * input ends, or the body does (state is CHUNKED_END; the rest of *in belongs
 * to what follows). Trailer fields are checked for form; where they are is in
 * c->trailer, a run for each call, from the first line to the CR of the last,
 * empty one. Call again while *in is not empty and the state is not CHUNKED_END. 0,
 * ERR_PROTOCOL, or ERR_TOO_LARGE when the budget is used up; after an error
 * the decoder must not be used again.
 */
int chunked_decode(struct chunked *c, struct slice *in, struct slice *data)
    __attribute__((warn_unused_result));
/* The size line of a chunk of n bytes (n > 0), CRLF included. */
void chunked_write_size(struct writer *w, uint64_t n);

#endif
