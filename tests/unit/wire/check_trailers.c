/*
 * Trailer sections: where a chunked body has them, which fields go on, and how
 * they are written again.
 */
#include "wire/trailers.h"

#include "base/err.h"
#include "wire/chunked.h"

#include <check.h>
#include <stdlib.h>

Suite *suite_wire_trailers(void);

enum { ARENA_BYTES = 1 << 20, TEXT_BYTES = 4096 };

static struct store store;
static struct arena arena;

static void
set_up(void)
{
	store_init(&store);
	arena_init(&arena, &store, ARENA_BYTES);
}

static void
tear_down(void)
{
	arena_fini(&arena);
	store_fini(&store);
}

/* Decodes a chunked body in pieces of `step` bytes; 0 or the error. */
static int
decode(const char *text, size_t step, struct fields *fields)
{
	struct slice in = slice_of(text), data;
	struct trailers t = { 0 };
	struct chunked c;
	int err = 0;

	*fields = (struct fields){ 0 };
	chunked_init(&c, TEXT_BYTES);
	while (!err && in.len && c.state != CHUNKED_END) {
		struct slice piece = slice_make(in.at, in.len < step ? in.len : step);
		size_t before = piece.len;

		err = chunked_decode(&c, &piece, &data);
		if (!err && c.trailer.len)
			err = trailers_take(&t, &arena, c.trailer);
		in = slice_after(in, before - piece.len);
	}
	return err ? err : trailers_end(&t, &arena, fields);
}

static const struct {
	const char *in, *lines;
} sections[] = {
	{ "0\r\n\r\n", "" },
	{ "1\r\nx\r\n0\r\n\r\n", "" },
	{ "1\r\nx\r\n0\r\nX-A: 1\r\n\r\n", "X-A: 1\r\n" },
	{ "0\r\nX-A:  1\t\r\nx-b:\r\nX-A: a b\r\n\r\n", "X-A: 1\r\nx-b: \r\nX-A: a b\r\n" },
	{ "0\r\nX-A: a:b\r\n\r\n", "X-A: a:b\r\n" },
	/* RFC 9110 6.5.1 */
	{ "0\r\nContent-Length: 5\r\nX: y\r\nTransfer-Encoding: a\r\nHOST: b\r\n\r\n", "X: y\r\n" },
	{ "0\r\nAuthorization: a\r\nCookie: b\r\nSet-Cookie: c\r\nContent-Type: d\r\n\r\n", "" },
	{ "0\r\nConnection: close\r\nTE: gzip\r\nVia: a\r\nX-Forwarded-For: b\r\n\r\n", "" },
};

START_TEST(what_has_no_meaning_of_ours_goes_on)
{
	size_t length = strlen(sections[_i].in);

	for (size_t step = 1; step <= length; step++) {
		char text[TEXT_BYTES];
		struct writer w = writer_over(text, sizeof(text));
		struct fields fields;

		ck_assert_int_eq(decode(sections[_i].in, step, &fields), 0);
		trailers_write(&fields, &w);
		ck_assert(slice_eq(writer_slice(&w), slice_of(sections[_i].lines)));
		ck_assert_uint_eq(trailers_bytes(&fields), w.len);
	}
}
END_TEST

START_TEST(there_may_be_so_many_and_no_more)
{
	char text[TEXT_BYTES];
	struct fields fields;

	for (unsigned n = TRAILERS_MAX; n <= TRAILERS_MAX + 1; n++) {
		struct writer w = writer_over(text, sizeof(text) - 1);

		writer_put(&w, SLICE("0\r\n"));
		for (unsigned i = 0; i < n; i++)
			writer_put(&w, SLICE("X-A: 1\r\n"));
		writer_put(&w, SLICE("\r\n"));
		text[w.len] = '\0';
		ck_assert_int_eq(decode(text, sizeof(text), &fields),
				 n > TRAILERS_MAX ? ERR_TOO_LARGE : 0);
	}
	ck_assert_uint_eq(fields.count, TRAILERS_MAX);
}
END_TEST

START_TEST(fields_of_http_2_are_copied_and_checked)
{
	struct fields fields = { 0 };
	char name[] = "x-a", value[] = "1";

	ck_assert_int_eq(trailers_add(&fields, &arena, SLICE("cookie"), SLICE("a")), 0);
	ck_assert_uint_eq(fields.count, 0);
	ck_assert_int_eq(trailers_add(&fields, &arena, slice_of(name), slice_of(value)), 0);
	name[0] = value[0] = '-';
	ck_assert(slice_eq(fields.at[0].name, SLICE("x-a")));
	ck_assert(slice_eq(fields.at[0].value, SLICE("1")));
	ck_assert_int_eq(trailers_add(&fields, &arena, SLICE("x a"), SLICE("1")), ERR_PROTOCOL);
	ck_assert_int_eq(trailers_add(&fields, &arena, SLICE("x"), SLICE("1\r\n2")), ERR_PROTOCOL);
	ck_assert_uint_eq(fields.count, 1);
}
END_TEST

Suite *
suite_wire_trailers(void)
{
	Suite *s = suite_create("wire/trailers");
	TCase *t = tcase_create("trailers");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, what_has_no_meaning_of_ours_goes_on, 0,
			    (int)(sizeof(sections) / sizeof(sections[0])));
	tcase_add_test(t, there_may_be_so_many_and_no_more);
	tcase_add_test(t, fields_of_http_2_are_copied_and_checked);
	suite_add_tcase(s, t);
	return s;
}
