/*
 * What came for a reader that has not taken it yet: large pieces borrow from the
 * block that they were read into; small ones are gathered in a block of the
 * inbox's own, so that a peer cannot pin a block with each byte. One reader's;
 * bounded by whoever fills it.
 */
#ifndef FOREBAY_NET_INBOX_H
#define FOREBAY_NET_INBOX_H

#include "base/chunk.h"
#include "base/err.h"

struct inbox {
	struct chunks list; /* for the reader to take */
	struct block *block; /* counted: where pieces are gathered; NULL: none */
};

enum { INBOX_COPY_BYTES = 4096 }; /* pieces up to this are gathered */

void inbox_init(struct inbox *i, struct store *store);
/* Releases what was not taken. */
void inbox_clear(struct inbox *i);
/* Appends s, which lies in `from`. ERR_MEMORY. */
int inbox_put(struct inbox *i, struct block *from, struct slice s) MUST_CHECK;

#endif
