/*
 * The list of servers: its forms, its mistakes, names and their addresses.
 */
#include "upstream_bed.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

Suite *suite_source_upstream_servers(void);

static const struct {
	const char *servers, *said;
} lists[] = {
	{ "http://127.0.0.1", "" },
	{ "http://127.0.0.1:1, http://[::1]:65535, http://localhost, unix:/run/x", "" },
	{ "127.0.0.1:80", "a server is http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH" },
	{ "http://", "a server is http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH" },
	{ "http://:80", "a server is http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH" },
	{ "http://user@host", "a server is http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH" },
	{ "http://host:99999",
	  "a server is http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH" },
	{ "http://127.0.0.1:0", "has no address: port 0" },
	{ "http://127.0.0.1/", "a path belongs to the part's `path`" },
	{ "http://127.0.0.1 weight=2, unix:/tmp/s weight=256", "" },
	{ "http://127.0.0.1 weight=0", "a weight is a number from 1 to 256" },
	{ "http://127.0.0.1 weight=257", "a weight is a number from 1 to 256" },
	{ "unix:/tmp/s weight=x", "a weight is a number from 1 to 256" },
	{ "http://127.0.0.1 backup", "only weight=N may stand" },
	{ "http://no-such-name.invalid", "\"http://no-such-name.invalid\" has no address: " },
	{ "unix:", "\"unix:\" is not a usable path" },
};

enum { LISTS = sizeof(lists) / sizeof(lists[0]) };

START_TEST(a_server_that_cannot_be_used_is_an_error_with_its_line)
{
	char section[256];
	const char *said;

	snprintf(section, sizeof(section), "servers = %s", lists[_i].servers);
	said = bed_complaint(section, "", BED_JOINED);
	ck_assert_msg(strstr(said, lists[_i].said) != NULL, "not \"%s\" but \"%s\"", lists[_i].said,
		      said);
	if (lists[_i].said[0])
		ck_assert_msg(strncmp(said, "f:2: [upstream u] servers: ", 27) == 0, "%s", said);
	else
		ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(every_wrong_server_is_named)
{
	const char *said = bed_complaint("servers = ftp://a, http://b/c", "", BED_JOINED);

	ck_assert_ptr_nonnull(strstr(said, "ftp://a"));
	ck_assert_ptr_nonnull(strstr(said, "http://b/c"));
}
END_TEST

START_TEST(a_unix_socket_is_asked_like_any_server)
{
	char folder[] = "/tmp/upstream-XXXXXX", section[128];
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct bed *b;
	struct ask *a;
	int listener, fd;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/s", folder);
	snprintf(section, sizeof(section), "servers = unix:%s", at.sun_path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	b = bed_open(section, "path = /x", BED_JOINED);
	a = bed_ask(b);
	bed_turn(b);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	bed_expect(b, fd, "GET /x HTTP/1.1\r\nHost: localhost\r\n");
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert(ask_has(a, "ok"));
	close(fd);
	close(listener);
	unlink(at.sun_path);
	rmdir(folder);
	bed_close(b);
}
END_TEST

Suite *
suite_source_upstream_servers(void)
{
	Suite *s = suite_create("source_upstream_servers");
	TCase *t = tcase_create("servers");

	tcase_add_loop_test(t, a_server_that_cannot_be_used_is_an_error_with_its_line, 0, LISTS);
	tcase_add_test(t, every_wrong_server_is_named);
	tcase_add_test(t, a_unix_socket_is_asked_like_any_server);
	suite_add_tcase(s, t);
	return s;
}
