/*
 * Base64 the other way: the vectors of RFC 4648 10, and every text that is not the one form of its
 * bytes.
 */
#include "base/decode.h"

#include "base/encode.h"

#include <check.h>

Suite *suite_base_decode(void);

static const struct vector {
	struct slice bytes, padded, url;
} vectors[] = {
	{ SLICE_INIT(""), SLICE_INIT(""), SLICE_INIT("") },
	{ SLICE_INIT("f"), SLICE_INIT("Zg=="), SLICE_INIT("Zg") },
	{ SLICE_INIT("fo"), SLICE_INIT("Zm8="), SLICE_INIT("Zm8") },
	{ SLICE_INIT("foo"), SLICE_INIT("Zm9v"), SLICE_INIT("Zm9v") },
	{ SLICE_INIT("foob"), SLICE_INIT("Zm9vYg=="), SLICE_INIT("Zm9vYg") },
	{ SLICE_INIT("foobar"), SLICE_INIT("Zm9vYmFy"), SLICE_INIT("Zm9vYmFy") },
	{ SLICE_INIT("\xFB\xFF\xFE\x00"), SLICE_INIT("+//+AA=="), SLICE_INIT("-__-AA") },
};

START_TEST(vectors_are_decoded)
{
	const struct vector *v = &vectors[_i];
	char memory[32];
	struct slice bytes;

	ck_assert_int_eq(decode_base64(v->padded, memory, &bytes), 0);
	ck_assert(slice_eq(bytes, v->bytes));
	ck_assert_int_eq(decode_base64url(v->url, memory, &bytes), 0);
	ck_assert(slice_eq(bytes, v->bytes));
}
END_TEST

static const char *const wrong_padded[] = {
	"=",     "==",    "====",     "Z",          "Zg",       "Zg=",
	"Zm8",   "Zh==",  "Zm9=",     "Z===",       "Zg==Zg==", "Zm9v\n",
	"Zm 9v", "Zm9v=", "-__-AA==", "Zm9vYg==\n", "Zg==A===", "\xc3\xa9==",
};

START_TEST(another_form_than_the_padded_one_is_refused)
{
	char memory[32];
	struct slice bytes;

	ck_assert_int_eq(decode_base64(slice_of(wrong_padded[_i]), memory, &bytes), ERR_SYNTAX);
}
END_TEST

static const char *const wrong_url[] = { "Z",     "Zg==",   "Zh",    "Zm9",
					 "Zm9vY", "+//+AA", "Zm9v ", "Zm.v" };

START_TEST(another_form_than_the_bare_one_is_refused)
{
	char memory[32];
	struct slice bytes;

	ck_assert_int_eq(decode_base64url(slice_of(wrong_url[_i]), memory, &bytes), ERR_SYNTAX);
}
END_TEST

/* Of all texts of four digits, those that decode are those that are encoded again. */
START_TEST(what_decodes_is_what_is_encoded)
{
	static const char digits[] = "AQgw/+9=";
	unsigned decoded = 0;

	for (unsigned n = 0; n < 8 * 8 * 8 * 8; n++) {
		char text[4] = { digits[n & 7], digits[n >> 3 & 7], digits[n >> 6 & 7],
				 digits[n >> 9 & 7] };
		char memory[8], again[8];
		struct writer w = writer_over(again, sizeof(again));
		struct slice bytes;

		if (decode_base64(slice_make(text, 4), memory, &bytes) != 0)
			continue;
		decoded++;
		encode_base64(&w, bytes);
		ck_assert(slice_eq(writer_slice(&w), slice_make(text, 4)));
	}
	/* 7 digits: all of four; of three and '=', and of two and '==', those whose last has the
	 * low bits clear. */
	ck_assert_uint_gt(decoded, 7 * 7 * 7 * 7);
}
END_TEST

Suite *
suite_base_decode(void)
{
	Suite *s = suite_create("base/decode");
	TCase *t = tcase_create("base64");

	tcase_add_loop_test(t, vectors_are_decoded, 0, sizeof(vectors) / sizeof(vectors[0]));
	tcase_add_loop_test(t, another_form_than_the_padded_one_is_refused, 0,
			    sizeof(wrong_padded) / sizeof(wrong_padded[0]));
	tcase_add_loop_test(t, another_form_than_the_bare_one_is_refused, 0,
			    sizeof(wrong_url) / sizeof(wrong_url[0]));
	tcase_add_test(t, what_decodes_is_what_is_encoded);
	suite_add_tcase(s, t);
	return s;
}
