/*
 * What a picture says of itself before it is decoded: its format and size, by which the module
 * refuses a decompression bomb and says how much there is to do. Pure functions.
 */
#ifndef FOREBAY_IMAGE_PROBE_H
#define FOREBAY_IMAGE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum probe_format { PROBE_NONE, PROBE_JPEG, PROBE_PNG, PROBE_WEBP };

struct probe {
	enum probe_format format;
	uint32_t width, height;
};

/* False if it is none of them, or does not say its size; then p->format may say what it began as.
 */
bool probe_image(const void *bytes, size_t len, struct probe *p);

static inline uint64_t
probe_pixels(const struct probe *p)
{
	return (uint64_t)p->width * p->height;
}

#endif
