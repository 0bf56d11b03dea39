/*
 * UTF-8 by the table of RFC 3629 section 4; see utf8.h.
 */
#include "base/utf8.h"

/* One row per range of first bytes: how many bytes follow, and what the second may be. */
static const struct {
	unsigned char first, last, follow, low, high;
} rows[] = {
	{ 0xc2, 0xdf, 1, 0x80, 0xbf }, { 0xe0, 0xe0, 2, 0xa0, 0xbf }, /* lower: not the shortest
									 form */
	{ 0xe1, 0xec, 2, 0x80, 0xbf }, { 0xed, 0xed, 2, 0x80, 0x9f }, /* higher: surrogates */
	{ 0xee, 0xef, 2, 0x80, 0xbf }, { 0xf0, 0xf0, 3, 0x90, 0xbf }, { 0xf1, 0xf3, 3, 0x80, 0xbf },
	{ 0xf4, 0xf4, 3, 0x80, 0x8f }, /* higher: above U+10FFFF */
};

/* The bytes of the character at the start of s, which is not ASCII; 0 if it is none. */
static size_t
measure(struct slice s)
{
	unsigned char first = (unsigned char)s.at[0], byte;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (first < rows[i].first || first > rows[i].last)
			continue;
		if (s.len <= rows[i].follow)
			return 0;
		byte = (unsigned char)s.at[1];
		if (byte < rows[i].low || byte > rows[i].high)
			return 0;
		for (size_t j = 2; j <= rows[i].follow; j++) {
			if (((unsigned char)s.at[j] & 0xc0) != 0x80)
				return 0;
		}
		return (size_t)rows[i].follow + 1;
	}
	return 0;
}

size_t
utf8_prefix(struct slice s)
{
	size_t at = 0, bytes;

	while (at < s.len) {
		if ((unsigned char)s.at[at] < 0x80) {
			at++;
			continue;
		}
		bytes = measure(slice_after(s, at));
		if (bytes == 0)
			break;
		at += bytes;
	}
	return at;
}
