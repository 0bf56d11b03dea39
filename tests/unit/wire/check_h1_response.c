/*
 * HTTP/1 response heads: framing by RFC 9112 6.3, and what is refused. Every
 * input is also fed as all of its prefixes, each in memory of its own size.
 */
#include "base/err.h"
#include "wire/h1_head.h"

#include <check.h>
#include <stdlib.h>

#define OK(lines)       SLICE_INIT("HTTP/1.1 200 OK\r\n" lines "\r\n")
#define STATUS(n, more) SLICE_INIT("HTTP/1.1 " n " x\r\n" more "\r\n")
#define LENGTH          "Content-Length: 5\r\n"
#define CHUNKED         "Transfer-Encoding: chunked\r\n"

Suite *suite_wire_h1_response(void);

enum { MAX_FIELDS = 6 };
static const struct h1_limits limits = { .max_head_bytes = 256, .max_fields = MAX_FIELDS };

struct outcome {
	struct response response;
	struct field at[MAX_FIELDS];
	struct h1_parse parse;
	int result;
};

static void
parse(struct slice in, enum method method, const struct h1_limits *l, struct outcome *o)
{
	char *copy = malloc(in.len ? in.len : 1);

	memcpy(copy, in.at, in.len);
	memset(o, 0xa5, sizeof(*o));
	o->response.fields = (struct fields){ .at = o->at, .cap = MAX_FIELDS };
	o->result = h1_response_parse(&o->response, method, slice_make(copy, in.len), l, &o->parse);
	free(copy);
}

static const struct {
	struct slice in;
	int status;
	enum method method;
	enum body_framing framing;
	uint64_t length;
	bool keeps_alive;
} heads[] = {
	{ OK(""), 200, METHOD_GET, BODY_UNTIL_CLOSE, 0, false },
	{ OK("Connection: keep-alive\r\n"), 200, METHOD_GET, BODY_UNTIL_CLOSE, 0, false },
	{ OK(LENGTH), 200, METHOD_GET, BODY_LENGTH, 5, true },
	{ OK("content-length:0\r\n"), 200, METHOD_POST, BODY_LENGTH, 0, true },
	{ OK(CHUNKED), 200, METHOD_GET, BODY_CHUNKED, 0, true },
	{ OK(CHUNKED "Connection: close\r\n"), 200, METHOD_GET, BODY_CHUNKED, 0, false },
	{ OK(LENGTH "Connection: x, Close\r\n"), 200, METHOD_GET, BODY_LENGTH, 5, false },
	{ OK(LENGTH), 200, METHOD_HEAD, BODY_NONE, 5, true },
	{ OK(CHUNKED), 200, METHOD_HEAD, BODY_NONE, 0, true },
	{ OK(""), 200, METHOD_HEAD, BODY_NONE, 0, true },
	{ STATUS("100", ""), 100, METHOD_POST, BODY_NONE, 0, true },
	{ STATUS("103", "Link: </a>\r\n"), 103, METHOD_GET, BODY_NONE, 0, true },
	{ STATUS("101", "Connection: upgrade\r\n"), 101, METHOD_GET, BODY_NONE, 0, false },
	{ STATUS("204", ""), 204, METHOD_GET, BODY_NONE, 0, true },
	{ STATUS("204", "Content-Length: 0\r\n"), 204, METHOD_GET, BODY_NONE, 0, true },
	{ STATUS("304", ""), 304, METHOD_GET, BODY_NONE, 0, true },
	{ STATUS("304", LENGTH), 304, METHOD_GET, BODY_NONE, 5, true },
	{ STATUS("304", CHUNKED), 304, METHOD_GET, BODY_NONE, 0, true },
	{ STATUS("205", LENGTH), 205, METHOD_GET, BODY_LENGTH, 5, true },
	{ STATUS("404", LENGTH), 404, METHOD_GET, BODY_LENGTH, 5, true },
	{ STATUS("599", LENGTH), 599, METHOD_GET, BODY_LENGTH, 5, true },
	{ SLICE_INIT("HTTP/1.1 200\r\n" LENGTH "\r\n"), 200, METHOD_GET, BODY_LENGTH, 5, true },
	{ SLICE_INIT("HTTP/1.1 200 \r\n" LENGTH "\r\n"), 200, METHOD_GET, BODY_LENGTH, 5, true },
	{ SLICE_INIT("HTTP/1.1 200 a\tb \xe4\r\n" LENGTH "\r\n"), 200, METHOD_GET, BODY_LENGTH, 5,
	  true },
	{ SLICE_INIT("HTTP/1.0 200 OK\r\n" LENGTH "\r\n"), 200, METHOD_GET, BODY_LENGTH, 5, false },
	{ SLICE_INIT("HTTP/1.0 200 OK\r\n" LENGTH "Connection: Keep-Alive\r\n\r\n"), 200,
	  METHOD_GET, BODY_LENGTH, 5, true },
	{ OK("Date: a\r\nDate: b\r\nServer:\r\n" LENGTH), 200, METHOD_GET, BODY_LENGTH, 5, true },
};

