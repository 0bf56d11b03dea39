/*
 * The memory of verdicts: bounded, timed, and of two kinds that do not disturb each other.
 */
#include "auth/recall.h"

#include "bench.h"

Suite *suite_auth_recall(void);

enum { ENTRIES = 64, MANY = 4096 };

static struct recall *recall;

static void
open_recall(void)
{
	recall = recall_new(ENTRIES);
	ck_assert_ptr_nonnull(recall);
}

static void
close_recall(void)
{
	recall_free(&recall);
	ck_assert_ptr_null(recall);
	recall_free(&recall);
}

static struct recall_digest
digest_of(unsigned i)
{
	struct recall_digest d;
	char text[16];
	struct writer w = writer_over(text, sizeof(text));

	writer_u64(&w, i);
	ck_assert_int_eq(recall_hash(recall, writer_slice(&w), &d), 0);
	return d;
}

/* Of the digests of 0 to MANY - 1. */
static unsigned
count_known(enum recall_verdict verdict)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MANY; i++) {
		struct recall_digest d = digest_of(i);

		count += recall_find(recall, &d, 100) == verdict;
	}
	return count;
}

START_TEST(verdicts_are_known_until_their_time)
{
	struct recall_digest a = digest_of(1), b = digest_of(2), c = digest_of(3);

	recall_keep(recall, &a, RECALL_RIGHT, 100, 200);
	recall_keep(recall, &b, RECALL_WRONG, 100, 150);
	ck_assert_int_eq(recall_find(recall, &a, 199), RECALL_RIGHT);
	ck_assert_int_eq(recall_find(recall, &a, 200), RECALL_UNKNOWN);
	ck_assert_int_eq(recall_find(recall, &b, 149), RECALL_WRONG);
	ck_assert_int_eq(recall_find(recall, &b, 150), RECALL_UNKNOWN);
	ck_assert_int_eq(recall_find(recall, &c, 100), RECALL_UNKNOWN);
	recall_keep(recall, &c, RECALL_RIGHT, 100, 100);
	recall_keep(recall, &c, RECALL_UNKNOWN, 100, 200);
	ck_assert_int_eq(recall_find(recall, &c, 100), RECALL_UNKNOWN);
}
END_TEST

START_TEST(the_same_again_takes_no_second_place)
{
	struct recall_digest first, a;

	/* Of one set: a second place would be that of the first to end. */
	recall_free(&recall);
	recall = recall_new(1);
	ck_assert_ptr_nonnull(recall);
	first = digest_of(0);
	a = digest_of(1);
	recall_keep(recall, &first, RECALL_RIGHT, 100, 150);
	for (uint64_t until = 200; until < 300; until++)
		recall_keep(recall, &a, RECALL_RIGHT, 100, until);
	ck_assert_int_eq(recall_find(recall, &a, 298), RECALL_RIGHT);
	ck_assert_int_eq(recall_find(recall, &first, 149), RECALL_RIGHT);
}
END_TEST

/* Whoever tries passwords must not make everybody else's be verified anew. */
START_TEST(wrong_ones_never_drive_out_right_ones)
{
	struct recall_digest right = digest_of(0);

	recall_keep(recall, &right, RECALL_RIGHT, 100, 200);
	for (unsigned i = 1; i < MANY; i++) {
		struct recall_digest d = digest_of(i);

		recall_keep(recall, &d, RECALL_WRONG, 100, 1000000);
	}
	ck_assert_int_eq(recall_find(recall, &right, 150), RECALL_RIGHT);
	ck_assert_uint_le(count_known(RECALL_WRONG), ENTRIES);
	ck_assert_uint_gt(count_known(RECALL_WRONG), ENTRIES / 2);
}
END_TEST

START_TEST(of_a_full_set_the_first_to_end_is_forgotten)
{
	for (unsigned i = 0; i < MANY; i++) {
		struct recall_digest d = digest_of(i);

		recall_keep(recall, &d, RECALL_RIGHT, 100, 200 + i);
		ck_assert_int_eq(recall_find(recall, &d, 100), RECALL_RIGHT);
	}
	ck_assert_uint_eq(count_known(RECALL_RIGHT), ENTRIES);
}
END_TEST

START_TEST(each_memory_has_a_key_of_its_own)
{
	struct recall *other = recall_new(ENTRIES);
	struct recall_digest a = digest_of(1), again = digest_of(1), b;

	ck_assert_ptr_nonnull(other);
	ck_assert_int_eq(recall_hash(other, SLICE("1"), &b), 0);
	ck_assert_mem_eq(a.at, again.at, sizeof(a.at));
	ck_assert_mem_ne(a.at, b.at, sizeof(a.at));
	recall_free(&other);
}
END_TEST

Suite *
suite_auth_recall(void)
{
	Suite *s = suite_create("auth/recall");
	TCase *t = tcase_create("verdicts");

	tcase_add_checked_fixture(t, open_recall, close_recall);
	tcase_add_test(t, verdicts_are_known_until_their_time);
	tcase_add_test(t, the_same_again_takes_no_second_place);
	tcase_add_test(t, wrong_ones_never_drive_out_right_ones);
	tcase_add_test(t, of_a_full_set_the_first_to_end_is_forgotten);
	tcase_add_test(t, each_memory_has_a_key_of_its_own);
	suite_add_tcase(s, t);
	return s;
}
