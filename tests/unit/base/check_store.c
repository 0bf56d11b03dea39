/*
 * Free lists: reuse, bounds on what is kept, counting what is out.
 */
#include "base/chunk.h"
#include "base/mem.h"
#include "base/store.h"

#include <check.h>

Suite *suite_base_store(void);

START_TEST(returned_block_is_used_again)
{
	struct store s;
	struct block *first, *again;

	store_init(&s);
	first = block_take(&s, 0);
	ck_assert_uint_eq(first->refs, 1);
	ck_assert_uint_eq(first->cap, STORE_BLOCK_BYTES);
	first->len = 100;
	block_unref(first);
	again = block_take(&s, 0);
	ck_assert_ptr_eq(again, first);
	ck_assert_uint_eq(again->len, 0);
	ck_assert_uint_eq(block_room(again), STORE_BLOCK_BYTES);
	block_unref(again);
	store_fini(&s);
}
END_TEST

START_TEST(block_lives_until_its_last_user_is_gone)
{
	struct store s;
	struct block *b;

	store_init(&s);
	b = block_ref(block_take(&s, 0));
	block_unref(b);
	ck_assert_uint_eq(s.out, 1);
	b->at[0] = 'x'; /* still ours: ASan would say if not */
	block_unref(b);
	ck_assert_uint_eq(s.out, 0);
	store_fini(&s);
}
END_TEST

START_TEST(large_block_is_not_kept)
{
	struct store s;
	struct block *b;

	store_init(&s);
	b = block_take(&s, STORE_BLOCK_BYTES + 1);
	ck_assert_uint_ge(b->cap, STORE_BLOCK_BYTES + 1);
	block_unref(b);
	ck_assert_uint_eq(s.kept_blocks, 0);
	ck_assert_uint_eq(s.out, 0);
	ck_assert_ptr_null(block_take(&s, SIZE_MAX));
	ck_assert_ptr_null(block_take(&s, UINT32_MAX));
	store_fini(&s);
}
END_TEST

START_TEST(burst_does_not_stay_in_memory)
{
	enum { BURST = STORE_KEEP_BLOCKS + 10 };
	struct block *blocks[BURST];
	void *pages[STORE_KEEP_PAGES + 3];
	struct chunk *chunks[STORE_KEEP_CHUNKS + 3];
	struct store s;

	store_init(&s);
	for (size_t i = 0; i < BURST; i++)
		blocks[i] = block_take(&s, 0);
	for (size_t i = 0; i < STORE_KEEP_PAGES + 3; i++)
		pages[i] = store_take_page(&s);
	for (size_t i = 0; i < STORE_KEEP_CHUNKS + 3; i++)
		chunks[i] = store_take_chunk(&s);
	ck_assert_uint_eq(s.out, BURST + STORE_KEEP_PAGES + 3 + STORE_KEEP_CHUNKS + 3);
	for (size_t i = 0; i < BURST; i++)
		block_unref(blocks[i]);
	for (size_t i = 0; i < STORE_KEEP_PAGES + 3; i++)
		store_give_page(&s, pages[i]);
	for (size_t i = 0; i < STORE_KEEP_CHUNKS + 3; i++)
		store_give_chunk(&s, chunks[i]);
	ck_assert_uint_eq(s.kept_blocks, STORE_KEEP_BLOCKS);
	ck_assert_uint_eq(s.kept_pages, STORE_KEEP_PAGES);
	ck_assert_uint_eq(s.kept_chunks, STORE_KEEP_CHUNKS);
	ck_assert_uint_eq(s.out, 0);
	store_fini(&s);
}
END_TEST

START_TEST(without_memory_nothing_is_counted_out)
{
	struct store s;

	store_init(&s);
	mem_fail_at(1, true);
	ck_assert_ptr_null(block_take(&s, 0));
	ck_assert_ptr_null(store_take_page(&s));
	ck_assert_ptr_null(store_take_chunk(&s));
	mem_fail_at(0, false);
	ck_assert_uint_eq(s.out, 0);
	store_fini(&s);
}
END_TEST

Suite *
suite_base_store(void)
{
	Suite *s = suite_create("base_store");
	TCase *t = tcase_create("store");

	tcase_add_test(t, returned_block_is_used_again);
	tcase_add_test(t, block_lives_until_its_last_user_is_gone);
	tcase_add_test(t, large_block_is_not_kept);
	tcase_add_test(t, burst_does_not_stay_in_memory);
	tcase_add_test(t, without_memory_nothing_is_counted_out);
	suite_add_tcase(s, t);
	return s;
}
