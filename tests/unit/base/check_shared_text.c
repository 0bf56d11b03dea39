/*
 * Texts that several keep alive. That the last user frees it is seen by the sanitizer.
 */
#include "base/mem.h"
#include "base/shared_text.h"

#include <check.h>
#include <string.h>

Suite *suite_base_shared_text(void);

static void
fill(struct buffer *b, size_t n)
{
	static char text[2 * SHARED_TEXT_LEAST];

	memset(text, 'x', n);
	buffer_init(b, sizeof(text));
	buffer_put(b, slice_make(text, n));
}

START_TEST(what_is_long_is_taken_without_a_copy)
{
	struct buffer b;
	struct shared_text *t, *other;
	const char *at;

	fill(&b, SHARED_TEXT_LEAST);
	at = b.at;
	t = other = shared_text_take(&b);
	ck_assert_ptr_nonnull(t);
	ck_assert_ptr_eq(t->text.at, at);
	ck_assert_uint_eq(t->text.len, SHARED_TEXT_LEAST);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_uint_eq(b.limit, (size_t)2 * SHARED_TEXT_LEAST);
	ref_take(&t->ref);
	shared_text_drop(&t);
	ck_assert_ptr_null(t);
	ck_assert_int_eq(other->text.at[SHARED_TEXT_LEAST - 1], 'x');
	shared_text_drop(&other);
	shared_text_drop(&other);
	buffer_fini(&b);
}
END_TEST

START_TEST(what_is_short_stays_where_it_is)
{
	struct buffer b;

	fill(&b, SHARED_TEXT_LEAST - 1);
	ck_assert_ptr_null(shared_text_take(&b));
	ck_assert_uint_eq(b.len, SHARED_TEXT_LEAST - 1);
	buffer_fini(&b);
}
END_TEST

START_TEST(without_memory_it_stays_where_it_is)
{
	struct buffer b;

	fill(&b, SHARED_TEXT_LEAST);
	mem_fail_at(1, true);
	ck_assert_ptr_null(shared_text_take(&b));
	mem_fail_at(0, false);
	ck_assert_uint_eq(b.len, SHARED_TEXT_LEAST);
	buffer_fini(&b);
}
END_TEST

START_TEST(it_holds_what_lies_in_it)
{
	struct buffer b;
	struct shared_text *t;

	fill(&b, SHARED_TEXT_LEAST);
	t = shared_text_take(&b);
	ck_assert(shared_text_holds(t, t->text));
	ck_assert(shared_text_holds(t, slice_make(t->text.at + 7, 3)));
	ck_assert(!shared_text_holds(t, slice_make(t->text.at + t->text.len - 2, 3)));
	ck_assert(!shared_text_holds(t, SLICE("elsewhere")));
	ck_assert(!shared_text_holds(NULL, SLICE("elsewhere")));
	shared_text_drop(&t);
	buffer_fini(&b);
}
END_TEST

Suite *
suite_base_shared_text(void)
{
	Suite *s = suite_create("base_shared_text");
	TCase *t = tcase_create("shared_text");

	tcase_add_test(t, what_is_long_is_taken_without_a_copy);
	tcase_add_test(t, what_is_short_stays_where_it_is);
	tcase_add_test(t, without_memory_it_stays_where_it_is);
	tcase_add_test(t, it_holds_what_lies_in_it);
	suite_add_tcase(s, t);
	return s;
}
