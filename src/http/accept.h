/*
 * Which of two media types a client would rather have (RFC 9110 12.5.1). Pure;
 * any thread. For error pages.
 */
#ifndef FOREBAY_HTTP_ACCEPT_H
#define FOREBAY_HTTP_ACCEPT_H

#include "http/field.h"

/* Whether the request prefers `type` (type/subtype, without parameters) to `other`: by weight, then
 * by how closely it names them. Without Accept, or when both are equal to it: no. Elements
 * that break the grammar are left out. Linear in the fields. */
bool accept_prefers(const struct fields *request, struct slice type, struct slice other);

#endif
