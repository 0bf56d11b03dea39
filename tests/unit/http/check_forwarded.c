/*
 * Who the client is behind proxies: the first address from the right that is not trusted.
 */
#include "http/forwarded.h"

#include <check.h>

Suite *suite_http_forwarded(void);

enum { FIELDS = 8, TEXT_BYTES = 80 };

static struct store store;
static struct networks *trusted;
static struct exchange x;
static struct address peer;
static struct field fields[FIELDS];

static void
setup(void)
{
	static const char *const texts[] = { "127.0.0.0/8", "10.0.0.0/8", "2001:db8:1::/48",
					     "unix" };
	struct network list[sizeof(texts) / sizeof(texts[0])];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert_int_eq(network_parse(&list[i], slice_of(texts[i])), 0);
		list[i].value = 1;
	}
	trusted = networks_new(list, sizeof(texts) / sizeof(texts[0]));
	store_init(&store);
	ck_assert_int_eq(address_parse(&peer, SLICE("127.0.0.1:4711")), 0);
}

static void
teardown(void)
{
	networks_unref(&trusted);
	store_fini(&store);
}

static void
say(const char *name, const char *value)
{
	ck_assert_int_eq(fields_add_name(&x.request.fields, slice_of(name), slice_of(value)), 0);
}

static void
begin(void)
{
	x = (struct exchange){
		.client = &peer,
		.near = &peer,
		.scheme = SLICE("http"),
		.request.fields = { .at = fields, .cap = FIELDS },
	};
	arena_init(&x.arena, &store, 1 << 16);
}

/* "ADDRESS:PORT SCHEME". */
static const char *
outcome(enum forwarded_field which)
{
	static char text[TEXT_BYTES];
	struct writer w = writer_over(text, sizeof(text) - 1);

	ck_assert_int_eq(forwarded_apply(&x, trusted, which), 0);
	address_write(x.client, &w);
	writer_char(&w, ' ');
	writer_put(&w, x.scheme);
	text[w.len] = '\0';
	arena_fini(&x.arena);
	return text;
}

static const struct {
	const char *value, *client;
} lists[] = {
	{ "192.0.2.1", "192.0.2.1:0 http" },
	{ "192.0.2.1:80", "192.0.2.1:80 http" },
	{ "2001:db8::1", "[2001:db8::1]:0 http" },
	{ "[2001:db8::1]", "[2001:db8::1]:0 http" },
	{ "[2001:db8::1]:443", "[2001:db8::1]:443 http" },
	{ "::ffff:192.0.2.1", "192.0.2.1:0 http" },
	/* The client's own word stands at the left and is never reached. */
	{ "10.6.6.6, 192.0.2.1", "192.0.2.1:0 http" },
	{ "6.6.6.6,192.0.2.1", "192.0.2.1:0 http" },
	{ "junk, \"quoted, 192.0.2.1", "192.0.2.1:0 http" },
	{ "192.0.2.1, 10.0.0.1", "192.0.2.1:0 http" },
	{ "6.6.6.6, 192.0.2.1, 10.0.0.1,2001:db8:1::1", "192.0.2.1:0 http" },
	{ " \t192.0.2.1\t , ,10.0.0.1,,", "192.0.2.1:0 http" },
	{ "192.0.2.1, ::ffff:10.0.0.1", "192.0.2.1:0 http" },
	/* All are trusted: the first one. */
	{ "10.0.0.2, 10.0.0.1", "10.0.0.2:0 http" },
	/* What is no address ends the walk: who said so is the client. */
	{ "", "127.0.0.1:4711 http" },
	{ ",,,", "127.0.0.1:4711 http" },
	{ "unknown", "127.0.0.1:4711 http" },
	{ "192.0.2.1, unknown", "127.0.0.1:4711 http" },
	{ "192.0.2.1, _hidden, 10.0.0.1", "10.0.0.1:0 http" },
	{ "192.0.2.1, 10.0.0.1x, 10.0.0.3", "10.0.0.3:0 http" },
	{ "192.0.2.1, 10.0.0", "127.0.0.1:4711 http" },
	{ "192.0.2.1, 10.0.0.1 10.0.0.2", "127.0.0.1:4711 http" },
	{ "192.0.2.256", "127.0.0.1:4711 http" },
	{ "192.0.2.1:", "127.0.0.1:4711 http" },
	{ "192.0.2.1:x", "127.0.0.1:4711 http" },
	{ "192.0.2.1:65536", "127.0.0.1:4711 http" },
	{ "[2001:db8::1", "127.0.0.1:4711 http" },
	{ "2001:db8::1]", "127.0.0.1:4711 http" },
	{ "[2001:db8::1]80", "127.0.0.1:4711 http" },
	{ "[2001:db8::1]:", "127.0.0.1:4711 http" },
	{ "[192.0.2.1]", "127.0.0.1:4711 http" },
	{ "fe80::1%lo", "127.0.0.1:4711 http" },
	{ "\"192.0.2.1\"", "127.0.0.1:4711 http" },
};

