/*
 * HTTP/1 request heads: what is taken and what it means, what is refused and
 * with which status. Every input is also fed as all of its prefixes, each in
 * memory of exactly its size, so that a sanitizer sees a byte read too far.
 */
#include "base/err.h"
#include "wire/h1_head.h"

#include <check.h>
#include <stdlib.h>

/* The lines that most cases share. */
#define LINE "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define END  "\r\n"
/* A head with one more line. */
#define WITH(line)    SLICE_INIT(LINE HOST line "\r\n" END)
#define TARGET(text)  SLICE_INIT("GET " text " HTTP/1.1\r\n" HOST END)
#define VERSION(text) SLICE_INIT("GET / " text "\r\n" HOST END)

Suite *suite_wire_h1_request(void);

enum { MAX_FIELDS = 8 };
static const struct h1_limits limits = {
	.max_head_bytes = 512,
	.max_fields = MAX_FIELDS,
	.max_target = 32,
};

struct outcome {
	struct request request;
	struct field at[MAX_FIELDS];
	struct h1_parse parse;
	int result;
};

/* The copy, which the slices of *o borrow from; the caller frees it. */
static char *
parse(struct slice in, const struct h1_limits *l, struct outcome *o)
{
	char *copy = malloc(in.len ? in.len : 1);

	memcpy(copy, in.at, in.len);
	memset(o, 0xa5, sizeof(*o));
	o->request.fields = (struct fields){ .at = o->at, .cap = MAX_FIELDS };
	o->result = h1_request_parse(&o->request, slice_make(copy, in.len), l, &o->parse);
	return copy;
}

static void
assert_prefix(struct slice in, size_t len, const struct h1_limits *l, const struct outcome *whole)
{
	struct outcome part;

	free(parse(slice_make(in.at, len), l, &part));
	if (part.result == H1_MORE)
		return;
	ck_assert_msg(part.result == whole->result && part.parse.status == whole->parse.status,
		      "the first %zu bytes of %.*s: %d %d, whole: %d %d", len, SLICE_PRINT(in),
		      part.result, part.parse.status, whole->result, whole->parse.status);
	ck_assert_str_eq(part.parse.reason, whole->parse.reason);
}

static void
assert_refused(struct slice in, const struct h1_limits *l, int status)
{
	struct outcome o;

	free(parse(in, l, &o));
	ck_assert_msg(o.result == ERR_PROTOCOL && o.parse.status == status,
		      "%.*s: %d, status %d, not %d", SLICE_PRINT(in), o.result, o.parse.status,
		      status);
	ck_assert_ptr_nonnull(o.parse.reason);
	for (size_t n = 0; n < in.len; n++)
		assert_prefix(in, n, l, &o);
}

struct refusal {
	struct slice in;
	int status;
};

