/*
 * Hexadecimal and base64; see encode.h.
 */
#include "base/encode.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
encode_hex(struct writer *w, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		char pair[2] = { hex_digits[c >> 4], hex_digits[c & 15] };

		writer_put(w, slice_make(pair, sizeof(pair)));
	}
}

/* One group of up to three bytes; those that are not there are '='. */
static void
put_group(struct writer *w, const unsigned char *at, size_t len)
{
	uint32_t bits = (uint32_t)at[0] << 16;
	char group[4];

	if (len > 1)
		bits |= (uint32_t)at[1] << 8;
	if (len > 2)
		bits |= at[2];
	group[0] = base64_digits[bits >> 18];
	group[1] = base64_digits[bits >> 12 & 63];
	group[2] = len > 1 ? base64_digits[bits >> 6 & 63] : '=';
	group[3] = len > 2 ? base64_digits[bits & 63] : '=';
	writer_put(w, slice_make(group, sizeof(group)));
}

void
encode_base64(struct writer *w, struct slice s)
{
	const unsigned char *at = (const unsigned char *)s.at;

	for (size_t n = 0; n < s.len; n += 3)
		put_group(w, at + n, s.len - n < 3 ? s.len - n : 3);
}
