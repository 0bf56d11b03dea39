/*
 * Lists of addresses: bounded, in an order of their own, of those that can be used.
 */
#include "net/found.h"

#include <check.h>
#include <stdio.h>

Suite *suite_net_found(void);

static struct resolver_found
at(const char *text, unsigned priority)
{
	struct resolver_found one = { .priority = priority };

	ck_assert_int_eq(address_parse(&one.at, slice_of(text)), 0);
	return one;
}

static void
add(struct found *f, const char *text, unsigned priority)
{
	struct resolver_found one = at(text, priority);

	found_add(f, &one);
}

/* Its addresses, with blanks between them. */
static const char *
text_of(const struct found *f)
{
	static _Thread_local char text[512];
	struct writer w = writer_over(text, sizeof(text) - 1);

	for (unsigned i = 0; i < f->count; i++) {
		writer_text(&w, i ? " " : "");
		address_write(&f->at[i].at, &w);
	}
	text[w.len] = '\0';
	return text;
}

START_TEST(the_order_is_the_same_whatever_came_first)
{
	struct found a = { 0 }, b = { 0 };

	add(&a, "10.0.0.2:80", 0);
	add(&a, "[2001:db8::1]:80", 0);
	add(&a, "10.0.0.1:80", 0);
	add(&b, "10.0.0.1:80", 0);
	add(&b, "10.0.0.2:80", 0);
	add(&b, "[2001:db8::1]:80", 0);
	ck_assert_str_eq(text_of(&a), "10.0.0.1:80 10.0.0.2:80 [2001:db8::1]:80");
	ck_assert_uint_eq(a.count, b.count);
	ck_assert_int_eq(memcmp(a.at, b.at, a.count * sizeof(a.at[0])), 0);
}
END_TEST

START_TEST(priorities_come_first_and_an_address_once)
{
	struct found f = { 0 };

	add(&f, "10.0.0.1:80", 20);
	add(&f, "10.0.0.2:80", 10);
	add(&f, "10.0.0.1:81", 30);
	add(&f, "10.0.0.1:80", 5);
	add(&f, "10.0.0.1:80", 7);
	ck_assert_str_eq(text_of(&f), "10.0.0.1:80 10.0.0.2:80 10.0.0.1:81");
	ck_assert_uint_eq(f.at[0].priority, 5);
}
END_TEST

START_TEST(of_too_many_always_the_same_are_left)
{
	struct found up = { 0 }, down = { 0 };
	char text[32];

	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "10.0.0.%d:80", i);
		add(&up, text, 0);
		snprintf(text, sizeof(text), "10.0.0.%d:80", 199 - i);
		add(&down, text, 0);
	}
	ck_assert_uint_eq(up.count, RESOLVER_FOUND_MAX);
	ck_assert(up.was_cut && down.was_cut);
	ck_assert_uint_eq(down.count, RESOLVER_FOUND_MAX);
	ck_assert_int_eq(memcmp(up.at, down.at, sizeof(up.at)), 0);
}
END_TEST

static const struct {
	const char *address;
	bool is_usable;
} uses[] = {
	{ "10.0.0.1:80", true },         { "127.0.0.1:80", true },
	{ "0.0.0.0:80", false },         { "0.1.2.3:80", false },
	{ "223.255.255.255:80", true },  { "224.0.0.1:80", false },
	{ "255.255.255.255:80", false }, { "[::1]:80", true },
	{ "[2001:db8::1]:80", true },    { "[::]:80", false },
	{ "[ff02::1]:80", false },       { "[fe80::1]:80", false },
	{ "unix:/run/x", false },
};

enum { USES = sizeof(uses) / sizeof(uses[0]) };

START_TEST(what_nobody_can_be_reached_at_is_no_server)
{
	struct resolver_found one = at(uses[_i].address, 0);

	ck_assert_int_eq(found_is_usable(&one.at), uses[_i].is_usable);
}
END_TEST

START_TEST(addresses_of_one_family_are_left_alone)
{
	struct found f = { 0 };

	add(&f, "[2001:db8::1]:80", 0);
	add(&f, "[2001:db8::2]:80", 0);
	found_drop_unreachable(&f);
	ck_assert_uint_eq(f.count, 2);
}
END_TEST

START_TEST(a_family_without_a_way_is_left_out)
{
	struct found f = { 0 };

	/* Nobody can connect to a network's own broadcast address: it is as if there were no way.
	 */
	add(&f, "255.255.255.255:80", 0);
	add(&f, "[::1]:80", 0);
	found_drop_unreachable(&f);
	ck_assert(f.count == 1 || f.count == 2); /* 2: there is no IPv6 here either */
	if (f.count == 1)
		ck_assert_str_eq(text_of(&f), "[::1]:80");
}
END_TEST

Suite *
suite_net_found(void)
{
	Suite *s = suite_create("net_found");
	TCase *t = tcase_create("found");

	tcase_add_test(t, the_order_is_the_same_whatever_came_first);
	tcase_add_test(t, priorities_come_first_and_an_address_once);
	tcase_add_test(t, of_too_many_always_the_same_are_left);
	tcase_add_loop_test(t, what_nobody_can_be_reached_at_is_no_server, 0, USES);
	tcase_add_test(t, addresses_of_one_family_are_left_alone);
	tcase_add_test(t, a_family_without_a_way_is_left_out);
	suite_add_tcase(s, t);
	return s;
}