static const struct refusal refusals[] = {
	/* What is no HTTP at all. */
	{ SLICE_INIT("\n"), 400 },
	{ SLICE_INIT("\r\r\n"), 400 },
	{ SLICE_INIT("\r\n\r\n" LINE HOST END), 400 },
	{ SLICE_INIT("\n" LINE HOST END), 400 },
	{ SLICE_INIT("\x16\x03\x01\x02"), 400 },
	{ SLICE_INIT("\0"), 400 },
	{ SLICE_INIT(" "), 400 },

	/* The request line. */
	{ SLICE_INIT("GET\r\n"), 400 },
	{ SLICE_INIT("GET /\r\n"), 400 },
	{ SLICE_INIT("GET / \r\n"), 400 },
	{ SLICE_INIT("GET /\n"), 400 },
	{ SLICE_INIT(" GET / HTTP/1.1\r\n" HOST END), 400 },
	{ SLICE_INIT("GET  / HTTP/1.1\r\n" HOST END), 400 },
	{ SLICE_INIT("GET /  HTTP/1.1\r\n" HOST END), 400 },
	{ SLICE_INIT("GET\t/ HTTP/1.1\r\n" HOST END), 400 },
	{ SLICE_INIT("GET /\tHTTP/1.1\r\n" HOST END), 400 },
	{ SLICE_INIT("GET / HTTP/1.1 \r\n" HOST END), 400 },
	{ SLICE_INIT("GET / HTTP/1.1\n" HOST END), 400 },
	{ SLICE_INIT("GET / HTTP/1.1\r" HOST END), 400 },
	{ SLICE_INIT("GET / HTTP/1.1\r\r\n" HOST END), 400 },
	{ SLICE_INIT("GET / HTTP/1.1 x\r\n" HOST END), 400 },
	{ SLICE_INIT("G@T / HTTP/1.1\r\n" HOST END), 400 },
	{ SLICE_INIT("GET: / HTTP/1.1\r\n" HOST END), 400 },
	{ SLICE_INIT("(GET) / HTTP/1.1\r\n" HOST END), 400 },
	{ SLICE_INIT("G\xc3T / HTTP/1.1\r\n" HOST END), 400 },
	{ SLICE_INIT("G\0T / HTTP/1.1\r\n" HOST END), 400 },
	{ SLICE_INIT("/ HTTP/1.1\r\n" HOST END), 400 },

	/* Versions. */
	{ VERSION("HTTP/1.2"), 505 },
	{ VERSION("HTTP/0.9"), 505 },
	{ VERSION("HTTP/2.0"), 505 },
	{ VERSION("HTTP/3.0"), 505 },
	{ VERSION("HTTP/0.0"), 505 },
	{ VERSION("HTTP/9.9"), 505 },
	{ VERSION("http/1.1"), 400 },
	{ VERSION("Http/1.1"), 400 },
	{ VERSION("HTTP/1"), 400 },
	{ VERSION("HTTP/1."), 400 },
	{ VERSION("HTTP/.1"), 400 },
	{ VERSION("HTTP/11"), 400 },
	{ VERSION("HTTP/1.10"), 400 },
	{ VERSION("HTTP/01.1"), 400 },
	{ VERSION("HTTP/2.00"), 400 },
	{ VERSION("HTTP/1,1"), 400 },
	{ VERSION("HTTP/a.b"), 400 },
	{ VERSION("HTTP 1.1"), 400 },
	{ VERSION("HTTPS/1.1"), 400 },
	{ VERSION("ICE/1.0"), 400 },

	/* Targets. */
	{ TARGET("a"), 400 },
	{ TARGET("a/b"), 400 },
	{ TARGET("?a"), 400 },
	{ TARGET("*"), 400 },
	{ TARGET("*a"), 400 },
	{ TARGET("/a#b"), 400 },
	{ TARGET("/a?b#c"), 400 },
	{ TARGET("/a\"b"), 400 },
	{ TARGET("/a<b"), 400 },
	{ TARGET("/a>b"), 400 },
	{ TARGET("/a\\b"), 400 },
	{ TARGET("/a`b"), 400 },
	{ TARGET("/{a}"), 400 },
	{ TARGET("/a\x7f"), 400 },
	{ TARGET("/a\xc3\xa9"), 400 },
	{ TARGET("/a?\xc3\xa9"), 400 },
	{ TARGET("/a\x01"), 400 },
	{ TARGET("/a\0b"), 400 },
	{ TARGET("/a b"), 400 },
	{ TARGET("/a?b\tc"), 400 },
	{ TARGET("/a\r\nb"), 400 },
	{ TARGET("http://"), 400 },
	{ TARGET("http:///a"), 400 },
	{ TARGET("http://:80/"), 400 },
	{ TARGET("http:/a"), 400 },
	{ TARGET("http:a"), 400 },
	{ TARGET("http://u@a/"), 400 },
	{ TARGET("http://u:p@a/"), 400 },
	{ TARGET("http://a:b/"), 400 },
	{ TARGET("http://a:65536/"), 400 },
	{ TARGET("http://[::1/"), 400 },
	{ TARGET("http://[x]/"), 400 },
	{ TARGET("http://a%zz/"), 400 },
	{ TARGET("http://a|b/"), 400 },
	{ TARGET("ftp://a/"), 400 },
	{ TARGET("ws://a/"), 400 },
	{ TARGET("://a/"), 400 },
	{ TARGET("a:80"), 400 },
	{ SLICE_INIT("OPTIONS *?a HTTP/1.1\r\n" HOST END), 400 },
	{ SLICE_INIT("OPTIONS ** HTTP/1.1\r\n" HOST END), 400 },
	{ SLICE_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505 },
	{ SLICE_INIT("CONNECT a:80 HTTP/1.1\r\n" HOST END), 501 },
	{ SLICE_INIT("CONNECT / HTTP/1.1\r\n" HOST END), 501 },

	/* Field lines. */
	{ WITH(" a: b"), 400 },
	{ WITH("\ta: b"), 400 },
	{ WITH("a : b"), 400 },
	{ WITH("a\t: b"), 400 },
	{ WITH("a b: c"), 400 },
	{ WITH(": b"), 400 },
	{ WITH("a"), 400 },
	{ WITH("a;b: c"), 400 },
	{ WITH("a/b: c"), 400 },
	{ WITH("(a): c"), 400 },
	{ WITH("\"a\": c"), 400 },
	{ WITH("a@b: c"), 400 },
	{ WITH("a\0: c"), 400 },
	{ WITH("a\x7f: c"), 400 },
	{ WITH("\xc3\xa9: c"), 400 },
	{ WITH("a: b\n"), 400 },
	{ WITH("a: b\nc: d"), 400 },
	{ WITH("a: b\rc: d"), 400 },
	{ WITH("a: b\r"), 400 },
	{ WITH("a: \0"), 400 },
	{ WITH("a: b\0c"), 400 },
	{ WITH("a: b\x01"), 400 },
	{ WITH("a: b\x0b"), 400 },
	{ WITH("a: b\x0c"), 400 },
	{ WITH("a: b\x1b[0m"), 400 },
	{ WITH("a: b\x1f"), 400 },
	{ WITH("a: b\x7f"), 400 },
	{ WITH("a: 0123456789abcdef0123456789abcdef\x01"), 400 },
	{ WITH("a: 0123456789abcdef\n0123456789abcdef"), 400 },
	{ WITH("a: b\r\n c"), 400 },
	{ WITH("a: b\r\n\tc"), 400 },
	{ WITH("a:\r\n b"), 400 },
	{ SLICE_INIT(LINE " " HOST END), 400 },
	{ SLICE_INIT(LINE HOST "\n"), 400 },
	{ SLICE_INIT(LINE HOST "\rx"), 400 },

	/* Host. */
	{ SLICE_INIT(LINE END), 400 },
	{ SLICE_INIT(LINE "Accept: *\r\n" END), 400 },
	{ SLICE_INIT("GET http://a/ HTTP/1.1\r\n" END), 400 },
	{ WITH("Host: a"), 400 },
	{ WITH("host: b"), 400 },
	{ WITH("HOST:"), 400 },
	{ SLICE_INIT("GET / HTTP/1.0\r\n" HOST HOST END), 400 },
	{ SLICE_INIT(LINE "Host: a, b\r\n" END), 400 },
	{ SLICE_INIT(LINE "Host: a b\r\n" END), 400 },
	{ SLICE_INIT(LINE "Host: a/b\r\n" END), 400 },
	{ SLICE_INIT(LINE "Host: http://a\r\n" END), 400 },
	{ SLICE_INIT(LINE "Host: u@a\r\n" END), 400 },
	{ SLICE_INIT(LINE "Host: a:80:80\r\n" END), 400 },
	{ SLICE_INIT(LINE "Host: a:x\r\n" END), 400 },
	{ SLICE_INIT(LINE "Host: a:99999\r\n" END), 400 },
	{ SLICE_INIT(LINE "Host: ::1\r\n" END), 400 },
	{ SLICE_INIT(LINE "Host: [::1\r\n" END), 400 },
	{ SLICE_INIT(LINE "Host: a?b\r\n" END), 400 },
	{ SLICE_INIT(LINE "Host: a#b\r\n" END), 400 },
	{ SLICE_INIT(LINE "Host: \"a\"\r\n" END), 400 },
	{ SLICE_INIT(LINE "Host: \xc3\xa9\r\n" END), 400 },
	{ SLICE_INIT("GET http://b/ HTTP/1.1\r\nHost: a b\r\n" END), 400 },

	/* Lengths and codings. */
	{ WITH("Content-Length:"), 400 },
	{ WITH("Content-Length: "), 400 },
	{ WITH("Content-Length: a"), 400 },
	{ WITH("Content-Length: -1"), 400 },
	{ WITH("Content-Length: +1"), 400 },
	{ WITH("Content-Length: 1 1"), 400 },
	{ WITH("Content-Length: 1,1"), 400 },
	{ WITH("Content-Length: 5, 5"), 400 },
	{ WITH("Content-Length: 1."), 400 },
	{ WITH("Content-Length: 1.0"), 400 },
	{ WITH("Content-Length: 1e3"), 400 },
	{ WITH("Content-Length: 0x10"), 400 },
	{ WITH("Content-Length: 1_000"), 400 },
	{ WITH("Content-Length: \"1\""), 400 },
	{ WITH("Content-Length: \xb2"), 400 },
	{ WITH("Content-Length: 9223372036854775808"), 400 },
	{ WITH("Content-Length: 18446744073709551616"), 400 },
	{ WITH("Content-Length: 99999999999999999999999999"), 400 },
	{ WITH("Content-Length: 5\r\nContent-Length: 5"), 400 },
	{ WITH("Content-Length: 5\r\ncontent-length: 6"), 400 },
	{ WITH("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400 },
	{ WITH("Transfer-Encoding: chunked\r\nContent-Length: 5"), 400 },
	{ WITH("Transfer-Encoding: chunked\r\nContent-Length: 0"), 400 },
	{ WITH("Content-Length: 5\r\nTransfer-Encoding: gzip"), 400 },
	{ WITH("Transfer-Encoding:"), 400 },
	{ WITH("Transfer-Encoding: chunked, chunked"), 400 },
	{ WITH("Transfer-Encoding: gzip, chunked"), 400 },
	{ WITH("Transfer-Encoding: chunked, gzip"), 400 },
	{ WITH("Transfer-Encoding: identity, chunked"), 400 },
	{ WITH("Transfer-Encoding: ,chunked"), 400 },
	{ WITH("Transfer-Encoding: chunked,"), 400 },
	{ WITH("Transfer-Encoding: chunked;a=b"), 400 },
	{ WITH("Transfer-Encoding: \"chunked\""), 400 },
	{ WITH("Transfer-Encoding: chun ked"), 400 },
	{ WITH("Transfer-Encoding: \x0b"
	       "chunked"),
	  400 },
	{ WITH("Transfer-Encoding: chunked\x0b"), 400 },
	{ WITH("Transfer-Encoding: chunked\xa0"), 400 },
	{ WITH("Transfer-Encoding : chunked"), 400 },
	{ WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400 },
	{ WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), 400 },
	{ WITH("Transfer-Encoding: gzip"), 501 },
	{ WITH("Transfer-Encoding: identity"), 501 },
	{ WITH("Transfer-Encoding: xchunked"), 501 },
	{ WITH("Transfer-Encoding: chunke"), 501 },
	{ WITH("Transfer-Encoding: chunkedd"), 501 },
	{ SLICE_INIT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END), 400 },
	{ SLICE_INIT("POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n" END), 400 },

	/* Expectations, and fields that come once. */
	{ WITH("Expect: 200-ok"), 417 },
	{ WITH("Expect:"), 417 },
	{ WITH("Expect: 100-continue, 100-continue"), 417 },
	{ WITH("Expect: 100-continue=1"), 417 },
	{ WITH("Content-Type: a/b\r\nContent-Type: c/d"), 400 },
	{ WITH("Authorization: a\r\nAuthorization: b"), 400 },
	{ WITH("Range: bytes=0-1\r\nRange: bytes=2-3"), 400 },
	{ WITH("Forebay-Deadline: 1s\r\nForebay-Deadline: 2s"), 400 },

	/* The first error is the verdict. */
	{ WITH("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"), 501 },
	{ WITH("Expect: a\r\nContent-Length: b"), 417 },
	{ SLICE_INIT("GET /0123456789012345678901234567890\x01 HTTP/1.1\r\n"), 400 },
	{ SLICE_INIT("GET /01234567890123456789012345678901\x01 HTTP/1.1\r\n"), 414 },
};

