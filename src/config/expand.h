/*
 * Environment variables in a value: ${NAME}, ${NAME:-default} (the default
 * also where NAME is empty, as in a shell), $${ for a literal ${. A default is
 * plain text up to the next }. Called while a configuration is loaded.
 */
#ifndef FOREBAY_CONFIG_EXPAND_H
#define FOREBAY_CONFIG_EXPAND_H

#include "base/arena.h"
#include "base/err.h"
#include "base/writer.h"

enum { EXPAND_BYTES = 65536 }; /* longest value after expansion */

/* Why a value could not be expanded, fit for a message. */
struct expand_fault {
	const char *what; /* constant */
	struct slice text; /* the ${...} at fault, borrowed from the value */
};

/* Is there anything to expand? */
bool expand_is_needed(struct slice raw);
/* A secret could stand here as it is: there is no ${NAME}, or one has a default that is not empty.
 */
bool expand_is_literal(struct slice raw);
/* Which variables a value asks for, one at a time: what has been looked at is taken off *rest.
 * False: no more. */
bool expand_next_name(struct slice *rest, struct slice *name);
/* *value is in the arena, NUL-terminated. ERR_SYNTAX, ERR_MISSING, ERR_TOO_LARGE:
 * *fault says why. ERR_MEMORY. */
int expand(struct arena *a, struct slice raw, struct slice *value,
	   struct expand_fault *fault) MUST_CHECK;
/* Writes text so that it expands to itself. */
void expand_write_escaped(struct writer *w, struct slice text);

#endif
