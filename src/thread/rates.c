/*
 * The table of request rates; see rates.h.
 *
 * An entry is two words that change one after the other. Between the two, another worker may see
 * a new key with the past of the old one; only an idle past is ever left there on purpose, and
 * that is as good as none. What a race can cost is the count of a request or two.
 */
#include "thread/rates.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/ref.h"
#include "base/siphash.h"

#include <stdatomic.h>

enum { BUCKET = 8, TRIES = 16, CHARGES = 256 };

struct entry {
	_Atomic uint64_t key; /* a hash; 0: free */
	_Atomic uint64_t due_ns; /* when all is worked off; in the past: idle */
};

struct rates {
	struct ref ref;
	struct siphash_key secret;
	size_t buckets; /* a power of two */
	struct entry entry[];
};

/* --- life -------------------------------------------------------------------------- */

struct rates *
rates_new(unsigned entries)
{
	struct rates *r;
	size_t buckets = 1;

	while (buckets * BUCKET < entries)
		buckets *= 2;
	r = mem_zalloc(1, sizeof(*r) + buckets * BUCKET * sizeof(r->entry[0]));
	if (!r)
		return NULL;
	ref_init(&r->ref);
	r->buckets = buckets;
	r->secret = (struct siphash_key){ { random_seed(), random_seed() } };
	return r;
}

struct rates *
rates_ref(struct rates *r)
{
	ref_take(&r->ref);
	return r;
}

void
rates_unref(struct rates **pointer)
{
	struct rates *r = *pointer;

	*pointer = NULL;
	if (r && ref_drop(&r->ref))
		mem_free(&r);
}

/* --- places -------------------------------------------------------------------------- */

static uint64_t
read_word(_Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static bool
change_word(_Atomic uint64_t *word, uint64_t from, uint64_t to)
{
	return atomic_compare_exchange_strong_explicit(word, &from, to, memory_order_relaxed,
						       memory_order_relaxed);
}

/* The entry of the key; else *victim is whose place it should take. */
static struct entry *
look_up(struct entry *bucket, uint64_t key, struct entry **victim)
{
	uint64_t least = UINT64_MAX;

	*victim = bucket;
	for (unsigned i = 0; i < BUCKET; i++) {
		uint64_t other = read_word(&bucket[i].key);
		uint64_t due = other ? read_word(&bucket[i].due_ns) : 0;

		if (other == key)
			return &bucket[i];
		if (due < least) {
			least = due;
			*victim = &bucket[i];
		}
	}
	return NULL;
}

/* True: the place is the key's. */
static bool
take_place(struct entry *e, uint64_t key, uint64_t now_ns, enum rates_place *place)
{
	uint64_t before = read_word(&e->key);
	uint64_t due = read_word(&e->due_ns);

	if (!change_word(&e->key, before, key))
		return false; /* somebody else was quicker */
	*place = before == 0 ? RATES_NEW : RATES_REPLACED_IDLE;
	if (before != 0 && due > now_ns) {
		*place = RATES_REPLACED_BUSY;
		change_word(&e->due_ns, due, now_ns); /* or it has been used already */
	}
	return true;
}

/* NULL when others are quicker again and again. */
static struct entry *
find_place(struct rates *r, uint64_t key, uint64_t now_ns, enum rates_place *place)
{
	struct entry *bucket = &r->entry[(key & (r->buckets - 1)) * BUCKET];

	*place = RATES_KNOWN;
	for (unsigned i = 0; i < TRIES; i++) {
		struct entry *victim, *e = look_up(bucket, key, &victim);

		if (e)
			return e;
		if (take_place(victim, key, now_ns, place))
			return victim;
	}
	return NULL;
}

/* --- time ---------------------------------------------------------------------------- */

static uint64_t
saturated_product(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX / 2 : product;
}

/* What would be owed with one request more, and whether that may be. */
static bool
may_pass(uint64_t due, uint64_t now_ns, const struct rate_limit *l, uint64_t *owed)
{
	uint64_t room = saturated_product(l->interval_ns, l->burst);

	*owed = (due > now_ns ? due - now_ns : 0) + l->interval_ns;
	return *owed <= room;
}

static void
tell(struct rates_answer *a, uint64_t owed, const struct rate_limit *l)
{
	uint64_t room = saturated_product(l->interval_ns, l->burst);

	a->left = owed < room ? (room - owed) / l->interval_ns : 0;
	a->full_ns = owed;
}

void
rates_take(struct rates *r, struct slice who, uint64_t now_ns, const struct rate_limit *l,
	   struct rates_answer *a)
{
	uint64_t key = siphash(&r->secret, who);
	struct entry *e;
	uint64_t owed = l->interval_ns;

	*a = (struct rates_answer){ .is_passed = true };
	e = find_place(r, key ? key : 1, now_ns, &a->place);
	for (unsigned i = 0; e && i < CHARGES; i++) {
		uint64_t due = read_word(&e->due_ns);

		a->is_passed = may_pass(due, now_ns, l, &owed);
		if (!a->is_passed) {
			a->retry_ns = owed - saturated_product(l->interval_ns, l->burst);
			owed -= l->interval_ns;
			break;
		}
		if (change_word(&e->due_ns, due, now_ns + owed))
			break;
	}
	tell(a, owed, l);
}
