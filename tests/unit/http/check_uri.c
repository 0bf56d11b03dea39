/*
 * Paths, escapes, queries, authorities.
 */
#include "http/uri.h"

#include "base/err.h"

#include <check.h>
#include <stdlib.h>

Suite *suite_http_uri(void);

/* NULL: refused. Memory is exactly as long as promised, so that a sanitizer sees more. */
static void
assert_path(struct slice path, const char *expected)
{
	char *memory = malloc(path.len ? path.len : 1);
	struct slice result = SLICE("untouched");
	int err = uri_path_decode(path, memory, &result);

	if (!expected)
		ck_assert_msg(err == ERR_SYNTAX, "%.*s was taken", SLICE_PRINT(path));
	else
		ck_assert_msg(err == 0 && slice_eq(result, slice_of(expected)), "%.*s: %d %.*s",
			      SLICE_PRINT(path), err, SLICE_PRINT(result));
	free(memory);
}

static const struct {
	const char *path, *expected;
} paths[] = {
	{ "/", "/" },
	{ "/a/b", "/a/b" },
	{ "/a//b", "/a//b" },
	{ "//", "//" },
	{ "/a/", "/a/" },
	{ "/a.b/c..d", "/a.b/c..d" },
	{ "/a./b..", "/a./b.." },
	{ "/.a", "/.a" },
	{ "/..a", "/..a" },
	{ "/...", "/..." },
	{ "/a%20b", "/a b" },
	{ "/%41%7a", "/Az" },
	{ "/%C3%A9", "/\xc3\xa9" },
	{ "/%c3%a9", "/\xc3\xa9" },
	{ "/a+b", "/a+b" },
	{ "/a%2Fb", "/a%2Fb" },
	{ "/a%2fb", "/a%2Fb" },
	{ "/a%252Fb", "/a%252Fb" },
	{ "/100%25", "/100%25" },
	{ "/%2541", "/%2541" },
	{ "/%0A", "/\n" },
	{ "/.", "/" },
	{ "/./", "/" },
	{ "/a/.", "/a/" },
	{ "/a/./b", "/a/b" },
	{ "/a/..", "/" },
	{ "/a/../", "/" },
	{ "/a/../b", "/b" },
	{ "/a/b/../../c", "/c" },
	{ "/a//../b", "/a/b" },
	{ "//..", "/" },
	{ "/a/%2e", "/a/" },
	{ "/a/%2E%2e/b", "/b" },
	{ "/a/.%2e/b", "/b" },
	{ "/a/%2e./b", "/b" },
	{ "/a/..%2Fb", "/a/..%2Fb" },
	{ "/a/.%2F", "/a/.%2F" },
	{ "/a/%252e%252e/b", "/a/%252e%252e/b" },
	{ "/a/%2e%2e", "/" },
	{ "/..", NULL },
	{ "/../a", NULL },
	{ "/a/../..", NULL },
	{ "/a/../../b", NULL },
	{ "/%2e%2e/a", NULL },
	{ "/./..", NULL },
	{ "/a%", NULL },
	{ "/a%4", NULL },
	{ "/a%4g", NULL },
	{ "/a%g4", NULL },
	{ "/%%41", NULL },
	{ "/%+1", NULL },
	{ "/% 1", NULL },
	{ "/%00", NULL },
	{ "/a/%00/..", NULL },
	{ "", NULL },
	{ "a", NULL },
	{ "*", NULL },
	{ "%2F", NULL },
};

START_TEST(paths_take_their_one_form_or_are_refused)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_path(slice_of(paths[i].path), paths[i].expected);
	assert_path(SLICE("/a\0b"), NULL);
}
END_TEST

START_TEST(a_path_in_its_form_already_is_given_back_itself)
{
	struct slice path = SLICE("/assets/app.min.js"), result;

	ck_assert_int_eq(uri_path_decode(path, NULL, &result), 0);
	ck_assert_ptr_eq(result.at, path.at);
}
END_TEST

