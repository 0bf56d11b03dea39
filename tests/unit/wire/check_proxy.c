/*
 * Headers of the PROXY protocol: both versions, in any pieces, and what is refused.
 */
#include "wire/proxy.h"

#include <check.h>
#include <stdlib.h>

Suite *suite_wire_proxy(void);

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_V4     "\xc0\x00\x02\x01\x0a\x00\x00\x01\x12\x67\x01\xbb"
#define V6_V6                                                                                      \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"                                               \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"                                               \
	"\x12\x67\x01\xbb"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"

/* In memory of its own size, so that a sanitizer sees a step behind it. */
static int
parse(struct slice in, struct proxy_header *h)
{
	char *copy = malloc(in.len ? in.len : 1);
	int err;

	if (in.len)
		memcpy(copy, in.at, in.len);
	err = proxy_parse(h, slice_make(copy, in.len));
	free(copy);
	return err;
}

static const char *
source_text(const struct proxy_header *h)
{
	static char text[64];
	struct writer w = writer_over(text, sizeof(text) - 1);

	if (h->source.len == 0)
		return "";
	if (address_is_unix(&h->source))
		address_write_host(&h->source, &w);
	else
		address_write(&h->source, &w);
	text[w.len] = '\0';
	return text;
}

static const struct {
	struct slice in;
	const char *source;
} good[] = {
	{ SLICE_INIT("PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n"), "192.0.2.1:4711" },
	{ SLICE_INIT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
	  "255.255.255.255:65535" },
	{ SLICE_INIT("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0:0" },
	{ SLICE_INIT("PROXY TCP6 2001:db8::1 ::1 4711 443\r\n"), "[2001:db8::1]:4711" },
	{ SLICE_INIT("PROXY TCP6 FFFF:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
	{ SLICE_INIT("PROXY TCP6 ::ffff:192.0.2.1 ::1 4711 443\r\n"), "192.0.2.1:4711" },
	{ SLICE_INIT("PROXY UNKNOWN\r\n"), "" },
	{ SLICE_INIT("PROXY UNKNOWN ffff:: anything \n at all \r 65536\r\n"), "" },
	{ SLICE_INIT(SIGNATURE "\x21\x11\0\x0c" V4_V4), "192.0.2.1:4711" },
	{ SLICE_INIT(SIGNATURE "\x21\x21\0\x24" V6_V6), "[2001:db8::1]:4711" },
	{ SLICE_INIT(SIGNATURE "\x21\x21\0\x24" MAPPED MAPPED "\x12\x67\x01\xbb"),
	  "192.0.2.1:4711" },
	/* With a TLV, and with what is none: both are skipped. */
	{ SLICE_INIT(SIGNATURE "\x21\x11\0\x11" V4_V4 "\x04\0\x02\xff\xff"), "192.0.2.1:4711" },
	{ SLICE_INIT(SIGNATURE "\x21\x11\0\x0f" V4_V4 "\x04\xff\xff"), "192.0.2.1:4711" },
	/* Who says nothing: no address, datagrams, LOCAL with whatever it brings. */
	{ SLICE_INIT(SIGNATURE "\x21\0\0\0"), "" },
	{ SLICE_INIT(SIGNATURE "\x21\0\0\x05 what"), "" },
	{ SLICE_INIT(SIGNATURE "\x21\x12\0\x0c" V4_V4), "" },
	{ SLICE_INIT(SIGNATURE "\x21\x22\0\x24" V6_V6), "" },
	{ SLICE_INIT(SIGNATURE "\x20\0\0\0"), "" },
	{ SLICE_INIT(SIGNATURE "\x20\x11\0\x0c" V4_V4), "" },
	{ SLICE_INIT(SIGNATURE "\x20\xff\0\x01x"), "" },
};

START_TEST(headers_are_the_same_in_any_pieces)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct proxy_header h;

		for (size_t n = 0; n < good[i].in.len; n++)
			ck_assert_msg(parse(slice_make(good[i].in.at, n), &h) == PROXY_MORE,
				      "%zu: %zu bytes", i, n);
		ck_assert_msg(parse(good[i].in, &h) == 0, "%zu", i);
		ck_assert_uint_eq(h.bytes, good[i].in.len);
		ck_assert_str_eq(source_text(&h), good[i].source);
	}
}
END_TEST

START_TEST(what_follows_is_not_the_headers)
{
	struct proxy_header h;

	ck_assert_int_eq(parse(SLICE("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n"), &h), 0);
	ck_assert_uint_eq(h.bytes, 15);
	ck_assert_int_eq(parse(SLICE(SIGNATURE "\x20\0\0\x01xGET / HTTP/1.1\r\n"), &h), 0);
	ck_assert_uint_eq(h.bytes, 17);
}
END_TEST

static const struct {
	int err;
	struct slice in;
} bad[] = {
	{ ERR_MISSING, SLICE_INIT("GET / HTTP/1.1\r\n") },
	{ ERR_MISSING, SLICE_INIT("PROXY\r\n") },
	{ ERR_MISSING, SLICE_INIT("proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n") },
	{ ERR_MISSING, SLICE_INIT("\x16\x03\x01") },
	{ ERR_MISSING, SLICE_INIT("\r\n\r\nGET") },
	{ ERR_MISSING, SLICE_INIT("\r\n\r\n\0\r\nQUIX") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY \r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY UNKNOWNX\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4\t1.1.1.1 2.2.2.2 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1.1 2.2.2.2 1 02\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1.1 2.2.2.2 1 \r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 ::1 ::1 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP4 1.1.1.1 ::1 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP6 1.1.1.1 ::1 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP6 ::1 1.1.1.1 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP6 [::1] ::1 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT("PROXY TCP6 fe80::1%lo ::1 1 2\r\n") },
	{ ERR_PROTOCOL, SLICE_INIT(SIGNATURE "\x11\x11\0\x0c" V4_V4) },
	{ ERR_PROTOCOL, SLICE_INIT(SIGNATURE "\x22\x11\0\x0c" V4_V4) },
	{ ERR_PROTOCOL, SLICE_INIT(SIGNATURE "\x21\x13\0\x0c" V4_V4) },
	{ ERR_PROTOCOL, SLICE_INIT(SIGNATURE "\x21\x41\0\x0c" V4_V4) },
	{ ERR_PROTOCOL, SLICE_INIT(SIGNATURE "\x21\x10\0\x0c" V4_V4) },
	{ ERR_PROTOCOL, SLICE_INIT(SIGNATURE "\x21\x01\0\x0c" V4_V4) },
	/* Lengths that lie: an address would end in what the client says. */
	{ ERR_PROTOCOL, SLICE_INIT(SIGNATURE "\x21\x11\0\x0b" V4_V4) },
	{ ERR_PROTOCOL, SLICE_INIT(SIGNATURE "\x21\x11\0\0" V4_V4) },
	{ ERR_PROTOCOL, SLICE_INIT(SIGNATURE "\x21\x21\0\x0c" V4_V4) },
	{ ERR_PROTOCOL, SLICE_INIT(SIGNATURE "\x21\x31\0\xd7" V4_V4) },
	{ ERR_TOO_LARGE, SLICE_INIT(SIGNATURE "\x21\x11\xff\xff" V4_V4) },
	{ ERR_TOO_LARGE, SLICE_INIT(SIGNATURE "\x20\0\x0f\xf1") },
};

START_TEST(what_is_no_header_is_refused)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct proxy_header h;
		int err = parse(bad[i].in, &h);

		ck_assert_msg(err == bad[i].err, "%zu: %s", i, err_text(err));
	}
}
END_TEST

