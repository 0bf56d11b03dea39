/*
 * HTTP/2 on a conn, frame by frame: heads that are too long for the library, deadlines of header
 * blocks, resets that a client makes us send.
 */
#include "stand.h"

#include "base/writer.h"
#include "wire/h2_budget.h"

#include <check.h>
#include <string.h>
#include <sys/socket.h>

Suite *suite_proto_h2(void);

/* :method GET or POST, :scheme http, :path /, :authority a (RFC 7541 A). */
#define GET  "\x82\x86\x84\x41\1a"
#define POST "\x83\x86\x84\x41\1a"

enum { END_STREAM = 1, END_HEADERS = 4, INTERNAL_ERROR = 2, ENHANCE_YOUR_CALM = 11 };

static struct stand stand;
static uint32_t next_stream;

static void
keep(struct stand *b, struct exchange *x)
{
	(void)b;
	(void)x;
}

/* A frame of which no more than `len` bytes of `of` come now. */
static void
put_part(struct writer *w, enum h2_frame_type type, unsigned flags, uint32_t stream,
	 struct slice payload, size_t of)
{
	const unsigned char head[H2_FRAME_HEAD_BYTES] = {
		(unsigned char)(of >> 16),
		(unsigned char)(of >> 8),
		(unsigned char)of,
		(unsigned char)type,
		(unsigned char)flags,
		(unsigned char)(stream >> 24),
		(unsigned char)(stream >> 16),
		(unsigned char)(stream >> 8),
		(unsigned char)stream,
	};

	writer_put(w, slice_make((const char *)head, sizeof(head)));
	writer_put(w, payload);
}

static void
put(struct writer *w, enum h2_frame_type type, unsigned flags, uint32_t stream,
    struct slice payload)
{
	put_part(w, type, flags, stream, payload, payload.len);
}

static void
say(const struct writer *w)
{
	ck_assert(!w->is_full);
	stand_say_bytes(&stand, w->at, w->len);
}

static uint32_t
say_head(struct slice block, unsigned flags)
{
	char text[256];
	struct writer w = writer_over(text, sizeof(text));
	uint32_t stream = next_stream;

	next_stream += 2;
	put(&w, H2_FRAME_HEADERS, flags | END_HEADERS, stream, block);
	say(&w);
	return stream;
}

static void
connect_client(void)
{
	char text[128];
	struct writer w = writer_over(text, sizeof(text));

	stand_connect(&stand, SOCK_STREAM, CONN_H2);
	next_stream = 1;
	writer_put(&w, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
	put(&w, H2_FRAME_SETTINGS, 0, 0, SLICE(""));
	say(&w);
}

static void
setup(void)
{
	stand_open(&stand);
	stand.begin = keep;
	connect_client();
}

static void
teardown(void)
{
	stand_close(&stand);
}

static uint64_t
counted(enum counter id)
{
	return count_read(&stand.counters, id);
}

/* The next frame at *at of what was heard; false: there is none. */
static bool
next_frame(size_t *at, struct h2_frame_head *head, const unsigned char **payload)
{
	const unsigned char *p = (const unsigned char *)stand.heard + *at;

	if (stand.heard_len - *at < H2_FRAME_HEAD_BYTES)
		return false;
	*head = (struct h2_frame_head){
		.length = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2],
		.type = p[3],
		.flags = p[4],
		.stream = (uint32_t)p[5] << 24 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 8 | p[8],
	};
	*payload = p + H2_FRAME_HEAD_BYTES;
	*at += H2_FRAME_HEAD_BYTES + head->length;
	return *at <= stand.heard_len;
}

/* The error code of a frame of that type on that stream, at this place of its payload; -1: none was
 * heard. */
static long
heard_error(enum h2_frame_type type, uint32_t stream, size_t place)
{
	const unsigned char *p;
	struct h2_frame_head head;
	size_t at = 0;

	stand_hear(&stand);
	while (next_frame(&at, &head, &p)) {
		if (head.type == type && head.stream == stream)
			return p[place] << 24 | p[place + 1] << 16 | p[place + 2] << 8 |
			       p[place + 3];
	}
	return -1;
}

static long
heard_reset(uint32_t stream)
{
	return heard_error(H2_FRAME_RST_STREAM, stream, 0);
}

static long
heard_goaway(void)
{
	return heard_error(H2_FRAME_GOAWAY, 0, 4);
}

/* How many bytes of HEADERS and CONTINUATIONs there were for this stream. */
static size_t
heard_head(uint32_t stream)
{
	const unsigned char *p;
	struct h2_frame_head head;
	size_t at = 0, bytes = 0;

	stand_hear(&stand);
	while (next_frame(&at, &head, &p)) {
		if (head.stream == stream &&
		    (head.type == H2_FRAME_HEADERS || head.type == H2_FRAME_CONTINUATION))
			bytes += head.length;
	}
	return bytes;
}

/* --- heads of responses ------------------------------------------------------------------ */

enum { FIELDS = 300, VALUE_BYTES = 1000 };

