/*
 * Hexadecimal and base64: the vectors of RFC 4648 10, pieces, and a full writer.
 */
#include "base/encode.h"

#include <check.h>

Suite *suite_base_encode(void);

static const struct vector {
	struct slice bytes, hex, base64;
} vectors[] = {
	{ SLICE_INIT(""), SLICE_INIT(""), SLICE_INIT("") },
	{ SLICE_INIT("f"), SLICE_INIT("66"), SLICE_INIT("Zg==") },
	{ SLICE_INIT("fo"), SLICE_INIT("666f"), SLICE_INIT("Zm8=") },
	{ SLICE_INIT("foo"), SLICE_INIT("666f6f"), SLICE_INIT("Zm9v") },
	{ SLICE_INIT("foob"), SLICE_INIT("666f6f62"), SLICE_INIT("Zm9vYg==") },
	{ SLICE_INIT("fooba"), SLICE_INIT("666f6f6261"), SLICE_INIT("Zm9vYmE=") },
	{ SLICE_INIT("foobar"), SLICE_INIT("666f6f626172"), SLICE_INIT("Zm9vYmFy") },
	{ SLICE_INIT("\xFB\xFF\xFE\x00"), SLICE_INIT("fbfffe00"), SLICE_INIT("+//+AA==") },
};

START_TEST(encodings_match_the_vectors)
{
	const struct vector *v = &vectors[_i];
	char memory[32];
	struct writer w = writer_over(memory, sizeof(memory));

	encode_hex(&w, v->bytes);
	ck_assert(!w.is_full && slice_eq(writer_slice(&w), v->hex));
	w = writer_over(memory, sizeof(memory));
	encode_base64(&w, v->bytes);
	ck_assert(!w.is_full && slice_eq(writer_slice(&w), v->base64));
	ck_assert_uint_eq(encode_base64_length(v->bytes.len), v->base64.len);
}
END_TEST

START_TEST(pieces_of_three_join_into_one_text)
{
	char memory[32];
	struct writer w = writer_over(memory, sizeof(memory));

	encode_base64(&w, SLICE("foo"));
	encode_base64(&w, SLICE("ba"));
	ck_assert(slice_eq(writer_slice(&w), SLICE("Zm9vYmE=")));
}
END_TEST

START_TEST(what_does_not_fit_fills_the_writer)
{
	char memory[7];
	struct writer w = writer_over(memory, sizeof(memory));

	encode_base64(&w, SLICE("foob"));
	ck_assert(w.is_full);
	ck_assert_uint_eq(w.len, 4);
	w = writer_over(memory, sizeof(memory));
	encode_hex(&w, SLICE("foob"));
	ck_assert(w.is_full);
}
END_TEST

START_TEST(length_does_not_wrap_round)
{
	ck_assert(encode_base64_length(SIZE_MAX) == SIZE_MAX);
	ck_assert(encode_base64_length(SIZE_MAX / 4 * 3 - 2) < SIZE_MAX);
}
END_TEST

Suite *
suite_base_encode(void)
{
	Suite *s = suite_create("base/encode");
	TCase *t = tcase_create("encode");

	tcase_add_loop_test(t, encodings_match_the_vectors, 0,
			    (int)(sizeof(vectors) / sizeof(vectors[0])));
	tcase_add_test(t, pieces_of_three_join_into_one_text);
	tcase_add_test(t, what_does_not_fit_fills_the_writer);
	tcase_add_test(t, length_does_not_wrap_round);
	suite_add_tcase(s, t);
	return s;
}
