/*
 * Chunks of a WebP that are not the picture are left out; see webp.h.
 */
#include "webp.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	RIFF_BYTES = 12, /* "RIFF", size, "WEBP" */
	CHUNK_BYTES = 8, /* name, size */
	FLAG_ICC = 0x20,
	FLAG_EXIF = 0x08,
	FLAG_XMP = 0x04,
};

static uint32_t
read32(const uint8_t *at)
{
	return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static void
write32(uint8_t *at, size_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static bool
is_metadata(const uint8_t *name)
{
	return memcmp(name, "EXIF", 4) == 0 || memcmp(name, "XMP ", 4) == 0 ||
	       memcmp(name, "ICCP", 4) == 0;
}

size_t
webp_strip(void *bytes, size_t len)
{
	uint8_t *at = (uint8_t *)bytes;
	size_t from = RIFF_BYTES, to = RIFF_BYTES;

	if (len < RIFF_BYTES || memcmp(at, "RIFF", 4) != 0 || memcmp(at + 8, "WEBP", 4) != 0)
		return len;
	while (len - from >= CHUNK_BYTES) {
		size_t body = read32(at + from + 4), whole = CHUNK_BYTES + body + (body & 1);

		if (whole > len - from)
			whole = len - from;
		if (!is_metadata(at + from)) {
			memmove(at + to, at + from, whole);
			if (memcmp(at + to, "VP8X", 4) == 0 && whole > CHUNK_BYTES)
				at[to + CHUNK_BYTES] &=
				    (uint8_t) ~(FLAG_ICC | FLAG_EXIF | FLAG_XMP);
			to += whole;
		}
		from += whole;
	}
	write32(at + 4, to - 8);
	return to;
}