START_TEST(malformed_heads_are_refused_with_their_status_whole_or_in_pieces)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		assert_refused(refusals[i].in, &limits, refusals[i].status);
}
END_TEST

/* A head that is taken; what is left out is as in `GET / HTTP/1.1` with Host: a. */
struct acceptance {
	struct slice in;
	const char *method, *target, *authority, *path, *query;
	int version, framing;
	uint64_t length;
	unsigned fields;
	bool closes, expects;
};

static const struct acceptance acceptances[] = {
	{ .in = SLICE_INIT(LINE HOST END) },
	{ .in = SLICE_INIT("\r\n" LINE HOST END) },
	{ .in = SLICE_INIT("HEAD / HTTP/1.1\r\n" HOST END), .method = "HEAD" },
	{ .in = SLICE_INIT("get / HTTP/1.1\r\n" HOST END), .method = "get" },
	{ .in = SLICE_INIT("PURGE / HTTP/1.1\r\n" HOST END), .method = "PURGE" },
	{ .in = SLICE_INIT("M-SEARCH / HTTP/1.1\r\n" HOST END), .method = "M-SEARCH" },
	{ .in = SLICE_INIT("!#$%&'*+-.^_`|~ / HTTP/1.1\r\n" HOST END),
	  .method = "!#$%&'*+-.^_`|~" },
	{ .in = TARGET("/a/b.c~d-e_f"), .path = "/a/b.c~d-e_f" },
	{ .in = TARGET("//a"), .path = "//a" },
	{ .in = TARGET("/a%20b%2f"), .path = "/a%20b%2f" },
	{ .in = TARGET("/a:@!$&'()*+,;=[]^|"), .path = "/a:@!$&'()*+,;=[]^|" },
	{ .in = TARGET("/a?b"), .path = "/a", .query = "b" },
	{ .in = TARGET("/a?"), .path = "/a", .query = "" },
	{ .in = TARGET("/?"), .query = "" },
	{ .in = TARGET("/a?b?c=d/e"), .path = "/a", .query = "b?c=d/e" },
	{ .in = TARGET("/?f[a]={b}`|^\\"), .query = "f[a]={b}`|^\\" },
	{ .in = TARGET("/0123456789012345678901234567890"),
	  .path = "/0123456789012345678901234567890" },
	{ .in = TARGET("http://b/c"), .target = "http://b/c", .authority = "b", .path = "/c" },
	{ .in = TARGET("HTTPS://b:1/c?d"),
	  .target = "HTTPS://b:1/c?d",
	  .authority = "b:1",
	  .path = "/c",
	  .query = "d" },
	{ .in = TARGET("http://b"), .target = "http://b", .authority = "b" },
	{ .in = TARGET("http://b?c"), .target = "http://b?c", .authority = "b", .query = "c" },
	{ .in = TARGET("http://[::1]:80//"),
	  .target = "http://[::1]:80//",
	  .authority = "[::1]:80",
	  .path = "//" },
	{ .in = SLICE_INIT("OPTIONS * HTTP/1.1\r\n" HOST END), .method = "OPTIONS", .path = "*" },
	{ .in = SLICE_INIT("OPTIONS /a HTTP/1.1\r\n" HOST END), .method = "OPTIONS", .path = "/a" },
	{ .in = SLICE_INIT("OPTIONS http://b HTTP/1.1\r\n" HOST END),
	  .method = "OPTIONS",
	  .target = "http://b",
	  .authority = "b",
	  .path = "*" },
	{ .in = SLICE_INIT(LINE "Host:\r\n" END), .authority = "" },
	{ .in = SLICE_INIT(LINE "hOST: \t b:80 \t\r\n" END), .authority = "b:80" },
	{ .in = SLICE_INIT(LINE "Host:[::1]\r\n" END), .authority = "[::1]" },
	{ .in = SLICE_INIT("GET / HTTP/1.0\r\n" END),
	  .version = HTTP_1_0,
	  .authority = "",
	  .closes = true },
	{ .in = SLICE_INIT("GET / HTTP/1.0\r\n" HOST "Connection: Keep-Alive\r\n" END),
	  .version = HTTP_1_0,
	  .fields = 2 },
	{ .in = SLICE_INIT("GET / HTTP/1.0\r\n" HOST "Connection: keep-alive, close\r\n" END),
	  .version = HTTP_1_0,
	  .fields = 2,
	  .closes = true },
	{ .in = SLICE_INIT("GET / HTTP/1.0\r\n" HOST "Proxy-Connection: keep-alive\r\n" END),
	  .version = HTTP_1_0,
	  .fields = 2,
	  .closes = true },
	{ .in = WITH("Connection: close"), .closes = true, .fields = 2 },
	{ .in = WITH("Connection: upgrade , CLOSE"), .closes = true, .fields = 2 },
	{ .in = WITH("Connection: upgrade\r\nConnection: close"), .closes = true, .fields = 3 },
	{ .in = WITH("Connection: closed, not-close"), .fields = 2 },
	{ .in = WITH("Connection:"), .fields = 2 },
	{ .in = WITH("Accept:*/*"), .fields = 2 },
	{ .in = WITH("X-Empty:"), .fields = 2 },
	{ .in = WITH("X-Blank: \t "), .fields = 2 },
	{ .in = WITH("X-High: \xc3\xa9\xff"), .fields = 2 },
	{ .in = WITH("X-Tab: a\tb"), .fields = 2 },
	{ .in = WITH("X-Text: \"<>#{}[]\\^`|~ a:b"), .fields = 2 },
	{ .in = WITH("Accept: a\r\nAccept: b\r\nCookie: c\r\nCookie: d"), .fields = 5 },
	{ .in = WITH("A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: 6\r\nG: 7"), .fields = 8 },
	{ .in = WITH("Content-Length: 0"), .framing = BODY_LENGTH, .fields = 2 },
	{ .in = WITH("content-LENGTH:\t5 "), .framing = BODY_LENGTH, .length = 5, .fields = 2 },
	{ .in = WITH("Content-Length: 0005"), .framing = BODY_LENGTH, .length = 5, .fields = 2 },
	{ .in = WITH("Content-Length: 9223372036854775807"),
	  .framing = BODY_LENGTH,
	  .length = INT64_MAX,
	  .fields = 2 },
	{ .in = WITH("Transfer-Encoding: chunked"), .framing = BODY_CHUNKED, .fields = 2 },
	{ .in = WITH("transfer-encoding:CHUNKED "), .framing = BODY_CHUNKED, .fields = 2 },
	{ .in = WITH("Content_Length: 5\r\nX-Transfer-Encoding: gzip"), .fields = 3 },
	{ .in = WITH("Expect: 100-Continue\r\nContent-Length: 5"),
	  .framing = BODY_LENGTH,
	  .length = 5,
	  .expects = true,
	  .fields = 3 },
	{ .in = WITH("Transfer-Encoding: chunked\r\nExpect: 100-continue"),
	  .framing = BODY_CHUNKED,
	  .expects = true,
	  .fields = 3 },
	{ .in = WITH("Expect: 100-continue"), .fields = 2 },
	{ .in = WITH("Expect: 100-continue\r\nContent-Length: 0"),
	  .framing = BODY_LENGTH,
	  .fields = 3 },
	{ .in = SLICE_INIT("POST / HTTP/1.0\r\n" HOST "Expect: 100-continue\r\n"
			   "Content-Length: 5\r\n" END),
	  .method = "POST",
	  .version = HTTP_1_0,
	  .framing = BODY_LENGTH,
	  .length = 5,
	  .closes = true,
	  .fields = 3 },
};

