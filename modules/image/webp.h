/*
 * Takes metadata out of a WebP (RFC 9649 2.7.1): libvips 8.14 writes EXIF whatever it is told.
 * Pure.
 */
#ifndef FOREBAY_IMAGE_WEBP_H
#define FOREBAY_IMAGE_WEBP_H

#include <stddef.h>

/* In place; the new length. What is no WebP stays as it is. */
size_t webp_strip(void *bytes, size_t len);

#endif