START_TEST(the_form_of_a_form_is_itself)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (paths[i].expected && paths[i].expected[1] != '\n')
			assert_path(slice_of(paths[i].expected), paths[i].expected);
	}
}
END_TEST

static const struct {
	const char *raw, *decoded, *of_query;
} escapes[] = {
	{ "", "", "" },
	{ "abc", "abc", "abc" },
	{ "a%2Fb%25c", "a/b%c", "a/b%c" },
	{ "a+b%2B", "a+b+", "a b+" },
	{ "%2541", "%41", "%41" },
	{ "%e2%82%ac", "\xe2\x82\xac", "\xe2\x82\xac" },
	{ "%", NULL, NULL },
	{ "%a", NULL, NULL },
	{ "a%zz", NULL, NULL },
	{ "%00", NULL, NULL },
};

static void
assert_decoded(int err, struct slice got, const char *expected, const char *raw)
{
	if (expected)
		ck_assert_msg(err == 0 && slice_eq(got, slice_of(expected)), "%s", raw);
	else
		ck_assert_msg(err == ERR_SYNTAX, "%s was taken", raw);
}

START_TEST(escapes_are_decoded_once_and_completely)
{
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		struct slice raw = slice_of(escapes[i].raw), result = SLICE("");
		char *memory = malloc(raw.len ? raw.len : 1);
		int err = uri_decode(raw, memory, &result);

		assert_decoded(err, result, escapes[i].decoded, escapes[i].raw);
		err = uri_query_decode(raw, memory, &result);
		assert_decoded(err, result, escapes[i].of_query, escapes[i].raw);
		free(memory);
	}
}
END_TEST

START_TEST(a_rest_keeps_the_slashes_that_separate_nothing)
{
	char memory[32];

	ck_assert(
	    slice_eq(uri_rest_decode(SLICE("a/b%2Fc/100%25"), memory), SLICE("a/b%2Fc/100%")));
	ck_assert(slice_eq(uri_rest_decode(SLICE("%252F%25"), memory), SLICE("%2F%")));
	ck_assert(slice_eq(uri_rest_decode(SLICE(""), memory), SLICE("")));
}
END_TEST

START_TEST(what_is_encoded_decodes_to_the_same_bytes)
{
	char all[255], encoded[3 * 255], decoded[3 * 255];
	struct writer w = writer_over(encoded, sizeof(encoded));
	struct slice result;

	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	uri_encode(&w, slice_make(all, sizeof(all)));
	ck_assert(!w.is_full);
	ck_assert_int_eq(uri_decode(writer_slice(&w), decoded, &result), 0);
	ck_assert(slice_eq(result, slice_make(all, sizeof(all))));
	ck_assert_int_eq(uri_query_decode(writer_slice(&w), decoded, &result), 0);
	ck_assert(slice_eq(result, slice_make(all, sizeof(all))));
}
END_TEST

START_TEST(only_unreserved_bytes_stay_and_the_slash_where_asked)
{
	char text[64];
	struct writer w = writer_over(text, sizeof(text));

	uri_encode(&w, SLICE("a/b ?~\xff"));
	ck_assert(slice_eq(writer_slice(&w), SLICE("a%2Fb%20%3F~%FF")));
	w = writer_over(text, sizeof(text));
	uri_encode_path(&w, SLICE("a/b +"));
	ck_assert(slice_eq(writer_slice(&w), SLICE("a/b%20%2B")));
	w = writer_over(text, 4);
	uri_encode(&w, SLICE("ab "));
	ck_assert(w.is_full);
}
END_TEST

