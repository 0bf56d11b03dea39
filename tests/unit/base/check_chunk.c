/*
 * Chunk lists: bytes stay in order and none is lost or doubled, whatever is
 * moved, split, dropped or refused for want of memory.
 */
#include "base/chunk.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/random.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

Suite *suite_base_chunk(void);

static struct store store;
static struct chunks list, other;

static void
set_up(void)
{
	store_init(&store);
	chunks_init(&list, &store);
	chunks_init(&other, &store);
}

static void
tear_down(void)
{
	mem_fail_at(0, false);
	chunks_clear(&list);
	chunks_clear(&other);
	ck_assert_uint_eq(store.out, 0);
	store_fini(&store);
}

/* The list's bytes as a string; also checks that `bytes` and the tail agree. */
static const char *
text_of(const struct chunks *l)
{
	static char text[4096];
	size_t n = chunks_copy_out(l, text, sizeof(text) - 1), sum = 0;

	for (const struct chunk *c = l->head; c; c = c->next) {
		ck_assert_uint_gt(c->len, 0);
		sum += c->len;
	}
	ck_assert_uint_eq(l->bytes, sum);
	ck_assert_ptr_null(*l->tail);
	text[n] = '\0';
	return text;
}

static void *
heap_text(const char *text)
{
	return mem_copy_text(text);
}

static void
add_one_of_each(struct chunks *l)
{
	struct block *b = block_take(&store, 0);
	char *heap = heap_text("heap");

	memcpy(b->at, "block", 5);
	ck_assert_int_eq(chunks_add_static(l, SLICE("static ")), 0);
	ck_assert_int_eq(chunks_add_block(l, b, slice_make(b->at, 5)), 0);
	ck_assert_int_eq(chunks_add_arena(l, SLICE(" arena ")), 0);
	ck_assert_int_eq(chunks_add_heap(l, heap, slice_of(heap)), 0);
	block_unref(b);
}

START_TEST(chunks_of_all_kinds_keep_their_order)
{
	add_one_of_each(&list);
	ck_assert_str_eq(text_of(&list), "static block arena heap");
	ck_assert(!chunks_is_empty(&list));
	chunks_clear(&list);
	ck_assert(chunks_is_empty(&list));
	ck_assert_str_eq(text_of(&list), "");
}
END_TEST

START_TEST(adding_nothing_takes_nothing)
{
	struct block *b = block_take(&store, 0);

	mem_fail_at(1, true);
	ck_assert_int_eq(chunks_add_static(&list, SLICE("")), 0);
	ck_assert_int_eq(chunks_add_block(&list, b, slice_make(b->at, 0)), 0);
	ck_assert_int_eq(chunks_add_copy(&list, slice_make(NULL, 0)), 0);
	mem_fail_at(0, false);
	ck_assert_int_eq(chunks_add_heap(&list, heap_text("x"), SLICE("")), 0); /* freed */
	ck_assert_uint_eq(b->refs, 1);
	ck_assert(chunks_is_empty(&list));
	block_unref(b);
}
END_TEST

START_TEST(move_appends_and_leaves_an_empty_usable_list)
{
	add_one_of_each(&list);
	ck_assert_int_eq(chunks_add_static(&other, SLICE("first ")), 0);
	chunks_move(&other, &list);
	chunks_move(&other, &list); /* nothing to move */
	ck_assert_str_eq(text_of(&other), "first static block arena heap");
	ck_assert_str_eq(text_of(&list), "");
	ck_assert_int_eq(chunks_add_static(&list, SLICE("new")), 0);
	ck_assert_str_eq(text_of(&list), "new");
	ck_assert_str_eq(text_of(&other), "first static block arena heap");
}
END_TEST

START_TEST(cut_falls_anywhere)
{
	static const char whole[] = "static block arena heap";

	for (size_t cut = 0; cut <= sizeof(whole) + 3; cut++) {
		size_t taken = cut < sizeof(whole) - 1 ? cut : sizeof(whole) - 1;

		add_one_of_each(&list);
		ck_assert_int_eq(chunks_move_some(&other, &list, cut), 0);
		ck_assert_uint_eq(other.bytes, taken);
		ck_assert_int_eq(strncmp(text_of(&other), whole, taken), 0);
		ck_assert_str_eq(text_of(&list), whole + taken);
		chunks_move(&other, &list);
		ck_assert_str_eq(text_of(&other), whole);
		chunks_clear(&other);
	}
}
END_TEST