static void
assert_text(struct slice got, const char *expected, const char *otherwise, const char *what)
{
	struct slice wanted = slice_of(expected ? expected : otherwise);

	ck_assert_msg(slice_eq(got, wanted), "%s: \"%.*s\", not \"%.*s\"", what, SLICE_PRINT(got),
		      SLICE_PRINT(wanted));
}

static void
assert_meaning(const struct acceptance *a, const struct outcome *o)
{
	const struct request *r = &o->request;
	unsigned fields = a->fields ? a->fields : a->version == HTTP_1_0 && a->authority ? 0 : 1;

	assert_text(r->method_name, a->method, "GET", "method");
	ck_assert_int_eq(r->method, method_of(r->method_name));
	assert_text(r->authority, a->authority, "a", "authority");
	assert_text(r->raw_path, a->path, "/", "path");
	assert_text(r->query, a->query, "", "query");
	ck_assert(r->has_query == (a->query != NULL));
	if (a->target)
		assert_text(r->target, a->target, NULL, "target");
	ck_assert_int_eq(r->version, a->version ? a->version : HTTP_1_1);
	ck_assert_int_eq((int)r->framing, a->framing);
	ck_assert_uint_eq(r->content_length, a->length);
	ck_assert_msg(r->keeps_alive == !a->closes, "%.*s", SLICE_PRINT(a->in));
	ck_assert_msg(r->expects_continue == a->expects, "%.*s", SLICE_PRINT(a->in));
	ck_assert_uint_eq(r->fields.count, fields);
	ck_assert_uint_eq(o->parse.bytes, a->in.len);
	ck_assert_int_eq(o->parse.status, 0);
}