START_TEST(the_first_pair_of_that_name_is_found)
{
	struct slice query = SLICE("a=1&b=&c&&a=2&%64=4&e%20f=5&g=h=i&=z"), value;

	ck_assert(uri_query_find(query, SLICE("a"), &value) && slice_eq(value, SLICE("1")));
	ck_assert(uri_query_find(query, SLICE("b"), &value) && value.len == 0);
	ck_assert(uri_query_find(query, SLICE("c"), &value) && value.len == 0);
	ck_assert(uri_query_find(query, SLICE("d"), &value) && slice_eq(value, SLICE("4")));
	ck_assert(uri_query_find(query, SLICE("e f"), &value) && slice_eq(value, SLICE("5")));
	ck_assert(uri_query_find(query, SLICE("g"), &value) && slice_eq(value, SLICE("h=i")));
	ck_assert(!uri_query_find(query, SLICE("h"), &value));
	ck_assert(!uri_query_find(query, SLICE(""), &value));
	ck_assert(!uri_query_find(query, SLICE("aa"), &value));
	ck_assert(!uri_query_find(SLICE(""), SLICE("a"), &value));
	ck_assert(uri_query_find(SLICE("a+b=1"), SLICE("a b"), &value));
	ck_assert(!uri_query_find(SLICE("a%2=1"), SLICE("a%2"), &value));
}
END_TEST

START_TEST(authorities_are_hosts_with_ports_and_nothing_else)
{
	static const char *const good[] = {
		"",
		"a",
		"example.org",
		"example.org:80",
		"example.org:",
		":80",
		"10.0.0.1:65535",
		"[::1]",
		"[::1]:80",
		"[2001:db8::1]:8080",
		"[::ffff:10.0.0.1]",
		"xn--bcher-kva.de",
		"a_b",
		"a%20b",
		"a,b;c=d",
		"EXAMPLE.ORG",
		"a:0080",
	};
	static const char *const bad[] = {
		"a b",
		"a/b",
		"a@b",
		"a?b",
		"a#b",
		"a:b",
		"a:80:80",
		"a:65536",
		"a:100000",
		"a:-1",
		"a:+1",
		"a: 80",
		"[::1",
		"::1",
		"[]",
		"[::1]80",
		"[::1]:x",
		"[:::1]",
		"[g::1]",
		"[fe80::1%25eth0]",
		"[v1.a]",
		"a]",
		"[a]",
		"a%2",
		"a%zz",
		"a\\b",
		"a\"b",
		"<a>",
		"a\x7f",
		"\xc3\xa9",
		"a|b",
		"a^b",
		"a[b]",
		"user@a:80",
		"[::1]]",
		"[1.2.3.4]",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(uri_is_authority(slice_of(good[i])), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!uri_is_authority(slice_of(bad[i])), "%s", bad[i]);
	ck_assert(!uri_is_authority(SLICE("a\0b")));
	ck_assert(!uri_is_authority(SLICE("[::1\0]")));
}
END_TEST

START_TEST(the_host_is_what_stands_before_the_port)
{
	ck_assert(slice_eq(uri_host(SLICE("a:80")), SLICE("a")));
	ck_assert(slice_eq(uri_host(SLICE("a")), SLICE("a")));
	ck_assert(slice_eq(uri_host(SLICE("[::1]:80")), SLICE("[::1]")));
	ck_assert(slice_is_empty(uri_host(SLICE(":80"))));
	ck_assert(slice_is_empty(uri_host(SLICE(""))));
}
END_TEST

Suite *
suite_http_uri(void)
{
	Suite *s = suite_create("http_uri");
	TCase *t = tcase_create("uri");

	tcase_add_test(t, paths_take_their_one_form_or_are_refused);
	tcase_add_test(t, a_path_in_its_form_already_is_given_back_itself);
	tcase_add_test(t, the_form_of_a_form_is_itself);
	tcase_add_test(t, escapes_are_decoded_once_and_completely);
	tcase_add_test(t, a_rest_keeps_the_slashes_that_separate_nothing);
	tcase_add_test(t, what_is_encoded_decodes_to_the_same_bytes);
	tcase_add_test(t, only_unreserved_bytes_stay_and_the_slash_where_asked);
	tcase_add_test(t, the_first_pair_of_that_name_is_found);
	tcase_add_test(t, authorities_are_hosts_with_ports_and_nothing_else);
	tcase_add_test(t, the_host_is_what_stands_before_the_port);
	suite_add_tcase(s, t);
	return s;
}
