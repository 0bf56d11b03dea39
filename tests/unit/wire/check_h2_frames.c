/*
 * The heads of HTTP/2's frames in a stream of bytes.
 */
#include "wire/h2_frames.h"

#include <check.h>

Suite *suite_wire_h2_frames(void);

/* The preface, SETTINGS of 6 bytes, an empty PING on stream 0x7fffffff with its reserved bit set.
 */
static const char stream[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
			     "\0\0\6\4\1\0\0\0\0abcdef"
			     "\0\0\0\6\7\xff\xff\xff\xff";
enum { STREAM_BYTES = sizeof(stream) - 1 };

static void
check_both(const struct h2_frame_head *heads, unsigned count)
{
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(heads[0].length, 6);
	ck_assert_uint_eq(heads[0].type, H2_FRAME_SETTINGS);
	ck_assert_uint_eq(heads[0].flags, H2_FLAG_ACK);
	ck_assert_uint_eq(heads[0].stream, 0);
	ck_assert_uint_eq(heads[1].length, 0);
	ck_assert_uint_eq(heads[1].type, H2_FRAME_PING);
	ck_assert_uint_eq(heads[1].stream, 0x7fffffff);
}

START_TEST(heads_are_found_however_the_bytes_come)
{
	for (size_t step = 1; step <= STREAM_BYTES; step++) {
		struct h2_frame_head heads[8];
		struct h2_frames f;
		unsigned count = 0;

		h2_frames_init(&f);
		for (size_t at = 0; at < STREAM_BYTES; at += step) {
			size_t n = STREAM_BYTES - at < step ? STREAM_BYTES - at : step;
			struct slice in = slice_make(stream + at, n);

			while (h2_frames_next(&f, &in, &heads[count]))
				count++;
			ck_assert_uint_eq(in.len, 0);
		}
		check_both(heads, count);
		ck_assert(!h2_frames_is_inside(&f));
	}
}
END_TEST

/* Nothing is taken twice or lost; behind the preface, what is before a head is the frame before it.
 */
START_TEST(what_stands_before_a_frame_is_taken_first)
{
	for (size_t step = 1; step <= STREAM_BYTES; step++) {
		char all[STREAM_BYTES + 1] = "";
		struct h2_frame_head head;
		struct h2_frames f;
		size_t have = 0;

		h2_frames_init(&f);
		for (size_t at = 0; at < STREAM_BYTES; at += step) {
			size_t n = STREAM_BYTES - at < step ? STREAM_BYTES - at : step;
			struct slice in = slice_make(stream + at, n), rest = in, part;

			while (h2_frames_next(&f, &in, &head)) {
				part = h2_frames_before(&rest, in);
				memcpy(all + have, part.at, part.len);
				have += part.len;
				if (step == STREAM_BYTES)
					ck_assert_uint_eq(have, head.length ? 24 : 24 + 9 + 6);
			}
			memcpy(all + have, rest.at, rest.len);
			have += rest.len;
		}
		ck_assert_uint_eq(have, STREAM_BYTES);
		ck_assert_int_eq(memcmp(all, stream, STREAM_BYTES), 0);
	}
}
END_TEST

START_TEST(a_frame_that_has_begun_is_known)
{
	struct slice in = slice_make(stream, 24);
	struct h2_frame_head head;
	struct h2_frames f;

	h2_frames_init(&f);
	ck_assert(h2_frames_is_inside(&f));
	ck_assert(!h2_frames_next(&f, &in, &head));
	ck_assert(!h2_frames_is_inside(&f));
	in = slice_make(stream + 24, 1);
	ck_assert(!h2_frames_next(&f, &in, &head));
	ck_assert(h2_frames_is_inside(&f));
}
END_TEST

START_TEST(the_preface_is_known_by_its_start)
{
	for (size_t len = 0; len <= STREAM_BYTES; len++)
		ck_assert(h2_preface_is_start(slice_make(stream, len)));
	ck_assert(!h2_preface_is_start(SLICE("GET / HTTP/1.1\r\n\r\n")));
	ck_assert(!h2_preface_is_start(SLICE("PRI * HTTP/1.1\r\n")));
}
END_TEST

Suite *
suite_wire_h2_frames(void)
{
	Suite *s = suite_create("wire_h2_frames");
	TCase *t = tcase_create("h2_frames");

	suite_add_tcase(s, t);
	tcase_add_test(t, heads_are_found_however_the_bytes_come);
	tcase_add_test(t, what_stands_before_a_frame_is_taken_first);
	tcase_add_test(t, a_frame_that_has_begun_is_known);
	tcase_add_test(t, the_preface_is_known_by_its_start);
	return s;
}
