/*
 * The end of a process that found itself broken. Called on any thread.
 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void
assert_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "forebay: %s:%d: broken promise: %s\n", file, line, condition);
	abort();
}