/* The first byte that is wrong decides, and nothing behind it. */
START_TEST(verdict_does_not_wait_for_what_follows)
{
	struct proxy_header h;

	ck_assert_int_eq(parse(SLICE("G"), &h), ERR_MISSING);
	ck_assert_int_eq(parse(SLICE("PROXX"), &h), ERR_MISSING);
	ck_assert_int_eq(parse(SLICE(SIGNATURE "\x21\x11\xff\xff"), &h), ERR_TOO_LARGE);
	ck_assert_int_eq(parse(SLICE(SIGNATURE "\x21\x11\0\x0b"), &h), ERR_PROTOCOL);
}
END_TEST

START_TEST(longest_headers_end_where_they_may)
{
	char line[PROXY_V1_BYTES + 1] = "PROXY UNKNOWN ";
	char *binary = malloc(PROXY_MAX_BYTES);
	struct proxy_header h;

	memset(line + 14, 'x', sizeof(line) - 14);
	memcpy(line + PROXY_V1_BYTES - 2, "\r\n", 2);
	ck_assert_int_eq(parse(slice_make(line, PROXY_V1_BYTES), &h), 0);
	ck_assert_uint_eq(h.bytes, PROXY_V1_BYTES);
	memset(line + 14, 'x', sizeof(line) - 14);
	ck_assert_int_eq(parse(slice_make(line, PROXY_V1_BYTES - 1), &h), PROXY_MORE);
	ck_assert_int_eq(parse(slice_make(line, PROXY_V1_BYTES), &h), ERR_TOO_LARGE);
	memcpy(line + PROXY_V1_BYTES - 1, "\r\n", 2);
	ck_assert_int_eq(parse(slice_make(line, PROXY_V1_BYTES + 1), &h), ERR_TOO_LARGE);

	memset(binary, 0, PROXY_MAX_BYTES);
	memcpy(binary, SIGNATURE "\x21\x11\x0f\xf0" V4_V4, 28);
	ck_assert_int_eq(parse(slice_make(binary, PROXY_MAX_BYTES - 1), &h), PROXY_MORE);
	ck_assert_int_eq(parse(slice_make(binary, PROXY_MAX_BYTES), &h), 0);
	ck_assert_uint_eq(h.bytes, PROXY_MAX_BYTES);
	free(binary);
}
END_TEST

START_TEST(client_of_a_unix_socket_has_no_path)
{
	char in[16 + 216] = SIGNATURE "\x21\x31\0\xd8/tmp/x";
	struct proxy_header h;

	ck_assert_int_eq(parse(slice_make(in, sizeof(in) - 1), &h), PROXY_MORE);
	ck_assert_int_eq(parse(slice_make(in, sizeof(in)), &h), 0);
	ck_assert_str_eq(source_text(&h), "unix");
	in[13] = 0x32;
	ck_assert_int_eq(parse(slice_make(in, sizeof(in)), &h), 0);
	ck_assert_str_eq(source_text(&h), "");
}
END_TEST

Suite *
suite_wire_proxy(void)
{
	Suite *s = suite_create("wire/proxy");
	TCase *t = tcase_create("proxy");

	tcase_add_test(t, headers_are_the_same_in_any_pieces);
	tcase_add_test(t, what_follows_is_not_the_headers);
	tcase_add_test(t, what_is_no_header_is_refused);
	tcase_add_test(t, verdict_does_not_wait_for_what_follows);
	tcase_add_test(t, longest_headers_end_where_they_may);
	tcase_add_test(t, client_of_a_unix_socket_has_no_path);
	suite_add_tcase(s, t);
	return s;
}
