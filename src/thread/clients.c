/*
 * Connections by client; see clients.h.
 */
#include "thread/clients.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/siphash.h"

#include <stdatomic.h>

/* Twice the room that is needed, so that a full bucket is rare. */
enum { BUCKET = 8, SPARE = 2, COUNT_BITS = 16, LOOKS = 4 };

#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

struct clients {
	struct siphash_key secret;
	size_t buckets; /* a power of two */
	_Atomic uint64_t entry[]; /* 48 bits of hash, 16 of count; 0: free */
};

struct clients *
clients_new(unsigned connections)
{
	size_t wanted = (size_t)connections * SPARE, buckets = 1;
	struct clients *c;

	while (buckets * BUCKET < wanted)
		buckets *= 2;
	c = mem_zalloc(1, sizeof(*c) + buckets * BUCKET * sizeof(c->entry[0]));
	if (!c)
		return NULL;
	c->buckets = buckets;
	c->secret = (struct siphash_key){ { random_seed(), random_seed() } };
	return c;
}

void
clients_free(struct clients **c)
{
	mem_free(c);
}

/* The address alone, of a client in its one form. Empty: it has none. */
static struct slice
identity_of(const struct address *client)
{
	if (client->of.any.sa_family == AF_INET)
		return slice_make((const char *)&client->of.v4.sin_addr,
				  sizeof(client->of.v4.sin_addr));
	if (client->of.any.sa_family == AF_INET6)
		return slice_make((const char *)&client->of.v6.sin6_addr,
				  sizeof(client->of.v6.sin6_addr));
	return slice_make(NULL, 0);
}

/* The bucket of the client, and *tag: its hash as it stands in an entry. NULL: it has no address.
 */
static _Atomic uint64_t *
find_bucket(struct clients *c, const struct address *who, uint64_t *tag)
{
	struct address client = *who;
	struct slice identity;
	uint64_t hash;

	address_to_client(&client);
	identity = identity_of(&client);
	if (identity.len == 0)
		return NULL;
	hash = siphash(&c->secret, identity);
	*tag = hash & ~COUNT_MASK;
	if (*tag == 0)
		*tag = COUNT_MASK + 1;
	return &c->entry[(hash & (c->buckets - 1)) * BUCKET];
}

/* Of all entries: two connections that come at the same moment may have made one each. */
static unsigned
count_of(_Atomic uint64_t *bucket, uint64_t tag)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < BUCKET; i++) {
		uint64_t seen = atomic_load_explicit(&bucket[i], memory_order_relaxed);

		if ((seen & ~COUNT_MASK) == tag)
			count += seen & COUNT_MASK;
	}
	return (unsigned)count;
}

/* False: the entry is not the client's, or holds no more. */
static bool
add_to(_Atomic uint64_t *entry, uint64_t tag)
{
	uint64_t seen = atomic_load_explicit(entry, memory_order_relaxed);

	while ((seen & ~COUNT_MASK) == tag && (seen & COUNT_MASK) < COUNT_MASK) {
		if (atomic_compare_exchange_weak_explicit(
			entry, &seen, seen + 1, memory_order_relaxed, memory_order_relaxed))
			return true;
	}
	return false;
}

static bool
make_entry(_Atomic uint64_t *entry, uint64_t tag)
{
	uint64_t free = 0;

	return atomic_compare_exchange_strong_explicit(entry, &free, tag | 1, memory_order_relaxed,
						       memory_order_relaxed);
}

enum clients_answer
clients_take(struct clients *c, const struct address *who, unsigned limit)
{
	uint64_t tag;
	_Atomic uint64_t *bucket = find_bucket(c, who, &tag);

	if (!bucket)
		return CLIENTS_UNCOUNTED;
	if (count_of(bucket, tag) >= limit)
		return CLIENTS_TOO_MANY;
	for (unsigned i = 0; i < BUCKET; i++) {
		if (add_to(&bucket[i], tag))
			return CLIENTS_COUNTED;
	}
	for (unsigned i = 0; i < BUCKET; i++) {
		if (make_entry(&bucket[i], tag))
			return CLIENTS_COUNTED;
	}
	return CLIENTS_UNCOUNTED;
}

/* False: it is not the client's, or not any more. */
static bool
take_from(_Atomic uint64_t *entry, uint64_t tag)
{
	uint64_t seen = atomic_load_explicit(entry, memory_order_relaxed);

	while ((seen & ~COUNT_MASK) == tag) {
		uint64_t less = (seen & COUNT_MASK) > 1 ? seen - 1 : 0;

		if (atomic_compare_exchange_weak_explicit(entry, &seen, less, memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	}
	return false;
}

void
clients_give(struct clients *c, const struct address *who)
{
	uint64_t tag;
	_Atomic uint64_t *bucket = find_bucket(c, who, &tag);

	ASSERT(bucket);
	/* Again, where others have come and gone behind and before us. */
	for (unsigned i = 0; i < BUCKET * LOOKS; i++) {
		if (take_from(&bucket[i % BUCKET], tag))
			return;
	}
}