START_TEST(dropped_bytes_are_those_at_the_front)
{
	static const char whole[] = "static block arena heap";

	for (size_t n = 0; n < sizeof(whole); n++) {
		add_one_of_each(&list);
		chunks_drop(&list, n);
		ck_assert_str_eq(text_of(&list), whole + n);
		chunks_clear(&list);
	}
}
END_TEST

START_TEST(split_block_is_released_with_its_last_part)
{
	struct block *b = block_take(&store, 0);

	memcpy(b->at, "abcdef", 6);
	ck_assert_int_eq(chunks_add_block(&list, b, slice_make(b->at, 6)), 0);
	ck_assert_int_eq(chunks_move_some(&other, &list, 2), 0);
	ck_assert_uint_eq(b->refs, 3);
	chunks_clear(&list);
	ck_assert_uint_eq(b->refs, 2);
	ck_assert_str_eq(text_of(&other), "ab");
	chunks_clear(&other);
	ck_assert_uint_eq(b->refs, 1);
	block_unref(b);
}
END_TEST

START_TEST(copy_of_more_than_a_block_is_spread_over_blocks)
{
	size_t len = STORE_BLOCK_BYTES * 2 + 5;
	char *text = mem_alloc(len), *back = mem_alloc(len);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)(i * 7);
	ck_assert_int_eq(chunks_add_copy(&list, slice_make(text, len)), 0);
	ck_assert_uint_eq(list.bytes, len);
	ck_assert_uint_eq(chunks_copy_out(&list, back, len), len);
	ck_assert_mem_eq(back, text, len);
	ck_assert_uint_eq(chunks_copy_out(&list, back, 10), 10);
	mem_free(&text);
	mem_free(&back);
}
END_TEST

static struct chunk_file *
open_file(void)
{
	struct chunk_file *f = mem_alloc(sizeof(*f));

	*f = (struct chunk_file){ .fd = open("/dev/null", O_RDONLY), .refs = 1 };
	ck_assert_int_ge(f->fd, 0);
	return f;
}

