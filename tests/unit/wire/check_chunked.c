/*
 * The chunked coding: whole, byte by byte, and what is refused.
 */
#include "wire/chunked.h"

#include "base/err.h"

#include <check.h>
#include <stdlib.h>

Suite *suite_wire_chunked(void);

struct outcome {
	int err;
	bool is_ended;
	char data[256];
	size_t len;
	size_t left; /* input bytes behind the end */
};

/* Feeds `in` in pieces of `step` bytes, each in memory of its own size. */
static void
decode(struct slice in, size_t step, uint32_t max_overhead, struct outcome *o)
{
	struct chunked c;

	*o = (struct outcome){ 0 };
	chunked_init(&c, max_overhead);
	while (in.len && o->err == 0 && c.state != CHUNKED_END) {
		size_t n = in.len < step ? in.len : step;
		char *copy = malloc(n);
		struct slice piece = { copy, n }, data;

		memcpy(copy, in.at, n);
		while (piece.len && o->err == 0 && c.state != CHUNKED_END) {
			o->err = chunked_decode(&c, &piece, &data);
			if (o->err == 0 && data.len) {
				ck_assert_uint_le(o->len + data.len, sizeof(o->data));
				memcpy(o->data + o->len, data.at, data.len);
				o->len += data.len;
			}
		}
		in = slice_after(in, n - piece.len);
		free(copy);
	}
	o->is_ended = c.state == CHUNKED_END;
	o->left = in.len;
}

static const struct {
	const char *in, *data;
	size_t left;
} bodies[] = {
	{ "0\r\n\r\n", "", 0 },
	{ "5\r\nhello\r\n0\r\n\r\n", "hello", 0 },
	{ "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET", "hello world", 3 },
	{ "A\r\n0123456789\r\n00\r\n\r\n", "0123456789", 0 },
	{ "a\r\n0123456789\r\n000000000000000\r\n\r\n", "0123456789", 0 },
	{ "000000000000001\r\nx\r\n0\r\n\r\n", "x", 0 },
	{ "1;a=b\r\nx\r\n0;c=\"d e\"\r\n\r\n", "x", 0 },
	{ "1;a;b;c=d;e=\"\";f\r\nx\r\n0\r\n\r\n", "x", 0 },
	{ "1;a=\"\\\"\\\\;\xff\"\r\nx\r\n0\r\n\r\n", "x", 0 },
	{ "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", 0 },
	{ "1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n\r\n", "x", 2 },
	{ "0\r\nX-Sum: \t1 2\xff \r\n\r\n0\r\n\r\n", "", 5 },
};

START_TEST(bodies_are_the_same_however_they_are_cut)
{
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		for (size_t step = 1; step <= 40; step++) {
			struct outcome o;

			decode(slice_of(bodies[i].in), step, 100, &o);
			ck_assert_msg(o.err == 0 && o.is_ended, "%s", bodies[i].in);
			ck_assert(slice_eq(slice_make(o.data, o.len), slice_of(bodies[i].data)));
			ck_assert_uint_eq(o.left, bodies[i].left);
		}
	}
}
END_TEST

static const char *const malformed[] = {
	"\r\n",
	"\n",
	" 1\r\nx\r\n0\r\n\r\n",
	"1 \r\nx\r\n0\r\n\r\n",
	"1\t\r\nx\r\n0\r\n\r\n",
	"1 ;a\r\nx\r\n0\r\n\r\n",
	"g\r\n",
	"-1\r\n",
	"+1\r\n",
	"0x1\r\n",
	"1_0\r\n",
	"1.\r\n",
	";a\r\n",
	"1,1\r\n",
	"1\nx\r\n0\r\n\r\n",
	"1\rx\r\n0\r\n\r\n",
	"1\r\r\nx",
	"1\r\nxx\r\n0\r\n\r\n",
	"1\r\nx\n0\r\n\r\n",
	"1\r\nx0\r\n\r\n",
	"1\r\nx\r0\r\n\r\n",
	"1\r\nx\r\r\n",
	"1;a\nx\r\n0\r\n\r\n",
	"1;\r\nx\r\n0\r\n\r\n",
	"1; a\r\nx\r\n0\r\n\r\n",
	"1;a \r\nx\r\n0\r\n\r\n",
	"1;a =b\r\nx\r\n0\r\n\r\n",
	"1;a= b\r\nx\r\n0\r\n\r\n",
	"1;=b\r\nx\r\n0\r\n\r\n",
	"1;a=\r\nx\r\n0\r\n\r\n",
	"1;a=b=c\r\nx\r\n0\r\n\r\n",
	"1;a=;b\r\nx\r\n0\r\n\r\n",
	"1;a;\r\nx\r\n0\r\n\r\n",
	"1;a/b\r\nx\r\n0\r\n\r\n",
	"1;a=\"b\r\nx\r\n0\r\n\r\n",
	"1;a=\"b\\\r\nx\r\n0\r\n\r\n",
	"1;a=\"b\"c\r\nx\r\n0\r\n\r\n",
	"1;a=\"\n\"\r\nx\r\n0\r\n\r\n",
	"1;a=\"\x01\"\r\nx\r\n0\r\n\r\n",
	"1;\xe4\r\nx\r\n0\r\n\r\n",
	"1;a\x01\r\nx",
	"1;a\x7f\r\nx",
	"1;a\rb\r\nx",
	"0000000000000001\r\nx",
	"1000000000000000\r\n",
	"ffffffffffffffff\r\n",
	"0\n\n",
	"0\r\n\n",
	"0\r\n\rx",
	"0\r\nA b\r\n\r\n",
	"0\r\nA : b\r\n\r\n",
	"0\r\n: b\r\n\r\n",
	"0\r\n A: b\r\n\r\n",
	"0\r\nA\r\n\r\n",
	"0\r\nA: b\n\r\n",
	"0\r\nA: b\r\r\n",
	"0\r\nA: b\x02\r\n\r\n",
	"0\r\nA: b\r\n c\r\n\r\n",
	"0\r\n\xc3: b\r\n\r\n",
};