START_TEST(heads_mean_what_they_say)
{
	for (size_t i = 0; i < sizeof(acceptances) / sizeof(acceptances[0]); i++) {
		const struct acceptance *a = &acceptances[i];
		struct outcome o;
		char *copy = parse(a->in, &limits, &o);

		ck_assert_msg(o.result == H1_DONE, "%.*s: %d %s", SLICE_PRINT(a->in),
			      o.parse.status, o.parse.reason);
		assert_meaning(a, &o);
		free(copy);
	}
}
END_TEST

START_TEST(an_unfinished_head_asks_for_more)
{
	for (size_t i = 0; i < sizeof(acceptances) / sizeof(acceptances[0]); i++) {
		struct slice in = acceptances[i].in;

		for (size_t n = 0; n < in.len; n++) {
			struct outcome o;

			free(parse(slice_make(in.at, n), &limits, &o));
			ck_assert_msg(o.result == H1_MORE, "%zu of %.*s: %d", n, SLICE_PRINT(in),
				      o.result);
		}
	}
}
END_TEST

START_TEST(what_follows_the_head_is_left_alone)
{
	static const struct slice surplus[] = {
		SLICE_INIT("\r\n"),
		SLICE_INIT(LINE HOST END),
		SLICE_INIT("\0\1\2"),
	};
	struct slice head = SLICE(LINE HOST END);

	for (size_t i = 0; i < sizeof(surplus) / sizeof(surplus[0]); i++) {
		char text[256];
		struct outcome o;

		memcpy(text, head.at, head.len);
		memcpy(text + head.len, surplus[i].at, surplus[i].len);
		free(parse(slice_make(text, head.len + surplus[i].len), &limits, &o));
		ck_assert_int_eq(o.result, H1_DONE);
		ck_assert_uint_eq(o.parse.bytes, head.len);
	}
}
END_TEST

