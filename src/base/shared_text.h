/*
 * A long text on the heap that several keep alive, such as a request's body of
 * megabytes that a job reads: to copy it would hold up the loop for milliseconds.
 * It never changes. Whoever takes a user of it may do so on one thread and drop it
 * on another.
 */
#ifndef FOREBAY_BASE_SHARED_TEXT_H
#define FOREBAY_BASE_SHARED_TEXT_H

#include "base/buffer.h"
#include "base/ref.h"

/* What is shorter is copied: that is cheaper than to count its users. */
enum { SHARED_TEXT_LEAST = 1 << 16 };

struct shared_text {
	struct ref ref;
	char *memory; /* owned */
	struct slice text;
};

/* Takes what is in the buffer, which is as new then. One user; NULL without memory, or when it is
 * too short: the buffer keeps it. */
struct shared_text *shared_text_take(struct buffer *b) MUST_CHECK;
/* The user is no more one; *t is NULL then, as it may be before. */
void shared_text_drop(struct shared_text **t);

/* All of s lies in it. t may be NULL. */
static inline bool
shared_text_holds(const struct shared_text *t, struct slice s)
{
	return t && s.at >= t->text.at && s.at + s.len <= t->text.at + t->text.len;
}

#endif
