/*
 * Weights in Accept and its kin (RFC 9110 12.4.2): how much a client wants an
 * element of a list. Pure; any thread.
 */
#ifndef FOREBAY_HTTP_WEIGHT_H
#define FOREBAY_HTTP_WEIGHT_H

#include "base/slice.h"

enum { WEIGHT_MAX = 1000 };

/* The "q" among an element's parameters (what stands behind its first semicolon), in thousandths;
 * WEIGHT_MAX without one; negative when it breaks the grammar. */
int weight_among(struct slice parameters);

#endif