START_TEST(file_is_closed_with_its_last_range)
{
	struct chunk_file *f = open_file();
	int fd = f->fd;

	ck_assert_int_eq(chunks_add_file(&list, f, 100, 50), 0);
	ck_assert_int_eq(chunks_move_some(&other, &list, 20), 0);
	ck_assert_int_eq(list.head->offset, 120);
	ck_assert_uint_eq(list.head->len, 30);
	ck_assert_int_eq(other.head->offset, 100);
	ck_assert_uint_eq(other.head->len, 20);
	chunks_drop(&list, 10);
	ck_assert_int_eq(list.head->offset, 130);
	chunks_clear(&list);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	chunks_clear(&other);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(shared_bytes_live_on_both_lists)
{
	struct block *b = block_take(&store, 0);

	memcpy(b->at, "block", 5);
	b->len = 5;
	ck_assert_int_eq(chunks_add_static(&list, SLICE("static ")), 0);
	ck_assert_int_eq(chunks_add_block(&list, b, slice_make(b->at, 5)), 0);
	block_unref(b);
	ck_assert_int_eq(chunks_add_static(&other, SLICE("before ")), 0);
	ck_assert_int_eq(chunks_share(&other, &list), 0);
	ck_assert_str_eq(text_of(&list), "static block");
	chunks_clear(&list);
	ck_assert_str_eq(text_of(&other), "before static block");
}
END_TEST

START_TEST(refused_owned_memory_and_files_are_released)
{
	struct chunk_file *f = open_file();
	char *heap = heap_text("owned");
	int fd = f->fd;

	mem_fail_at(1, true);
	ck_assert_int_eq(chunks_add_heap(&list, heap, slice_make(heap, 5)), ERR_MEMORY);
	ck_assert_int_eq(chunks_add_file(&list, f, 0, 5), ERR_MEMORY);
	ck_assert_int_eq(chunks_add_static(&list, SLICE("a")), ERR_MEMORY);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	ck_assert(chunks_is_empty(&list));
}
END_TEST

/* Empties the free lists, so that what comes next must allocate. */
static void
forget_free_ones(void)
{
	ck_assert_uint_eq(store.out, 0);
	store_fini(&store);
	store_init(&store);
}

START_TEST(what_cannot_be_shared_changes_nothing)
{
	for (unsigned long n = 1; n <= 2; n++) {
		ck_assert_int_eq(chunks_add_static(&list, SLICE("a")), 0);
		ck_assert_int_eq(chunks_add_static(&list, SLICE("b")), 0);
		mem_fail_at(n, true);
		ck_assert_int_eq(chunks_share(&other, &list), ERR_MEMORY);
		mem_fail_at(0, false);
		ck_assert_str_eq(text_of(&other), "");
		ck_assert_str_eq(text_of(&list), "ab");
		chunks_clear(&list);
		forget_free_ones();
	}
	ck_assert_int_eq(chunks_add_heap(&list, heap_text("d"), SLICE("d")), 0);
	ck_assert_int_eq(chunks_share(&other, &list), ERR_UNSUPPORTED);
	ck_assert_uint_eq(other.bytes, 0);
	ck_assert_uint_eq(list.bytes, 1);
}
END_TEST

START_TEST(failed_copy_changes_nothing)
{
	size_t len = STORE_BLOCK_BYTES * 3;
	char *text = mem_zalloc(1, len);

	for (unsigned long n = 1; n <= 6; n++) {
		ck_assert_int_eq(chunks_add_static(&list, SLICE("before")), 0);
		mem_fail_at(n, true);
		ck_assert_int_eq(chunks_add_copy(&list, slice_make(text, len)), ERR_MEMORY);
		mem_fail_at(0, false);
		ck_assert_str_eq(text_of(&list), "before");
		ck_assert_uint_eq(list.bytes, 6);
		chunks_clear(&list);
		forget_free_ones();
	}
	mem_free(&text);
}
END_TEST

START_TEST(failed_move_loses_and_doubles_nothing)
{
	size_t len = STORE_BLOCK_BYTES * 2;

	for (unsigned long n = 1; n <= 4; n++) {
		char *heap = mem_zalloc(1, len);

		ck_assert_int_eq(chunks_add_static(&list, SLICE("static")), 0);
		ck_assert_int_eq(chunks_add_heap(&list, heap, slice_make(heap, len)), 0);
		mem_fail_at(n, true);
		ck_assert_int_eq(chunks_move_some(&other, &list, list.bytes - 1), ERR_MEMORY);
		mem_fail_at(0, false);
		ck_assert_uint_eq(list.bytes + other.bytes, 6 + len);
		ck_assert_int_eq(strncmp(text_of(&other), "static", 6), 0);
		chunks_clear(&list);
		chunks_clear(&other);
		forget_free_ones();
	}
}
END_TEST

/* A plain string that bytes move through, to compare a list with. */
struct model {
	char text[4096];
	size_t len;
};

static void
model_append(struct model *m, const char *text, size_t len)
{
	memcpy(m->text + m->len, text, len);
	m->len += len;
	m->text[m->len] = '\0';
}

static void
model_drop(struct model *m, size_t n)
{
	m->len -= n;
	memmove(m->text, m->text + n, m->len + 1);
}

START_TEST(random_operations_agree_with_plain_strings)
{
	struct model first = { .len = 0 }, second = { .len = 0 };
	struct random r;

	random_init(&r, 42);
	for (int round = 0; round < 5000; round++) {
		size_t n = random_below(&r, 12);

		if (first.len < 1000) {
			add_one_of_each(&list);
			model_append(&first, "static block arena heap", 23);
		}
		if (random_below(&r, 2)) {
			ck_assert_int_eq(chunks_move_some(&other, &list, n), 0);
			model_append(&second, first.text, n);
			model_drop(&first, n);
		} else if (second.len >= n) {
			chunks_drop(&other, n);
			model_drop(&second, n);
		}
		ck_assert_str_eq(text_of(&list), first.text);
		ck_assert_str_eq(text_of(&other), second.text);
		if (second.len > 2000) {
			chunks_clear(&other);
			model_drop(&second, second.len);
		}
	}
}
END_TEST

Suite *
suite_base_chunk(void)
{
	Suite *s = suite_create("base_chunk");
	TCase *t = tcase_create("chunk");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, chunks_of_all_kinds_keep_their_order);
	tcase_add_test(t, adding_nothing_takes_nothing);
	tcase_add_test(t, move_appends_and_leaves_an_empty_usable_list);
	tcase_add_test(t, cut_falls_anywhere);
	tcase_add_test(t, dropped_bytes_are_those_at_the_front);
	tcase_add_test(t, split_block_is_released_with_its_last_part);
	tcase_add_test(t, copy_of_more_than_a_block_is_spread_over_blocks);
	tcase_add_test(t, file_is_closed_with_its_last_range);
	tcase_add_test(t, shared_bytes_live_on_both_lists);
	tcase_add_test(t, what_cannot_be_shared_changes_nothing);
	tcase_add_test(t, refused_owned_memory_and_files_are_released);
	tcase_add_test(t, failed_copy_changes_nothing);
	tcase_add_test(t, failed_move_loses_and_doubles_nothing);
	tcase_add_test(t, random_operations_agree_with_plain_strings);
	suite_add_tcase(s, t);
	return s;
}
