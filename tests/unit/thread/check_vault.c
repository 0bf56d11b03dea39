/*
 * The vault: what is found, what makes room for what, and many threads at once.
 */
#include "thread/vault.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/writer.h"
#include "thread/thread.h"

#include <check.h>
#include <stdatomic.h>

Suite *suite_thread_vault(void);

enum { BYTES = 64000, ITEM = 1000, THREADS = 4, ROUNDS = 20000 };

static _Atomic int alive;

struct thing {
	struct vault_item item;
	char name[32];
	uint64_t sum; /* of what it was made with: what is read must be whole */
};

static void
release(struct vault_item *item)
{
	struct thing *t = CONTAINER_OF(item, struct thing, item);

	atomic_fetch_sub(&alive, 1);
	t->sum = 0;
	mem_free(&t);
}

static struct slice
name_of(char *memory, uint64_t n)
{
	struct writer w = writer_over(memory, 31);

	writer_text(&w, "key-");
	writer_u64(&w, n);
	return writer_slice(&w);
}

static struct vault_item *
make(uint64_t n, size_t bytes)
{
	struct thing *t = mem_zalloc(1, sizeof(*t));

	ck_assert_ptr_nonnull(t);
	atomic_fetch_add(&alive, 1);
	ref_init(&t->item.ref);
	list_init(&t->item.seat);
	t->item.key = name_of(t->name, n);
	t->item.bytes = bytes;
	t->item.release = release;
	t->sum = n + 1;
	return &t->item;
}

static unsigned
put(struct vault *v, uint64_t n, size_t bytes)
{
	struct vault_item *item = make(n, bytes);
	unsigned evicted = vault_put(v, item);

	vault_item_unref(item);
	return evicted;
}

static bool
has(struct vault *v, uint64_t n)
{
	char memory[32];
	struct vault_item *item = vault_find(v, name_of(memory, n));

	if (!item)
		return false;
	ck_assert_uint_eq(CONTAINER_OF(item, struct thing, item)->sum, n + 1);
	vault_item_unref(item);
	return true;
}

static bool
take(struct vault *v, uint64_t n)
{
	char memory[32];

	return vault_remove(v, name_of(memory, n));
}

START_TEST(what_is_put_is_found_until_it_is_removed)
{
	struct vault *v = vault_new(BYTES, BYTES);
	struct vault_reading r;

	ck_assert(!has(v, 1));
	put(v, 1, ITEM);
	put(v, 1, ITEM / 2);
	ck_assert(has(v, 1));
	vault_read(v, &r);
	ck_assert_uint_eq(r.items, 1);
	ck_assert_uint_eq(r.bytes, ITEM / 2);
	ck_assert(take(v, 1));
	ck_assert(!take(v, 1));
	ck_assert(!has(v, 1));
	vault_unref(&v);
	ck_assert_int_eq(alive, 0);
}
END_TEST

START_TEST(what_is_in_use_outlives_its_place)
{
	struct vault *v = vault_new(BYTES, BYTES);
	struct vault_item *item = make(1, ITEM);

	vault_put(v, item);
	ck_assert(take(v, 1));
	vault_unref(&v);
	ck_assert_uint_eq(CONTAINER_OF(item, struct thing, item)->sum, 2);
	vault_item_unref(item);
	ck_assert_int_eq(alive, 0);
}
END_TEST

START_TEST(bytes_stay_within_the_bound)
{
	struct vault *v = vault_new(BYTES, BYTES / 8);
	struct vault_reading r;
	unsigned evicted = 0;

	for (unsigned n = 0; n < 1000; n++) {
		evicted += put(v, n, ITEM + n);
		vault_read(v, &r);
		ck_assert_uint_le(r.bytes, BYTES);
	}
	ck_assert_uint_eq(r.items + evicted, 1000);
	ck_assert_int_eq(alive, (int)r.items);
	vault_unref(&v);
	ck_assert_int_eq(alive, 0);
}
END_TEST

START_TEST(what_is_too_large_is_not_kept_and_pushes_nothing_out)
{
	struct vault *v = vault_new(BYTES, BYTES);

	put(v, 1, ITEM);
	put(v, 2, ITEM);
	ck_assert_uint_eq(put(v, 2, BYTES + 1), 0);
	ck_assert(has(v, 1));
	ck_assert(!has(v, 2));
	vault_unref(&v);
	ck_assert_int_eq(alive, 0);
}
END_TEST

