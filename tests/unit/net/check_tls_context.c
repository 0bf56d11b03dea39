/*
 * Contexts: which identity answers to a name, what is refused, and what of a prior
 * context goes on.
 */
#include "net/tls_context.h"

#include "papers.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *suite_net_tls_context(void);

static struct papers papers;

static void
open_papers(void)
{
	papers_open(&papers);
	papers_issue(&papers, "one", "one.example,*.one.example", "EC");
	papers_issue(&papers, "one-rsa", "*.one.example,ONE.example", "RSA");
	papers_issue(&papers, "two", "two.example,x.one.example,*.deep.two.example", "EC");
	papers_issue(&papers, "old.example", "", "EC");
}

static void
close_papers(void)
{
	papers_close(&papers);
}

static const char all[] = "certificate = one.pem, two.pem, one-rsa.pem, old.example.pem\n"
			  "key = one.key, two.key, one-rsa.key, old.example.key\n";

START_TEST(the_most_exact_name_wins_else_the_first)
{
	static const struct {
		const char *name;
		unsigned place;
	} cases[] = {
		{ "one.example", 0 },
		{ "ONE.EXAMPLE", 0 },
		{ "y.one.example", 0 },
		{ "x.one.example", 1 }, /* named, not by a star */
		{ "two.example", 1 },
		{ "a.deep.two.example", 1 },
		{ "a.b.deep.two.example", 0 },
		{ "deep.two.example", 0 },
		{ "old.example", 2 }, /* a common name, for want of others */
		{ "", 0 },
		{ ".", 0 },
		{ "*.deep.two.example", 1 },
		{ "nobody", 0 },
		{ ".two.example", 0 },
	};
	struct tls_context *c = papers_context(&papers, all, NULL);
	char longest[300];

	ck_assert_msg(c != NULL, "%s", papers.said);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(tls_context_choose(c, slice_of(cases[i].name)) == cases[i].place,
			      "%s", cases[i].name);
	memset(longest, 'a', sizeof(longest));
	for (size_t len = 250; len < sizeof(longest); len++)
		ck_assert_uint_eq(tls_context_choose(c, slice_make(longest, len)), 0);
	tls_context_unref(&c);
}
END_TEST

static void
refused(const char *lines, const char *why)
{
	struct tls_context *c = papers_context(&papers, lines, NULL);

	ck_assert_ptr_null(c);
	ck_assert_msg(strstr(papers.said, why) != NULL, "%s", papers.said);
}

START_TEST(a_key_must_fit_its_certificate)
{
	refused("certificate = one.pem\nkey = two.key\n", "two.key: it is not the key of the");
	refused("certificate = one.pem\nkey = one-rsa.key\n", "it is not the key of the");
	refused("certificate = one.pem\nkey = one.pem\n", "there is no private key");
	refused("certificate = one.key\nkey = one.key\n", "there is no certificate");
	refused("certificate = one.pem\nkey = none.key\n", "none.key: No such file");
	refused("certificate = one.pem, two.pem\nkey = one.key\n", "1 keys for 2 certificates");
	refused("certificate = one.pem, one.pem\nkey = one.key, one.key\n",
		"the same names and the same kind of key");
}
END_TEST

START_TEST(all_that_is_wrong_comes_in_one_run)
{
	refused("certificate = none.pem, two.pem, one.key\nkey = one.key, one.key, one.key\n",
		"two.pem");
	ck_assert_ptr_nonnull(strstr(papers.said, "none.pem: No such file"));
	ck_assert_ptr_nonnull(strstr(papers.said, "one.key: there is no certificate"));
}
END_TEST

START_TEST(ciphers_are_of_both_versions)
{
	struct tls_context *c;
	const char *good = "certificate = one.pem\nkey = one.key\nciphers = "
			   "TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256\n";

	c = papers_context(&papers, good, NULL);
	ck_assert_msg(c != NULL, "%s", papers.said);
	tls_context_unref(&c);
	refused("certificate = one.pem\nkey = one.key\nciphers = TLS_NONE\n", "is no list");
	refused("certificate = one.pem\nkey = one.key\nciphers = NONE-SUCH\n", "is no list");
}
END_TEST

START_TEST(a_context_lives_until_its_last_user)
{
	struct tls_context *c = papers_context(&papers, all, NULL), *same;

	ck_assert_msg(c != NULL, "%s", papers.said);
	same = tls_context_ref(c);
	tls_context_unref(&c);
	ck_assert_ptr_null(c);
	ck_assert_uint_eq(tls_context_choose(same, SLICE("two.example")), 1);
	c = papers_context(&papers, all, same);
	tls_context_rotate(same);
	tls_context_unref(&same);
	tls_context_rotate(c); /* whose keys are shared */
	tls_context_unref(&c);
}
END_TEST

Suite *
suite_net_tls_context(void)
{
	Suite *s = suite_create("net/tls_context");
	TCase *t = tcase_create("tls_context");

	tcase_add_checked_fixture(t, open_papers, close_papers);
	tcase_add_test(t, the_most_exact_name_wins_else_the_first);
	tcase_add_test(t, a_key_must_fit_its_certificate);
	tcase_add_test(t, all_that_is_wrong_comes_in_one_run);
	tcase_add_test(t, ciphers_are_of_both_versions);
	tcase_add_test(t, a_context_lives_until_its_last_user);
	suite_add_tcase(s, t);
	return s;
}
