/*
 * Lines of HTTP/1.1 to fields of HTTP/2.
 */
#include "wire/h2_lines.h"

#include <check.h>
#include <string.h>

Suite *suite_wire_h2_lines(void);

static struct field at[32];
static struct fields fields;

static void
setup(void)
{
	fields = (struct fields){ .at = at, .cap = sizeof(at) / sizeof(at[0]) };
}

static void
assert_field(unsigned i, const char *name, const char *value)
{
	ck_assert_uint_lt(i, fields.count);
	ck_assert_msg(slice_eq(at[i].name, slice_of(name)), "%u: %.*s", i, SLICE_PRINT(at[i].name));
	ck_assert_msg(slice_eq(at[i].value, slice_of(value)), "%u: %.*s", i,
		      SLICE_PRINT(at[i].value));
}

START_TEST(a_request_becomes_pseudo_fields_and_fields)
{
	struct slice head = SLICE("GET /a?b=c HTTP/1.1\r\n"
				  "X-First: 1\r\n"
				  "Host: a.example:80\r\n"
				  "X-Empty: \r\n"
				  "\r\n");

	ck_assert_int_eq(h2_lines_request(head, SLICE("https"), &fields), 0);
	ck_assert_uint_eq(fields.count, 6);
	ck_assert_uint_le(fields.count, h2_lines_bound(head));
	assert_field(0, ":method", "GET");
	assert_field(1, ":scheme", "https");
	assert_field(2, ":authority", "a.example:80");
	assert_field(3, ":path", "/a?b=c");
	assert_field(4, "X-First", "1");
	assert_field(5, "X-Empty", "");
}
END_TEST

START_TEST(what_belongs_to_one_connection_is_left_out)
{
	struct slice head = SLICE("OPTIONS * HTTP/1.1\r\n"
				  "Host: a\r\n"
				  "Connection: close, TE\r\n"
				  "TE: trailers\r\n"
				  "Transfer-Encoding: chunked\r\n"
				  "Keep-Alive: timeout=5\r\n"
				  "Content-Length: 5\r\n"
				  "\r\n");

	ck_assert_int_eq(h2_lines_request(head, SLICE("http"), &fields), 0);
	ck_assert_uint_eq(fields.count, 6);
	assert_field(3, ":path", "*");
	assert_field(4, "TE", "trailers");
	assert_field(5, "Content-Length", "5");
}
END_TEST

START_TEST(cookies_are_cut_in_pieces)
{
	struct slice head = SLICE("GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b; c=d;e=f; \r\n\r\n");

	ck_assert_int_eq(h2_lines_request(head, SLICE("http"), &fields), 0);
	ck_assert_uint_eq(fields.count, 7);
	ck_assert_uint_le(fields.count, h2_lines_bound(head));
	assert_field(4, "Cookie", "a=b");
	assert_field(5, "Cookie", "c=d");
	assert_field(6, "Cookie", "e=f");
}
END_TEST

/* A library counts each field of its own, and drops a head that seems too long to it. */
START_TEST(cookies_of_too_many_pieces_stay_whole)
{
	static const char ahead[] = "GET / HTTP/1.1\r\nHost: a\r\nCookie: e=f; g=h\r\nCookie: ";
	static char text[8192];
	size_t len = sizeof(ahead) - 1;
	struct slice head;

	memcpy(text, ahead, len);
	for (unsigned i = 0; i < 3500; i++) {
		memcpy(text + len, "a;", 2);
		len += 2;
	}
	memcpy(text + len, "\r\n\r\n", 4);
	head = slice_make(text, len + 4);
	ck_assert_uint_le(h2_lines_bound(head), 150);
	ck_assert_int_eq(h2_lines_request(head, SLICE("http"), &fields), 0);
	ck_assert_uint_eq(fields.count, 7);
	assert_field(4, "Cookie", "e=f");
	ck_assert_uint_eq(at[6].value.len, 7000);
}
END_TEST

START_TEST(what_is_no_head_is_said_to_be_none)
{
	ck_assert_int_eq(h2_lines_request(SLICE(""), SLICE("http"), &fields), ERR_SYNTAX);
	ck_assert_int_eq(h2_lines_request(SLICE("GET\r\n\r\n"), SLICE("http"), &fields),
			 ERR_SYNTAX);
	ck_assert_int_eq(
	    h2_lines_request(SLICE("GET / HTTP/1.1\r\nX: y\r\n\r\n"), SLICE("http"), &fields),
	    ERR_SYNTAX);
	fields.count = 0;
	fields.cap = 4;
	ck_assert_int_eq(h2_lines_request(SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"),
					  SLICE("http"), &fields),
			 ERR_TOO_MANY);
}
END_TEST

START_TEST(trailers_are_lines_alone)
{
	ck_assert_int_eq(h2_lines_fields(SLICE("A: b\r\nC: d\r\n"), &fields), 0);
	ck_assert_uint_eq(fields.count, 2);
	assert_field(1, "C", "d");
}
END_TEST

Suite *
suite_wire_h2_lines(void)
{
	Suite *s = suite_create("wire_h2_lines");
	TCase *t = tcase_create("h2_lines");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, a_request_becomes_pseudo_fields_and_fields);
	tcase_add_test(t, what_belongs_to_one_connection_is_left_out);
	tcase_add_test(t, cookies_are_cut_in_pieces);
	tcase_add_test(t, cookies_of_too_many_pieces_stay_whole);
	tcase_add_test(t, what_is_no_head_is_said_to_be_none);
	tcase_add_test(t, trailers_are_lines_alone);
	return s;
}