/* A flood of keys that nobody asks for again. */
START_TEST(what_is_asked_for_again_survives_a_scan)
{
	struct vault *v = vault_new(BYTES, BYTES);
	unsigned kept = 0;

	for (unsigned n = 0; n < 20; n++) {
		put(v, n, ITEM);
		for (unsigned k = 0; k < 3; k++)
			ck_assert(has(v, n));
	}
	for (unsigned n = 1000; n < 2000; n++)
		put(v, n, ITEM);
	for (unsigned n = 0; n < 20; n++)
		kept += has(v, n);
	ck_assert_uint_eq(kept, 20);
	vault_unref(&v);
}
END_TEST

/* Pushed out once, and wanted again: it does not have to wait in the small queue. */
START_TEST(what_comes_back_is_remembered)
{
	struct vault *v = vault_new(BYTES, BYTES);
	unsigned n;

	put(v, 7, ITEM);
	for (n = 1000; n < 1100; n++)
		put(v, n, ITEM);
	ck_assert(!has(v, 7));
	put(v, 7, ITEM);
	for (n = 2000; n < 2050; n++)
		put(v, n, ITEM);
	ck_assert(has(v, 7));
	vault_unref(&v);
}
END_TEST

START_TEST(a_prefix_takes_all_that_begin_so)
{
	struct vault *v = vault_new(BYTES, BYTES / 8);

	for (unsigned n = 0; n < 30; n++)
		put(v, n, 100);
	ck_assert_uint_eq(vault_remove_prefix(v, SLICE("key-1")), 11);
	ck_assert(!has(v, 1) && !has(v, 19) && has(v, 2) && has(v, 20));
	ck_assert_uint_eq(vault_remove_prefix(v, SLICE("")), 19);
	vault_unref(&v);
	ck_assert_int_eq(alive, 0);
}
END_TEST

/* --- several threads --------------------------------------------------------------------- */

struct player {
	struct vault *vault;
	uint64_t seed;
};

static void
play(void *argument)
{
	struct player *p = argument;
	struct random r;

	random_init(&r, p->seed);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t n = random_below(&r, 100);

		switch (random_below(&r, 8)) {
		case 0:
		case 1:
			put(p->vault, n, 500 + random_below(&r, 1000));
			break;
		case 2:
			take(p->vault, n);
			break;
		default:
			has(p->vault, n);
		}
		if (i % 5000 == 0)
			vault_remove_prefix(p->vault, SLICE("key-1"));
	}
}

START_TEST(many_threads_see_whole_things)
{
	struct vault *v = vault_new(BYTES, BYTES / 32);
	struct player players[THREADS];
	struct thread threads[THREADS];
	struct vault_reading r;

	for (unsigned i = 0; i < THREADS; i++) {
		players[i] = (struct player){ v, i + 1 };
		threads[i] = (struct thread){
			.role = THREAD_POOL,
			.name = "vault",
			.run = play,
			.argument = &players[i],
		};
		ck_assert_int_eq(thread_start(&threads[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		thread_join(&threads[i]);
	vault_read(v, &r);
	ck_assert_uint_le(r.bytes, BYTES);
	ck_assert_int_eq(alive, (int)r.items);
	vault_unref(&v);
	ck_assert_int_eq(alive, 0);
}
END_TEST

Suite *
suite_thread_vault(void)
{
	Suite *s = suite_create("thread_vault");
	TCase *t = tcase_create("vault");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, what_is_put_is_found_until_it_is_removed);
	tcase_add_test(t, what_is_in_use_outlives_its_place);
	tcase_add_test(t, bytes_stay_within_the_bound);
	tcase_add_test(t, what_is_too_large_is_not_kept_and_pushes_nothing_out);
	tcase_add_test(t, what_is_asked_for_again_survives_a_scan);
	tcase_add_test(t, what_comes_back_is_remembered);
	tcase_add_test(t, a_prefix_takes_all_that_begin_so);
	tcase_add_test(t, many_threads_see_whole_things);
	suite_add_tcase(s, t);
	return s;
}
