/*
 * Bytes out of base64 (RFC 4648), strictly: a text that encode_base64 would not have made is
 * refused, so that each value has one form. Pure functions, for any thread.
 */
#ifndef FOREBAY_BASE_DECODE_H
#define FOREBAY_BASE_DECODE_H

#include "base/err.h"
#include "base/slice.h"

/* Room that the bytes of a text of that length need at most. */
static inline size_t
decode_base64_bound(size_t length)
{
	return length / 4 * 3 + 3;
}

/* RFC 4648 4: the standard alphabet, padded. `memory` has room for decode_base64_bound() bytes and
 * may be the text itself. ERR_SYNTAX. */
int decode_base64(struct slice text, char *memory, struct slice *bytes) MUST_CHECK;
/* RFC 4648 5, without padding, as RFC 7515 2 has it. */
int decode_base64url(struct slice text, char *memory, struct slice *bytes) MUST_CHECK;

#endif