START_TEST(the_framing_is_that_of_the_rfc)
{
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct outcome o;

		parse(heads[i].in, heads[i].method, &limits, &o);
		ck_assert_msg(o.result == H1_DONE, "%.*s: %s", SLICE_PRINT(heads[i].in),
			      o.parse.reason);
		ck_assert_int_eq(o.response.status, heads[i].status);
		ck_assert_int_eq(o.response.framing, heads[i].framing);
		ck_assert_uint_eq(o.response.content_length, heads[i].length);
		ck_assert_msg(o.response.keeps_alive == heads[i].keeps_alive, "%.*s",
			      SLICE_PRINT(heads[i].in));
		ck_assert_uint_eq(o.parse.bytes, heads[i].in.len);
		for (size_t n = 0; n < heads[i].in.len; n++) {
			parse(slice_make(heads[i].in.at, n), heads[i].method, &limits, &o);
			ck_assert_int_eq(o.result, H1_MORE);
		}
	}
}
END_TEST

static void
assert_refused(struct slice in, const struct h1_limits *l)
{
	struct outcome o, part;

	parse(in, METHOD_GET, l, &o);
	ck_assert_msg(o.result == ERR_PROTOCOL, "%.*s was taken", SLICE_PRINT(in));
	ck_assert_int_eq(o.parse.status, 502);
	for (size_t n = 0; n < in.len; n++) {
		parse(slice_make(in.at, n), METHOD_GET, l, &part);
		ck_assert_msg(part.result == H1_MORE ||
				  slice_eq(slice_of(part.parse.reason), slice_of(o.parse.reason)),
			      "the first %zu bytes of %.*s", n, SLICE_PRINT(in));
	}
}