START_TEST(malformed_bodies_are_refused_however_they_are_cut)
{
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		for (size_t step = 1; step <= 40; step++) {
			struct outcome o;

			decode(slice_of(malformed[i]), step, 100, &o);
			ck_assert_msg(o.err == ERR_PROTOCOL, "case %zu: %s: %d", i, malformed[i],
				      o.err);
		}
	}
}
END_TEST

START_TEST(a_nul_is_refused_in_extensions_and_trailers)
{
	struct outcome o;

	decode(SLICE("1;\0\r\nx"), 99, 100, &o);
	ck_assert_int_eq(o.err, ERR_PROTOCOL);
	decode(SLICE("0\r\nA:\0\r\n\r\n"), 99, 100, &o);
	ck_assert_int_eq(o.err, ERR_PROTOCOL);
}
END_TEST

START_TEST(extensions_and_trailers_share_one_budget)
{
	struct outcome o;

	/* ";abc" and "A:b" are seven bytes. */
	decode(SLICE("1;abc\r\nx\r\n0\r\nA:b\r\n\r\n"), 3, 7, &o);
	ck_assert_int_eq(o.err, 0);
	ck_assert(o.is_ended);
	decode(SLICE("1;abc\r\nx\r\n0\r\nA:b\r\n\r\n"), 3, 6, &o);
	ck_assert_int_eq(o.err, ERR_TOO_LARGE);
}
END_TEST

START_TEST(a_huge_chunk_is_counted_down_and_not_waited_for)
{
	struct chunked c;
	struct slice in = SLICE("fffffffffffffff\r\nabc"), data;

	chunked_init(&c, 0);
	ck_assert_int_eq(chunked_decode(&c, &in, &data), 0);
	ck_assert(slice_eq(data, SLICE("abc")));
	ck_assert_uint_eq(c.left, UINT64_C(0xfffffffffffffff) - 3);
	ck_assert_int_eq(c.state, CHUNKED_DATA);
}
END_TEST

START_TEST(an_unfinished_body_is_no_error_and_no_end)
{
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct slice in = slice_of(bodies[i].in);

		for (size_t len = 0; len < in.len - bodies[i].left; len++) {
			struct outcome o;

			decode(slice_make(in.at, len), 7, 100, &o);
			ck_assert_int_eq(o.err, 0);
			ck_assert(!o.is_ended);
		}
	}
}
END_TEST

START_TEST(size_lines_are_written_in_hexadecimal)
{
	char text[32];
	struct writer w = writer_over(text, sizeof(text));

	chunked_write_size(&w, 0x1f);
	ck_assert(slice_eq(writer_slice(&w), SLICE("1f\r\n")));
}
END_TEST

Suite *
suite_wire_chunked(void)
{
	Suite *s = suite_create("wire_chunked");
	TCase *t = tcase_create("chunked");

	tcase_add_test(t, bodies_are_the_same_however_they_are_cut);
	tcase_add_test(t, malformed_bodies_are_refused_however_they_are_cut);
	tcase_add_test(t, a_nul_is_refused_in_extensions_and_trailers);
	tcase_add_test(t, extensions_and_trailers_share_one_budget);
	tcase_add_test(t, a_huge_chunk_is_counted_down_and_not_waited_for);
	tcase_add_test(t, an_unfinished_body_is_no_error_and_no_end);
	tcase_add_test(t, size_lines_are_written_in_hexadecimal);
	suite_add_tcase(s, t);
	return s;
}
