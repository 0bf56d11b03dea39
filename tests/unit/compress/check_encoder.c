/*
 * Encoders: what comes out means what went in, whatever the pieces, and lack of
 * memory is told.
 */
#include "compress/encoder.h"

#include "base/mem.h"
#include "decode.h"

#include <check.h>

Suite *suite_compress_encoder(void);

enum { TEXT_BYTES = 200000, OUT_BYTES = 1 << 20 };

static char text[TEXT_BYTES], back[TEXT_BYTES + 1];

/* Half words, half noise, always the same. */
static void
make_text(void)
{
	uint32_t seed = 7;

	for (size_t i = 0; i < TEXT_BYTES; i++) {
		seed = seed * 1664525 + 1013904223;
		text[i] = (i / 1000) % 2 ? (char)(seed >> 24) : "some words, "[(seed >> 24) % 12];
	}
}

/* The encoders of this build: i in 0..2; NULL: none. */
static const struct encoder_ops *
ops_at(int i)
{
	return encoder_ops_of((enum coding)(CODING_GZIP + i));
}

static void
run(struct encoder *e, size_t from, size_t bytes, enum encoder_mode mode, struct buffer *out)
{
	ck_assert_int_eq(e->ops->run(e, slice_make(text + from, bytes), mode, out), 0);
}

static void
assert_means(enum coding c, const struct buffer *out, size_t bytes, bool is_whole)
{
	bool whole;
	size_t n;

	if (!decode_can(c))
		return;
	n = decode(c, buffer_slice(out), back, sizeof(back), &whole);
	ck_assert_uint_eq(n, bytes);
	ck_assert_mem_eq(back, text, bytes);
	ck_assert_int_eq(whole, is_whole);
}

START_TEST(a_body_in_pieces_comes_back_as_it_went_in)
{
	static const size_t pieces[] = { 1, 333, 4096, 65536, TEXT_BYTES };
	const struct encoder_ops *ops = ops_at(_i);

	for (size_t k = 0; ops && k < sizeof(pieces) / sizeof(pieces[0]); k++) {
		struct encoder *e = ops->open(ops->standard, k % 2 ? TEXT_BYTES : 0);
		struct buffer out;

		ck_assert_ptr_nonnull(e);
		buffer_init(&out, OUT_BYTES);
		for (size_t at = 0; at < TEXT_BYTES; at += pieces[k]) {
			size_t left = TEXT_BYTES - at;
			bool is_last = left <= pieces[k];

			run(e, at, is_last ? left : pieces[k],
			    is_last ? ENCODER_END : ENCODER_GO_ON, &out);
		}
		assert_means(ops->coding, &out, TEXT_BYTES, true);
		buffer_fini(&out);
		e->ops->close(e);
	}
}
END_TEST

START_TEST(what_was_flushed_can_be_decoded)
{
	const struct encoder_ops *ops = ops_at(_i);
	struct encoder *e = ops ? ops->open(ops->standard, 0) : NULL;
	struct buffer out;

	if (!e)
		return;
	buffer_init(&out, OUT_BYTES);
	for (size_t at = 0; at < 2000; at += 100) {
		run(e, at, 50, ENCODER_GO_ON, &out);
		run(e, at + 50, 50, ENCODER_FLUSH, &out);
		assert_means(ops->coding, &out, at + 100, false);
		run(e, at + 100, 0, ENCODER_FLUSH, &out);
	}
	run(e, 2000, 0, ENCODER_END, &out);
	assert_means(ops->coding, &out, 2000, true);
	buffer_fini(&out);
	e->ops->close(e);
}
END_TEST