START_TEST(lists_are_read_from_the_right)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		begin();
		say("X-Forwarded-For", lists[i].value);
		ck_assert_msg(strcmp(outcome(FORWARDED_AUTO), lists[i].client) == 0, "%s",
			      lists[i].value);
		ck_assert_int_eq(x.vouched, FIELD_X_FORWARDED_FOR);
	}
}
END_TEST

START_TEST(lines_are_one_list)
{
	begin();
	say("X-Forwarded-For", "6.6.6.6");
	say("Accept", "192.0.2.9");
	say("x-forwarded-for", "192.0.2.1, 10.0.0.2");
	say("X-Forwarded-For", "10.0.0.1");
	ck_assert_str_eq(outcome(FORWARDED_AUTO), "192.0.2.1:0 http");
}
END_TEST

static const struct {
	const char *value, *client;
} elements[] = {
	{ "for=192.0.2.1", "192.0.2.1:0 http" },
	{ "For=\"192.0.2.1:80\";Proto=HTTPS;by=_me", "192.0.2.1:80 https" },
	{ "for=\"[2001:db8::1]:80\";proto=http;host=a", "[2001:db8::1]:80 http" },
	{ "for=192.0.2.1;proto=https, for=10.0.0.1;proto=http", "192.0.2.1:0 https" },
	{ "for=192.0.2.1;proto=http, for=10.0.0.1;proto=https", "192.0.2.1:0 http" },
	{ "for=6.6.6.6;proto=https, for=192.0.2.1", "192.0.2.1:0 http" },
	/* An open quote on the left takes nothing with it. */
	{ "for=\"6.6.6.6, for=192.0.2.1", "192.0.2.1:0 http" },
	{ "for=6.6.6.6;x=\", for=192.0.2.1;proto=https", "192.0.2.1:0 https" },
	{ "for=192.0.2.1;proto=gopher", "192.0.2.1:0 http" },
	{ "proto=https;by=10.0.0.1", "127.0.0.1:4711 http" },
	{ "for=192.0.2.1, for=unknown", "127.0.0.1:4711 http" },
	{ "for=192.0.2.1, for=_gazonk;proto=https", "127.0.0.1:4711 http" },
	{ "for=192.0.2.1, for=_gazonk, for=10.0.0.9", "10.0.0.9:0 http" },
	{ "for=192.0.2.1;for=192.0.2.2", "127.0.0.1:4711 http" },
	{ "for=192.0.2.1;proto=http;proto=https", "127.0.0.1:4711 http" },
	{ "for=\"192.0.2.1", "127.0.0.1:4711 http" },
	{ "192.0.2.1", "127.0.0.1:4711 http" },
	{ "for", "127.0.0.1:4711 http" },
	{ "for=", "127.0.0.1:4711 http" },
	{ "for=\"\"", "127.0.0.1:4711 http" },
	{ ";;=;", "127.0.0.1:4711 http" },
};

START_TEST(forwarded_says_the_same_in_more_words)
{
	for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
		begin();
		say("Forwarded", elements[i].value);
		ck_assert_msg(strcmp(outcome(FORWARDED_AUTO), elements[i].client) == 0, "%s",
			      elements[i].value);
	}
}
END_TEST

START_TEST(one_of_the_two_counts)
{
	static const struct {
		enum forwarded_field which;
		const char *client;
		enum field_id vouched;
	} rows[] = {
		{ FORWARDED_AUTO, "127.0.0.1:4711 http", FIELD_OTHER }, /* who wrote which? */
		{ FORWARDED_X, "192.0.2.1:0 https", FIELD_X_FORWARDED_FOR },
		{ FORWARDED_RFC7239, "192.0.2.2:0 http", FIELD_FORWARDED },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		say("Forwarded", "for=192.0.2.2");
		say("X-Forwarded-For", "192.0.2.1");
		say("X-Forwarded-Proto", "gopher, https");
		ck_assert_str_eq(outcome(rows[i].which), rows[i].client);
		ck_assert_int_eq(x.vouched, rows[i].vouched);
	}
	begin();
	say("Forwarded", "for=192.0.2.2");
	ck_assert_str_eq(outcome(FORWARDED_X), "127.0.0.1:4711 http");
}
END_TEST

