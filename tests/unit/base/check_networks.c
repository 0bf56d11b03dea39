/*
 * Networks: how they are written, and which of many holds an address.
 */
#include "base/networks.h"

#include "base/random.h"

#include <check.h>
#include <stdlib.h>

Suite *suite_base_networks(void);

enum { CROWD = 200, LOOKS = 20000, TEXT_BYTES = 80 };

static const struct {
	const char *in, *out;
	bool has_host_bits;
} good[] = {
	{ "192.0.2.0/24", "192.0.2.0/24", false },
	{ "192.0.2.1", "192.0.2.1/32", false },
	{ "0.0.0.0/0", "0.0.0.0/0", false },
	{ "10.0.0.1/8", "10.0.0.0/8", true },
	{ "255.255.255.255/1", "128.0.0.0/1", true },
	{ "2001:db8::/32", "2001:db8::/32", false },
	{ "2001:db8::1", "2001:db8::1/128", false },
	{ "::/0", "::/0", false },
	{ "2001:db8::1/33", "2001:db8::/33", true },
	{ "::ffff:192.0.2.0/120", "192.0.2.0/24", false },
	{ "::ffff:0:0/96", "0.0.0.0/0", false },
	{ "::ffff:0:0/95", "::fffe:0:0/95", true },
	{ "unix", "unix", false },
};

static const char *const bad[] = {
	"",
	"/",
	"/8",
	"10.0.0.0/",
	"10.0.0.0/33",
	"10.0.0.0/-1",
	"10.0.0.0/8/",
	"10.0.0/8",
	"10.0.0.0/08",
	"10.0.0.0/ 8",
	"::/129",
	"unix/8",
	"[::1]",
	"10.0.0.0/255.0.0.0",
	"a.example",
	"fe80::1%lo/64",
	"10.0.0.0:80",
	"*",
};

START_TEST(networks_have_one_form)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char text[TEXT_BYTES];
		struct writer w = writer_over(text, sizeof(text) - 1);
		struct network n;

		ck_assert_msg(network_parse(&n, slice_of(good[i].in)) == 0, "%s", good[i].in);
		network_write(&n, &w);
		text[w.len] = '\0';
		ck_assert_str_eq(text, good[i].out);
		ck_assert_msg(n.has_host_bits == good[i].has_host_bits, "%s", good[i].in);
	}
}
END_TEST

START_TEST(what_is_no_network_is_refused)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct network n;

		ck_assert_msg(network_parse(&n, slice_of(bad[i])) == ERR_SYNTAX, "%s", bad[i]);
	}
}
END_TEST

static struct network
network(const char *text, uint8_t value)
{
	struct network n;

	ck_assert_int_eq(network_parse(&n, slice_of(text)), 0);
	n.value = value;
	return n;
}

static struct address
address(const char *host)
{
	struct address a = { .of.any.sa_family = AF_UNIX, .len = sizeof(sa_family_t) };

	if (strcmp(host, "unix") != 0)
		ck_assert_int_eq(address_parse_host(&a, slice_of(host), 80), 0);
	return a;
}

static unsigned
find(const struct networks *n, const char *host)
{
	struct address a = address(host);

	return networks_find(n, &a);
}

