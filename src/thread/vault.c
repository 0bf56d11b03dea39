/*
 * Things that all threads may look at; see vault.h.
 */
#include "thread/vault.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/siphash.h"

#include <pthread.h>
#include <stdlib.h>

enum {
	SHARDS_MAX = 16,
	SHARD_ITEMS = 4, /* of the largest: a shard has room for so many */
	BUCKET_BYTES = 2048, /* of room for each bucket */
	BUCKETS_MIN = 64,
	BUCKETS_MAX = 1 << 16,
	GHOSTS = 1 << 12, /* of a shard */
	HITS_MAX = 3,
	SMALL_PART = 10, /* of the room */
};

struct shard {
	pthread_mutex_t lock;
	struct vault_item **bucket;
	size_t buckets;
	struct list small, main; /* the oldest first */
	size_t small_bytes, main_bytes, bytes_max;
	unsigned items;
	uint32_t ghost[GHOSTS];
};

struct vault {
	struct ref ref;
	struct siphash_key seed;
	unsigned shards;
	struct shard shard[];
};

/* --- life ---------------------------------------------------------------------------------- */

static int
init_shard(struct shard *s, size_t bytes)
{
	size_t wanted = bytes / BUCKET_BYTES;

	s->buckets = BUCKETS_MIN;
	while (s->buckets < wanted && s->buckets < BUCKETS_MAX)
		s->buckets *= 2;
	s->bytes_max = bytes;
	list_init(&s->small);
	list_init(&s->main);
	s->bucket = mem_zalloc(s->buckets, sizeof(struct vault_item *));
	pthread_mutex_init(&s->lock, NULL);
	return s->bucket ? 0 : -1;
}

static void
fini_shard(struct shard *s)
{
	struct list *seat;

	while ((seat = list_take(&s->small)) != NULL || (seat = list_take(&s->main)) != NULL)
		vault_item_unref(CONTAINER_OF(seat, struct vault_item, seat));
	mem_free(&s->bucket);
	pthread_mutex_destroy(&s->lock);
}

static void
free_vault(struct vault *v)
{
	for (unsigned i = 0; i < v->shards; i++)
		fini_shard(&v->shard[i]);
	mem_free(&v);
}

struct vault *
vault_new(size_t bytes, size_t item_max)
{
	unsigned shards = SHARDS_MAX;
	struct random random;
	struct vault *v;
	int err = 0;

	while (shards > 1 && bytes / shards / SHARD_ITEMS < item_max)
		shards /= 2;
	v = mem_zalloc(1, sizeof(*v) + shards * sizeof(v->shard[0]));
	if (!v)
		return NULL;
	ref_init(&v->ref);
	random_init(&random, random_seed());
	v->seed = (struct siphash_key){ { random_next(&random), random_next(&random) } };
	v->shards = shards;
	for (unsigned i = 0; i < shards; i++)
		err |= init_shard(&v->shard[i], bytes / shards);
	if (err == 0)
		return v;
	free_vault(v);
	return NULL;
}

struct vault *
vault_ref(struct vault *v)
{
	ref_take(&v->ref);
	return v;
}

void
vault_unref(struct vault **v)
{
	if (*v && ref_drop(&(*v)->ref))
		free_vault(*v);
	*v = NULL;
}

/* --- a shard, locked ------------------------------------------------------------------------- */

static struct shard *
shard_of(struct vault *v, uint64_t hash)
{
	return &v->shard[(hash >> 56) % v->shards];
}

static struct vault_item **
find(struct shard *s, uint64_t hash, struct slice key)
{
	struct vault_item **at = &s->bucket[hash & (s->buckets - 1)];

	while (*at && ((*at)->hash != hash || !slice_eq((*at)->key, key)))
		at = &(*at)->next;
	return at;
}

/* Out of its bucket and queue; the vault's count is the list's now. */
static void
take_out(struct shard *s, struct vault_item **at, struct list *gone)
{
	struct vault_item *item = *at;

	*at = item->next;
	item->next = NULL;
	item->is_in = false;
	list_remove(&item->seat);
	*(item->is_main ? &s->main_bytes : &s->small_bytes) -= item->bytes;
	s->items--;
	list_append(gone, &item->seat);
}

static uint32_t *
ghost_of(struct shard *s, uint64_t hash)
{
	return &s->ghost[(hash >> 20) % GHOSTS];
}

static uint32_t
fingerprint(uint64_t hash)
{
	return (uint32_t)hash | 1; /* 0: none */
}

static void
sit_down(struct shard *s, struct vault_item *item, bool is_main)
{
	item->is_main = is_main;
	item->hits = 0;
	list_append(is_main ? &s->main : &s->small, &item->seat);
	*(is_main ? &s->main_bytes : &s->small_bytes) += item->bytes;
}

