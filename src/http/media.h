/*
 * Media types by file name: one table (media.def).
 */
#ifndef FOREBAY_HTTP_MEDIA_H
#define FOREBAY_HTTP_MEDIA_H

#include "base/slice.h"

/* The value of Content-Type for a path, by what follows the last dot of its last
 * segment, ASCII case ignored; application/octet-stream if that says nothing.
 * Static memory. */
struct slice media_type_of(struct slice path);

#endif