/* A head of so many fields, that no table and no code makes shorter. */
static void
answer_with(unsigned fields)
{
	static struct field at[FIELDS];
	static char value[FIELDS][VALUE_BYTES];
	struct exchange *x = stand.x;

	for (unsigned i = 0; i < fields; i++) {
		memset(value[i], '~', VALUE_BYTES);
		value[i][0] = (char)('a' + i / 26);
		value[i][1] = (char)('a' + i % 26);
		at[i] = (struct field){ .name = SLICE("x"),
					.value = slice_make(value[i], VALUE_BYTES) };
	}
	x->response.fields = (struct fields){ .at = at, .count = fields, .cap = fields };
	ck_assert_int_eq(stand_head(x, 200, BODY_LENGTH, 5), 0);
	ck_assert_int_eq(stand_body(x, "hello", 5), 0);
	exchange_end(x);
	stand_turns(&stand, 8);
}

START_TEST(a_head_of_more_than_64_kib_is_sent)
{
	uint32_t id = say_head(SLICE(GET), END_STREAM);

	answer_with(100);
	ck_assert_uint_gt(heard_head(id), 64 << 10);
	ck_assert_int_eq(heard_reset(id), -1);
	ck_assert_uint_eq(stand.endeds, 1);
	ck_assert(!stand.was_cut);
}
END_TEST

START_TEST(a_head_that_cannot_be_sent_resets_its_stream)
{
	uint32_t id = say_head(SLICE(GET), END_STREAM);

	answer_with(300);
	ck_assert_uint_eq(heard_head(id), 0);
	ck_assert_int_eq(heard_reset(id), INTERNAL_ERROR);
	ck_assert_uint_eq(stand.endeds, 1);
	ck_assert(stand.was_cut);
	ck_assert_uint_eq(counted(COUNTER_ABORTED), 1);
	stand.begin = NULL;
	id = say_head(SLICE(GET), END_STREAM);
	ck_assert_uint_gt(heard_head(id), 0);
}
END_TEST

/* Whoever makes the body is told to stop. */
START_TEST(a_response_whose_head_cannot_be_sent_is_cancelled)
{
	struct field *at;
	char *value;
	uint32_t id = say_head(SLICE(GET), END_STREAM);
	struct exchange *x = stand.x;

	at = arena_alloc(&x->arena, sizeof(*at));
	value = arena_alloc(&x->arena, 300 << 10);
	ck_assert_ptr_nonnull(at);
	ck_assert_ptr_nonnull(value);
	memset(value, '~', 300 << 10);
	*at = (struct field){ .name = SLICE("x"), .value = slice_make(value, 300 << 10) };
	x->response.fields = (struct fields){ .at = at, .count = 1, .cap = 1 };
	ck_assert_int_eq(stand_head(x, 200, BODY_CHUNKED, 0), 0);
	stand_turns(&stand, 8);
	ck_assert_int_eq(heard_reset(id), INTERNAL_ERROR);
	ck_assert_uint_eq(stand.cancels, 1);
	ck_assert_int_eq(stand.cancel_err, ERR_TOO_LARGE);
	ck_assert_uint_eq(stand.endeds, 1);
}
END_TEST

/* --- resets that a client makes us send ----------------------------------------------------- */

/* RFC 9113 8.1: trailers, of more fields than there may be. */
static void
say_trailers(uint32_t stream, unsigned fields)
{
	char text[1024];
	struct writer block = writer_over(text, sizeof(text)), w;
	char frame[1100];

	for (unsigned i = 0; i < fields; i++)
		writer_put(&block, slice_make("\0\1x\1y", 5));
	w = writer_over(frame, sizeof(frame));
	put(&w, H2_FRAME_HEADERS, END_STREAM | END_HEADERS, stream, writer_slice(&block));
	say(&w);
}

START_TEST(trailers_that_are_too_many_cost_a_token)
{
	uint32_t id = say_head(SLICE(POST), 0);

	say_trailers(id, 100);
	ck_assert_int_eq(heard_reset(id), INTERNAL_ERROR);
	ck_assert_uint_eq(stand.endeds, 1);
	ck_assert_uint_eq(counted(COUNTER_BODY_SYNTAX), 1);
	for (unsigned i = 0; i < 2 * H2_BUDGET_TOKENS && !stand.is_eof && heard_goaway() < 0; i++)
		say_trailers(say_head(SLICE(POST), 0), 100);
	ck_assert_int_eq(heard_goaway(), ENHANCE_YOUR_CALM);
	ck_assert_uint_eq(counted(COUNTER_H2_WASTE_ERROR), 1);
}
END_TEST

/* The answer has begun, and a body of four bytes may come. */
static void
answer_early(struct stand *b, struct exchange *x)
{
	(void)b;
	x->max_body = 4;
	ck_assert_int_eq(stand_head(x, 200, BODY_CHUNKED, 0), 0);
	exchange_want_body(x);
}

