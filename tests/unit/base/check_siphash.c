/*
 * SipHash: the paper's own example, and lengths around a word's.
 */
#include "base/siphash.h"

#include <check.h>

Suite *suite_base_siphash(void);

/* Appendix A: the key is 00 01 ... 0f, texts are 00 01 02 ... */
static const struct siphash_key key = { { UINT64_C(0x0706050403020100),
					  UINT64_C(0x0f0e0d0c0b0a0908) } };

START_TEST(example_of_the_paper)
{
	char text[15];

	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (char)i;
	ck_assert_uint_eq(siphash(&key, slice_make(text, sizeof(text))),
			  UINT64_C(0xa129ca6149be45e5));
	/* The first of its authors' test vectors: no text at all. */
	ck_assert_uint_eq(siphash(&key, SLICE("")), UINT64_C(0x726fdb47dd0e0e31));
}
END_TEST

START_TEST(every_byte_and_the_length_count)
{
	char text[32] = { 0 };

	for (size_t len = 1; len <= sizeof(text); len++) {
		uint64_t before = siphash(&key, slice_make(text, len));

		ck_assert_uint_ne(before, siphash(&key, slice_make(text, len - 1)));
		for (size_t i = 0; i < len; i++) {
			text[i] = 1;
			ck_assert_uint_ne(before, siphash(&key, slice_make(text, len)));
			text[i] = 0;
		}
	}
}
END_TEST

START_TEST(key_counts)
{
	struct siphash_key other = key;

	other.half[1] ^= 1;
	ck_assert_uint_ne(siphash(&key, SLICE("a")), siphash(&other, SLICE("a")));
}
END_TEST

Suite *
suite_base_siphash(void)
{
	Suite *s = suite_create("base/siphash");
	TCase *t = tcase_create("siphash");

	tcase_add_test(t, example_of_the_paper);
	tcase_add_test(t, every_byte_and_the_length_count);
	tcase_add_test(t, key_counts);
	suite_add_tcase(s, t);
	return s;
}
