/*
 * Words of a command line in the configuration, as a shell would part them, and
 * nothing else that a shell does: blanks and ends of lines part them, '...' and
 * "..." keep what is between them. Builder thread.
 */
#ifndef FOREBAY_SOURCE_WORDS_H
#define FOREBAY_SOURCE_WORDS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct words {
	struct slice *at; /* in the arena, each with a NUL behind it */
	unsigned count;
};

/* 0; ERR_SYNTAX: a quotation mark has no other; ERR_MEMORY. */
int words_split(struct words *w, struct slice text, struct arena *a) MUST_CHECK;

#endif
