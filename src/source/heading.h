/*
 * Header fields that a job gives to its answer: collected on the thread of a
 * pool, where no arena may be touched, and copied into the exchange's when the
 * job is home. Bounded in number and bytes; names and values are checked, and
 * those that belong to the connection or to the server are refused.
 */
#ifndef FOREBAY_SOURCE_HEADING_H
#define FOREBAY_SOURCE_HEADING_H

#include "base/arena.h"
#include "base/err.h"
#include "http/field.h"

/* One place is left for Content-Type. */
enum { HEADING_FIELDS_MAX = 16, HEADING_BYTES = 4096 };

struct heading;

/* Makes *r at the first field; it is the caller's, freed with mem_free. A name that is there
 * already gets the new value. ERR_ARGUMENT: not for jobs to say; ERR_TOO_MANY, ERR_TOO_LARGE,
 * ERR_MEMORY. */
int heading_set(struct heading **r, struct slice name, struct slice value) MUST_CHECK;
/* The i-th field; false when there are no more. r may be NULL. */
bool heading_at(const struct heading *r, unsigned i, struct slice *name, struct slice *value);
/* All fields in the arena, with `type` as Content-Type unless it is among them or empty.
 * ERR_MEMORY. */
int heading_copy(const struct heading *r, struct slice type, struct arena *a,
		 struct fields *fields) MUST_CHECK;

#endif