/* The oldest of the small queue moves on, or goes. */
static unsigned
shrink_small(struct shard *s, struct list *gone)
{
	struct vault_item *item = CONTAINER_OF(s->small.next, struct vault_item, seat);

	if (item->hits > 1) {
		list_remove(&item->seat);
		s->small_bytes -= item->bytes;
		sit_down(s, item, true);
		return 0;
	}
	*ghost_of(s, item->hash) = fingerprint(item->hash);
	take_out(s, find(s, item->hash, item->key), gone);
	return 1;
}

static unsigned
shrink_main(struct shard *s, struct list *gone)
{
	struct vault_item *item = CONTAINER_OF(s->main.next, struct vault_item, seat);

	if (item->hits > 0) {
		item->hits--;
		list_remove(&item->seat);
		list_append(&s->main, &item->seat);
		return 0;
	}
	take_out(s, find(s, item->hash, item->key), gone);
	return 1;
}

/* Until there is room for so many bytes. */
static unsigned
make_room(struct shard *s, size_t bytes, struct list *gone)
{
	unsigned evicted = 0;

	while (s->small_bytes + s->main_bytes + bytes > s->bytes_max) {
		if (list_is_empty(&s->main) ||
		    (s->small_bytes > s->bytes_max / SMALL_PART && !list_is_empty(&s->small)))
			evicted += shrink_small(s, gone);
		else
			evicted += shrink_main(s, gone);
	}
	return evicted;
}

/* Unlocked: what has gone may be large. */
static void
let_go(struct list *gone)
{
	struct list *seat;

	while ((seat = list_take(gone)) != NULL)
		vault_item_unref(CONTAINER_OF(seat, struct vault_item, seat));
}

/* --- for everybody ------------------------------------------------------------------------------
 */

struct vault_item *
vault_find(struct vault *v, struct slice key)
{
	uint64_t hash = siphash(&v->seed, key);
	struct shard *s = shard_of(v, hash);
	struct vault_item *item;

	pthread_mutex_lock(&s->lock);
	item = *find(s, hash, key);
	if (item) {
		ref_take(&item->ref);
		if (item->hits < HITS_MAX)
			item->hits++;
	}
	pthread_mutex_unlock(&s->lock);
	return item;
}

unsigned
vault_put(struct vault *v, struct vault_item *item)
{
	uint64_t hash = siphash(&v->seed, item->key);
	struct shard *s = shard_of(v, hash);
	struct vault_item **at;
	struct list gone;
	unsigned evicted = 0;
	bool was_main = false;

	list_init(&gone);
	item->hash = hash;
	pthread_mutex_lock(&s->lock);
	at = find(s, hash, item->key);
	if (*at) {
		was_main = (*at)->is_main;
		take_out(s, at, &gone);
	}
	if (item->bytes <= s->bytes_max) {
		evicted = make_room(s, item->bytes, &gone);
		at = find(s, hash, item->key);
		ref_take(&item->ref);
		item->next = NULL;
		item->is_in = true;
		*at = item;
		s->items++;
		sit_down(s, item, was_main || *ghost_of(s, hash) == fingerprint(hash));
	}
	pthread_mutex_unlock(&s->lock);
	let_go(&gone);
	return evicted;
}

bool
vault_remove(struct vault *v, struct slice key)
{
	uint64_t hash = siphash(&v->seed, key);
	struct shard *s = shard_of(v, hash);
	struct vault_item **at;
	struct list gone;
	bool was_there;

	list_init(&gone);
	pthread_mutex_lock(&s->lock);
	at = find(s, hash, key);
	was_there = *at != NULL;
	if (was_there)
		take_out(s, at, &gone);
	pthread_mutex_unlock(&s->lock);
	let_go(&gone);
	return was_there;
}

/* Bucket by bucket, so that nobody waits long for the lock. */
static unsigned
remove_in(struct shard *s, size_t bucket, struct slice prefix)
{
	struct vault_item **at = &s->bucket[bucket];
	struct list gone;
	unsigned count = 0;

	list_init(&gone);
	pthread_mutex_lock(&s->lock);
	while (*at) {
		if (slice_has_prefix((*at)->key, prefix)) {
			take_out(s, at, &gone);
			count++;
		} else {
			at = &(*at)->next;
		}
	}
	pthread_mutex_unlock(&s->lock);
	let_go(&gone);
	return count;
}

unsigned
vault_remove_prefix(struct vault *v, struct slice prefix)
{
	unsigned count = 0;

	for (unsigned i = 0; i < v->shards; i++) {
		for (size_t k = 0; k < v->shard[i].buckets; k++)
			count += remove_in(&v->shard[i], k, prefix);
	}
	return count;
}

void
vault_read(struct vault *v, struct vault_reading *r)
{
	*r = (struct vault_reading){ 0 };
	for (unsigned i = 0; i < v->shards; i++) {
		struct shard *s = &v->shard[i];

		pthread_mutex_lock(&s->lock);
		r->bytes += s->small_bytes + s->main_bytes;
		r->items += s->items;
		pthread_mutex_unlock(&s->lock);
		r->bytes_max += s->bytes_max;
	}
}
