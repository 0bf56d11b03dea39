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

/* RFC 9111 3.2, and RFC 9110 6.6.1: one that does not say when it was made was made now. */
START_TEST(a_head_is_brought_up_to_date)
{
	struct field at[3], told[2];
	struct response answer = { .status = 200, .fields = { at, 0, 3 } };
	struct fields said = { told, 0, 2 };
	const struct freshness fresh = { .may_store = true };
	struct cache_entry *e;
	struct response now;
	struct store store;
	struct arena a;

	store_init(&store);
	arena_init(&a, &store, 4096);
	ck_assert_int_eq(
	    fields_add(&answer.fields, FIELD_DATE, SLICE("Sun, 06 Nov 1994 08:49:37 GMT")), 0);
	ck_assert_int_eq(fields_add(&answer.fields, FIELD_CONTENT_TYPE, SLICE("a/b")), 0);
	ck_assert_int_eq(fields_add(&answer.fields, FIELD_ETAG, SLICE("\"x\"")), 0);
	e = cache_entry_new(SLICE("key"), &answer, &fresh, 0, 0);
	ck_assert_ptr_nonnull(e);
	ck_assert_int_eq(fields_add(&said, FIELD_CONTENT_TYPE, SLICE("c/d")), 0);
	ck_assert_int_eq(fields_add(&said, FIELD_ETAG, SLICE("\"y\"")), 0);
	ck_assert_int_eq(cache_entry_update(e, &said, &a, &now), 0);
	ck_assert_int_eq(now.status, 200);
	ck_assert_uint_eq(now.fields.count, 2);
	ck_assert(slice_eq(fields_find(&now.fields, FIELD_CONTENT_TYPE)->value, SLICE("a/b")));
	ck_assert(slice_eq(fields_find(&now.fields, FIELD_ETAG)->value, SLICE("\"y\"")));
	arena_fini(&a);
	store_fini(&store);
	cache_entry_unref(&e);
}
END_TEST

Suite *
suite_cache_cache(void)
{
	Suite *s = suite_create("cache/cache");
	TCase *t = tcase_create("tags");

	tcase_add_test(t, a_tag_stays_until_its_key_is_taken_out);
	tcase_add_test(t, an_answer_has_no_tag);
	tcase_add_test(t, a_head_is_brought_up_to_date);
	suite_add_tcase(s, t);
	return s;
}
