/*
 * Response statuses: one table (statuses.def).
 */
#ifndef FOREBAY_HTTP_STATUS_H
#define FOREBAY_HTTP_STATUS_H

#include "base/slice.h"

/* The reason phrase; "Unknown" for a status that is not in the table. */
struct slice status_reason(int status);
/* 1xx, 204 and 304 never carry a body (RFC 9110 6.4.1). */
bool status_has_body(int status);
/* A small dense index for counters, 0 for statuses outside the table, and back;
 * an index beyond its end leads to 0. */
unsigned status_index(int status);
int status_at(unsigned index);

#endif
