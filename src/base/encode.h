/*
 * Bytes as text: hexadecimal and base64 (RFC 4648), appended to a writer. Pure
 * functions, for any thread. Pieces of one text may be encoded one after the other: for
 * base64 if every piece but the last is a multiple of three bytes.
 */
#ifndef FOREBAY_BASE_ENCODE_H
#define FOREBAY_BASE_ENCODE_H

#include "base/slice.h"
#include "base/writer.h"

/* Lower case, two digits a byte. */
void encode_hex(struct writer *w, struct slice s);
/* RFC 4648 4: the standard alphabet, padded. */
void encode_base64(struct writer *w, struct slice s);

/* The length that encode_base64 appends for `bytes` bytes; SIZE_MAX if it overflows. */
static inline size_t
encode_base64_length(size_t bytes)
{
	size_t groups = bytes / 3 + (bytes % 3 != 0);

	return groups > SIZE_MAX / 4 ? SIZE_MAX : groups * 4;
}

#endif
