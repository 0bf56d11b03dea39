/*
 * Markers of keys that are made of one: who purges it loses them all.
 */
#include "cache/cache.h"

#include <check.h>

Suite *suite_cache_cache(void);

enum { VAULT_BYTES = 1 << 20 };

static struct cache
open_cache(void)
{
	struct cache c = { .vault = vault_new(VAULT_BYTES, VAULT_BYTES / 4) };

	ck_assert_ptr_nonnull(c.vault);
	return c;
}

START_TEST(a_tag_stays_until_its_key_is_taken_out)
{
	struct cache c = open_cache();
	unsigned evicted;
	uint64_t tag;

	for (uint64_t random = 7; random < 9; random++) {
		ck_assert_int_eq(cache_tag(&c, SLICE("key"), random, &tag, &evicted), 0);
		ck_assert_uint_eq(tag, 7);
		ck_assert_uint_eq(evicted, 0);
	}
	ck_assert(vault_remove(c.vault, SLICE("key")));
	ck_assert_int_eq(cache_tag(&c, SLICE("key"), 8, &tag, &evicted), 0);
	ck_assert_uint_eq(tag, 8);
	vault_unref(&c.vault);
}
END_TEST

START_TEST(an_answer_has_no_tag)
{
	const struct response answer = { .status = 200 };
	const struct freshness fresh = { .may_store = true };
	struct cache c = open_cache();
	struct cache_entry *e = cache_entry_new(SLICE("key"), &answer, &fresh, 0, 0);
	unsigned evicted;
	uint64_t tag;

	ck_assert_ptr_nonnull(e);
	vault_put(c.vault, &e->item);
	cache_entry_unref(&e);
	ck_assert_int_eq(cache_tag(&c, SLICE("key"), 7, &tag, &evicted), ERR_CONFLICT);
	vault_unref(&c.vault);
}
END_TEST

Suite *
suite_cache_cache(void)
{
	Suite *s = suite_create("cache/cache");
	TCase *t = tcase_create("tags");

	tcase_add_test(t, a_tag_stays_until_its_key_is_taken_out);
	tcase_add_test(t, an_answer_has_no_tag);
	suite_add_tcase(s, t);
	return s;
}