START_TEST(fields_are_given_as_sent_with_their_ids)
{
	struct outcome o;
	char *copy = parse(SLICE(LINE HOST "X-Own:  a b \r\naccept: c\r\n" END), &limits, &o);

	ck_assert_int_eq(o.result, H1_DONE);
	ck_assert_int_eq(o.at[0].id, FIELD_HOST);
	ck_assert_int_eq(o.at[1].id, FIELD_OTHER);
	ck_assert(slice_eq(o.at[1].name, SLICE("X-Own")));
	ck_assert(slice_eq(o.at[1].value, SLICE("a b")));
	ck_assert_int_eq(o.at[2].id, FIELD_ACCEPT);
	ck_assert(slice_eq(o.at[2].name, SLICE("accept")));
	ck_assert(slice_eq(o.at[2].value, SLICE("c")));
	free(copy);
}
END_TEST

/* Every byte value at every place of a head: never a crash, and the verdict on
 * the whole is the verdict on its prefixes. */
START_TEST(any_byte_anywhere_has_one_verdict)
{
	struct slice in = SLICE("GET /a?b HTTP/1.1\r\nHost: a:1\r\nContent-Length: 12\r\n\r\n");
	char text[64];

	ck_assert_uint_le(in.len, sizeof(text));
	for (size_t at = 0; at < in.len; at++) {
		for (int c = 0; c < 256; c++) {
			struct slice changed = slice_make(text, in.len);
			struct outcome o;

			memcpy(text, in.at, in.len);
			text[at] = (char)c;
			free(parse(changed, &limits, &o));
			for (size_t n = at; n < in.len && o.result < 0; n++)
				assert_prefix(changed, n, &limits, &o);
		}
	}
}
END_TEST