static const struct slice malformed[] = {
	SLICE_INIT("\r\n"),
	SLICE_INIT("\r\nHTTP/1.1 200 OK\r\n\r\n"),
	SLICE_INIT("200 OK\r\n"),
	SLICE_INIT("http/1.1 200 OK\r\n"),
	SLICE_INIT("ICY 200 OK\r\n"),
	SLICE_INIT("HTTP/1.2 200 OK\r\n"),
	SLICE_INIT("HTTP/2.0 200 OK\r\n"),
	SLICE_INIT("HTTP/0.9 200 OK\r\n"),
	SLICE_INIT("HTTP/1 200 OK\r\n"),
	SLICE_INIT("HTTP/1.10 200 OK\r\n"),
	SLICE_INIT("HTTP/1.1  200 OK\r\n"),
	SLICE_INIT("HTTP/1.1\t200 OK\r\n"),
	SLICE_INIT("HTTP/1.1 20 OK\r\n"),
	SLICE_INIT("HTTP/1.1 2000 OK\r\n"),
	SLICE_INIT("HTTP/1.1 2x0 OK\r\n"),
	SLICE_INIT("HTTP/1.1 -20 OK\r\n"),
	SLICE_INIT("HTTP/1.1 200OK\r\n"),
	SLICE_INIT("HTTP/1.1 200\tOK\r\n"),
	SLICE_INIT("HTTP/1.1 200 OK\n\n"),
	SLICE_INIT("HTTP/1.1 200 O\rK\r\n"),
	SLICE_INIT("HTTP/1.1 200 O\0K\r\n"),
	SLICE_INIT("HTTP/1.1 200 O\x1bK\r\n"),
	STATUS("000", ""),
	STATUS("099", ""),
	STATUS("600", ""),
	STATUS("999", ""),
	OK(LENGTH LENGTH),
	OK(LENGTH CHUNKED),
	OK(CHUNKED LENGTH),
	OK(CHUNKED CHUNKED),
	OK("Content-Length: 5, 5\r\n"),
	OK("Content-Length: -5\r\n"),
	OK("Content-Length:\r\n"),
	OK("Content-Length: 9223372036854775808\r\n"),
	OK("Transfer-Encoding: gzip\r\n"),
	OK("Transfer-Encoding: identity\r\n"),
	OK("Transfer-Encoding: gzip, chunked\r\n"),
	OK("Transfer-Encoding:\r\n"),
	SLICE_INIT("HTTP/1.0 200 OK\r\n" CHUNKED "\r\n"),
	STATUS("204", LENGTH),
	STATUS("204", CHUNKED),
	STATUS("100", LENGTH),
	STATUS("101", CHUNKED),
	OK("A : b\r\n"),
	OK(" A: b\r\n"),
	OK("A: b\r\n c\r\n"),
	OK("A: b\n"),
	OK("A: b\rc\r\n"),
	OK("A: \0\r\n"),
	OK("A: \x01\r\n"),
	OK("A\r\n"),
	OK(": a\r\n"),
	OK("\xe4: a\r\n"),
	SLICE_INIT("HTTP/1.1 200 OK\r\n\n"),
	OK("A:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n"),
};

START_TEST(malformed_heads_are_refused_whole_or_in_pieces)
{
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		assert_refused(malformed[i], &limits);
}
END_TEST

START_TEST(a_head_may_be_as_large_as_the_limit_and_no_larger)
{
	struct slice in = OK(LENGTH);
	struct h1_limits l = limits;
	struct outcome o;

	l.max_head_bytes = (uint32_t)in.len;
	parse(in, METHOD_GET, &l, &o);
	ck_assert_int_eq(o.result, H1_DONE);
	for (l.max_head_bytes = 1; l.max_head_bytes < in.len; l.max_head_bytes++)
		assert_refused(in, &l);
}
END_TEST

START_TEST(any_byte_anywhere_has_one_verdict)
{
	struct slice in = SLICE("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nA: b\r\n\r\n");
	char text[64];

	ck_assert_uint_le(in.len, sizeof(text));
	for (size_t at = 0; at < in.len; at++) {
		for (int c = 0; c < 256; c++) {
			struct slice changed = slice_make(text, in.len);
			struct outcome o;

			memcpy(text, in.at, in.len);
			text[at] = (char)c;
			parse(changed, METHOD_GET, &limits, &o);
			if (o.result < 0)
				assert_refused(changed, &limits);
		}
	}
}
END_TEST

Suite *
suite_wire_h1_response(void)
{
	Suite *s = suite_create("wire_h1_response");
	TCase *t = tcase_create("h1_response");

	tcase_add_test(t, the_framing_is_that_of_the_rfc);
	tcase_add_test(t, malformed_heads_are_refused_whole_or_in_pieces);
	tcase_add_test(t, a_head_may_be_as_large_as_the_limit_and_no_larger);
	tcase_add_test(t, any_byte_anywhere_has_one_verdict);
	suite_add_tcase(s, t);
	return s;
}