START_TEST(a_body_that_is_too_large_behind_the_head_costs_a_token)
{
	char text[64];

	stand.begin = answer_early;
	for (unsigned i = 0; i < 2 * H2_BUDGET_TOKENS && heard_goaway() < 0; i++) {
		struct writer w = writer_over(text, sizeof(text));

		put(&w, H2_FRAME_DATA, 0, say_head(SLICE(POST), 0), SLICE("12345"));
		say(&w);
	}
	ck_assert_int_eq(heard_reset(1), INTERNAL_ERROR);
	ck_assert_int_eq(heard_goaway(), ENHANCE_YOUR_CALM);
	ck_assert_uint_eq(counted(COUNTER_H2_WASTE_ERROR), 1);
}
END_TEST

/* --- deadlines of header blocks --------------------------------------------------------------- */

/* The rest of a request, of which `said` bytes came before, and the beginning of the next. */
static void
say_rest_and_a_bit(size_t said)
{
	struct slice block = SLICE(GET);
	char text[256];
	struct writer w = writer_over(text, sizeof(text));

	writer_put(&w, slice_after(block, said));
	put_part(&w, H2_FRAME_HEADERS, END_STREAM | END_HEADERS, next_stream,
		 slice_make(block.at, 1), block.len);
	next_stream += 2;
	say(&w);
}

START_TEST(each_header_block_has_a_deadline_of_its_own)
{
	stand.begin = NULL;
	say_rest_and_a_bit(sizeof(GET) - 1);
	for (unsigned i = 0; i < 4; i++) {
		stand_wait(&stand, 6 * CLOCK_SEC);
		ck_assert_int_eq(heard_goaway(), -1);
		say_rest_and_a_bit(1);
	}
	ck_assert_uint_eq(stand.begun, 4);
	stand_wait(&stand, 9 * CLOCK_SEC);
	ck_assert_int_eq(heard_goaway(), -1);
	stand_wait(&stand, 2 * CLOCK_SEC);
	ck_assert_int_eq(heard_goaway(), ENHANCE_YOUR_CALM);
	ck_assert_uint_eq(counted(COUNTER_CLOSE_HEADER), 1);
}
END_TEST

START_TEST(a_header_block_has_one_deadline_however_it_trickles)
{
	char text[64];
	struct writer w = writer_over(text, sizeof(text));

	put(&w, H2_FRAME_HEADERS, END_STREAM, 1, SLICE("\x82"));
	say(&w);
	for (unsigned i = 0; i < 5; i++) {
		stand_wait(&stand, 3 * CLOCK_SEC);
		w = writer_over(text, sizeof(text));
		put(&w, H2_FRAME_CONTINUATION, 0, 1, slice_make("\0\1x\1y", 5));
		if (heard_goaway() < 0)
			say(&w);
	}
	ck_assert_int_eq(heard_goaway(), ENHANCE_YOUR_CALM);
	ck_assert_uint_eq(counted(COUNTER_CLOSE_HEADER), 1);
}
END_TEST

/* --- responses that end while a frame waits for room --------------------------------------- */

/* SETTINGS_INITIAL_WINDOW_SIZE, and the connection's: 16 MiB may come at once. */
static void
open_windows(void)
{
	char text[64];
	struct writer w = writer_over(text, sizeof(text));

	put(&w, H2_FRAME_SETTINGS, 0, 0, slice_make("\0\4\1\0\0\0", 6));
	put(&w, H2_FRAME_WINDOW_UPDATE, 0, 0, slice_make("\1\0\0\0", 4));
	say(&w);
}

/* The library holds a frame of DATA that it has asked us for, and the body it was of is gone. */
START_TEST(a_response_may_be_cut_while_its_frame_waits)
{
	static const char large[1 << 21];
	uint32_t id;

	open_windows();
	id = say_head(SLICE(GET), END_STREAM);
	ck_assert_int_eq(stand_head(stand.x, 200, BODY_CHUNKED, 0), 0);
	stand_turns(&stand, 2);
	ck_assert_int_eq(stand_body(stand.x, large, sizeof(large)), EXCHANGE_PAUSE);
	stand_turns(&stand, 8);
	exchange_abort(stand.x, ERR_CLOSED);
	stand_turns(&stand, 8);
	ck_assert_int_eq(heard_reset(id), INTERNAL_ERROR);
	ck_assert_uint_eq(stand.endeds, 1);
}
END_TEST

Suite *
suite_proto_h2(void)
{
	Suite *s = suite_create("proto/h2");
	TCase *t = tcase_create("h2");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_head_of_more_than_64_kib_is_sent);
	tcase_add_test(t, a_head_that_cannot_be_sent_resets_its_stream);
	tcase_add_test(t, a_response_whose_head_cannot_be_sent_is_cancelled);
	tcase_add_test(t, trailers_that_are_too_many_cost_a_token);
	tcase_add_test(t, a_body_that_is_too_large_behind_the_head_costs_a_token);
	tcase_add_test(t, each_header_block_has_a_deadline_of_its_own);
	tcase_add_test(t, a_header_block_has_one_deadline_however_it_trickles);
	tcase_add_test(t, a_response_may_be_cut_while_its_frame_waits);
	return s;
}