START_TEST(a_control_is_found_at_every_place_of_a_long_value)
{
	for (size_t at = 0; at < 70; at++) {
		char text[128];
		struct slice start = SLICE(LINE HOST "a: ");
		struct outcome o;
		size_t len = start.len + 70;

		memset(text, 'x', sizeof(text));
		memcpy(text, start.at, start.len);
		memcpy(text + len, "\r\n\r\n", 4);
		free(parse(slice_make(text, len + 4), &limits, &o));
		ck_assert_int_eq(o.result, H1_DONE);
		text[start.len + at] = '\x1f';
		free(parse(slice_make(text, len + 4), &limits, &o));
		ck_assert_int_eq(o.result, ERR_PROTOCOL);
		text[start.len + at] = '\xff';
		free(parse(slice_make(text, len + 4), &limits, &o));
		ck_assert_int_eq(o.result, H1_DONE);
	}
}
END_TEST

START_TEST(a_head_may_be_as_large_as_the_limit_and_no_larger)
{
	struct h1_limits l = limits;
	struct slice in = SLICE(LINE HOST "Accept: *\r\n" END);
	struct outcome o;

	l.max_head_bytes = (uint32_t)in.len;
	free(parse(in, &l, &o));
	ck_assert_int_eq(o.result, H1_DONE);
	for (l.max_head_bytes = 1; l.max_head_bytes < in.len; l.max_head_bytes++) {
		assert_refused(in, &l, 431);
		/* As soon as the limit is reached, not only with the byte behind it. */
		assert_refused(slice_make(in.at, l.max_head_bytes), &l, 431);
	}
}
END_TEST

