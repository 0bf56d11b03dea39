/*
 * The shelf of one worker: the encoders that its responses use, and those that
 * wait to be used again; how many there may be, and how much the worker itself
 * may compress in one turn of its loop. Of one thread, but for encoders that
 * are away with a job; whoever has one gives it back.
 */
#ifndef FOREBAY_COMPRESS_SHELF_H
#define FOREBAY_COMPRESS_SHELF_H

#include "compress/encoder.h"
#include "net/env.h"

enum {
	SHELF_KEPT = 4, /* encoders of a coding that wait to be used again */
	SHELF_TURN_BYTES =
	    64 << 10, /* compressed on the worker in one turn, all responses together */
};

struct shelf {
	struct env *env; /* borrowed: of the worker */
	unsigned out, most; /* encoders in use */
	struct encoder *kept[CODING_COUNT];
	unsigned kept_count[CODING_COUNT];
	uint64_t turn_ns; /* what turn_bytes is about */
	size_t turn_bytes;
};

void shelf_init(struct shelf *s, struct env *env, unsigned most);
/* Every encoder must be back. */
void shelf_fini(struct shelf *s);

/* An encoder for a body of `bytes` (0: not known). NULL: *err is ERR_FULL or ERR_MEMORY. */
struct encoder *shelf_take(struct shelf *s, enum coding coding, unsigned level, uint64_t bytes,
			   int *err) __attribute__((warn_unused_result));
/* Whatever it was in the middle of; clears *e. NULL is allowed. */
void shelf_give(struct shelf *s, struct encoder **e);

/* Whether so many bytes may be compressed on the worker in this turn; then they count. */
bool shelf_may_spend(struct shelf *s, size_t bytes);

#endif
