/*
 * A body that is needed whole: what came in one piece stays where it is, what
 * came in several is copied together, so that a peer who sends byte by byte
 * cannot make us hold a block for each. Bounded. For the request's body and
 * for results; one owner, on its worker.
 */
#ifndef FOREBAY_PLAN_INTAKE_H
#define FOREBAY_PLAN_INTAKE_H

#include "base/buffer.h"
#include "base/chunk.h"
#include "base/shared_text.h"

struct intake {
	struct chunks piece; /* the only one so far; else empty */
	struct buffer text;
};

void intake_init(struct intake *in, struct store *store, size_t limit);
/* Releases what it holds; it is empty then, with the same limit. */
void intake_clear(struct intake *in);
/* Takes the list, in any case. ERR_TOO_LARGE, ERR_MEMORY; ERR_UNSUPPORTED: a range of a file. */
int intake_add(struct intake *in, struct chunks *list) MUST_CHECK;
/* What is in b takes the place of what came; b is as new. */
void intake_replace(struct intake *in, struct buffer *b);
/* What came, for others to keep as well: it is empty then. NULL: it is too short for that, or came
 * in one piece. */
struct shared_text *intake_share(struct intake *in) MUST_CHECK;
/* All that came; valid until the next call of another function. Never NULL. */
struct slice intake_text(const struct intake *in);

#endif
