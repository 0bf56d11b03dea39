/*
 * The size of a picture from its head alone; see probe.h. Nothing is believed: each read is within
 * the bytes that are there, and a walk over segments ends.
 */
#include "probe.h"

#include <string.h>

enum { SEGMENTS_MAX = 256 }; /* of a JPEG before its size: 64 KiB each at most */

static uint32_t
big16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t
big32(const uint8_t *at)
{
	return big16(at) << 16 | big16(at + 2);
}

static uint32_t
little16(const uint8_t *at)
{
	return (uint32_t)at[1] << 8 | at[0];
}

static uint32_t
little24(const uint8_t *at)
{
	return (uint32_t)at[2] << 16 | little16(at);
}

/* PNG 5.6: IHDR comes first. */
static bool
probe_png(const uint8_t *at, size_t len, struct probe *p)
{
	if (len < 24 || memcmp(at + 12, "IHDR", 4) != 0)
		return false;
	p->width = big32(at + 16);
	p->height = big32(at + 20);
	return true;
}

/* SOF0 to SOF15, but for DHT, JPG and DAC, which stand among them (ITU T.81 B.1.1.3). */
static bool
is_frame(uint8_t marker)
{
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 &&
	       marker != 0xcc;
}

/* What stands before the first scan with a length behind it. A decoder takes some others, too, for
 * markers without one (TEM, RST0 to RST7) or for nothing at all (FF00), and whoever read a length
 * there would go on somewhere else than the decoder: no writer makes such a picture. */
static bool
is_segment(uint8_t marker)
{
	return (marker >= 0xc0 && marker <= 0xcf && marker != 0xc8) || marker == 0xdb ||
	       marker == 0xdd || (marker >= 0xe0 && marker <= 0xef) || marker == 0xfe;
}

/* Segments one behind the other, with nothing between them but the FF that may fill up. */
static bool
probe_jpeg(const uint8_t *at, size_t len, struct probe *p)
{
	size_t i = 2;

	for (unsigned n = 0; n < SEGMENTS_MAX; n++) {
		if (i >= len || at[i] != 0xff)
			return false;
		while (i < len && at[i] == 0xff)
			i++;
		if (i + 8 > len || !is_segment(at[i]) || big16(at + i + 1) < 2)
			return false;
		if (is_frame(at[i])) {
			p->height = big16(at + i + 4);
			p->width = big16(at + i + 6);
			return true;
		}
		i += 1 + big16(at + i + 1);
	}
	return false;
}

/* RFC 9649 2.5 to 2.7. */
static bool
probe_webp(const uint8_t *at, size_t len, struct probe *p)
{
	if (len < 30)
		return false;
	if (memcmp(at + 12, "VP8X", 4) == 0) {
		p->width = little24(at + 24) + 1;
		p->height = little24(at + 27) + 1;
	} else if (memcmp(at + 12, "VP8L", 4) == 0) {
		p->width = (little16(at + 21) & 0x3fff) + 1;
		p->height = (little24(at + 22) >> 6 & 0x3fff) + 1;
	} else if (memcmp(at + 12, "VP8 ", 4) == 0) {
		p->width = little16(at + 26) & 0x3fff;
		p->height = little16(at + 28) & 0x3fff;
	} else {
		return false;
	}
	return true;
}

bool
probe_image(const void *bytes, size_t len, struct probe *p)
{
	const uint8_t *at = (const uint8_t *)bytes;
	bool is_good;

	*p = (struct probe){ .format = PROBE_NONE };
	if (len >= 8 && memcmp(at, "\x89PNG\r\n\x1a\n", 8) == 0)
		p->format = PROBE_PNG;
	else if (len >= 3 && memcmp(at, "\xff\xd8\xff", 3) == 0)
		p->format = PROBE_JPEG;
	else if (len >= 12 && memcmp(at, "RIFF", 4) == 0 && memcmp(at + 8, "WEBP", 4) == 0)
		p->format = PROBE_WEBP;
	else
		return false;
	is_good = p->format == PROBE_PNG    ? probe_png(at, len, p)
		  : p->format == PROBE_JPEG ? probe_jpeg(at, len, p)
					    : probe_webp(at, len, p);
	return is_good && p->width > 0 && p->height > 0;
}