START_TEST(a_target_may_be_as_long_as_the_limit_and_no_longer)
{
	struct slice in = SLICE("GET /123456789?abcdef HTTP/1.1\r\n" HOST END);
	struct h1_limits l = limits;
	struct outcome o;

	l.max_target = 17;
	free(parse(in, &l, &o));
	ck_assert_int_eq(o.result, H1_DONE);
	for (l.max_target = 0; l.max_target < 17; l.max_target++) {
		assert_refused(in, &l, 414);
		assert_refused(slice_make(in.at, 4 + l.max_target + 1), &l, 414);
	}
}
END_TEST

START_TEST(one_field_too_many_is_refused)
{
	struct h1_limits l = limits;
	struct slice in = SLICE(LINE HOST "A: 1\r\nB: 2\r\nC: 3\r\n" END);
	struct outcome o;

	l.max_fields = 4;
	free(parse(in, &l, &o));
	ck_assert_int_eq(o.result, H1_DONE);
	for (l.max_fields = 0; l.max_fields < 4; l.max_fields++)
		assert_refused(in, &l, 431);
	/* The array is smaller than the limit says: it is never overrun. */
	l.max_fields = 100;
	assert_refused(SLICE(LINE HOST "A:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n" END), &l,
		       431);
}
END_TEST

Suite *
suite_wire_h1_request(void)
{
	Suite *s = suite_create("wire_h1_request");
	TCase *t = tcase_create("h1_request");

	tcase_add_test(t, malformed_heads_are_refused_with_their_status_whole_or_in_pieces);
	tcase_add_test(t, heads_mean_what_they_say);
	tcase_add_test(t, an_unfinished_head_asks_for_more);
	tcase_add_test(t, what_follows_the_head_is_left_alone);
	tcase_add_test(t, fields_are_given_as_sent_with_their_ids);
	tcase_add_test(t, any_byte_anywhere_has_one_verdict);
	tcase_add_test(t, a_control_is_found_at_every_place_of_a_long_value);
	tcase_add_test(t, a_head_may_be_as_large_as_the_limit_and_no_larger);
	tcase_add_test(t, a_target_may_be_as_long_as_the_limit_and_no_longer);
	tcase_add_test(t, one_field_too_many_is_refused);
	suite_add_tcase(s, t);
	return s;
}
