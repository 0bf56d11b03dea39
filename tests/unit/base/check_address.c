/*
 * Addresses as they stand in a configuration.
 */
#include "base/address.h"
#include "base/err.h"

#include <check.h>

Suite *suite_base_address(void);

static void
check_same(const char *text, const char *host, uint16_t port)
{
	char memory[256];
	struct writer w = writer_over(memory, sizeof(memory));
	struct address a;

	ck_assert_int_eq(address_parse(&a, slice_of(text)), 0);
	address_write(&a, &w);
	ck_assert_msg(slice_eq(writer_slice(&w), slice_of(text)), "%s was written as %.*s", text,
		      SLICE_PRINT(writer_slice(&w)));
	w = writer_over(memory, sizeof(memory));
	address_write_host(&a, &w);
	ck_assert_msg(slice_eq(writer_slice(&w), slice_of(host)), "%s", text);
	ck_assert_uint_eq(address_port(&a), port);
	ck_assert_int_eq(address_is_unix(&a), port == 0 && strcmp(host, "unix") == 0);
}

START_TEST(each_form_is_written_as_it_was_read)
{
	check_same("127.0.0.1:8080", "127.0.0.1", 8080);
	check_same("0.0.0.0:0", "0.0.0.0", 0);
	check_same("255.255.255.255:65535", "255.255.255.255", 65535);
	check_same("[::]:8080", "::", 8080);
	check_same("[2001:db8::1]:443", "2001:db8::1", 443);
	check_same("unix:/run/forebay.sock", "unix", 0);
	check_same("unix:relative", "unix", 0);
}
END_TEST

START_TEST(anything_else_is_refused_and_changes_nothing)
{
	static const char *const wrong[] = {
		"",
		":",
		"8080",
		":8080",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1: 80",
		"127.0.0.1:80 ",
		"127.0.0.1:000080",
		"127.1:80",
		"localhost:80",
		"::1:80",
		"[::1]",
		"[::1]:",
		"[::1]80",
		"[::1:80",
		"[]:80",
		"[127.0.0.1]:80",
		"[fe80::1%lo]:1",
		"unix:",
		"256.0.0.1:80",
		"1.2.3.4.5:80",
	};
	struct address a;

	memset(&a, 0x5a, sizeof(a));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(address_parse(&a, slice_of(wrong[i])) == ERR_SYNTAX, "%s", wrong[i]);
	ck_assert_int_eq(a.len, 0x5a5a5a5a);
}
END_TEST

START_TEST(nul_hides_nothing)
{
	struct address a;

	ck_assert_int_eq(address_parse(&a, SLICE("127.0.0.1\0x:80")), ERR_SYNTAX);
	ck_assert_int_eq(address_parse(&a, SLICE("[::1\0x]:80")), ERR_SYNTAX);
	ck_assert_int_eq(address_parse(&a, SLICE("unix:/a\0b")), ERR_SYNTAX);
}
END_TEST

START_TEST(unix_path_ends_where_the_kernel_says)
{
	char text[256] = "unix:";
	size_t longest = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	struct address a;

	memset(text + 5, 'a', longest + 1);
	ck_assert_int_eq(address_parse(&a, slice_make(text, 5 + longest)), 0);
	ck_assert_uint_eq(strlen(a.of.path.sun_path), longest);
	ck_assert_int_eq(address_parse(&a, slice_make(text, 5 + longest + 1)), ERR_SYNTAX);
}
END_TEST

START_TEST(a_name_is_for_listening_alone)
{
	char memory[256], text[256] = "systemd:";
	struct writer w = writer_over(memory, sizeof(memory));
	struct address a;

	ck_assert_int_eq(address_parse_listening(&a, SLICE("systemd:web.socket")), 0);
	ck_assert(slice_eq(address_name(&a), SLICE("web.socket")));
	ck_assert(!address_is_unix(&a));
	ck_assert_uint_eq(address_port(&a), 0);
	address_write(&a, &w);
	ck_assert(slice_eq(writer_slice(&w), SLICE("systemd:web.socket")));
	ck_assert_int_eq(address_parse(&a, SLICE("systemd:web")), ERR_SYNTAX);
	ck_assert_int_eq(address_parse_listening(&a, SLICE("systemd:")), ERR_SYNTAX);
	ck_assert_int_eq(address_parse_listening(&a, SLICE("systemd:a:b")), ERR_SYNTAX);
	ck_assert_int_eq(address_parse_listening(&a, SLICE("systemd:a b")), ERR_SYNTAX);
	ck_assert_int_eq(address_parse_listening(&a, SLICE("systemd:a\0")), ERR_SYNTAX);
	memset(text + 8, 'a', ADDRESS_NAME_BYTES);
	ck_assert_int_eq(address_parse_listening(&a, slice_make(text, 8 + ADDRESS_NAME_BYTES - 1)),
			 0);
	ck_assert_uint_eq(address_name(&a).len, ADDRESS_NAME_BYTES - 1);
	ck_assert_int_eq(address_parse_listening(&a, slice_make(text, 8 + ADDRESS_NAME_BYTES)),
			 ERR_SYNTAX);
	ck_assert_int_eq(address_parse_listening(&a, SLICE("127.0.0.1:80")), 0);
	ck_assert_uint_eq(address_name(&a).len, 0);
}
END_TEST

static const struct {
	const char *address, *client;
} clients[] = {
	{ "[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2::" },
	{ "[2001:db8:1:2:ffff::1]:81", "2001:db8:1:2::" },
	{ "[2001:db8:1:3::]:80", "2001:db8:1:3::" },
	{ "[::ffff:192.0.2.1]:80", "192.0.2.1" },
	{ "192.0.2.1:80", "192.0.2.1" },
	{ "unix:/a", "unix" },
};

START_TEST(a_network_of_ipv6_is_one_client)
{
	struct address a;
	char text[64];
	struct writer w = writer_over(text, sizeof(text));

	ck_assert_int_eq(address_parse(&a, slice_of(clients[_i].address)), 0);
	address_to_client(&a);
	address_write_host(&a, &w);
	ck_assert(slice_eq(writer_slice(&w), slice_of(clients[_i].client)));
}
END_TEST

Suite *
suite_base_address(void)
{
	Suite *s = suite_create("base_address");
	TCase *t = tcase_create("address");

	tcase_add_test(t, each_form_is_written_as_it_was_read);
	tcase_add_test(t, anything_else_is_refused_and_changes_nothing);
	tcase_add_test(t, nul_hides_nothing);
	tcase_add_test(t, unix_path_ends_where_the_kernel_says);
	tcase_add_test(t, a_name_is_for_listening_alone);
	tcase_add_loop_test(t, a_network_of_ipv6_is_one_client, 0,
			    sizeof(clients) / sizeof(clients[0]));
	suite_add_tcase(s, t);
	return s;
}