START_TEST(one_that_is_used_again_is_as_new)
{
	const struct encoder_ops *ops = ops_at(_i);
	struct encoder *e = ops ? ops->open(ops->most, 0) : NULL;
	struct encoder *fresh = ops ? ops->open(ops->least, 5000) : NULL;
	struct buffer out, expected;

	if (!e)
		return;
	buffer_init(&out, OUT_BYTES);
	buffer_init(&expected, OUT_BYTES);
	run(e, 0, 70000, ENCODER_GO_ON, &out); /* left in the middle */
	out.len = 0;
	if (ops->reset) {
		ck_assert_int_eq(ops->reset(e, ops->least, 5000), 0);
		run(e, 0, 5000, ENCODER_END, &out);
		run(fresh, 0, 5000, ENCODER_END, &expected);
		ck_assert_uint_eq(out.len, expected.len);
		ck_assert_mem_eq(out.at, expected.at, out.len);
	}
	buffer_fini(&out);
	buffer_fini(&expected);
	e->ops->close(e);
	fresh->ops->close(fresh);
}
END_TEST

START_TEST(an_empty_body_has_an_end)
{
	const struct encoder_ops *ops = ops_at(_i);
	struct encoder *e = ops ? ops->open(ops->standard, 0) : NULL;
	struct buffer out;

	if (!e)
		return;
	buffer_init(&out, OUT_BYTES);
	run(e, 0, 0, ENCODER_END, &out);
	ck_assert_uint_gt(out.len, 0);
	assert_means(ops->coding, &out, 0, true);
	buffer_fini(&out);
	e->ops->close(e);
}
END_TEST

/* Opens, and encodes all; 0 or the error. */
static int
try_all(const struct encoder_ops *ops)
{
	struct encoder *e = ops->open(ops->standard, 0);
	struct buffer out;
	int err;

	if (!e)
		return ERR_MEMORY;
	buffer_init(&out, OUT_BYTES);
	err = ops->run(e, slice_make(text, TEXT_BYTES), ENCODER_GO_ON, &out);
	if (!err)
		err = ops->run(e, slice_make(text, 10), ENCODER_END, &out);
	else /* a second call finds it no better */
		ck_assert_int_lt(ops->run(e, slice_make(text, 10), ENCODER_END, &out), 0);
	buffer_fini(&out);
	ops->close(e);
	return err;
}

START_TEST(lack_of_memory_is_told_wherever_it_comes)
{
	const struct encoder_ops *ops = ops_at(_i);
	unsigned long n, all;

	if (!ops)
		return;
	mem_fail_at(0, false);
	ck_assert_int_eq(try_all(ops), 0);
	all = mem_count();
	ck_assert_uint_gt(all, 1);
	for (n = 1; n <= all; n++) {
		mem_fail_at(n, true);
		ck_assert_int_eq(try_all(ops), ERR_MEMORY);
	}
	mem_fail_at(0, false);
}
END_TEST

START_TEST(a_full_buffer_is_told)
{
	const struct encoder_ops *ops = ops_at(_i);
	struct encoder *e = ops ? ops->open(ops->standard, 0) : NULL;
	struct buffer out;

	if (!e)
		return;
	buffer_init(&out, 4000);
	ck_assert_int_eq(ops->run(e, slice_make(text, TEXT_BYTES), ENCODER_END, &out),
			 ERR_TOO_LARGE);
	buffer_fini(&out);
	ops->close(e);
}
END_TEST

START_TEST(there_is_none_for_identity)
{
	ck_assert_ptr_null(encoder_ops_of(CODING_IDENTITY));
	ck_assert_ptr_null(encoder_ops_of(CODING_COUNT));
}
END_TEST

Suite *
suite_compress_encoder(void)
{
	Suite *s = suite_create("compress/encoder");
	TCase *c = tcase_create("encoder");

	make_text();
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, a_body_in_pieces_comes_back_as_it_went_in, 0, 3);
	tcase_add_loop_test(c, what_was_flushed_can_be_decoded, 0, 3);
	tcase_add_loop_test(c, one_that_is_used_again_is_as_new, 0, 3);
	tcase_add_loop_test(c, an_empty_body_has_an_end, 0, 3);
	tcase_add_loop_test(c, lack_of_memory_is_told_wherever_it_comes, 0, 3);
	tcase_add_loop_test(c, a_full_buffer_is_told, 0, 3);
	tcase_add_test(c, there_is_none_for_identity);
	suite_add_tcase(s, c);
	return s;
}