START_TEST(scheme_is_the_peers_word)
{
	begin();
	say("X-Forwarded-Proto", "https, http");
	ck_assert_str_eq(outcome(FORWARDED_AUTO), "127.0.0.1:4711 http");
	begin();
	say("X-Forwarded-For", "192.0.2.1");
	say("X-Forwarded-Proto", "Https");
	ck_assert_str_eq(outcome(FORWARDED_AUTO), "192.0.2.1:0 https");
}
END_TEST

START_TEST(who_is_not_trusted_speaks_for_nobody)
{
	struct address before = peer;

	ck_assert_int_eq(address_parse(&peer, SLICE("192.0.2.66:5")), 0);
	begin();
	say("X-Forwarded-For", "10.0.0.1");
	say("Forwarded", "for=10.0.0.1;proto=https");
	say("X-Forwarded-Proto", "https");
	ck_assert_str_eq(outcome(FORWARDED_AUTO), "192.0.2.66:5 http");
	ck_assert_int_eq(x.vouched, FIELD_OTHER);
	peer = before;
}
END_TEST

START_TEST(long_lists_are_read_so_far_and_no_further)
{
	char list[4096];
	struct writer w = writer_over(list, sizeof(list) - 1);

	writer_text(&w, "192.0.2.1");
	for (unsigned i = 0; i < 2 * FORWARDED_HOPS_MAX; i++)
		writer_format(&w, ",10.0.0.%u", i);
	list[w.len] = '\0';
	begin();
	say("X-Forwarded-For", list);
	ck_assert_str_eq(outcome(FORWARDED_AUTO), "10.0.0.64:0 http");
}
END_TEST

/* What each says of a target that is known as http://a.example. */
static const struct {
	enum field_id vouched;
	const char *name, *value, *more;
} targets[] = {
	{ FIELD_X_FORWARDED_FOR, "X-Forwarded-For", "192.0.2.1", "" },
	{ FIELD_X_FORWARDED_FOR, "X-Forwarded-Host", "A.example", "" },
	{ FIELD_X_FORWARDED_FOR, "X-Forwarded-Host", "b.example", "b.example" },
	{ FIELD_X_FORWARDED_FOR, "Forwarded", "host=b.example", "" },
	{ FIELD_OTHER, "X-Forwarded-Host", "b.example", "" },
	{ FIELD_FORWARDED, "X-Forwarded-Host", "b.example", "" },
	{ FIELD_FORWARDED, "Forwarded", "for=192.0.2.1, for=\"[::1]\";by=x;proto=http", "" },
	{ FIELD_FORWARDED, "Forwarded", "for=x;host=\"a.example\" ; proto=HTTP,for=y", "" },
	{ FIELD_FORWARDED, "Forwarded", "for=x;host=b.example,for=y;proto=http",
	  "host=b.example;,proto=http;," },
	{ FIELD_FORWARDED, "Forwarded", "for=y;proto=http,for=x;host=b.example",
	  "proto=http;,host=b.example;," },
	{ FIELD_FORWARDED, "Forwarded", "proto=https", "proto=https;," },
	{ FIELD_FORWARDED, "Forwarded", "for=\"x;host=b.example;\"", "host=b.example;\";," },
};

START_TEST(what_is_said_of_the_target_is_told_apart)
{
	char text[TEXT_BYTES];
	struct writer w = writer_over(text, sizeof(text) - 1);

	begin();
	x.request.authority = SLICE("a.example");
	x.vouched = targets[_i].vouched;
	say(targets[_i].name, targets[_i].value);
	forwarded_write_more(&x, &w);
	text[w.len] = '\0';
	ck_assert_str_eq(text, targets[_i].more);
	arena_fini(&x.arena);
}
END_TEST

Suite *
suite_http_forwarded(void)
{
	Suite *s = suite_create("http/forwarded");
	TCase *t = tcase_create("forwarded");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, lists_are_read_from_the_right);
	tcase_add_test(t, lines_are_one_list);
	tcase_add_test(t, forwarded_says_the_same_in_more_words);
	tcase_add_test(t, one_of_the_two_counts);
	tcase_add_test(t, scheme_is_the_peers_word);
	tcase_add_test(t, who_is_not_trusted_speaks_for_nobody);
	tcase_add_test(t, long_lists_are_read_so_far_and_no_further);
	tcase_add_loop_test(t, what_is_said_of_the_target_is_told_apart, 0,
			    sizeof(targets) / sizeof(targets[0]));
	suite_add_tcase(s, t);
	return s;
}
