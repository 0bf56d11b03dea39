/*
 * A vault: things that all threads may look at, found by a key of bytes and bounded by the bytes
 * that they take. One copy serves all workers. It is cut into shards, each with a lock of its own
 * that is held to follow a few pointers and never to copy, free or allocate; what is found is
 * counted and immutable, so that it can be read for as long as one likes, also after it was put
 * out.
 *
 * Who makes room is found by S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need
 * for cache eviction", SOSP 2023): what is new waits in a small queue, a tenth of the room, and
 * moves on to the main one only when it was asked for again; so that a flood of keys that nobody
 * asks for twice pushes out each other and not what is in use. A ghost table remembers hashes of
 * what had to go from the small queue: what comes back goes to the main one at once.
 *
 * Any thread; counted, because a vault outlives the site that made it.
 */
#ifndef FOREBAY_THREAD_VAULT_H
#define FOREBAY_THREAD_VAULT_H

#include "base/list.h"
#include "base/ref.h"
#include "base/slice.h"

#include <stdint.h>

struct vault;

/* First in what is kept. */
struct vault_item {
	struct ref ref;
	struct slice key; /* of the item's own memory */
	size_t bytes; /* all that goes when it goes */
	void (*release)(struct vault_item *item); /* the last user has gone; any thread */
	/* The vault's alone. */
	struct vault_item *next; /* in its bucket */
	struct list seat; /* in its queue */
	uint64_t hash;
	unsigned char hits;
	bool is_main, is_in;
};

struct vault_reading {
	size_t bytes, bytes_max;
	unsigned items;
};

/* Of at most so many bytes, the largest item taking `item_max`, with one user. NULL without
 * memory. */
struct vault *vault_new(size_t bytes, size_t item_max) __attribute__((warn_unused_result));
struct vault *vault_ref(struct vault *v);
/* NULL is allowed; sets *v to NULL. Items that somebody has stay theirs. */
void vault_unref(struct vault **v);

/* The item of that key, counted for the caller; NULL: there is none. */
struct vault_item *vault_find(struct vault *v, struct slice key)
    __attribute__((warn_unused_result));
/* Keeps it, with a count of the vault's own, in the place of what has the same key. Returns how
 * many others had to go. One that is too large is not kept, nor is what it would have replaced. */
unsigned vault_put(struct vault *v, struct vault_item *item);
/* Whether there was one. */
bool vault_remove(struct vault *v, struct slice key);
/* Those whose keys begin so; how many. */
unsigned vault_remove_prefix(struct vault *v, struct slice prefix);
void vault_read(struct vault *v, struct vault_reading *r);

static inline void
vault_item_unref(struct vault_item *item)
{
	if (ref_drop(&item->ref))
		item->release(item);
}

#endif