START_TEST(narrowest_network_decides)
{
	const struct network list[] = {
		network("10.1.2.3", 5),      network("10.0.0.0/8", 1),  network("10.1.0.0/16", 2),
		network("10.1.2.0/24", 3),   network("10.1.3.0/24", 4), network("255.0.0.0/8", 6),
		network("2001:db8::/32", 7), network("2001:db8::1", 8), network("10.1.2.0/24", 3),
	};
	struct networks *n = networks_new(list, sizeof(list) / sizeof(list[0]));
	static const struct {
		const char *host;
		unsigned value;
	} rows[] = {
		{ "9.255.255.255", 0 },   { "10.0.0.0", 1 },   { "10.0.255.255", 1 },
		{ "10.1.0.0", 2 },        { "10.1.1.255", 2 }, { "10.1.2.2", 3 },
		{ "10.1.2.3", 5 },        { "10.1.2.4", 3 },   { "10.1.3.0", 4 },
		{ "10.1.3.255", 4 },      { "10.1.4.0", 2 },   { "10.2.0.0", 1 },
		{ "10.255.255.255", 1 },  { "11.0.0.0", 0 },   { "254.255.255.255", 0 },
		{ "255.255.255.255", 6 }, { "2001:db8::", 7 }, { "2001:db8::1", 8 },
		{ "2001:db8::2", 7 },     { "2001:db9::", 0 }, { "::", 0 },
		{ "::ffff:10.1.2.3", 5 }, { "unix", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(find(n, rows[i].host) == rows[i].value, "%s: %u", rows[i].host,
			      find(n, rows[i].host));
	networks_unref(&n);
}
END_TEST

START_TEST(families_are_apart)
{
	const struct network list[] = { network("::/0", 1) };
	const struct network other[] = { network("0.0.0.0/0", 1), network("unix", 2) };
	struct networks *v6 = networks_new(list, 1), *v4 = networks_new(other, 2);

	ck_assert_uint_eq(find(v6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 1);
	ck_assert_uint_eq(find(v6, "192.0.2.1"), 0);
	ck_assert_uint_eq(find(v6, "::ffff:192.0.2.1"), 0);
	ck_assert_uint_eq(find(v6, "unix"), 0);
	ck_assert_uint_eq(find(v4, "255.255.255.255"), 1);
	ck_assert_uint_eq(find(v4, "::ffff:192.0.2.1"), 1);
	ck_assert_uint_eq(find(v4, "::1"), 0);
	ck_assert_uint_eq(find(v4, "unix"), 2);
	networks_unref(&v4);
	networks_unref(&v6);
}
END_TEST

START_TEST(empty_set_holds_nobody)
{
	struct networks *n = networks_new(NULL, 0), *second = networks_ref(n);

	networks_unref(&n);
	ck_assert_uint_eq(find(second, "192.0.2.1"), 0);
	networks_unref(&second);
	networks_unref(&second);
}
END_TEST

START_TEST(one_network_with_two_values_is_found)
{
	struct network list[] = { network("10.0.0.0/8", 1), network("10.0.0.0/16", 2),
				  network("10.0.0.0/8", 2) };

	ck_assert_ptr_null(network_find_clash(list, 2));
	ck_assert_ptr_nonnull(network_find_clash(list, 3));
}
END_TEST

/* As a reader of the rule would do it. */
static unsigned
find_slowly(const struct network *list, unsigned count, const uint8_t *octets)
{
	unsigned best = 0, value = 0;

	for (unsigned i = 0; i < count; i++) {
		bool holds = true;

		for (unsigned bit = 8; bit < list[i].bits; bit++) {
			unsigned mask = 0x80u >> bit % 8;

			holds &= (list[i].key[bit / 8] & mask) == (octets[bit / 8 - 1] & mask);
		}
		if (holds && list[i].bits >= best) {
			best = list[i].bits;
			value = list[i].value;
		}
	}
	return value;
}

START_TEST(many_that_overlap_give_what_the_rule_says)
{
	struct network list[CROWD];
	struct networks *n;
	struct random r;

	random_init(&r, 4711);
	for (unsigned i = 0; i < CROWD; i++) {
		char text[TEXT_BYTES];
		struct writer w = writer_over(text, sizeof(text));

		writer_format(&w, "10.%u.%u.%u/%u", (unsigned)random_below(&r, 3),
			      (unsigned)random_below(&r, 4), (unsigned)random_below(&r, 256),
			      (unsigned)(6 + random_below(&r, 27)));
		ck_assert_int_eq(network_parse(&list[i], writer_slice(&w)), 0);
		/* The same network has the same value. */
		list[i].value =
		    (uint8_t)(1 + (list[i].bits * 7 + list[i].key[3] * 3 + list[i].key[4]) % 250);
	}
	n = networks_new(list, CROWD);
	for (unsigned i = 0; i < LOOKS; i++) {
		uint8_t octets[4] = { (uint8_t)(9 + random_below(&r, 3)),
				      (uint8_t)random_below(&r, 4), (uint8_t)random_below(&r, 5),
				      (uint8_t)random_below(&r, 256) };
		struct address a = { .of.v4.sin_family = AF_INET, .len = sizeof(a.of.v4) };

		memcpy(&a.of.v4.sin_addr, octets, 4);
		ck_assert_uint_eq(networks_find(n, &a), find_slowly(list, CROWD, octets));
	}
	networks_unref(&n);
}
END_TEST

Suite *
suite_base_networks(void)
{
	Suite *s = suite_create("base/networks");
	TCase *t = tcase_create("networks");

	tcase_add_test(t, networks_have_one_form);
	tcase_add_test(t, what_is_no_network_is_refused);
	tcase_add_test(t, narrowest_network_decides);
	tcase_add_test(t, families_are_apart);
	tcase_add_test(t, empty_set_holds_nobody);
	tcase_add_test(t, one_network_with_two_values_is_found);
	tcase_add_test(t, many_that_overlap_give_what_the_rule_says);
	suite_add_tcase(s, t);
	return s;
}
