/*
 * Lists of processors: what is one, how it is written, and who gets which.
 */
#include "base/cpus.h"

#include <check.h>

Suite *suite_base_cpus(void);

static struct cpus
parsed(const char *text)
{
	struct cpus c = { { 0 } };

	ck_assert_int_eq(cpus_parse(&c, slice_of(text)), 0);
	return c;
}

static void
expect(const struct cpus *c, const char *text)
{
	char written[256];
	struct writer w = writer_over(written, sizeof(written));

	cpus_write(c, &w);
	writer_char(&w, '\0');
	ck_assert(!w.is_full);
	ck_assert_str_eq(written, text);
}

static const struct {
	const char *text, *written;
} lists[] = {
	{ "0", "0" },
	{ "2-5", "2-5" },
	{ "0-3,7", "0-3,7" },
	{ "7,0,1,1-2", "0-2,7" },
	{ " 3 ,\n\t1,", "1,3" },
	{ "0-6:2", "0,2,4,6" },
	{ "0-5:4,63-64", "0,4,63-64" },
	{ "0-1023", "0-1023" },
	{ "4-4", "4" },
	{ "00012", "12" },
};

START_TEST(a_list_is_read_as_taskset_reads_it)
{
	struct cpus c = parsed(lists[_i].text);

	expect(&c, lists[_i].written);
}
END_TEST

static const struct {
	const char *text;
	int err;
} wrong[] = {
	{ "", ERR_SYNTAX },
	{ ",", ERR_SYNTAX },
	{ "0,,1", ERR_SYNTAX },
	{ "-1", ERR_SYNTAX },
	{ "3-", ERR_SYNTAX },
	{ "3-1", ERR_SYNTAX },
	{ "1-2-3", ERR_SYNTAX },
	{ "0-3:", ERR_SYNTAX },
	{ "0-3:0", ERR_SYNTAX },
	{ "3:1", ERR_SYNTAX },
	{ "0x3", ERR_SYNTAX },
	{ "0 1", ERR_SYNTAX },
	{ "all", ERR_SYNTAX },
	{ "1024", ERR_TOO_LARGE },
	{ "0-99999999999999999999", ERR_TOO_LARGE },
	{ "0-3:18446744073709551615", ERR_TOO_LARGE },
};

START_TEST(anything_else_is_no_list_and_changes_nothing)
{
	struct cpus c = parsed("5");

	ck_assert_int_eq(cpus_parse(&c, slice_of(wrong[_i].text)), wrong[_i].err);
	expect(&c, "5");
}
END_TEST

START_TEST(members_are_found_and_counted)
{
	struct cpus none = { { 0 } }, c = parsed("1,64,1023");

	ck_assert(cpus_is_empty(&none) && !cpus_is_empty(&c));
	expect(&none, "");
	ck_assert_uint_eq(cpus_count(&c), 3);
	ck_assert(cpus_has(&c, 64) && !cpus_has(&c, 63) && !cpus_has(&c, CPUS_MAX));
	ck_assert_uint_eq(cpus_at(&c, 0), 1);
	ck_assert_uint_eq(cpus_at(&c, 2), 1023);
	ck_assert_uint_eq(cpus_at(&c, 3), CPUS_MAX);
}
END_TEST

START_TEST(two_sets_are_compared_by_their_members)
{
	struct cpus a = parsed("0-3,70"), b = parsed("2-5,70"), c;

	c = cpus_both(&a, &b);
	expect(&c, "2-3,70");
	c = cpus_without(&a, &b);
	expect(&c, "0-1");
	ck_assert(!cpus_eq(&a, &b) && cpus_eq(&a, &a));
}
END_TEST

START_TEST(each_has_one_of_its_own_if_there_are_as_many)
{
	struct cpus c = parsed("2,5-6"), share;

	share = cpus_share(&c, 0, 3);
	expect(&share, "2");
	share = cpus_share(&c, 2, 3);
	expect(&share, "6");
	share = cpus_share(&c, 1, 2);
	expect(&share, "5");
}
END_TEST

START_TEST(else_all_share_them)
{
	struct cpus c = parsed("2,5-6"), share;

	share = cpus_share(&c, 0, 4);
	expect(&share, "2,5-6");
	/* Who is beyond the last, as one that leaves, has all, too. */
	share = cpus_share(&c, 2, 2);
	expect(&share, "2,5-6");
}
END_TEST

Suite *
suite_base_cpus(void)
{
	Suite *s = suite_create("base/cpus");
	TCase *t = tcase_create("cpus");

	suite_add_tcase(s, t);
	tcase_add_loop_test(t, a_list_is_read_as_taskset_reads_it, 0,
			    sizeof(lists) / sizeof(lists[0]));
	tcase_add_loop_test(t, anything_else_is_no_list_and_changes_nothing, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, members_are_found_and_counted);
	tcase_add_test(t, two_sets_are_compared_by_their_members);
	tcase_add_test(t, each_has_one_of_its_own_if_there_are_as_many);
	tcase_add_test(t, else_all_share_them);
	return s;
}
